"""Chat as clients of the gateway speak it: its requests, and its answers and streams with what they cost."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from gateway.dialects.chat.schema import ChatRequest, parse_chat, provider_body
from gateway.dialects.sse import event_of
from gateway.error_shapes import openai_error
from gateway.errors import GatewayError
from gateway.models.usage import Usage, openai_usage

_DONE: Final = b"data: [DONE]\n\n"
_FRAME: Final = ("id", "created", "model", "service_tier", "system_fingerprint")


class _Spoken:
    """See `gateway.calls.asked.Spoken`."""

    def parse(self, body: Mapping[str, Any]) -> ChatRequest:
        return parse_chat(body)

    def leaving(self, body: Mapping[str, Any]) -> dict[str, Any]:
        return provider_body(body)

    def billed(self, body: Mapping[str, Any], usage: Usage | None, cost: Mapping[str, Any]) -> dict[str, Any]:
        counted = body.get("usage") or (openai_usage(usage) if usage is not None else {})
        return {**body, "usage": {**counted, **cost}}

    def delivery(self, asked: ChatRequest) -> _Delivery:
        return _Delivery(usage=bool((asked.stream_options or {}).get("include_usage")))


class _Delivery:
    """See `gateway.calls.asked.Delivery`. The usage is a chunk of its own, and only where it was asked for: the
    provider is always asked for it."""

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
            self._usage = event.get("usage") or self._usage
            event, data = {name: value for name, value in event.items() if name not in ("usage", "x_groq")}, ""
            if not event.get("choices"):
                return b""
        return event_of(data or json.dumps(event, separators=(",", ":"), allow_nan=False))

    def end(self, usage: Usage | None, cost: Mapping[str, Any]) -> bytes:
        if not self._wants_usage:
            return _DONE
        counted = self._usage or (openai_usage(usage) if usage is not None else {})
        last = {**self._frame, "object": "chat.completion.chunk", "choices": [], "usage": {**counted, **cost}}
        return event_of(json.dumps(last, separators=(",", ":"), allow_nan=False)) + _DONE

    def error(self, error: GatewayError) -> bytes:
        return event_of(json.dumps({"error": openai_error(error)}, separators=(",", ":"))) + _DONE


SPOKEN: Final = _Spoken()
