"""HTTP exchanges over kept-alive connections, with a deadline for the whole exchange and a cap on the answer's size.

A socket's timeout is per receive, so an answer that sends a byte a second, in its headers or its body, never exceeds
it. Here every receive lasts at most until the deadline. A redirect is an answer; it is never followed.
"""

from __future__ import annotations

import time
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Protocol
from urllib.parse import urlsplit

from gateway.http1 import PIECE, Head, HttpReply, PlainAnswer, Silence, at_once, request_bytes
from gateway.sockets import Resolve, SecureConnection, TimedConnection, addresses_of
from gateway.times import NO_WAITS, Waits

MAX_BYTES = 6_291_456
_TO_THE_END = 0.25  # seconds, for the rest of an answer whose last event has come
_MOST_IDLE = 64  # connections kept for the next exchange; further ones are closed
# A load balancer closes an idle connection after a minute; a NAT gateway drops one silently after six minutes. A
# request that is sent after that is lost, and a call is charged for a request that nobody answers.
_IDLE_SECONDS = 50.0
_FAULTS = (OSError, ValueError)  # what sockets raise; ValueError: what came is not HTTP


class HttpError(Exception):
    """No complete answer came. `sent` tells whether the request may have reached the other side."""

    sent = True


class NotSent(HttpError):
    """There was no connection, so nothing reached the other side."""

    sent = False


class TimedOut(HttpError):
    """The deadline passed."""

    def __init__(self, message: str, *, sent: bool) -> None:
        super().__init__(message)
        self.sent = sent


class Broken(HttpError):
    """The connection was reset, or the answer ended early or was not HTTP."""


class TooLarge(HttpError):
    """The answer is larger than the caller allows."""


class Answer(Protocol):
    """A head, then a body. Once it is read, `reusable` says whether its connection may serve another exchange.
    `buffered` is the whole body if it has already come, else None."""

    status: int
    headers: Mapping[str, str]
    measured: bool

    @property
    def reusable(self) -> bool: ...
    def pieces(self) -> Iterator[bytes]: ...
    def buffered(self) -> bytes | None: ...
    def close(self) -> None: ...


class Exchange:
    """An answer whose status and headers have come. Its body comes in pieces, as they arrive, until the deadline.

    `measured` tells whether the answer says where its body ends; one that ends with its connection may be cut off.
    """

    def __init__(self, pool: Connections, connection: TimedConnection, answer: Answer, *, sent: bool) -> None:
        self.status, self.headers, self.measured = answer.status, answer.headers, answer.measured
        self._pool, self._connection, self._answer = pool, connection, answer
        self._whole, self._sent = False, sent  # of the answer, of the request

    def pieces(self, max_bytes: int | None = MAX_BYTES) -> Iterator[bytes]:
        """The body's bytes, and an empty piece after each silence as long as the exchange's `wake`. With `max_bytes`
        None any size is allowed. Raises TimedOut, Broken or TooLarge."""
        size = 0
        try:
            for piece in self._answer.pieces():
                size += len(piece)
                if max_bytes is not None and size > max_bytes:
                    raise TooLarge(f"an answer of more than {max_bytes} bytes")
                yield piece
        except _FAULTS as error:
            raise _http_error(error) from error
        self._whole = True

    def to_the_end(self) -> None:
        """Nobody needs the rest of the answer: wait for it only briefly, and read it only briefly if it never ends."""
        self._connection.wait_for(None)
        self._connection.deadline = min(self._connection.deadline, time.monotonic() + _TO_THE_END)

    def whole(self, max_bytes: int = MAX_BYTES) -> bytes:
        """The body in one piece. Raises what `pieces` raises."""
        body = self._answer.buffered()
        if body is None:
            return b"".join(self.pieces(max_bytes))
        if len(body) > max_bytes:
            raise TooLarge(f"an answer of more than {max_bytes} bytes")
        self._whole = True
        return body

    def close(self) -> None:
        """End the exchange. The connection is kept only if the whole answer was read."""
        keep = self._whole and self._sent and self._answer.reusable
        self._answer.close()
        self._pool.give_back(self._connection, keep=keep)


class Sent:
    """A request that has been sent, at least in part; its answer has not begun."""

    def __init__(
        self, pool: Connections, connection: TimedConnection, method: str, waits: Waits, *, whole: bool
    ) -> None:
        self._pool, self._connection, self._method, self._whole = pool, connection, method, whole
        self._waits = waits
        connection.wait_for(waits.first_byte, waits.wake)

    def answer(self) -> Exchange | None:
        """The answer, as soon as its status and headers have come; None each time the waits' `wake` has passed without
        a byte. Raises TimedOut or Broken."""
        connection, waits = self._connection, self._waits
        reader = connection.reader
        try:
            head = reader.head()
            if isinstance(head, Head):
                answer: Answer = PlainAnswer(head, reader)
            else:
                from gateway.odd_http import OddAnswer  # rarely needed, and http.client is slow to load

                answer = OddAnswer(connection, self._method)
            connection.wait_for(waits.idle, waits.wake)
            return Exchange(self._pool, connection, answer, sent=self._whole)
        except Silence:
            return None
        except _FAULTS as error:
            self.close()
            raise _http_error(error) from error
        except BaseException:
            self.close()
            raise

    def reply(self, max_bytes: int = MAX_BYTES) -> HttpReply:
        """The whole answer, if nobody is woken. Raises TimedOut, Broken or TooLarge."""
        answered = self.answer()
        assert answered is not None  # noqa: S101  nobody is woken
        try:
            return HttpReply(answered.status, answered.headers, answered.whole(max_bytes), measured=answered.measured)
        finally:
            answered.close()

    def close(self) -> None:
        self._connection.close()


class Connections:
    """Connections to one endpoint. Thread-safe: a connection serves one exchange at a time. `resolve` gives the
    addresses of its host; if it raises an OSError, no connection can be made. `clock` gives seconds, and must go on
    while the function is frozen."""

    def __init__(self, endpoint: str, resolve: Resolve = addresses_of, clock: Callable[[], float] = time.time) -> None:
        parts = urlsplit(endpoint)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("not an http(s) endpoint")
        self.host, self.prefix = parts.netloc.rpartition("@")[2], parts.path.rstrip("/")
        self._address = (parts.hostname, parts.port or (443 if parts.scheme == "https" else 80))
        self._resolve, self._clock = resolve, clock
        self._kind = SecureConnection if parts.scheme == "https" else TimedConnection
        self._idle: deque[TimedConnection] = deque()
        weakref.finalize(self, _close, self._idle)

    def open(self, method: str, target: str, body: bytes, headers: Mapping[str, str], timeout: float) -> Exchange:
        """Like `begin`, but wait for status and headers. Close what you get."""
        exchange = self.begin(method, target, body, headers, timeout).answer()
        assert exchange is not None  # noqa: S101  nobody is woken
        return exchange

    def begin(
        self, method: str, target: str, body: bytes, headers: Mapping[str, str], timeout: float, waits: Waits = NO_WAITS
    ) -> Sent:
        """Send a request. `timeout` is for the whole exchange, body included, and `waits` for parts of it. `target` is
        the percent-encoded path with its query. Raises NotSent, TimedOut or Broken. Close what you get, or take its
        answer."""
        return self.start(self.bytes_of(method, target, headers, body), timeout, waits, method)

    def start(self, request: bytes, timeout: float, waits: Waits = NO_WAITS, method: str = "POST") -> Sent:
        """Like `begin`, for a request whose bytes are made."""
        connection = self._connection(time.monotonic() + timeout, waits.connect)
        try:
            return Sent(self, connection, method, waits, whole=connection.send(request))
        except _FAULTS as error:
            connection.close()
            raise _http_error(error) from error
        except BaseException:
            connection.close()
            raise

    def request(
        self,
        method: str,
        target: str,
        body: bytes,
        headers: Mapping[str, str],
        timeout: float,
        max_bytes: int = MAX_BYTES,
    ) -> HttpReply:
        """One exchange, read to its end within `timeout` seconds. Raises NotSent, TimedOut, Broken or TooLarge."""
        came = self.ask(self.bytes_of(method, target, headers, body), timeout, max_bytes, method)
        return came if isinstance(came, HttpReply) else came.reply(max_bytes)

    def ask(
        self, request: bytes, timeout: float, most: int = MAX_BYTES, method: str = "POST", waits: Waits = NO_WAITS
    ) -> HttpReply | Sent:
        """Like `start`, but with the answer, if that comes whole in one piece and with at most so many bytes, as most
        do: it needs none of the objects above. `waits` have no `first_byte` and no `wake`."""
        connection = self._connection(time.monotonic() + timeout, waits.connect)
        try:
            whole, piece = connection.ask(request, PIECE)
            reply = at_once(piece) if whole else None
            if reply is None or (most < PIECE and len(reply.body) > most):
                connection.reader.buffer += piece
                return Sent(self, connection, method, waits, whole=whole)
        except BaseException as error:
            connection.close()
            if isinstance(error, _FAULTS):
                raise _http_error(error) from error
            raise
        self.give_back(connection, keep=reply.keep)
        return reply

    def bytes_of(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> bytes:
        """The bytes of a request. Raises NotSent."""
        try:
            return request_bytes(method, target, self.host, headers, body)
        except ValueError:
            # The cause is dropped: it could quote a header, which may be a key.
            raise NotSent("the request is no HTTP") from None

    def give_back(self, connection: TimedConnection, *, keep: bool) -> None:
        """Called when an exchange ends."""
        if keep and len(self._idle) < _MOST_IDLE:
            connection.rested = self._clock()
            self._idle.append(connection)
        else:
            connection.close()

    def _connection(self, deadline: float, connect: float) -> TimedConnection:
        while self._idle:
            try:
                kept = self._idle.pop()
            except IndexError:  # another thread took the last one
                break
            if 0 <= self._clock() - kept.rested < _IDLE_SECONDS and kept.usable():
                kept.deadline = deadline
                return kept
            kept.close()
        fresh = self._kind(self._address, deadline, self._resolve, connect)
        try:
            fresh.connect()
        except TimeoutError as error:
            raise TimedOut("no connection in time", sent=False) from error
        except OSError as error:
            raise NotSent(f"no connection: {type(error).__name__}") from error
        return fresh


def _close(connections: Iterable[TimedConnection]) -> None:
    for connection in connections:
        connection.close()


def _http_error(error: Exception) -> HttpError:
    """The error of this module for an error of sockets or http.client."""
    if isinstance(error, TimeoutError):
        return TimedOut("no answer in time", sent=True)
    return Broken(f"the connection broke: {type(error).__name__}")
