"""Streams as they come: out of bytes into events, whatever frames them, and what ends them too early."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from gateway.aws.eventstream import Decoder
from gateway.dialects.sse import Parser
from gateway.dialects.values import json_object, mapping
from gateway.errors import UpstreamError
from gateway.transport import Broken
from gateway.vendors.failures import STATUS_BY_TYPE, refused, word

Events = Iterator[tuple[str, Mapping[str, Any]]]
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


def events_of(pieces: Iterable[bytes], content_type: str) -> Events:
    """The events of a stream, type (empty where it has none) and payload. Raises StreamError for an error among them,
    Broken for what is no such stream, or ends within an event."""
    found = _binary(pieces) if content_type.startswith(_BINARY) else _text(pieces)
    for kind, event in found:
        if event.get("error"):
            error = mapping(event["error"])
            named = error.get("type") if kind == "error" else error.get("code") or error.get("type")
            raise StreamError(str(named), error.get("message"))
        yield kind, event


def _text(pieces: Iterable[bytes]) -> Events:
    parser = Parser()
    for piece in pieces:
        for name, data in parser.feed(piece):
            if data == _DONE:
                continue  # read on: a connection is kept where its answer was read to the end
            event = json_object(data)
            if event is None:
                raise Broken("an event is no JSON object")
            kind = event.get("type")
            yield kind if isinstance(kind, str) else name, event


def _binary(pieces: Iterable[bytes]) -> Events:
    decoder = Decoder()
    for piece in pieces:
        try:
            messages = list(decoder.feed(piece))
        except ValueError as damaged:
            raise Broken(str(damaged)) from None
        for message in messages:
            event = json_object(message.payload or b"{}")
            if message.headers.get(":message-type") in _ERRORS:
                raise StreamError(message.kind, mapping(event).get("message"))
            if message.kind == "chunk" and event is not None:
                event = _inner(event.get("bytes"))
            if event is None:
                raise Broken("an event is no JSON object")
            kind = event.get("type") if message.kind == "chunk" else message.kind
            yield kind if isinstance(kind, str) else "", event
    if not decoder.whole:
        raise Broken("the stream ends within an event")


def _inner(data: object) -> dict[str, Any] | None:
    """The model's own event, in InvokeModel's."""
    try:
        return json_object(base64.b64decode(data, validate=True)) if isinstance(data, str) else None
    except (binascii.Error, ValueError):
        return None
