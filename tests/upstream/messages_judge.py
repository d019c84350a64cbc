"""Whether Anthropic would accept a body sent to Messages, and whether an answer is a valid one: checked with the types
of its package, then with the rules that no type has. Every body that the fake gets is checked."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any, get_type_hints

from pydantic import TypeAdapter, ValidationError

from tests.upstream.messages_rules import broken_rules
from tests.upstream.typed import shape_faults

# Fields that the package no longer types; earlier models still accept them in the earlier version of the API.
SAMPLING = ("temperature", "top_p", "top_k")
_MOST_TOKENS = 1_000_000
_ERRORS = (
    "invalid_request_error",
    "authentication_error",
    "billing_error",
    "permission_error",
    "not_found_error",
    "rate_limit_error",
    "timeout_error",
    "api_error",
    "overloaded_error",
)


@functools.cache
def _adapter(name: str) -> TypeAdapter[Any]:
    # Imported here, because a fake that is only used for another dialect starts faster without it.
    import anthropic.types
    from anthropic.types import message_create_params

    return TypeAdapter(getattr(message_create_params, name, None) or getattr(anthropic.types, name))


def faults(body: Mapping[str, Any], *, also: Sequence[str] = (), model: bool = True) -> list[str]:
    """The faults of a body, as texts that begin with a path; empty if Anthropic would accept it. `also`: fields that a
    beta adds. `model` is missing if it is in the path."""
    given = {name: value for name, value in body.items() if name not in (*SAMPLING, *also)}
    if not model:
        if "model" in given or "stream" in given:
            return ["model: Extra inputs are not permitted"]
        given["model"] = "claude"
    params = "MessageCreateParamsStreaming" if given.get("stream") else "MessageCreateParamsNonStreaming"
    return shape_faults(_adapter(params), given) or list(broken_rules(body))


def count_faults(body: Mapping[str, Any], *, also: Sequence[str] = ()) -> list[str]:
    """The faults of a body sent to count its tokens, which has its own fields and no cap."""
    given = {name: value for name, value in body.items() if name not in also}
    return shape_faults(_adapter("MessageCountTokensParams"), given) or list(
        broken_rules({**body, "max_tokens": _MOST_TOKENS})
    )


def version_faults(body: Mapping[str, Any]) -> list[str]:
    """The fields that the version 2026-10-21 of the API no longer accepts."""
    found = [f"{name}: Extra inputs are not permitted" for name in SAMPLING if name in body]
    for number, message in enumerate(body.get("messages", ())):
        blocks = message["content"] if isinstance(message.get("content"), list) else []
        for at, block in enumerate(blocks):
            here = f"messages.{number}.content.{at}"
            if message.get("role") == "assistant" and block.get("type") == "document":
                found.append(f"{here}: document blocks can only be in user messages")
            if message.get("role") == "user" and block.get("type") == "text" and block.get("citations"):
                found.append(f"{here}.citations: Extra inputs are not permitted")
    return found


def warm() -> None:
    """Loads the types now, because that takes seconds, for which a test with a deadline has no time."""
    for name in ("MessageCreateParamsStreaming", "MessageCreateParamsNonStreaming", "MessageCountTokensParams"):
        _adapter(name)


def answer_faults(answer: Mapping[str, Any]) -> list[str]:
    """The faults of a whole message."""
    found = _model_faults("Message", answer)
    found += [] if answer.get("stop_reason") else ["stop_reason: is missing"]
    for at, block in enumerate(answer.get("content", ())):
        if block.get("type") == "text" and not block.get("text"):
            found.append(f"content.{at}.text: is empty, and refused when it is sent back")
    return found


def event_faults(kind: str, event: Mapping[str, Any]) -> list[str]:
    """The faults of an event of a stream."""
    if event.get("type") != kind:
        return [f"{kind}: its data are of type {event.get('type')}"]
    if kind == "ping":
        return [] if event == {"type": "ping"} else ["ping: holds something"]
    if kind == "error":
        error = event.get("error", {})
        sound = error.get("type") in _ERRORS and isinstance(error.get("message"), str) and error["message"]
        return [] if sound else [f"error: {error}"]
    return _model_faults("RawMessageStreamEvent", event)


def stream_faults(events: Sequence[tuple[str, Mapping[str, Any]]]) -> list[str]:
    """The faults of a stream: of its events, and of their order as Anthropic documents it."""
    found = [fault for kind, event in events for fault in event_faults(kind, event)]
    kinds = [kind for kind, _ in events if kind != "ping"]
    if kinds and kinds[-1] == "error":
        kinds = kinds[:-1]
    elif kinds[-2:] != ["message_delta", "message_stop"] or kinds.count("message_delta") != 1:
        found.append(f"the end: {kinds[-2:]}")
    if kinds and (kinds[0] != "message_start" or kinds.count("message_start") != 1):
        found.append(f"the start: {kinds[:1]}")
    opened: list[int] = []
    closed: list[int] = []
    for kind, event in events:
        index = event.get("index")
        if kind == "content_block_start" and index is not None:
            found += [] if index == len(opened) else [f"content_block_start: {index} behind {opened}"]
            opened.append(index)
        elif index is not None and (index not in opened or index in closed):
            found.append(f"{kind}: {index} is not open")
        if kind == "content_block_stop" and index is not None:
            closed.append(index)
        if kind == "message_delta" and opened != sorted(closed):
            found.append(f"message_delta: of {opened} only {closed} are closed")
    return found


def _model_faults(name: str, value: Any) -> list[str]:
    try:
        _adapter(name).validate_python(value)
    except ValidationError as error:
        return [f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors()]
    return []


def documented_fields() -> frozenset[str]:
    """The names of all fields of a request, with those of betas."""
    from anthropic.types import message_create_params as usual
    from anthropic.types.beta import message_create_params as beta

    names: set[str] = set()
    for params in (usual.MessageCreateParamsNonStreaming, beta.MessageCreateParamsNonStreaming):
        names |= get_type_hints(params).keys()
    return frozenset((*names, *SAMPLING))
