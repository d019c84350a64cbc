"""The short way of an exchange, whose answer comes in one piece, against the general way: the same bytes, divided at
any point, have the same outcome on both, whether a server that keeps to HTTP sent them or not."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import UpstreamError
from gateway.http1 import Head, Reader, at_once
from gateway.models.vendors import packaged
from gateway.sockets import TimedConnection
from gateway.times import Waits
from gateway.transport import Connections, HttpError
from gateway.vendors.answers import opened
from gateway.vendors.base import ModelCall, Prepared, awaited
from tests.unit.test_http1 import Read, answers, lean

# Bytes that may get into an answer on its way.
INSERTED = (b"\n", b"\r\n", b"\r\n\r\n", b" ", b"\x00", b":", b"-1", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 100 X\r\n\r\n")
FRAMED = (
    b"Content-Length: 1\r\n",
    b"content-length:0\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Connection: close\r\n",
    b"connection: Keep-Alive\r\n",
    b"Content-Lengt: 9\r\n",
    b"Content-Lengthy: 9\r\n",
    b"Trailer: x\r\n",
    b"Content-Type: \r\n",
    b"content-type:x \r\n",
    b"X: \r\n",
)
ENDS: tuple[type[OSError] | None, ...] = (None, TimeoutError, ConnectionResetError)


class Socket:
    """A socket over which these pieces come, and after them its end: the other side's closing, or an error."""

    def __init__(self, pieces: Sequence[bytes], end: type[OSError] | None, *, takes: bool) -> None:
        self._pieces, self._end, self._takes = [piece for piece in pieces if piece], end, takes

    def send(self, data: bytes, _flags: int) -> int:
        if not self._takes:
            raise BrokenPipeError
        return len(data)

    def setsockopt(self, *_option: object) -> None:
        """Nothing is waited for."""

    def recv(self, most: int) -> bytes:
        if not self._pieces:
            if self._end is not None:
                raise self._end
            return b""
        piece = self._pieces.pop(0)
        if len(piece) > most:
            self._pieces.insert(0, piece[most:])
        return piece[:most]

    def close(self) -> None:
        """Nothing is held."""


class Scripted(TimedConnection):
    def __init__(self, scripted: Any) -> None:
        super().__init__(("127.0.0.1", 1), math.inf)
        self._socket, self.closed = scripted, False

    def usable(self) -> bool:
        return True

    def close(self) -> None:
        super().close()
        self.closed = True


def outcome(pieces: Sequence[bytes], end: type[OSError] | None, most: int, *, short: bool, takes: bool = True) -> Any:
    """The answer, or the class of the error, and whether the connection was kept."""
    connections, connection = Connections("http://127.0.0.1:1"), Scripted(Socket(pieces, end, takes=takes))
    connections.give_back(connection, keep=True)
    try:
        if short:
            reply = connections.request("POST", "/", b"{}", {}, 10.0, most)
            return reply.status, dict(reply.headers), reply.body, connection.closed
        exchange = connections.begin("POST", "/", b"{}", {}, 10.0, Waits()).answer()
        assert exchange is not None
        try:
            read = exchange.status, dict(exchange.headers), exchange.whole(most)
        finally:
            exchange.close()
        return *read, connection.closed
    except HttpError as error:
        assert connection.closed
        return type(error), error.sent


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """An answer to which a few things have happened, or none."""
    sent = bytearray(draw(answers())[0])
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(sent)))
        match draw(st.sampled_from(["cut", "byte", "insert", "header", "behind", "twice"])):
            case "cut":
                del sent[at:]
            case "byte" if at < len(sent):
                sent[at] = draw(st.integers(0, 255))
            case "insert":
                sent[at:at] = draw(st.sampled_from(INSERTED))
            case "header":
                at = sent.find(b"\r\n") + 2
                sent[at:at] = draw(st.sampled_from(FRAMED))
            case "behind":
                sent += draw(st.sampled_from(INSERTED))
            case _:
                sent += bytes(sent)
    return bytes(sent)


@given(damaged(), st.sampled_from(ENDS), st.sampled_from([0, 10, 10_000]))
def test_the_same_bytes_divided_anywhere_have_the_same_outcome(
    data: bytes, end: type[OSError] | None, most: int
) -> None:
    for at in range(len(data) + 1):
        pieces = [data[:at], data[at:]]
        assert outcome(pieces, end, most, short=True) == outcome(pieces, end, most, short=False)


@given(damaged(), st.lists(st.integers(0, 200), max_size=6), st.sampled_from(ENDS), st.booleans())
def test_the_same_pieces_have_the_same_outcome_even_if_the_request_was_not_taken(
    data: bytes, sizes: list[int], end: type[OSError] | None, takes: bool
) -> None:
    pieces, rest = [], data
    for size in sizes:
        pieces.append(rest[:size])
        rest = rest[size:]
    pieces.append(rest)
    ways = [outcome(pieces, end, 10_000, short=short, takes=takes) for short in (True, False)]
    assert ways[0] == ways[1]


@given(damaged(), st.integers(0, 200), st.sampled_from(ENDS), st.booleans())
def test_a_provider_s_whole_answer_has_the_same_outcome_with_and_without_a_wait_of_its_own(
    data: bytes, at: int, end: type[OSError] | None, takes: bool
) -> None:
    def told(waits: Waits) -> Any:
        connections = Connections("http://127.0.0.1:1")
        connection = Scripted(Socket([data[:at], data[at:]], end, takes=takes))
        connections.give_back(connection, keep=True)
        prepared = Prepared(ModelCall("m", {}, 1, 10.0, waits=waits), packaged()["openai"].endpoints["chat"], b"{}")
        sent = opened("x", connections, lambda *_: {}, "/", prepared, True, "key", 10.0)
        try:
            reply, _ = awaited(sent)
        except UpstreamError as error:
            return type(error), error.sent, error.reason, connection.closed
        return reply.status, dict(reply.headers), reply.body, reply.measured, connection.closed

    assert told(Waits()) == told(Waits(first_byte=10.0)) == told(Waits(wake=10.0))


@given(damaged())
def test_what_is_read_at_once_is_what_the_reader_reads_to_the_last_byte(data: bytes) -> None:
    read = at_once(data)
    if read is not None:
        assert lean(data) == Read(read.status, dict(read.headers), read.body)
        reader = Reader(lambda _most: data)
        head = reader.head()
        assert isinstance(head, Head)
        assert (head.keep, reader.buffered(head)) == (read.keep, read.body)
        assert not reader.buffer


@given(answers())
def test_a_plain_answer_with_a_length_is_read_at_once(answer: tuple[bytes, Read]) -> None:
    data, said = answer
    read = at_once(data)
    if "content-length" in said.headers:
        assert read is not None
        assert Read(read.status, dict(read.headers), read.body) == said
    else:
        assert read is None


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}x",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nX : y\r\n\r\n{}",
        b"HTTP/1.1 200 OK\nContent-Length: 2\n\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX: y\r\n z\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX: \xfc\r\n\r\n{}",
        b"HTTP/1.1 304 Not Modified\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n{}",
    ],
)
def test_what_is_not_read_at_once(data: bytes) -> None:
    assert at_once(data) is None
