"""Streams as they come: out of bytes into events, whatever frames them, and what ends them too early."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, Protocol

from gateway.aws.eventstream import Decoder, Message
from gateway.dialects.pairs import Heard, Stream, halves
from gateway.dialects.sse import MOST_EVENT, Parser
from gateway.dialects.values import json_object, mapping
from gateway.error_shapes import STATUSES
from gateway.errors import UpstreamCredentials, UpstreamError
from gateway.transport import Broken, Exchange, HttpError
from gateway.vendors.base import QUIET, Chunk, Counted, Event, Made
from gateway.vendors.failures import STATUS_BY_TYPE, kind_told, refused, word

Events = Iterator[tuple[str, dict[str, Any], str]]
_BINARY: Final = "application/vnd.amazon.eventstream"
_ERRORS: Final = ("exception", "error")  # modelled, and not
_DONE: Final = "[DONE]"
_FAILED: Final = "response.failed"
_FAILURES: Final = (_FAILED, "error")
# What a stream's error means in HTTP: Anthropic's types, and codes of a response that failed.
_STATUS: Final[Mapping[str, int]] = {
    **STATUSES,
    "context_length_exceeded": 400,
    "invalid_prompt": 400,
    "insufficient_quota": 429,
    "rate_limit_exceeded": 429,
    "server_is_overloaded": 503,
    "slow_down": 503,
}
# The types that a client does something about.
_TOLD_BY: Final[Mapping[int, str]] = {
    408: "timeout_error",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
    529: "overloaded_error",
}


class StreamError(Exception):
    """The stream ends in an error of the provider's; `kind` is its name of it. `void`: by its own word it has made
    nothing, and counted nothing."""

    def __init__(self, kind: str, message: object, *, void: bool = False) -> None:
        super().__init__(kind)
        self.kind, self.message, self.void = kind, message, void

    def failure(self, provider: str, *, begun: bool, mask: Callable[[object], str] | None = None) -> UpstreamError:
        """What it means. `begun`: something was said before, so that nobody can know what it costs. With a `mask`,
        which makes its words fit to be shown, they are told to the client."""
        kind = self.kind[:1].upper() + self.kind[1:]
        status = STATUS_BY_TYPE.get(kind) or _STATUS.get(self.kind, 500)
        if begun and not self.void:
            failure = UpstreamError(
                f"The answer of {provider} broke off.", provider=provider, reason=word(self.kind) or "error_in_stream"
            )
            failure.told_kind = _TOLD_BY.get(status, "")  # whose clients wait for it, or try again
        else:
            failure = refused(provider, status, {}, code=self.kind, message=self.message)
        if mask is not None and not isinstance(failure, UpstreamCredentials):
            failure.told, failure.told_kind = mask(self.message), kind_told(self.kind) or failure.told_kind
        return failure


def relayed(exchange: Exchange, headers: Mapping[str, str], stream: Stream) -> Iterator[Event]:
    """A stream's events in the client's dialect, as they come; QUIET where bytes come that make none, and each time
    when the provider is silent. One that goes beyond its cap is ended here. Raises StreamError, Unusable, HttpErrors.
    """
    frames = frames_of(headers.get("content-type", ""))
    tap, over = stream.tap, False
    try:
        for came in exchange.pieces(max_bytes=None):
            told = over
            for kind, event, data in () if over else frames.feed(came):
                heard = stream.hear(kind, event, data)
                if stream.beyond:
                    yield from _told(Heard(tap.cut(), content=True, counted=heard.counted), stream)
                    return
                for each in _told(heard, stream):
                    told = True
                    yield each
                if tap.over:  # whatever stands behind it in the same piece
                    break
            if not told:
                yield QUIET
            if not over and (frames.done or tap.over):
                over = True
                exchange.to_the_end()  # a connection is kept where its answer was read to the end
    except StreamError as failed:
        failed.void = failed.void and not stream.said
        raise
    except HttpError:
        if not over:  # all was said
            raise
    for kind, event, data in () if over else frames.end():
        yield from _told(stream.hear(kind, event, data), stream)
    left = tap.end(done=frames.done)
    yield from _told(Heard(left, content=bool(left)), stream)


def retold(dialect: str, answer: Mapping[str, Any], *, known: str, model: str) -> Iterator[Event]:
    """A whole answer in the client's dialect, as events of its stream; of several choices the first. Raises
    Unusable."""
    client, native = halves(dialect, dialect)
    writer = client.writer(known=known, model=model)
    size = len(json.dumps(answer, ensure_ascii=False).encode(errors="replace"))
    for delta in native.deltas(answer, {}) or ():
        for kind, event in writer.write(delta):
            yield Chunk(event, kind, "", content=True, size=size)
            size = 0
    for kind, event in writer.end():
        yield Chunk(event, kind)


def _told(heard: Heard, stream: Stream) -> Iterator[Event]:
    if heard.counted is not None:
        used = stream.used
        yield Counted(heard.counted, final=stream.tap.ended, tier=used.tier if used else "")
    pieces, size = heard.pieces, heard.size
    if not heard.events and (heard.content or pieces):
        yield Made(heard.content, pieces, size)
    for kind, event, data in heard.events:
        yield Chunk(event, kind, data, heard.content, pieces, size)
        pieces = size = 0


class Frames(Protocol):
    """What frames the events of a stream. `feed` gives those that are whole by now: type (empty where it has none),
    payload, and the payload's own text where the stream is text. It raises StreamError for an error among them, Broken
    for what is no such stream. `end` gives one that is whole, though nothing closed it; it raises Broken where the
    stream ends within an event. `done`: the host said that the last one came."""

    done: bool

    def feed(self, piece: bytes) -> Events: ...
    def end(self) -> Events: ...


def frames_of(content_type: str) -> Frames:
    """What frames the events of an answer of this type."""
    return _Binary() if content_type.startswith(_BINARY) else _Text()


class _Text:
    def __init__(self) -> None:
        self._parser = Parser()
        self.done = False

    def feed(self, piece: bytes) -> Events:
        try:
            for name, data in self._parser.feed(piece):
                if data == _DONE:
                    self.done = True
                if self.done or not data.strip():
                    continue
                event = json_object(data)
                if event is None:
                    raise Broken("an event is no JSON object")
                said = event.get("type")
                kind = said if isinstance(said, str) else name
                yield kind, _sound(kind, event), data
        except ValueError as endless:
            raise Broken(str(endless)) from None

    def end(self) -> Events:
        """The last event may lack the line that closes it. One that is cut off is none."""
        try:
            yield from self.feed(b"\n\n")
        except Broken:
            return


class _Binary:
    def __init__(self) -> None:
        self._decoder = Decoder(MOST_EVENT)
        self.done = False

    def feed(self, piece: bytes) -> Events:
        try:
            yield from map(self._event, self._decoder.feed(piece))  # as they come: what is sound stands before damage
        except ValueError as damaged:
            raise Broken(str(damaged)) from None

    @staticmethod
    def _event(message: Message) -> tuple[str, dict[str, Any], str]:
        event, data = json_object(message.payload or b"{}"), ""
        if message.headers.get(":message-type") in _ERRORS:
            raise StreamError(message.kind, mapping(event).get("message"))
        if message.kind == "chunk" and event is not None:
            event, data = _inner(event.get("bytes"))
        if event is None:
            raise Broken("an event is no JSON object")
        said = event.get("type") if message.kind == "chunk" else message.kind
        kind = said if isinstance(said, str) else ""
        return kind, _sound(kind, event), data

    def end(self) -> Events:
        if not self._decoder.whole:
            raise Broken("the stream ends within an event")
        return iter(())


def _sound(kind: str, event: dict[str, Any]) -> dict[str, Any]:
    if event.get("error") or kind == "error":
        error = mapping(event.get("error")) or event
        named = error.get("type") if kind == "error" else error.get("code") or error.get("type")
        raise StreamError(str(named), error.get("message"))
    if kind in _FAILURES:
        _check_failed(kind, event)
    return event


def _check_failed(kind: str, event: Mapping[str, Any]) -> None:
    """A response that failed, which says so of itself. With counts it is read on: they are billed."""
    response = mapping(event.get("response"))
    error = mapping(response.get("error")) if kind == _FAILED else event
    if not response.get("usage"):
        void = kind == _FAILED and not response.get("output")
        raise StreamError(str(error.get("code") or "server_error"), error.get("message"), void=void)


def _inner(data: object) -> tuple[dict[str, Any] | None, str]:
    """The model's own event, in InvokeModel's, and its text."""
    try:
        text = base64.b64decode(data, validate=True).decode() if isinstance(data, str) else ""
    except (binascii.Error, ValueError):
        return None, ""
    return json_object(text), text
