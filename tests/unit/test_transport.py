"""Exchanges with real servers: over TLS with a certificate of the test, and with servers of odd habits."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable

import pytest

from gateway import sockets
from gateway.http1 import HttpReply
from gateway.times import Waits
from gateway.transport import MAX_BYTES, Broken, Connections, HttpError, NotSent, TimedOut, TooLarge
from tests.unit.servers import answering


def ask(connections: Connections, max_bytes: int = MAX_BYTES) -> HttpReply:
    return connections.request("POST", "/", b"", {}, 10.0, max_bytes)


BODY = b"x" * 200_000
LONG = b"HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n" + BODY
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n30d40\r\n" + BODY + b"\r\n0\r\n\r\n"


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("answer", [LONG, CHUNKED])
def test_over_tls_an_answer_is_whole_and_its_connection_is_kept(
    serving: Callable[..., int], certified: ssl.SSLContext, answer: bytes, version: ssl.TLSVersion
) -> None:
    certified.minimum_version = certified.maximum_version = version
    connected = []

    def serve(connection: socket.socket) -> None:
        connected.append(connection)
        answering(answer, answer)(connection)

    connections = Connections(f"https://localhost:{serving(serve, certified)}")
    for _ in range(2):
        reply = ask(connections)
        assert (reply.status, reply.body) == (200, BODY)
    assert len(connected) == 1


def test_over_tls_a_certificate_of_another_name_is_refused(
    serving: Callable[..., int], certified: ssl.SSLContext
) -> None:
    connections = Connections(f"https://127.0.0.1:{serving(answering(LONG), certified)}")
    with pytest.raises(NotSent):
        ask(connections)


def test_a_certificate_that_nobody_trusts_is_refused(
    serving: Callable[..., int], certified: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    sockets.tls.cache_clear()
    with pytest.raises(NotSent):
        ask(Connections(f"https://localhost:{serving(answering(LONG), certified)}"))


def test_an_end_without_a_goodbye_over_tls_is_no_whole_answer(
    serving: Callable[..., int], certified: ssl.SSLContext
) -> None:
    cut = b"HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n" + BODY
    with pytest.raises(Broken):
        ask(Connections(f"https://localhost:{serving(answering(cut), certified)}"))


@pytest.mark.parametrize(
    ("answer", "status", "body"),
    [
        (b"HTTP/1.0 200 OK\r\n\r\nto the end", 200, b"to the end"),
        (b"HTTP/1.1 200 OK\r\n\r\nto the end", 200, b"to the end"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok", 200, b"ok"),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 200, b"ok"),
        (b"HTTP/1.1 200 OK\r\nX: a\r\n folded\r\nContent-Length: 2\r\n\r\nok", 200, b"ok"),
        (b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok", 200, b"ok"),
        (b"HTTP/1.1 200 OK\r\nX-\xfc: a\r\nContent-Length: 2\r\n\r\nok", 200, b"ok"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b""),
    ],
)
def test_servers_of_odd_habits(serving: Callable[..., int], answer: bytes, status: int, body: bytes) -> None:
    connections = Connections(f"http://127.0.0.1:{serving(answering(answer))}")
    for _ in range(2):  # none of them keeps a connection that could still hold bytes
        reply = ask(connections)
        assert (reply.status, reply.body) == (status, body)


@pytest.mark.parametrize(
    "status_line", [b"HTTP/1.1 200 OK\r\nX-\xfc: a", b"HTTP/1.0 200 OK", b"HTTP/1.1 200 OK\r\nX: a\r\n b"]
)
@pytest.mark.parametrize("body", [b"", b"ok", BODY])
def test_an_odd_answer_with_a_length_ends_with_it(serving: Callable[..., int], status_line: bytes, body: bytes) -> None:
    """Its server waits for the next request, so nothing else would end it."""
    answer = b"%b\r\nContent-Length: %d\r\n\r\n%b" % (status_line, len(body), body)
    connections = Connections(f"http://127.0.0.1:{serving(answering(answer, answer))}")
    assert ask(connections).body == body


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200",
        b"SSH-2.0-OpenSSH_9.9\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nok",
        b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nContent-Length: x\r\nTransfer-Encoding: chunked\r\n\r\nzz",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhe",
    ],
)
def test_what_is_no_answer_is_broken(serving: Callable[..., int], answer: bytes) -> None:
    connections = Connections(f"http://127.0.0.1:{serving(answering(answer))}")
    with pytest.raises(Broken):
        ask(connections)


def test_a_rest_behind_an_answer_is_nobody_s(serving: Callable[..., int]) -> None:
    """Bytes that a server sends after its answer never become the beginning of the next answer."""
    smuggled = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"
    connections = Connections(f"http://127.0.0.1:{serving(answering(smuggled))}")
    assert [ask(connections).body for _ in range(3)] == [b"ok"] * 3


def test_an_answer_that_is_too_large_or_left_unread_costs_its_connection(serving: Callable[..., int]) -> None:
    connected = []

    def serve(connection: socket.socket) -> None:
        connected.append(connection)
        answering(LONG, LONG)(connection)

    connections = Connections(f"http://127.0.0.1:{serving(serve)}")
    with pytest.raises(TooLarge):
        ask(connections, max_bytes=199_999)
    exchange = connections.open("POST", "/", b"", {}, 10.0)
    exchange.close()
    assert ask(connections, max_bytes=200_000).body == BODY
    assert len(connected) == 3


@pytest.mark.parametrize("headers", [{"x": "a\r\nevil: 1"}, {"x\r\n": "a"}, {"x": "ü"}, {"x": "\x00"}])
def test_what_is_no_header_never_leaves_and_is_never_quoted(
    serving: Callable[..., int], headers: dict[str, str]
) -> None:
    seen: list[socket.socket] = []
    connections = Connections(f"http://127.0.0.1:{serving(seen.append)}")
    with pytest.raises(HttpError) as fault:
        connections.request("POST", "/", b"", headers, 10.0)
    assert (type(fault.value), fault.value.sent, seen) == (NotSent, False, [])
    assert "evil" not in repr(fault.value) + repr(fault.value.__context__)


DRIPPING = (
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3;x=1\r\nllo\r\n0\r\nX: 1\r\n\r\n",
    b"HTTP/1.0 200 OK\r\n\r\nhello",
)


@pytest.mark.parametrize("answer", DRIPPING, ids=["by length", "in chunks", "of an odd form"])
@pytest.mark.parametrize("secure", [False, True], ids=["plain", "over TLS"])
def test_who_waits_is_woken_wherever_an_answer_stops(
    serving: Callable[..., int], certified: ssl.SSLContext, answer: bytes, secure: bool
) -> None:
    """One byte comes each time that its reader was woken, and never earlier."""
    woken = threading.Semaphore(0)

    def serve(connection: socket.socket) -> None:
        connection.recv(65_536)
        for at in range(len(answer)):
            if at > answer.index(b"\r\n\r\n") + 3 or not answer.startswith(b"HTTP/1.0"):
                assert woken.acquire(timeout=60)
            connection.sendall(answer[at : at + 1])

    port = serving(serve, certified) if secure else serving(serve)
    scheme, host = ("https", "localhost") if secure else ("http", "127.0.0.1")
    sent = Connections(f"{scheme}://{host}:{port}").begin("POST", "/", b"", {}, 10.0, Waits(wake=0.005))
    woken.release()
    while (exchange := sent.answer()) is None:
        woken.release()
    said = b""
    for piece in exchange.pieces():
        said += piece
        if not piece:
            woken.release()
    exchange.close()
    assert said == b"hello"


@pytest.mark.parametrize(
    ("waits", "sent"),
    [
        (Waits(first_byte=0.05), b""),
        (Waits(first_byte=0.05), b"HTTP/1.1 200 OK\r\nX: 1"),
        (Waits(idle=0.05), b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe"),
        (Waits(idle=0.05, wake=0.01), b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe"),
        (Waits(first_byte=0.05, wake=0.01), b""),
        (Waits(idle=0.05), b"HTTP/1.0 200 OK\r\n\r\nhe"),
        (Waits(idle=0.05, wake=0.01), b"HTTP/1.0 200 OK\r\n\r\nhe"),
    ],
)
def test_a_silence_has_its_own_limit(serving: Callable[..., int], waits: Waits, sent: bytes) -> None:
    ended = threading.Event()

    def serve(connection: socket.socket) -> None:
        connection.recv(65_536)
        connection.sendall(sent)
        ended.wait(10)

    asked = Connections(f"http://127.0.0.1:{serving(serve)}").begin("POST", "/", b"", {}, 10.0, waits)

    def read() -> None:
        while (exchange := asked.answer()) is None:
            pass
        list(exchange.pieces())

    with pytest.raises(TimedOut):
        read()
    asked.close()
    ended.set()


def test_what_never_ends_behind_the_last_word_is_not_read_on(serving: Callable[..., int]) -> None:
    def serve(connection: socket.socket) -> None:
        connection.recv(65_536)
        connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        until = time.monotonic() + 5
        while time.monotonic() < until:
            connection.sendall(b"3\r\n:\n\n\r\n" * 100)
        connection.sendall(b"0\r\n\r\n")

    exchange = Connections(f"http://127.0.0.1:{serving(serve)}").open("POST", "/", b"", {}, 30.0)
    pieces = exchange.pieces(max_bytes=None)
    next(pieces)
    exchange.to_the_end()
    with pytest.raises(TimedOut):
        list(pieces)
    exchange.close()
