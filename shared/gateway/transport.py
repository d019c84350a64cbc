"""One HTTP exchange over kept-alive connections, with a deadline that holds in total and a cap on the answer.

A socket's timeout is per receive: an answer that drips a byte a second, in its headers or its body, never trips it.
Here every receive is given what is left until the deadline. Redirects are answers, they are never followed.
"""

from __future__ import annotations

import http.client
import ssl
import time
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from gateway.sockets import Resolve, TimedConnection, addresses_of

MAX_BYTES = 6_291_456
_CHUNK = 65_536
_MOST_IDLE = 64  # kept for the next exchange; what comes back beyond is closed
# A balancer closes an idle connection after a minute, a NAT gateway drops one without a word after six: what is sent
# then is lost, and a call is charged for what nobody answers.
_IDLE_SECONDS = 50.0


class HttpError(Exception):
    """No whole answer came. `sent` tells whether the request may have reached the other side."""

    sent = True


class NotSent(HttpError):
    """No connection: nothing reached the other side."""

    sent = False


class TimedOut(HttpError):
    """The deadline passed."""

    def __init__(self, message: str, *, sent: bool) -> None:
        super().__init__(message)
        self.sent = sent


class Broken(HttpError):
    """The connection was reset, or the answer ended early or was no HTTP."""


class TooLarge(HttpError):
    """The answer is larger than the caller allows."""


@dataclass(frozen=True, slots=True)
class HttpReply:
    """Status, headers (lower-case names, printable ASCII: any other header is left out) and the whole body."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Exchange:
    """An answer whose status and headers are here; its body comes in pieces, as they arrive, until the deadline.

    `measured` tells whether the body says itself where it ends: one that ends with its connection may have been cut.
    """

    def __init__(
        self, pool: Connections, connection: TimedConnection, response: http.client.HTTPResponse, *, sent: bool
    ) -> None:
        self.status = response.status
        self.headers = {name.lower(): value for name, value in response.getheaders()}
        self.measured = response.length is not None or response.chunked
        self._pool, self._connection, self._response = pool, connection, response
        self._whole, self._sent = False, sent  # of the answer, of the request

    def pieces(self, max_bytes: int = MAX_BYTES) -> Iterator[bytes]:
        """The body's bytes. Raises TimedOut, Broken or TooLarge."""
        size = 0
        with _translated():
            # read1 returns after one receive; read would wait for a full buffer.
            while piece := self._response.read1(_CHUNK):
                size += len(piece)
                if size > max_bytes:
                    raise TooLarge(f"an answer of more than {max_bytes} bytes")
                yield piece
            if self._response.length:  # bytes announced that never came
                raise http.client.IncompleteRead(b"")
        self._whole = True

    def close(self) -> None:
        """Ends the exchange. The connection is kept only if the whole answer was read."""
        # After a status whose body nobody reads, what comes next on the connection could be this request's answer yet.
        bodiless = self.status < 200 or self.status in (204, 304)
        keep = self._whole and self._sent and not self._response.will_close and not bodiless
        self._response.close()
        self._pool.give_back(self._connection, keep=keep)


class Connections:
    """Connections to one endpoint. Thread-safe: a connection serves one exchange at a time. `resolve` gives the
    addresses of its host; what it raises (an OSError) means that there is no connection. `clock` gives seconds, and
    goes on while the function is frozen."""

    def __init__(self, endpoint: str, resolve: Resolve = addresses_of, clock: Callable[[], float] = time.time) -> None:
        parts = urlsplit(endpoint)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("not an http(s) endpoint")
        self.host, self.prefix = parts.netloc.rpartition("@")[2], parts.path.rstrip("/")
        self._address = (parts.hostname, parts.port or (443 if parts.scheme == "https" else 80))
        self._resolve, self._clock = resolve, clock
        self._tls = ssl.create_default_context() if parts.scheme == "https" else None
        self._idle: deque[TimedConnection] = deque()
        weakref.finalize(self, _close, self._idle)

    def open(self, method: str, target: str, body: bytes, headers: Mapping[str, str], timeout: float) -> Exchange:
        """Send a request and wait for status and headers; `timeout` is for the whole exchange, body included.

        `target` is the percent-encoded path with its query. Raises NotSent, TimedOut or Broken. Close what you get.
        """
        connection = self._connection(time.monotonic() + timeout)
        try:
            with _translated():
                sent = _sent(connection, method, target, body, headers)
                return Exchange(self, connection, connection.getresponse(), sent=sent)
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
        exchange = self.open(method, target, body, headers, timeout)
        try:
            return HttpReply(exchange.status, exchange.headers, b"".join(exchange.pieces(max_bytes)))
        finally:
            exchange.close()

    def give_back(self, connection: TimedConnection, *, keep: bool) -> None:
        """Called by an Exchange when it ends."""
        if keep and len(self._idle) < _MOST_IDLE:
            connection.rested = self._clock()
            self._idle.append(connection)
        else:
            connection.close()

    def _connection(self, deadline: float) -> TimedConnection:
        while self._idle:
            try:
                kept = self._idle.pop()
            except IndexError:  # another thread took the last one
                break
            if 0 <= self._clock() - kept.rested < _IDLE_SECONDS and kept.usable():
                kept.deadline = deadline
                return kept
            kept.close()
        fresh = TimedConnection(self._address, self._tls, deadline, self._resolve)
        try:
            fresh.connect()
        except TimeoutError as error:
            raise TimedOut("no connection in time", sent=False) from error
        except OSError as error:
            raise NotSent(f"no connection: {type(error).__name__}") from error
        return fresh


def _sent(connection: TimedConnection, method: str, target: str, body: bytes, headers: Mapping[str, str]) -> bool:
    """Whether a request left whole. One that the other side stopped reading may have been answered (413: it is too
    large), and that answer says what became of it."""
    try:
        connection.request(method, target, body, dict(headers))
    except (ConnectionError, ssl.SSLError):
        return False
    except (ValueError, http.client.InvalidURL):
        # Found before anything is sent. Its text quotes the header, which may be a key.
        raise NotSent("the request is no HTTP") from None
    return True


def _close(connections: Iterable[TimedConnection]) -> None:
    for connection in connections:
        connection.close()


class _translated:  # noqa: N801 - a context manager used like a function; contextlib's costs a generator a call
    """Turns what sockets and http.client raise into this module's errors."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, TimeoutError):
            raise TimedOut("no answer in time", sent=True) from error
        # ValueError: http.client believes lengths and chunk sizes, and reads them as numbers.
        if isinstance(error, (OSError, ValueError, http.client.HTTPException)):
            raise Broken(f"the connection broke: {type(error).__name__}") from error
