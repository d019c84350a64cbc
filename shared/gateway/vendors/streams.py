"""Streams as they come: out of bytes into events, whatever frames them, and what ends them too early."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping
from typing import Any, Final, Protocol

from gateway.aws.eventstream import Decoder
from gateway.dialects.neutral import BlockStop, Start, Told, Used
from gateway.dialects.pairs import Piece, Stream
from gateway.dialects.sse import Parser
from gateway.dialects.values import json_object, mapping
from gateway.errors import UpstreamError
from gateway.transport import Broken, Exchange
from gateway.vendors.base import QUIET, Chunk, Counted, Event
from gateway.vendors.failures import STATUS_BY_TYPE, refused, word
from gateway.vendors.seen import seen

Events = Iterator[tuple[str, dict[str, Any], str]]
_BINARY: Final = "application/vnd.amazon.eventstream"
_ERRORS: Final = ("exception", "error")  # modelled, and not
_DONE: Final = "[DONE]"
# What an error type of Anthropic's means in HTTP: a stream that has begun has no status of its own any more.
_STATUS: Final[Mapping[str, int]] = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "timeout_error": 504,
    "overloaded_error": 529,
}


class StreamError(Exception):
    """The stream ends in an error of the provider's; `kind` is its name of it."""

    def __init__(self, kind: str, message: object) -> None:
        super().__init__(kind)
        self.kind, self.message = kind, message

    def failure(self, provider: str, *, begun: bool) -> UpstreamError:
        """What it means. `begun`: something was said before, so that nobody can know what it costs."""
        if begun:
            return UpstreamError(
                f"The answer of {provider} broke off.", provider=provider, reason=word(self.kind) or "error_in_stream"
            )
        kind = self.kind[:1].upper() + self.kind[1:]
        status = STATUS_BY_TYPE.get(kind) or _STATUS.get(self.kind, 500)
        return refused(provider, status, {}, code=self.kind, message=self.message)


def relayed(exchange: Exchange, headers: Mapping[str, str], stream: Stream, wake: float | None) -> Iterator[Event]:
    """A stream's events in the client's dialect, as they come. Raises StreamError, Unusable, HttpErrors."""
    frames = frames_of(headers.get("content-type", ""))
    for came in exchange.pieces(wake=wake):
        if not came:
            yield QUIET
        for kind, event, data in frames.feed(came):
            for piece in stream.hear(kind, event):
                yield from _told(piece, data if stream.same else "", stream)
    frames.end()
    for piece in stream.end():
        yield from _told(piece, "", stream)


def _told(piece: Piece, data: str, stream: Stream) -> Iterator[Event]:
    counted = next((each for each in reversed(piece.deltas) if isinstance(each, (Told, Used))), None)
    if isinstance(counted, Used):
        yield Counted(counted.usage, final=stream.ended, tier=counted.tier)
    elif counted is not None:
        yield Counted(counted.usage)
    if piece.event is not None:
        pieces, size = seen(piece, same=stream.same)
        content = any(not isinstance(each, (Start, Told, Used, BlockStop)) for each in piece.deltas)
        yield Chunk(piece.event, piece.kind, data, content, pieces, size)


class Frames(Protocol):
    """What frames the events of a stream. `feed` gives those that are whole by now: type (empty where it has none),
    payload, and the payload's own text where the stream is text. It raises StreamError for an error among them, Broken
    for what is no such stream; `end` Broken where the stream ends within an event."""

    def feed(self, piece: bytes) -> Events: ...
    def end(self) -> None: ...


def frames_of(content_type: str) -> Frames:
    """What frames the events of an answer of this type."""
    return _Binary() if content_type.startswith(_BINARY) else _Text()


class _Text:
    def __init__(self) -> None:
        self._parser = Parser()

    def feed(self, piece: bytes) -> Events:
        for name, data in self._parser.feed(piece):
            if data == _DONE:
                continue  # read on: a connection is kept where its answer was read to the end
            event = json_object(data)
            if event is None:
                raise Broken("an event is no JSON object")
            said = event.get("type")
            kind = said if isinstance(said, str) else name
            yield kind, _sound(kind, event), data

    def end(self) -> None:
        """An event that no empty line ends is none."""


class _Binary:
    def __init__(self) -> None:
        self._decoder = Decoder()

    def feed(self, piece: bytes) -> Events:
        try:
            messages = list(self._decoder.feed(piece))
        except ValueError as damaged:
            raise Broken(str(damaged)) from None
        for message in messages:
            event, data = json_object(message.payload or b"{}"), ""
            if message.headers.get(":message-type") in _ERRORS:
                raise StreamError(message.kind, mapping(event).get("message"))
            if message.kind == "chunk" and event is not None:
                event, data = _inner(event.get("bytes"))
            if event is None:
                raise Broken("an event is no JSON object")
            said = event.get("type") if message.kind == "chunk" else message.kind
            kind = said if isinstance(said, str) else ""
            yield kind, _sound(kind, event), data

    def end(self) -> None:
        if not self._decoder.whole:
            raise Broken("the stream ends within an event")


def _sound(kind: str, event: dict[str, Any]) -> dict[str, Any]:
    if event.get("error"):
        error = mapping(event["error"])
        named = error.get("type") if kind == "error" else error.get("code") or error.get("type")
        raise StreamError(str(named), error.get("message"))
    return event


def _inner(data: object) -> tuple[dict[str, Any] | None, str]:
    """The model's own event, in InvokeModel's, and its text."""
    try:
        text = base64.b64decode(data, validate=True).decode() if isinstance(data, str) else ""
    except (binascii.Error, ValueError):
        return None, ""
    return json_object(text), text
