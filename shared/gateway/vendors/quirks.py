"""Applies a host's quirks to a request as it leaves (`gateway.models.vendors` lists them)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from string import ascii_letters, digits
from typing import Any

from gateway.dialects.values import mapping
from gateway.dialects.written import Written
from gateway.models.vendors import Quirks
from gateway.vendors.failures import rejected_here

_OF_MESSAGES = "messages[]."
_ALPHABET = ascii_letters + digits


def changes(quirks: Quirks) -> bool:
    """Whether `apply` may change or refuse a request at all."""
    return bool(quirks.refuses or quirks.omits or quirks.drops or quirks.renames or quirks.tool_id_length)


def apply(written: Written, quirks: Quirks, provider: str) -> None:
    """Raises UpstreamRejected (not sent) with the path of a field that the host refuses."""
    body = written.body
    for name in quirks.refuses:
        if body.get(name):  # false and the like change nothing, but the host would refuse them too
            raise rejected_here(provider, f"The provider {provider} has no field {name}.", name)
        body.pop(name, None)
    for name in quirks.omits:
        body.pop(name, None)
    for name in quirks.drops:
        if name.startswith(_OF_MESSAGES):
            _drop_of_messages(written, name.removeprefix(_OF_MESSAGES))
        elif body.pop(name, None) is not None:
            written.dropped.append(name)
    for name, there in quirks.renames:
        if name in body:
            body[there] = body.pop(name)
    if quirks.tool_id_length:
        _fit_tool_ids(body, quirks.tool_id_length)


def _drop_of_messages(written: Written, name: str) -> None:
    messages = _messages(written.body)
    found = [at for at, message in enumerate(messages) if message.get(name) is not None]
    if found:  # the messages are the client's own, so they are copied, not changed
        written.body["messages"] = [{key: value for key, value in each.items() if key != name} for each in messages]
        written.dropped.extend(f"messages[{at}].{name}" for at in found)


def _fit_tool_ids(body: dict[str, Any], length: int) -> None:
    """Replaces ids of another form. The same id always becomes the same new one, so a call and its result still
    match."""

    def fitting(tool_id: object) -> object:
        if not isinstance(tool_id, str) or (len(tool_id) == length and tool_id.isascii() and tool_id.isalnum()):
            return tool_id
        number = int.from_bytes(hashlib.sha256(tool_id.encode(errors="replace")).digest(), "big")
        return "".join(_ALPHABET[number // len(_ALPHABET) ** at % len(_ALPHABET)] for at in range(length))

    body["messages"] = [_with_ids(message, fitting) for message in _messages(body)]


def _with_ids(message: Mapping[str, Any], fitting: Callable[[object], object]) -> dict[str, Any]:
    changed, calls = dict(message), message.get("tool_calls")
    if "tool_call_id" in message:
        changed["tool_call_id"] = fitting(message["tool_call_id"])
    if isinstance(calls, list):
        changed["tool_calls"] = [{**mapping(each), "id": fitting(mapping(each).get("id"))} for each in calls]
    return changed


def _messages(body: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [mapping(each) for each in body.get("messages") or ()]
