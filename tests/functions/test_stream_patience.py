"""Clients that keep a connection of the streaming server: none of them keeps a thread forever, and nothing that they
send is repeated to anybody."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import pytest

from gateway.api.message import Request, Response
from gateway.api.port import RESERVE_SECONDS, Port
from gateway.api.routes import Described, Route, service
from gateway.settings import settings
from tests.fakes.served import exchanged, opened, served, until

Serving = Callable[..., AbstractContextManager[int]]
STREAM = b"GET /v1/stream HTTP/1.1\r\nhost: x\r\n\r\n"
PIECE = b"x" * 65_536


class App:
    def __init__(self) -> None:
        self.ended = threading.Event()
        self.last: Request | None = None

    def endless(self, request: Request) -> Response:
        self.last = request

        def pieces() -> Iterator[bytes]:
            try:
                while True:
                    yield PIECE
            finally:
                self.ended.set()

        return Response(200, pieces(), media_type="text/event-stream")


@pytest.fixture
def app() -> App:
    return App()


@pytest.fixture
def serving(app: App, gateway_environment: None) -> Serving:
    route = Route(
        method_path="GET /v1/stream",
        handler=app.endless,
        auth="public",
        scope=None,
        described=Described(summary="A test.", answers={}),
    )

    def start(seconds: float = 890.0, **others: int) -> AbstractContextManager[int]:
        return served(Port(service("test", [route]), seconds=seconds), settings(), cleanup_interval=0, **others)

    return start


def test_a_client_that_takes_nothing_has_gone(serving: Serving, app: App) -> None:
    with serving(channel_timeout=1) as port, socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        client.connect(("127.0.0.1", port))
        client.sendall(STREAM)
        assert app.ended.wait(60)
        assert app.last is not None
        assert app.last.gone()


def test_a_client_that_takes_a_little_now_and_then_has_until_its_answer_s_time_is_over(
    serving: Serving, app: App
) -> None:
    with serving(0.5 - RESERVE_SECONDS) as port, socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        client.connect(("127.0.0.1", port))
        client.settimeout(20)
        client.sendall(STREAM)
        while not app.ended.wait(0.01):
            assert client.recv(64)


@pytest.mark.parametrize(
    "begun", [b"GET /v1/stream HTTP/1.1\r\nx: ", b"POST / HTTP/1.1\r\ncontent-length: 99\r\n\r\n{"]
)
def test_a_request_that_does_not_come_whole_is_waited_for_so_long(serving: Serving, begun: bytes) -> None:
    with serving(channel_timeout=1) as port, opened(port, begun) as client:
        client.settimeout(0.05)
        for _ in range(400):  # sending a byte now and then does not keep a connection
            try:
                if not client.recv(1):
                    break
            except TimeoutError:
                client.sendall(b"a")
            except ConnectionError:
                break
        else:
            pytest.fail("the connection was kept")


def test_a_client_that_reads_is_waited_for(serving: Serving, app: App) -> None:
    with serving(channel_timeout=1) as port, opened(port, STREAM) as client:
        until(client, PIECE[:1_000])
        for _ in range(200):
            assert client.recv(65_536)
        assert not app.ended.is_set()


@pytest.mark.parametrize("end", ["\n", "\r", "\0"])
def test_what_can_t_be_read_is_not_repeated(serving: Serving, end: str) -> None:
    sent = f"GET /v1/stream HTTP/1.1\r\nauthorization: Bearer sk-canary{end}x: y\r\n\r\n"
    with serving() as port:
        answer = exchanged(port, sent.encode())
    assert answer.startswith(b"HTTP/1.0 400 ")
    assert b"canary" not in answer
