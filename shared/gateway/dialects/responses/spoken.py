"""Responses as clients of the gateway speak them: requests, and answers and streams with their cost."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from gateway.dialects.responses.echo import echoed
from gateway.dialects.responses.ends import failure_of
from gateway.dialects.responses.made.writer import begun
from gateway.dialects.responses.schema import ResponsesRequest, parse_responses
from gateway.dialects.responses.usage import counted
from gateway.dialects.sse import event_of, written
from gateway.errors import GatewayError
from gateway.models.usage import Usage

_DELIVERY: Final = frozenset(("model", "stream"))
_ENDS: Final = ("response.completed", "response.incomplete")
_OWN: Final = ("response.failed", "error")  # `error` writes these, with the codes that clients act on
_FRAMES: Final = ("response.created", "response.in_progress", "response.queued")


class _Spoken:
    """See `gateway.calls.asked.Spoken`."""

    mode = "chat"

    def parse(self, body: Mapping[str, Any]) -> ResponsesRequest:
        return parse_responses(body)

    def leaving(self, body: Mapping[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in body.items() if name not in _DELIVERY}

    def billed(
        self, asked: ResponsesRequest, body: Mapping[str, Any], usage: Usage | None, cost: Mapping[str, Any]
    ) -> dict[str, Any]:
        counts = {**counted(body.get("usage") or {}, usage), **cost}
        return {**echoed(asked), **body, "store": _stored(asked, body), "usage": counts}

    def delivery(self, asked: ResponsesRequest, *, by_end: bool = False) -> _Delivery:
        return _Delivery(asked, by_end=by_end)


class _Delivery:
    """See `gateway.calls.asked.Delivery`. The last event, which has the counts, waits for the cost. `by_end`: the
    client sends a request again if it does not know how the answer ended (docs/decisions/0062)."""

    def __init__(self, asked: ResponsesRequest, *, by_end: bool) -> None:
        self._asked, self._by_end = asked, by_end
        self._echo: dict[str, Any] | None = None
        self._last: tuple[str, dict[str, Any]] | None = None
        self._frame: dict[str, Any] = {}
        self._items: list[Any] = []
        self._number = -1

    def ping(self) -> bytes:
        """An event that no client reads, since some clients ignore comments. It has the number of the event before."""
        return written("keepalive", {"type": "keepalive", "sequence_number": self._number})

    def chunk(self, kind: str, event: dict[str, Any], data: str) -> bytes:
        if kind in _OWN:
            return b""
        number = event.get("sequence_number")
        self._number = number if isinstance(number, int) else self._number + 1
        if kind in _ENDS:
            self._last = kind, event
            return b""
        if kind in _FRAMES:
            return self._framed(kind, event, data)
        if kind == "response.output_item.done":
            self._items.append(event.get("item"))
        return written(kind, event, data)

    def end(self, usage: Usage | None, facts: Mapping[str, Any]) -> bytes:
        kind, event = self._last or ("response.completed", {"type": "response.completed"})
        response = self._whole(event.get("response") or {})
        response["usage"] = {**counted(response.get("usage") or {}, usage), **facts}
        if self._by_end:
            kind = "response.completed"  # it is paid for and complete: the client must not send it again
        return written(kind, {**event, "type": kind, "response": response})

    def error(self, error: GatewayError, facts: Mapping[str, Any]) -> bytes:
        sent = b""
        if not self._frame:
            for kind, event in begun(self._asked.model):
                sent += self.chunk(kind, event, "")
        told = {**failure_of(error, by_end=self._by_end), **facts}
        failed = {"status": "failed", "error": told, "output": self._items}
        response = self._whole({**self._frame, **failed, "usage": None})
        event = {"type": "response.failed", "sequence_number": self._number + 1, "response": response}
        return sent + written("response.failed", event)

    def _framed(self, kind: str, event: dict[str, Any], data: str) -> bytes:
        response = event.get("response") or {}
        self._frame = self._frame or {name: value for name, value in response.items() if name != "output"}
        if data and response.get("store") is _stored(self._asked, response):
            return event_of(data, kind)
        return written(kind, {**event, "response": self._whole(response)})

    def _whole(self, response: Mapping[str, Any]) -> dict[str, Any]:
        if self._echo is None:
            self._echo = echoed(self._asked)
        return {**self._echo, **response, "store": _stored(self._asked, response)}


def _stored(asked: ResponsesRequest, response: Mapping[str, Any]) -> bool:
    """Whether the provider has stored it: it was asked to, and says so."""
    return asked.store is True and response.get("store") is True


SPOKEN: Final = _Spoken()
