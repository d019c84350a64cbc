"""Connections that know the deadline of the exchange under way.

A socket's timeout is per receive, so an answer that sends a byte a second never exceeds it. Here every wait lasts at
most until the deadline. The kernel ends the waits (SO_RCVTIMEO), so a receive is one system call; with a timeout of
Python's it is two, because Python polls first. Python's TLS sockets repeat a receive that the kernel ended, without
end, so TLS is done in memory here.
"""

from __future__ import annotations

import math
import select
import socket
import ssl
import struct
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import lru_cache
from typing import Any

from gateway.http1 import PIECE, Reader, Silence
from gateway.times import CONNECT_SECONDS

# What socket.getaddrinfo gives: family, type, protocol, canonical name, address.
AddressInfo = tuple[Any, Any, int, str, Any]
Resolve = Callable[[str, int], Sequence[AddressInfo]]

_CLOSE_ENOUGH = 0.001  # seconds: changing a socket's timeout is a system call, and each exchange would make one
_LONGEST = 3600.0  # seconds of one wait in the kernel; a longer one is several of them
_SEALED = 262_144  # bytes that are encrypted at a time


def addresses_of(host: str, port: int) -> Sequence[AddressInfo]:
    """Every address of a name, from the system's resolver. Raises OSError."""
    return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)


@lru_cache(maxsize=1)
def tls() -> ssl.SSLContext:
    """The one TLS context of the process: reading the system's certificates takes tens of milliseconds."""
    return ssl.create_default_context()


class TimedConnection:
    """A connection to a host, at the addresses that `resolve` gives for its name. `deadline` is on the steady clock,
    `reader` reads what comes. connect, send and receive raise OSErrors, TimeoutError included."""

    def __init__(
        self,
        address: tuple[str, int],
        deadline: float,
        resolve: Resolve = addresses_of,
        connect: float = CONNECT_SECONDS,
    ) -> None:
        (self._host, self._port), self._resolve, self._most_connect = address, resolve, connect
        self._wake = self._silence = math.inf
        self._heard = 0.0  # when the last byte came, or when the request left
        self.patient = False  # no Silence is raised while it is set: the reader would lose what it has read
        self.deadline, self.rested = deadline, 0.0  # the latter: when its last exchange ended, by its pool's clock
        self.reader = Reader(self.receive)
        self._socket: socket.socket | None = None
        self._timeout = math.inf  # seconds that the kernel waits at most, as far as is known
        self._waiting = select.poll()

    def connect(self) -> None:
        self._socket = self._dial()
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
                candidate.settimeout(None)
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
            self._write(request)
        except (ConnectionError, ssl.SSLError):
            return False
        return True

    def ask(self, request: bytes, most: int) -> tuple[bool, bytes]:
        """`send`, then `receive` until the deadline, in one step. Each Python call here costs microseconds, because the
        processor's caches were used by other processes during the last wait."""
        self._silence = self._wake = math.inf
        self.patient, whole, size = False, True, len(request)
        seconds, to = self.deadline - time.monotonic(), self._socket
        if to is None or seconds <= 0:
            raise TimeoutError("the deadline passed") if seconds <= 0 else ConnectionError("the connection is closed")
        try:
            try:
                sent = to.send(request, socket.MSG_DONTWAIT)
            except BlockingIOError:
                sent = 0
            if sent < size:
                self._write_on(to, memoryview(request)[sent:])
        except ConnectionError:
            whole = False
        if whole and sent == size and self._timeout - seconds <= _CLOSE_ENOUGH:  # nothing has waited so far
            try:
                return True, to.recv(most)
            except BlockingIOError:
                self._timeout = math.inf  # see `_read`
        return whole, TimedConnection._read(self, most, self.deadline)

    def receive(self, most: int) -> bytes:
        """The bytes that have come, as soon as any have; none if the other side has closed. Raises Silence."""
        until = self.deadline
        if self._silence == self._wake == math.inf:
            return self._read(most, until)
        now = time.monotonic()
        if now < until and self._heard + self._silence < until:
            until = self._heard + self._silence
            if until <= now:
                raise TimeoutError("nothing came for too long")
        wakes = not self.patient and now + self._wake < until
        try:
            came = self._read(most, now + self._wake if wakes else until)
        except TimeoutError:
            if wakes:
                raise Silence from None
            raise
        if self._silence < math.inf:
            self._heard = time.monotonic()
        return came

    def usable(self) -> bool:
        """Whether an idle connection may serve another exchange. If it is readable, the other side has closed it, and a
        write on it would be lost without an error."""
        return self._socket is not None and not self.reader.buffer and not self._waiting.poll(0)

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _write(self, data: bytes) -> None:
        """Hand all of it to the kernel before the deadline."""
        self.left()
        if self._socket is None:
            raise ConnectionError("the connection is closed")
        self._write_on(self._socket, memoryview(data))

    def _write_on(self, to: socket.socket, rest: memoryview) -> None:
        """Write, and wait until the other side has read, as often as it takes."""
        while rest:
            try:  # not the kernel's timeout, which begins again on macOS with each byte that the other side takes
                rest = rest[to.send(rest, socket.MSG_DONTWAIT) :]
            except BlockingIOError:
                room = select.poll()
                room.register(to, select.POLLOUT)
                room.poll(min(self.left(), _LONGEST) * 1000)
                self.left()  # raises TimeoutError if that was the end

    def _read(self, most: int, until: float) -> bytes:
        """What comes before this moment; none if the other side has closed."""
        while True:
            seconds = until - time.monotonic()
            if seconds <= 0:
                raise TimeoutError("nothing came in time")
            if self._socket is None:
                raise ConnectionError("the connection is closed")
            if self._timeout - seconds > _CLOSE_ENOUGH:
                # Never 0, which means without end. The two are a timeval; that of macOS has 32 bits for the second one.
                wait = divmod(math.ceil(min(seconds, _LONGEST) * 1e6), 1_000_000)
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", *wait))
                self._timeout = seconds
            try:
                return self._socket.recv(most)
            except BlockingIOError:
                # Either the time is over, or the kernel's was shorter: it stays for later exchanges, most of which wait
                # for less than that. The kernel may also wake up to a tick too early.
                self._timeout = math.inf


class SecureConnection(TimedConnection):
    """A connection with TLS to a host with a valid certificate. OpenSSL reads from `_came` and writes to `_leaves`."""

    _tls: ssl.SSLObject | None = None

    def connect(self) -> None:
        """Raises ssl.SSLError too, such as ssl.SSLCertVerificationError."""
        super().connect()
        try:
            self._came, self._leaves = ssl.MemoryBIO(), ssl.MemoryBIO()
            self._tls = tls().wrap_bio(self._came, self._leaves, server_hostname=self._host)
            self._shake_hands(self._tls, min(self.deadline, time.monotonic() + self._most_connect))
        except BaseException:
            self.close()
            raise

    def _shake_hands(self, ours: ssl.SSLObject, until: float) -> None:
        while True:
            try:
                ours.do_handshake()
            except ssl.SSLWantReadError:
                self._flush()
                self._feed(until)
            except ssl.SSLError:
                self._complain()
                raise
            else:
                return self._flush()

    def ask(self, request: bytes, most: int) -> tuple[bool, bytes]:
        if self._tls is None or len(request) > _SEALED or self._holds():
            self.wait_for(None)
            return self.send(request), self._read(most, self.deadline)
        try:
            self._tls.write(request)
        except ssl.SSLError:
            return False, self._read(most, self.deadline)
        whole, came = super().ask(self._leaves.read(), PIECE)
        self._fed(came)
        return whole, self._read(most, self.deadline)

    def usable(self) -> bool:
        """Bytes behind the last answer may be the other side's goodbye."""
        return not self._holds() and super().usable()

    def close(self) -> None:
        super().close()
        # Until the garbage collector finds a closed connection, it keeps no memory of OpenSSL's.
        self._tls, self._came, self._leaves = None, ssl.MemoryBIO(), ssl.MemoryBIO()

    def _write(self, data: bytes) -> None:
        for start in range(0, len(data), _SEALED):
            if self._tls is None:
                raise ConnectionError("the connection is closed")
            self._tls.write(data[start : start + _SEALED])
            super()._write(self._leaves.read())

    def _read(self, most: int, until: float) -> bytes:
        while self._tls is not None:
            if self._holds():  # asked first, because an exception costs more than the question
                try:
                    if not (came := self._tls.read(most)):  # the other side said goodbye
                        self._came.write_eof()
                    return came
                except ssl.SSLWantReadError:  # part of a record, or one that has nothing of an answer
                    pass
                except ssl.SSLEOFError:  # an end without a goodbye: whoever reads knows whether the answer is whole
                    return b""
                except ssl.SSLError:
                    self._complain()
                    raise
            self._flush()
            self._feed(until)
        raise ConnectionError("the connection is closed")

    def _holds(self) -> bool:
        """Whether OpenSSL has anything to read, even an end."""
        return bool(self._came.pending or self._came.eof or (self._tls and self._tls.pending()))

    def _feed(self, until: float) -> None:
        self._fed(super()._read(PIECE, until))

    def _fed(self, came: bytes) -> None:
        if came:
            self._came.write(came)
        else:
            self._came.write_eof()

    def _flush(self) -> None:
        """Send what OpenSSL has to say by itself, such as new keys."""
        if self._leaves.pending:
            super()._write(self._leaves.read())

    def _complain(self) -> None:
        """Tell the other side what is wrong, if it still reads. Nothing more is read from it."""
        self._came.write_eof()
        with suppress(OSError):
            self._flush()
