"""Chat as clients of the gateway speak it: its requests, and its answers and streams with their cost."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from gateway.dialects.chat.schema import AnyRequest, parse_chat, provider_body
from gateway.dialects.sse import written
from gateway.dialects.values import mapping
from gateway.error_shapes import openai_error
from gateway.errors import GatewayError
from gateway.json_text import to_text
from gateway.models.usage import Usage, openai_usage, shown

# If it occurs only once, it is a field and not part of a text: quotes in a text are escaped.
_NULL: Final = re.compile(r',\s*"usage"\s*:\s*null')
_NOTHING_ELSE: Final = frozenset(("id", "object", "created", "model", "service_tier", "system_fingerprint", "choices"))
_DONE: Final = b"data: [DONE]\n\n"
_FRAME: Final = ("id", "created", "model", "service_tier", "system_fingerprint")


class _Spoken:
    """See `gateway.calls.asked.Spoken`."""

    mode = "chat"
    parse = staticmethod(parse_chat)
    leaving = staticmethod(provider_body)

    def billed(
        self, asked: AnyRequest, body: Mapping[str, Any], usage: Usage | None, cost: Mapping[str, Any]
    ) -> dict[str, Any]:
        counted = shown(mapping(body.get("usage")), usage, openai_usage)
        return {**body, "usage": {**counted, **cost}}

    def delivery(self, asked: AnyRequest, *, by_end: bool = False) -> _Delivery:
        return _Delivery(usage=bool((asked.stream_options or {}).get("include_usage")))


class _Delivery:
    """See `gateway.calls.asked.Delivery`. The usage is a separate chunk, and is sent only if the client asked for it;
    the provider is always asked for it. If the client did not, the gateway's facts are sent as a comment."""

    def __init__(self, *, usage: bool) -> None:
        self._wants_usage = usage
        self._frame: dict[str, Any] = {}
        self._usage: Mapping[str, Any] = {}

    def ping(self) -> bytes:
        return b": ping\n\n"

    def chunk(self, kind: str, event: dict[str, Any], data: str) -> bytes:
        if not self._frame:
            self._frame = {name: event[name] for name in _FRAME if name in event}
        if "usage" in event or "x_groq" in event:
            event, data = self._without_usage(event, data)
            if event.keys() <= _NOTHING_ELSE and not event["choices"]:
                return b""
        return written("", event, data)

    def _without_usage(self, event: dict[str, Any], data: str) -> tuple[dict[str, Any], str]:
        """Hosts send the usage in a separate chunk, in the last one, or in each, where it is null until the end."""
        said = event.get("usage")
        if said is None and "x_groq" not in event and data.count('"usage"') == 1:
            if self._wants_usage:
                return event, data  # as OpenAI sends it if it was asked for
            data, found = _NULL.subn("", data)
            return {name: value for name, value in event.items() if name != "usage"}, data if found else ""
        self._usage = mapping(said) or self._usage
        return {name: value for name, value in event.items() if name not in ("usage", "x_groq")}, ""

    def end(self, usage: Usage | None, facts: Mapping[str, Any]) -> bytes:
        if not self._wants_usage:
            return f": {to_text(facts)}\n\n".encode() + _DONE
        counted = shown(self._usage, usage, openai_usage)
        last = {**self._frame, "object": "chat.completion.chunk", "choices": [], "usage": {**counted, **facts}}
        return written("", last) + _DONE

    def error(self, error: GatewayError, facts: Mapping[str, Any]) -> bytes:
        return written("", {"error": {**openai_error(error), **facts}}) + _DONE


SPOKEN: Final = _Spoken()
