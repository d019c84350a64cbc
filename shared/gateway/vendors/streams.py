"""Reads streams as they come: turns bytes into events, whatever their framing, and finds errors and early ends."""

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
_WHOLE: Final = ("application/json", "text/html")
_ERRORS: Final = ("exception", "error")  # modelled, and not modelled
_DONE: Final = "[DONE]"
_FAILED: Final = "response.failed"
_FAILURES: Final = (_FAILED, "error")
# The HTTP status for an error in a stream: by Anthropic's types, and by the codes of a failed response.
_STATUS: Final[Mapping[str, int]] = {
    **STATUSES,
    "context_length_exceeded": 400,
    "invalid_prompt": 400,
    "insufficient_quota": 429,
    "rate_limit_exceeded": 429,
    "server_is_overloaded": 503,
    "slow_down": 503,
}
# The types on which a client acts.
_TOLD_BY: Final[Mapping[int, str]] = {
    408: "timeout_error",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
    529: "overloaded_error",
}


class StreamError(Exception):
    """The stream ended with a provider's error; `kind` is the provider's name for it. `void`: the error says that
    nothing was made and nothing was counted."""

    def __init__(self, kind: str, message: object, *, void: bool = False) -> None:
        super().__init__(kind)
        self.kind, self.message, self.void = kind, message, void

    def failure(self, provider: str, *, begun: bool, mask: Callable[[object], str] | None = None) -> UpstreamError:
        """The gateway's error for it. `begun`: part of the answer came before, so that its cost can't be known. With a
        `mask`, which makes the provider's text fit to be shown, the client gets that text."""
        kind = self.kind[:1].upper() + self.kind[1:]
        status = STATUS_BY_TYPE.get(kind) or _STATUS.get(self.kind, 500)
        if begun and not self.void:
            failure = UpstreamError(
                f"The answer of {provider} broke off.", provider=provider, reason=word(self.kind) or "error_in_stream"
            )
            failure.told_kind = _TOLD_BY.get(status, "")  # clients that read it wait, or try again
        else:
            failure = refused(provider, status, {}, code=self.kind, message=self.message)
        if mask is not None and not isinstance(failure, UpstreamCredentials):
            failure.told, failure.told_kind = mask(self.message), kind_told(self.kind) or failure.told_kind
        return failure


def relayed(exchange: Exchange, headers: Mapping[str, str], stream: Stream) -> Iterator[Event]:
    """A stream's events in the client's dialect, as they come. QUIET comes for bytes that make no event, and each time
    that the provider is silent. A stream beyond its cap is ended here. Raises StreamError, Unusable, HttpErrors."""
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
                if tap.over:  # ignore what follows it in the same piece
                    break
            if not told:
                yield QUIET
            if not over and (frames.done or tap.over):
                over = True
                exchange.to_the_end()  # a connection is kept only if its answer was read to the end
    except StreamError as failed:
        failed.void = failed.void and not stream.said
        raise
    except HttpError:
        if not over:  # the whole answer came
            raise
    for kind, event, data in () if over else frames.end():
        yield from _told(stream.hear(kind, event, data), stream)
    left = tap.end(done=frames.done)
    yield from _told(Heard(left, content=bool(left)), stream)


def is_whole(content_type: str) -> bool:
    """Whether a successful answer of this content type is no stream, so that it is judged as a whole: the JSON of a
    host that does not stream, or the page of a proxy, which is no answer and costs nothing."""
    return content_type.partition(";")[0].strip().lower() in _WHOLE


def retold(dialect: str, answer: Mapping[str, Any], *, known: str, model: str) -> Iterator[Event]:
    """A whole answer in the client's dialect as the events of its stream; of several choices, only the first. Raises
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
    """The framing of a stream's events. `feed` returns the events that are complete by now: type (empty if it has
    none), payload, and the payload's own text if the stream is text. It raises StreamError for an error event, and
    Broken for data that is not such a stream. `end` returns an event that is complete but was not closed; it raises
    Broken if the stream ends within an event. `done`: the host said that the last event came."""

    done: bool

    def feed(self, piece: bytes) -> Events: ...
    def end(self) -> Events: ...


def frames_of(content_type: str) -> Frames:
    """The framing of an answer of this content type."""
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
        """The last event may lack the line that closes it. An event that is cut off is not returned."""
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
            yield from map(self._event, self._decoder.feed(piece))  # one by one: those before damaged data are kept
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
    """Raises StreamError for a failed response. One with counts is read on, because the counts are billed."""
    response = mapping(event.get("response"))
    error = mapping(response.get("error")) if kind == _FAILED else event
    if not response.get("usage"):
        void = kind == _FAILED and not response.get("output")
        raise StreamError(str(error.get("code") or "server_error"), error.get("message"), void=void)


def _inner(data: object) -> tuple[dict[str, Any] | None, str]:
    """The model's own event inside InvokeModel's event, and its text."""
    try:
        text = base64.b64decode(data, validate=True).decode() if isinstance(data, str) else ""
    except (binascii.Error, ValueError):
        return None, ""
    return json_object(text), text
