"""One HTTP exchange over kept-alive connections, with a deadline that holds in total and a cap on the answer.

A socket's timeout is per receive: an answer that drips a byte a second, in its headers or its body, never trips it.
Here every receive is given what is left until the deadline. Redirects are answers, they are never followed.
"""

from __future__ import annotations

import http.client
import io
import re
import select
import socket
import ssl
import time
import weakref
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

MAX_BYTES = 6_291_456
_CHUNK = 65_536
_MOST_IDLE = 64  # kept for the next exchange; what comes back beyond is closed
_CONNECT_SECONDS = 3.0
_HEADER = re.compile(rb"[!-9;-~]+:[\t\x20-\x7e]*\r?\n")


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

    def __init__(self, pool: Connections, connection: _Connection, response: http.client.HTTPResponse) -> None:
        self.status = response.status
        self.headers = {name.lower(): value for name, value in response.getheaders()}
        self.measured = response.length is not None or response.chunked
        self._pool, self._connection, self._response = pool, connection, response
        self._whole = False

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
        keep = self._whole and not self._response.will_close and not bodiless
        self._response.close()
        self._pool.give_back(self._connection, keep=keep)


class Connections:
    """Connections to one endpoint. Thread-safe: a connection serves one exchange at a time."""

    def __init__(self, endpoint: str) -> None:
        parts = urlsplit(endpoint)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("not an http(s) endpoint")
        self.host, self.prefix = parts.netloc.rpartition("@")[2], parts.path.rstrip("/")
        self._address = (parts.hostname, parts.port or (443 if parts.scheme == "https" else 80))
        self._tls = ssl.create_default_context() if parts.scheme == "https" else None
        self._idle: deque[_Connection] = deque()
        weakref.finalize(self, _close, self._idle)

    def open(self, method: str, target: str, body: bytes, headers: Mapping[str, str], timeout: float) -> Exchange:
        """Send a request and wait for status and headers; `timeout` is for the whole exchange, body included.

        `target` is the percent-encoded path with its query. Raises NotSent, TimedOut or Broken. Close what you get.
        """
        connection = self._connection(time.monotonic() + timeout)
        try:
            with _translated():
                try:
                    connection.request(method, target, body, dict(headers))
                except (ValueError, http.client.InvalidURL):
                    # Found before anything is sent. Its text quotes the header, which may be a key.
                    raise NotSent("the request is no HTTP") from None
                return Exchange(self, connection, connection.getresponse())
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

    def give_back(self, connection: _Connection, *, keep: bool) -> None:
        """Called by an Exchange when it ends."""
        if keep and len(self._idle) < _MOST_IDLE:
            self._idle.append(connection)
        else:
            connection.close()

    def _connection(self, deadline: float) -> _Connection:
        while self._idle:
            try:
                kept = self._idle.pop()
            except IndexError:  # another thread took the last one
                break
            if kept.usable():
                kept.deadline = deadline
                return kept
            kept.close()
        fresh = _Connection(self._address, self._tls, deadline)
        try:
            fresh.connect()
        except TimeoutError as error:
            raise TimedOut("no connection in time", sent=False) from error
        except OSError as error:
            raise NotSent(f"no connection: {type(error).__name__}") from error
        return fresh


def _close(connections: Iterable[_Connection]) -> None:
    for connection in connections:
        connection.close()


class _Head:
    """The lines of an answer's head, but for headers that are none: http.client takes the first of these (a name that
    is not ASCII) for the body's beginning, and so misses the length that stands below it."""

    def __init__(self, plain: io.BufferedReader) -> None:
        self.plain, self._within = plain, False

    def readline(self, limit: int = -1) -> bytes:
        line = self.plain.readline(limit)
        if self._within:
            while line.strip(b"\r\n") and len(line) < limit and not _HEADER.fullmatch(line):
                line = self.plain.readline(limit)
        self._within = bool(line.strip(b"\r\n"))  # after an empty one another status may follow
        return line

    def close(self) -> None:
        self.plain.close()


class _Response(http.client.HTTPResponse):
    fp: Any

    def begin(self) -> None:
        self.fp = _Head(self.fp)
        try:
            super().begin()
        finally:
            if self.fp is not None:
                self.fp = self.fp.plain


class _Connection(http.client.HTTPConnection):
    """http.client's connection over a socket that knows the deadline of the exchange under way."""

    response_class = _Response

    def __init__(self, address: tuple[str, int], tls: ssl.SSLContext | None, deadline: float) -> None:
        super().__init__(*address)
        self.default_port = 443 if tls else 80
        self._tls = tls
        self.deadline = deadline

    def connect(self) -> None:
        plain = self._dial()
        try:
            if self._tls:
                plain = self._tls.wrap_socket(plain, server_hostname=self.host)
        except BaseException:
            plain.close()
            raise
        self.sock: Any = _TimedSocket(plain, self)

    def _dial(self) -> socket.socket:
        # Each address is tried within what is left: create_connection gives every address the whole timeout.
        failure: OSError = ConnectionError("no address")
        for family, kind, protocol, _, address in socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM):
            candidate = socket.socket(family, kind, protocol)
            try:
                candidate.settimeout(min(self.left(), _CONNECT_SECONDS))
                candidate.connect(address)
                candidate.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                return candidate
            except OSError as error:
                candidate.close()
                failure = error
        raise failure

    def left(self) -> float:
        """Seconds until the deadline. Raises TimeoutError when none are left."""
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("the deadline passed")
        return left

    def usable(self) -> bool:
        # An idle connection that is readable was closed by the other side: a write on it would be lost without a trace.
        return self.sock is not None and not select.select([self.sock], [], [], 0)[0]


class _TimedSocket:
    """The part of a socket that http.client uses; every wait ends at the connection's deadline."""

    def __init__(self, plain: socket.socket, connection: _Connection) -> None:
        self._plain, self._connection = plain, connection

    def sendall(self, data: Any) -> None:
        self._plain.settimeout(self._connection.left())  # sendall's timeout is in total
        self._plain.sendall(data)

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(_TimedReader(self._plain, self._connection))

    def fileno(self) -> int:
        return self._plain.fileno()

    def close(self) -> None:
        self._plain.close()


class _TimedReader(io.RawIOBase):
    def __init__(self, plain: socket.socket, connection: _Connection) -> None:
        self._plain, self._connection = plain, connection
        self._raw = plain.makefile("rb", buffering=0)  # holds the socket open until the answer is read

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._plain.settimeout(self._connection.left())
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


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
