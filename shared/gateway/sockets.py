"""Connections that know the deadline of the exchange under way.

A socket's timeout is per receive, so an answer that sends a byte a second never exceeds it. Here every wait lasts at
most until the deadline.
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
_CLOSE_ENOUGH = 0.001  # seconds: changing a socket's timeout is a system call, and each exchange would make two


def addresses_of(host: str, port: int) -> Sequence[AddressInfo]:
    """Every address of a name, from the system's resolver. Raises OSError."""
    return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)


@lru_cache(maxsize=1)
def tls() -> ssl.SSLContext:
    """The one TLS context of the process: reading the system's certificates takes tens of milliseconds."""
    return ssl.create_default_context()


@dataclass(frozen=True, slots=True)
class Waits:
    """How long an exchange waits, in seconds, besides its deadline. `connect` is for a connection to each address,
    `first_byte` for the first byte of an answer, `idle` for the next byte; None means until the deadline. After each
    `wake` seconds of silence the waiting caller gets Silence; None means never."""

    connect: float = CONNECT_SECONDS
    first_byte: float | None = None
    idle: float | None = None
    wake: float | None = None


NO_WAITS = Waits()


class TimedConnection:
    """A connection to a host, at the addresses that `resolve` gives for its name. `deadline` is on the steady clock,
    `reader` reads what comes, `secure` says whether it uses TLS. connect, send and receive raise OSErrors, TimeoutError
    included."""

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
        self._heard = 0.0  # when the last byte came, or when the request left
        self.patient = False  # no Silence is raised while it is set: the reader would lose what it has read
        self.deadline = deadline
        self.rested = 0.0  # when its last exchange ended, by its pool's clock
        self.reader = Reader(self.receive)
        self._socket: socket.socket | None = None
        self._timeout = -1.0  # the socket's timeout that was set last
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
        # One look-up: the addresses that were checked are the ones used; TLS and the Host header use the name. Each
        # address gets only the time that is left: create_connection gives every address the whole timeout.
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
        """From now on, `silence` seconds without a byte are a timeout, and receiving raises Silence after each `wake`
        seconds without one."""
        self._silence, self._wake, self.patient = silence or math.inf, wake or math.inf, False
        self._heard = time.monotonic()

    def send(self, request: bytes) -> bool:
        """Send a request, and return whether all of it was sent. If the other side stopped reading, it may still have
        answered (413: too large), and that answer tells the outcome."""
        try:
            self._ready().sendall(request)  # sendall's timeout is in total
        except (ConnectionError, ssl.SSLError):
            return False
        return True

    def ask(self, request: bytes, most: int) -> tuple[bool, bytes]:
        """`send`, then `receive` until the deadline, in one step. Each Python call here costs microseconds, because the
        processor's caches were used by other processes during the last wait."""
        self._silence = self._wake = math.inf
        self.patient = False
        whole = True
        try:
            self._ready().sendall(request)
        except (ConnectionError, ssl.SSLError):
            whole = False
        return whole, self._ready().recv(most)

    def receive(self, most: int) -> bytes:
        """The bytes that have come, as soon as any have; none if the other side has closed. Raises Silence."""
        if self._silence == self._wake == math.inf:
            return self._ready().recv(most)
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
        """Whether an idle connection may serve another exchange. If it is readable, the other side has closed it, and a
        write on it would be lost without an error."""
        if self._socket is None or self.reader.buffer:
            return False
        return not self._waiting.poll(0)

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _ready(self, most: float = math.inf) -> socket.socket:
        """The socket. Its timeout is set to the seconds until the deadline, or to `most` if these are fewer. Raises
        TimeoutError when none are left."""
        seconds = self.deadline - time.monotonic()
        if seconds <= 0:
            raise TimeoutError("the deadline passed")
        if self._socket is None:
            raise ConnectionError("the connection is closed")
        if seconds > most:
            seconds = most
        if not -_CLOSE_ENOUGH <= seconds - self._timeout <= _CLOSE_ENOUGH:
            self._socket.settimeout(seconds)
            self._timeout = seconds
        return self._socket
