"""Waits that the kernel ends, and TLS in memory: each byte leaves when the test says so.

A TLS connection ends in the same ways as those of Python's own TLS sockets.
"""

from __future__ import annotations

import random
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable
from contextlib import closing, suppress
from typing import TypeVar

import pytest

from gateway import sockets
from gateway.sockets import SecureConnection, TimedConnection
from gateway.times import Waits
from gateway.transport import Broken, Connections, NotSent, TimedOut
from tests.unit.servers import answering

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
SLOW = b"HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n" + b"x" * 2000
STEP = 0.01  # seconds between the bytes of a slow server; all of SLOW takes far longer than any test waits for it
Serving = Callable[..., int]
Got = TypeVar("Got")


class Spoken:
    """The server's side of TLS, in memory. After the handshake, `tickets` has what TLS 1.3 sends by itself."""

    def __init__(self, plain: socket.socket, context: ssl.SSLContext) -> None:
        self.plain, self.tickets = plain, b""
        self._came, self._leaves = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._came, self._leaves, server_side=True)

    def shake(self, send: Callable[[bytes], None] | None = None) -> Spoken:
        send = send or self.plain.sendall
        try:
            self._until(self._tls.do_handshake, send)
        finally:
            said = self._leaves.read()
            if self._tls.version() == "TLSv1.3" and self._tls.cipher():
                self.tickets = said
            else:
                self.plain.sendall(said)
        return self

    def hear(self) -> bytes:
        return self._until(lambda: self._tls.read(65_536), self.plain.sendall)

    def sealed(self, data: bytes) -> bytes:
        self._tls.write(data)
        return self._leaves.read()

    def goodbye(self) -> bytes:
        with suppress(ssl.SSLWantReadError):
            self._tls.unwrap()
        return self._leaves.read()

    def _until(self, step: Callable[[], Got], send: Callable[[bytes], None]) -> Got:
        while True:
            try:
                return step()
            except ssl.SSLWantReadError:
                send(self._leaves.read())
                self._came.write(self.plain.recv(65_536) or b"the end")


def dripped(plain: socket.socket, data: bytes, ended: threading.Event) -> None:
    for at in range(len(data)):
        plain.sendall(data[at : at + 1])
        if ended.wait(STEP):
            return


@pytest.mark.parametrize("way", ["plain", "in records", "within a record", "in the handshake"])
def test_an_answer_that_drips_never_exceeds_the_deadline(serving: Serving, certified: ssl.SSLContext, way: str) -> None:
    ended = threading.Event()

    def serve(plain: socket.socket) -> None:
        if way == "plain":
            plain.recv(65_536)
            return dripped(plain, SLOW, ended)
        spoken = Spoken(plain, certified)
        if way == "in the handshake":
            spoken.shake(lambda data: dripped(plain, data, ended))
            return None
        spoken.shake().hear()
        plain.sendall(spoken.tickets)
        if way == "within a record":
            return dripped(plain, spoken.sealed(SLOW), ended)
        for at in range(len(SLOW)):
            plain.sendall(spoken.sealed(SLOW[at : at + 1]))
            if ended.wait(STEP):
                break
        return None

    url = f"http://127.0.0.1:{serving(serve)}" if way == "plain" else f"https://localhost:{serving(serve)}"
    with pytest.raises(TimedOut):
        Connections(url).request("POST", "/", b"", {}, 0.3)
    ended.set()


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "over TLS"])
def test_a_peer_that_reads_slowly_never_extends_a_send(
    serving: Serving, certified: ssl.SSLContext, secure: bool
) -> None:
    ended = threading.Event()

    def serve(connection: socket.socket) -> None:
        while connection.recv(1_000) and not ended.wait(STEP):
            pass

    url = f"https://localhost:{serving(serve, certified)}" if secure else f"http://127.0.0.1:{serving(serve)}"
    with pytest.raises(TimedOut):
        Connections(url).request("POST", "/", bytes(32_000_000), {}, 0.5)
    ended.set()


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "over TLS"])
def test_a_request_larger_than_all_buffers_arrives_as_it_is(
    serving: Serving, certified: ssl.SSLContext, secure: bool
) -> None:
    body, heard = random.Random(1).randbytes(16_000_000), []

    def serve(connection: socket.socket) -> None:
        threading.Event().wait(0.05)  # the sender fills the buffers in the meantime
        said = bytearray()
        while not said.endswith(body[-64:]):
            said += connection.recv(1_000_000)
        heard.append(said.partition(b"\r\n\r\n")[2] == body)
        connection.sendall(ANSWER)

    url = f"https://localhost:{serving(serve, certified)}" if secure else f"http://127.0.0.1:{serving(serve)}"
    assert Connections(url).request("POST", "/", body, {}, 60.0).body == b"ok"
    assert heard == [True]


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "over TLS"])
@pytest.mark.parametrize("timeout", [-1.0, 0.0, 1e-9, 1e-7, 1e-5])
def test_no_time_is_never_for_ever(serving: Serving, certified: ssl.SSLContext, timeout: float, secure: bool) -> None:
    """For the kernel, a timeout of 0 means none at all."""
    heard = []

    def serve(connection: socket.socket) -> None:
        answering(ANSWER)(connection)
        heard.append(connection.recv(65_536))

    port = serving(serve, certified) if secure else serving(serve)
    connection = (SecureConnection if secure else TimedConnection)(("localhost", port), time.monotonic() + 30)
    with closing(connection):
        connection.connect()
        assert connection.ask(b"POST / HTTP/1.1\r\n\r\n", 65_536) == (True, ANSWER)
        connection.deadline = time.monotonic() + timeout
        with pytest.raises(TimeoutError):
            connection.ask(b"a second request", 65_536)
        with pytest.raises(TimeoutError):
            connection.receive(65_536)
    if timeout <= 0:
        until = time.monotonic() + 30
        while not heard and time.monotonic() < until:
            threading.Event().wait(STEP)
        assert heard == [b""]


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "over TLS"])
def test_a_short_wait_leaves_no_mark_on_the_next_one(serving: Serving, certified: ssl.SSLContext, secure: bool) -> None:
    """The kernel's timeout is changed only when a wait needs it."""
    woken, connected = threading.Event(), []

    def serve(connection: socket.socket) -> None:
        connected.append(connection)
        connection.recv(65_536)
        assert woken.wait(60)
        connection.sendall(ANSWER)
        connection.recv(65_536)
        threading.Event().wait(0.1)
        connection.sendall(ANSWER)

    url = f"https://localhost:{serving(serve, certified)}" if secure else f"http://127.0.0.1:{serving(serve)}"
    connections = Connections(url)
    sent = connections.begin("POST", "/", b"", {}, 60.0, Waits(wake=0.005))
    assert sent.answer() is None
    woken.set()
    while (exchange := sent.answer()) is None:
        pass
    exchange.whole()
    exchange.close()
    assert connections.request("POST", "/", b"", {}, 60.0).body == b"ok"
    assert len(connected) == 1


class Shut(TimedConnection):
    def shut(self) -> None:
        assert self._socket is not None
        self._socket.shutdown(socket.SHUT_RDWR)


def test_a_shutdown_wakes_who_receives(serving: Serving) -> None:
    ended = threading.Event()
    port = serving(lambda _connection: ended.wait(60))
    connection = Shut(("127.0.0.1", port), time.monotonic() + 600)
    connection.connect()
    other = threading.Timer(0.05, connection.shut)
    other.start()
    assert connection.receive(65_536) == b""
    other.join()
    connection.close()
    with pytest.raises(ConnectionError):
        connection.receive(65_536)
    ended.set()


def _damaged(record: bytes) -> bytes:
    return record[:-1] + bytes([record[-1] ^ 1])


LAST: dict[str, Callable[[Spoken], bytes]] = {
    "nothing": lambda _: b"",
    "a goodbye": lambda spoken: spoken.goodbye(),
    "data": lambda spoken: spoken.sealed(b"abc"),
    "data and a goodbye": lambda spoken: spoken.sealed(b"abc") + spoken.goodbye(),
    "data, a goodbye and more": lambda spoken: spoken.sealed(b"abc") + spoken.goodbye() + b"more",
    "several records": lambda spoken: spoken.sealed(b"a" * 50_000) + spoken.sealed(b"b"),
    "half a record": lambda spoken: spoken.sealed(b"abc") + spoken.sealed(b"def")[:-3],
    "half a head of a record": lambda spoken: spoken.sealed(b"abc") + spoken.sealed(b"def")[:3],
    "a damaged record": lambda spoken: spoken.sealed(b"abc") + _damaged(spoken.sealed(b"def")),
    "a damaged record, then more": lambda spoken: _damaged(spoken.sealed(b"def")) + spoken.sealed(b"abc"),
    "what is no TLS": lambda spoken: spoken.sealed(b"abc") + b"HTTP/1.1 400 Bad Request\r\n\r\n",
}


def _read(receive: Callable[[int], bytes]) -> tuple[bytes, list[object]]:
    """What came, and three reports of its end."""
    came, ends = b"", list[object]()
    while len(ends) < 3:
        try:
            piece = receive(65_536)
        except OSError as error:
            ends.append(type(error))
        else:
            came += piece
            if not piece:
                ends.append(piece)
    return came, ends


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("last", LAST)
def test_an_end_over_tls_is_told_as_python_s_sockets_tell_it(
    serving: Serving, certified: ssl.SSLContext, last: str, version: ssl.TLSVersion
) -> None:
    certified.minimum_version = certified.maximum_version = version
    read = threading.Semaphore(0)

    def serve(plain: socket.socket) -> None:
        spoken = Spoken(plain, certified).shake()
        spoken.hear()
        plain.sendall(spoken.tickets + LAST[last](spoken))
        plain.shutdown(socket.SHUT_WR)
        read.acquire(timeout=60)

    port = serving(serve)
    ours = SecureConnection(("localhost", port), time.monotonic() + 60)
    with closing(ours):
        ours.connect()
        assert ours.send(b"hello")
        told = _read(ours.receive)
        read.release()
    with sockets.tls().wrap_socket(
        socket.create_connection(("127.0.0.1", port)), server_hostname="localhost"
    ) as theirs:
        theirs.settimeout(60)
        theirs.sendall(b"hello")
        assert told == _read(theirs.recv)
        read.release()


@pytest.mark.parametrize("last", ["nothing", "data", "half a record"])
def test_a_reset_over_tls_is_told_as_one(serving: Serving, certified: ssl.SSLContext, last: str) -> None:
    """Python 3.11 tells it as a usual end."""

    def serve(plain: socket.socket) -> None:
        spoken = Spoken(plain, certified).shake()
        spoken.hear()
        plain.sendall(spoken.tickets + LAST[last](spoken))
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    connection = SecureConnection(("localhost", serving(serve)), time.monotonic() + 60)
    with closing(connection):
        connection.connect()
        assert connection.send(b"hello")
        assert _read(connection.receive)[1][0] is ConnectionResetError


@pytest.mark.parametrize(
    "behind",
    [
        lambda spoken: spoken.goodbye(),
        lambda spoken: spoken.sealed(b"HTTP/1.1 200 OK\r\n"),
        lambda spoken: spoken.sealed(b"more")[:3],
    ],
    ids=["a goodbye", "data", "half a head of a record"],
)
def test_a_connection_with_anything_behind_its_answer_is_not_used_again(
    serving: Serving, certified: ssl.SSLContext, behind: Callable[[Spoken], bytes]
) -> None:
    ended, connected = threading.Event(), []

    def serve(plain: socket.socket) -> None:
        connected.append(plain)
        spoken = Spoken(plain, certified).shake()
        spoken.hear()
        plain.sendall(spoken.tickets + spoken.sealed(ANSWER) + behind(spoken))
        ended.wait(60)  # a second request here would never be answered

    connections = Connections(f"https://localhost:{serving(serve)}")
    for _ in range(3):
        assert connections.request("POST", "/", b"", {}, 30.0).body == b"ok"
    assert len(connected) == 3
    ended.set()


def test_tickets_that_come_before_an_answer_are_no_part_of_it(serving: Serving, certified: ssl.SSLContext) -> None:
    ended, connected = threading.Event(), []

    def serve(plain: socket.socket) -> None:
        connected.append(plain)
        spoken = Spoken(plain, certified).shake()
        spoken.hear()
        assert spoken.tickets
        for at in range(len(spoken.tickets)):
            plain.sendall(spoken.tickets[at : at + 1])
        plain.sendall(spoken.sealed(ANSWER))
        spoken.hear()
        plain.sendall(spoken.sealed(ANSWER))
        ended.wait(60)

    connections = Connections(f"https://localhost:{serving(serve)}")
    assert [connections.request("POST", "/", b"", {}, 30.0).body for _ in range(2)] == [b"ok"] * 2
    assert len(connected) == 1
    ended.set()


def test_a_handshake_ends_at_the_deadline_or_at_its_own(serving: Serving) -> None:
    ended = threading.Event()
    connections = Connections(f"https://localhost:{serving(lambda _connection: ended.wait(60))}")
    for timeout, waits in ((0.1, Waits()), (600.0, Waits(connect=0.1))):
        with pytest.raises(TimedOut) as fault:
            connections.begin("POST", "/", b"", {}, timeout, waits)
        assert not fault.value.sent
    ended.set()


@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x16\x03\x03"])
def test_a_handshake_that_is_none_sends_nothing(serving: Serving, said: bytes) -> None:
    def serve(plain: socket.socket) -> None:
        plain.recv(65_536)
        plain.sendall(said)

    with pytest.raises(NotSent):
        Connections(f"https://localhost:{serving(serve)}").request("POST", "/", b"", {}, 30.0)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"], ids=["trusted by nobody", "of another name"])
def test_a_refused_certificate_is_told_to_both_sides(
    serving: Serving, certified: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    if host == "localhost":
        monkeypatch.delenv("SSL_CERT_FILE")
        sockets.tls.cache_clear()
    told = []

    def serve(plain: socket.socket) -> None:
        try:
            Spoken(plain, certified).shake().hear()
        except ssl.SSLError as fault:
            told.append("ALERT" in (fault.reason or ""))

    connection = SecureConnection((host, serving(serve)), time.monotonic() + 30)
    with pytest.raises(ssl.SSLCertVerificationError):
        connection.connect()
    with pytest.raises(ConnectionError):
        connection.ask(b"a secret", 65_536)
    until = time.monotonic() + 30
    while not told and time.monotonic() < until:
        threading.Event().wait(STEP)
    assert told == [True]


def test_a_closed_connection_says_so(serving: Serving, certified: ssl.SSLContext) -> None:
    connections = Connections(f"https://localhost:{serving(answering(ANSWER), certified)}")
    sent = connections.begin("POST", "/", b"", {}, 30.0)
    sent.close()
    with pytest.raises(Broken):
        sent.answer()
