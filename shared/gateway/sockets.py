"""Connections that know the deadline of the exchange under way.

A socket's timeout is per receive: an answer that drips a byte a second never trips it. Here every wait is given what is
left until the deadline.
"""

from __future__ import annotations

import select
import socket
import ssl
import time
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

from gateway.http1 import Reader

# What socket.getaddrinfo gives: family, type, protocol, canonical name, address.
AddressInfo = tuple[Any, Any, int, str, Any]
Resolve = Callable[[str, int], Sequence[AddressInfo]]

_CONNECT_SECONDS = 3.0
_CLOSE_ENOUGH = 0.001  # seconds: to set a socket's timeout anew is a system call, and two are made in each exchange


def addresses_of(host: str, port: int) -> Sequence[AddressInfo]:
    """Every address of a name, as the system knows them. Raises OSError."""
    return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)


@lru_cache(maxsize=1)
def tls() -> ssl.SSLContext:
    """What every TLS connection of the process is made with: to read the system's certificates takes tens of
    milliseconds."""
    return ssl.create_default_context()


class TimedConnection:
    """A connection to a host, at the addresses that `resolve` gives for its name. `deadline` is on the steady clock;
    `reader` reads what comes, `secure` says whether TLS is spoken. connect, send and receive raise OSErrors, among them
    TimeoutError."""

    def __init__(
        self, address: tuple[str, int], deadline: float, resolve: Resolve = addresses_of, *, secure: bool
    ) -> None:
        self._host, self._port = address
        self._secure, self._resolve = secure, resolve
        self.deadline = deadline
        self.rested = 0.0  # since when it serves no exchange, by its pool's clock
        self.reader = Reader(self.receive)
        self._socket: socket.socket | None = None
        self._timeout = -1.0  # the socket's, as it was set here last
        self._waiting = select.poll()

    def connect(self) -> None:
        plain = self._dial()
        try:
            self._socket = tls().wrap_socket(plain, server_hostname=self._host) if self._secure else plain
        except BaseException:
            plain.close()
            raise
        self._waiting.register(self._socket, select.POLLIN)

    def _dial(self) -> socket.socket:
        # One look-up: the addresses that were judged are those connected to; TLS and the Host header keep to the name.
        # Each is tried within what is left: create_connection gives every address the whole timeout.
        failure: OSError = ConnectionError("no address")
        for family, kind, protocol, _, address in self._resolve(self._host, self._port):
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

    def send(self, data: bytes) -> None:
        self._ready().sendall(data)  # its timeout is in total

    def receive(self, most: int) -> bytes:
        """What has come, as soon as anything has; nothing where the other side has ended."""
        return self._ready().recv(most)

    def wait(self, seconds: float) -> bool:
        """Whether something comes (be it the end) within so many seconds. Raises TimeoutError at the deadline."""
        connected = self._socket
        if connected is None or self.reader.buffer or (isinstance(connected, ssl.SSLSocket) and connected.pending()):
            return True
        found = self._waiting.poll(1_000 * min(seconds, self.left()))
        self.left()
        return bool(found)

    def usable(self) -> bool:
        """Whether an idle connection may serve another exchange. One that is readable was closed by the other side: a
        write on it would be lost without a trace."""
        if self._socket is None or self.reader.buffer:
            return False
        return not self._waiting.poll(0)

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _ready(self) -> socket.socket:
        """The socket, which waits for what is left."""
        if self._socket is None:
            raise ConnectionError("the connection is closed")
        left = self.left()
        if abs(left - self._timeout) > _CLOSE_ENOUGH:
            self._socket.settimeout(left)
            self._timeout = left
        return self._socket
