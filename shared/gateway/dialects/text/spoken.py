"""Legacy completions as clients of the gateway speak them: requests, and answers and streams with their cost."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from gateway.dialects.sse import event_of
from gateway.dialects.text.schema import TextRequest, parse_text
from gateway.dialects.values import mapping
from gateway.error_shapes import openai_error
from gateway.errors import GatewayError
from gateway.json_text import to_text
from gateway.models.usage import Usage, openai_usage, shown

_GATEWAYS: Final = ("model", "stream", "stream_options", "tags")
_FRAME: Final = ("id", "object", "created", "model")
_DONE: Final = b"data: [DONE]\n\n"


class _Spoken:
    """See `gateway.calls.asked.Streamed`."""

    mode = "chat"

    def parse(self, body: Mapping[str, Any]) -> TextRequest:
        return parse_text(body)

    def leaving(self, body: Mapping[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in body.items() if name not in _GATEWAYS}

    def billed(
        self, asked: TextRequest, body: Mapping[str, Any], usage: Usage | None, cost: Mapping[str, Any]
    ) -> dict[str, Any]:
        counted = shown(mapping(body.get("usage")), usage, openai_usage)
        return {**body, "usage": {**counted, **cost}}

    def delivery(self, asked: TextRequest, *, by_end: bool = False) -> _Delivery:
        return _Delivery(usage=bool((asked.stream_options or {}).get("include_usage")))


class _Delivery:
    """See `gateway.calls.asked.Delivery`. The usage is a separate chunk if it was asked for, else a comment."""

    def __init__(self, *, usage: bool) -> None:
        self._wants_usage = usage
        self._frame: dict[str, Any] = {}

    def ping(self) -> bytes:
        return b": ping\n\n"

    def chunk(self, kind: str, event: dict[str, Any], data: str) -> bytes:
        self._frame = self._frame or {name: event[name] for name in _FRAME}
        return event_of(to_text(event))

    def end(self, usage: Usage | None, facts: Mapping[str, Any]) -> bytes:
        if not self._wants_usage:
            return f": {to_text(facts)}\n\n".encode() + _DONE
        counted = shown({}, usage, openai_usage)
        return event_of(to_text({**self._frame, "choices": [], "usage": {**counted, **facts}})) + _DONE

    def error(self, error: GatewayError, facts: Mapping[str, Any]) -> bytes:
        return event_of(to_text({"error": {**openai_error(error), **facts}})) + _DONE


SPOKEN: Final = _Spoken()
