"""Connections that know the deadline of the exchange under way.

A socket's timeout is per receive: an answer that drips a byte a second never trips it. Here every wait is given what is
left until the deadline.
"""

from __future__ import annotations

import math
import select
import socket
import ssl
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from gateway.http1 import Reader, Silence

# What socket.getaddrinfo gives: family, type, protocol, canonical name, address.
AddressInfo = tuple[Any, Any, int, str, Any]
Resolve = Callable[[str, int], Sequence[AddressInfo]]

CONNECT_SECONDS = 3.0
_CLOSE_ENOUGH = 0.001  # seconds: to set a socket's timeout anew is a system call, and two are made in each exchange


def addresses_of(host: str, port: int) -> Sequence[AddressInfo]:
    """Every address of a name, as the system knows them. Raises OSError."""
    return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)


@lru_cache(maxsize=1)
def tls() -> ssl.SSLContext:
    """What every TLS connection of the process is made with: to read the system's certificates takes tens of
    milliseconds."""
    return ssl.create_default_context()


@dataclass(frozen=True, slots=True)
class Waits:
    """How long an exchange waits, in seconds, beside its deadline: for a connection to each address; for the first
    byte of an answer, and for the next one; None as long as the deadline lets it. `wake`: after how long a silence
    whoever waits is told of it, and again each time; None for never."""

    connect: float = CONNECT_SECONDS
    first_byte: float | None = None
    idle: float | None = None
    wake: float | None = None


NO_WAITS = Waits()


class TimedConnection:
    """A connection to a host, at the addresses that `resolve` gives for its name. `deadline` is on the steady clock;
    `reader` reads what comes, `secure` says whether TLS is spoken. connect, send and receive raise OSErrors, among them
    TimeoutError."""

    def __init__(
        self,
        address: tuple[str, int],
        deadline: float,
        resolve: Resolve = addresses_of,
        *,
        secure: bool,
        connect: float = CONNECT_SECONDS,
    ) -> None:
        self._host, self._port = address
        self._secure, self._resolve, self._most_connect = secure, resolve, connect
        self._wake = self._silence = math.inf
        self._heard = 0.0  # when the last byte came, or the request had left
        self.patient = False  # whether Silence is not raised now, for a reader that would lose what it has read
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
                candidate.settimeout(min(self.left(), self._most_connect))
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

    def wait_for(self, silence: float | None, wake: float | None = None) -> None:
        """From now on nothing may come for `silence` seconds at most; each time when `wake` of them have passed so,
        receiving raises Silence."""
        self._silence, self._wake, self.patient = silence or math.inf, wake or math.inf, False
        self._heard = time.monotonic()

    def send(self, data: bytes) -> None:
        self._ready(self.left()).sendall(data)  # its timeout is in total

    def receive(self, most: int) -> bytes:
        """What has come, as soon as anything has; nothing where the other side has ended. Raises Silence."""
        left = self.left()
        if self._silence < math.inf:
            left = min(left, self._heard + self._silence - time.monotonic())
            if left <= 0:
                raise TimeoutError("nothing came for too long")
        try:
            came = self._ready(left if self.patient else min(left, self._wake)).recv(most)
        except TimeoutError:
            if self._wake < left and not self.patient:
                raise Silence from None
            raise
        if self._silence < math.inf:
            self._heard = time.monotonic()
        return came

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

    def _ready(self, seconds: float) -> socket.socket:
        """The socket, which waits for so long."""
        if self._socket is None:
            raise ConnectionError("the connection is closed")
        if abs(seconds - self._timeout) > _CLOSE_ENOUGH:
            self._socket.settimeout(seconds)
            self._timeout = seconds
        return self._socket
