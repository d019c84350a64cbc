"""http.client's connection over sockets that know the deadline of the exchange under way.

A socket's timeout is per receive: an answer that drips a byte a second never trips it. Here every wait is given what is
left until the deadline.
"""

from __future__ import annotations

import http.client
import io
import re
import select
import socket
import ssl
import time
from collections.abc import Callable, Sequence
from typing import Any

# What socket.getaddrinfo gives: family, type, protocol, canonical name, address.
AddressInfo = tuple[Any, Any, int, str, Any]
Resolve = Callable[[str, int], Sequence[AddressInfo]]

_CONNECT_SECONDS = 3.0
_INTERIM = re.compile(rb"HTTP/1\.\d 1(?!01)\d\d\s")  # a status that another one follows; 101 ends the talk
_HEADER = re.compile(rb"[!-9;-~]+:[\t\x20-\x7e]*\r?\n")


def addresses_of(host: str, port: int) -> Sequence[AddressInfo]:
    """Every address of a name, as the system knows them. Raises OSError."""
    return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)


class _Head:
    """The lines of an answer's head, but for heads that come before it (100, 103: http.client takes the latter for the
    answer, which then nobody reads, though it is billed), and for headers that are none: http.client takes the first of
    these (a name that is not ASCII) for the body's beginning, and so misses the length that stands below it."""

    def __init__(self, plain: io.BufferedReader) -> None:
        self.plain, self._within = plain, False

    def readline(self, limit: int = -1) -> bytes:
        line = self.plain.readline(limit)
        while not self._within and _INTERIM.match(line):
            while line.strip(b"\r\n"):
                line = self.plain.readline(limit)
            line = self.plain.readline(limit)
        if self._within:
            while line.strip(b"\r\n") and len(line) < limit and not _HEADER.fullmatch(line):
                line = self.plain.readline(limit)
        self._within = bool(line.strip(b"\r\n"))
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


class TimedConnection(http.client.HTTPConnection):
    """A connection to a host, at the addresses that `resolve` gives for its name. `deadline` is on the steady clock."""

    response_class = _Response

    def __init__(
        self, address: tuple[str, int], tls: ssl.SSLContext | None, deadline: float, resolve: Resolve = addresses_of
    ) -> None:
        super().__init__(*address)
        self.default_port = 443 if tls else 80
        self._tls, self._resolve = tls, resolve
        self.deadline = deadline
        self.rested = 0.0  # since when it serves no exchange, by its pool's clock

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
        # One look-up: the addresses that were judged are those connected to; TLS and the Host header keep to the name.
        # Each is tried within what is left: create_connection gives every address the whole timeout.
        failure: OSError = ConnectionError("no address")
        for family, kind, protocol, _, address in self._resolve(self.host, self.port):
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

    def __init__(self, plain: socket.socket, connection: TimedConnection) -> None:
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
    def __init__(self, plain: socket.socket, connection: TimedConnection) -> None:
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
