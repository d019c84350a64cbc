"""Servers that do things which HTTP allows and few servers do."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from gateway.errors import UpstreamRejected
from gateway.transport import Broken, Connections
from gateway.vendors import connect
from gateway.vendors.base import Provider
from tests.fakes.database import Clock
from tests.unit.vendors.asking import OPENAI_KEY, ask, at, call, failure
from tests.upstream import FakeUpstream, Steer

ANSWER = json.dumps(
    {"choices": [{"message": {"content": "hi"}}], "usage": {"prompt_tokens": 1, "completion_tokens": 1}}
)
WHOLE = f"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {len(ANSWER)}\r\n\r\n{ANSWER}"


def provider_at(endpoint: str) -> Provider:
    return connect("openai", at(f"{endpoint}/v1", api_key=lambda: OPENAI_KEY))


@contextmanager
def server(serve: Callable[[socket.socket], None]) -> Iterator[str]:
    """One connection, which is served in this way."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def accept() -> None:
            connection, _ = listening.accept()
            with connection:
                serve(connection)

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        thread.join(60)


@pytest.mark.parametrize(
    "before",
    [
        "HTTP/1.1 100 Continue\r\n\r\n",
        "HTTP/1.1 102 Processing\r\n\r\n" * 5,
        "HTTP/1.1 103 Early Hints\r\nlink: </a>; rel=preload\r\n\xe9: x\r\n\r\n",
        "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 100 Continue\r\na: b\r\n\r\n",
    ],
)
def test_an_answer_may_have_others_before_it(fake: FakeUpstream, before: str) -> None:
    """Such a call is billed. When the status was taken for the answer, it cost nothing, and the answer after it was
    lost."""
    fake.script(Steer(wire=before + WHOLE))
    answer = ask(provider_at(fake.url), call())
    assert answer.body["choices"][0]["message"]["content"] == "hi"
    assert answer.usage is not None


@pytest.mark.parametrize("status", [100, 102, 103, 199])
def test_what_only_comes_before_an_answer_is_none(fake: FakeUpstream, status: int) -> None:
    fake.script(Steer(wire=f"HTTP/1.1 {status} X\r\n\r\n"))
    error = failure(provider_at(fake.url), call())
    assert (error.sent, error.upstream_status, error.reason) == (True, None, "broken")


def test_a_request_that_is_refused_before_it_is_read_was_refused() -> None:
    """The refusal of a proxy in front of a host, because of the size. It was charged as if its outcome were unknown."""

    def serve(connection: socket.socket) -> None:
        connection.recv(1_000)
        connection.sendall(b"HTTP/1.1 413 Too Large\r\ncontent-length: 0\r\n\r\n")
        connection.shutdown(socket.SHUT_WR)

    with server(serve) as endpoint:
        error = failure(provider_at(endpoint), call("x" * 20_000_000))
    assert (type(error), error.upstream_status) == (UpstreamRejected, 413)


def test_a_request_that_nobody_reads_or_answers_is_lost() -> None:
    with server(lambda connection: connection.close()) as endpoint:
        error = failure(provider_at(endpoint), call("x" * 20_000_000))
    assert (error.sent, error.upstream_status) == (True, None)


def test_a_connection_that_rested_long_is_not_used_again(fake: FakeUpstream) -> None:
    clock = Clock(1_000)
    connections = Connections(fake.url, clock=clock)

    def port() -> int:
        body = json.dumps({"messages": [{"role": "user", "content": "hi"}]}).encode()
        connections.request("POST", "/v1/chat/completions", body, {}, 10)
        return fake.seen[-1].client

    first = port()
    clock.advance(49)
    assert port() == first
    clock.advance(50)
    second = port()
    assert second != first
    clock.advance(-10)  # a clock that was set back says nothing
    assert port() not in (first, second)


def test_what_is_broken_stays_broken(fake: FakeUpstream) -> None:
    fake.script(Steer(wire="HTTP/1.1 103 Early Hints\r\nlink: a"))
    with pytest.raises(Broken):
        Connections(fake.url).request("POST", "/v1/chat/completions", b"{}", {}, 10)


def test_what_came_of_a_refusal_that_breaks_off_is_read(fake: FakeUpstream) -> None:
    """The status says that nothing is billed, and the words that came say why."""
    said = json.dumps({"error": {"message": "no", "code": "model_gone"}})
    fake.script(Steer(wire=f"HTTP/1.1 404 Not Found\r\ncontent-length: {len(said) + 9}\r\n\r\n{said}"))
    refusal = failure(provider_at(fake.url), call())
    assert (refusal.upstream_status, refusal.reason) == (404, "model_gone")
