"""Messages as clients of the gateway speak it: its requests, and its answers and streams with their cost."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from gateway import context
from gateway.dialects.messages.schema import MessagesRequest, parse_messages
from gateway.dialects.messages.usage import written_usage
from gateway.dialects.sse import event_of, written
from gateway.dialects.values import mapping
from gateway.error_shapes import messages_error
from gateway.errors import GatewayError
from gateway.models.usage import Usage, shown

_DELIVERY: Final = frozenset(("model", "stream"))


class _Spoken:
    """See `gateway.calls.asked.Spoken`."""

    mode = "chat"

    def parse(self, body: Mapping[str, Any]) -> MessagesRequest:
        return parse_messages(body)

    def leaving(self, body: Mapping[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in body.items() if name not in _DELIVERY}

    def billed(
        self, asked: MessagesRequest, body: Mapping[str, Any], usage: Usage | None, cost: Mapping[str, Any]
    ) -> dict[str, Any]:
        counted = shown(mapping(body.get("usage")), usage, written_usage)
        return {**body, "usage": {**counted, **cost}}

    def delivery(self, asked: MessagesRequest, *, by_end: bool = False) -> _Delivery:
        return _Delivery()


class _Delivery:
    """See `gateway.calls.asked.Delivery`. `message_delta`, which has the counts, waits for the cost: hardly
    anything but `message_stop` follows it."""

    def __init__(self) -> None:
        self._last: list[tuple[str, dict[str, Any], str]] = []

    def ping(self) -> bytes:
        return event_of('{"type":"ping"}', "ping")

    def chunk(self, kind: str, event: dict[str, Any], data: str) -> bytes:
        if kind != "message_delta" and not self._last:
            return written(kind, event, data)
        before, self._last = (self._last, []) if kind == "message_delta" else ([], self._last)
        self._last.append((kind, event, data))
        return b"".join(written(kind, event, data) for kind, event, data in before)

    def end(self, usage: Usage | None, facts: Mapping[str, Any]) -> bytes:
        sent = b""
        for kind, event, data in self._last:
            if kind == "message_delta":
                counted = shown(mapping(event.get("usage")), usage, written_usage)
                event, data = {**event, "usage": {**counted, **facts}}, ""
            sent += written(kind, event, data)
        return sent

    def error(self, error: GatewayError, facts: Mapping[str, Any]) -> bytes:
        told = messages_error(error, context.current().request_id)
        return written("error", {**told, "error": {**told["error"], **facts}})


SPOKEN: Final = _Spoken()
