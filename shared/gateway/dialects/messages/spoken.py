"""Messages as clients of the gateway speak it: its requests, and its answers and streams with what they cost."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from gateway.dialects.messages.schema import MessagesRequest, parse_messages
from gateway.dialects.messages.usage import written_usage
from gateway.dialects.sse import event_of
from gateway.error_shapes import messages_error
from gateway.errors import GatewayError
from gateway.models.usage import Usage

_DELIVERY: Final = frozenset(("model", "stream"))
_LAST: Final = ("message_delta", "message_stop")


class _Spoken:
    """See `gateway.calls.asked.Spoken`."""

    def parse(self, body: Mapping[str, Any]) -> MessagesRequest:
        return parse_messages(body)

    def leaving(self, body: Mapping[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in body.items() if name not in _DELIVERY}

    def billed(self, body: Mapping[str, Any], usage: Usage | None, cost: Mapping[str, Any]) -> dict[str, Any]:
        counted = body.get("usage") or (written_usage(usage) if usage is not None else {})
        return {**body, "usage": {**counted, **cost}}

    def delivery(self, asked: MessagesRequest) -> _Delivery:
        return _Delivery()


class _Delivery:
    """See `gateway.calls.asked.Delivery`. `message_delta`, which has the counts, waits for the cost: nothing but
    `message_stop` comes behind it."""

    def __init__(self) -> None:
        self._last: list[tuple[str, dict[str, Any]]] = []

    def ping(self) -> bytes:
        return event_of('{"type":"ping"}', "ping")

    def chunk(self, kind: str, event: dict[str, Any], data: str) -> bytes:
        if kind in _LAST:
            self._last.append((kind, event))
            return b""
        return event_of(data or _text(event), kind)

    def end(self, usage: Usage | None, cost: Mapping[str, Any]) -> bytes:
        sent = b""
        for kind, event in self._last:
            if kind == "message_delta":
                counted = event.get("usage") or (written_usage(usage) if usage is not None else {})
                event = {**event, "usage": {**counted, **cost}}
            sent += event_of(_text(event), kind)
        return sent

    def error(self, error: GatewayError) -> bytes:
        return event_of(_text(messages_error(error)), "error")


def _text(event: Mapping[str, Any]) -> str:
    return json.dumps(event, separators=(",", ":"), allow_nan=False)


SPOKEN: Final = _Spoken()
