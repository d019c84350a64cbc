"""How the adapter treats any app. A small app tests this harness before the gateway is tested with it."""

from __future__ import annotations

import http.client
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.adapter.client import call, events, opened
from tests.adapter.environment import environment
from tests.adapter.rest_api import RestApi
from tests.adapter.runtime_api import RuntimeApi
from tools.local.emulator import ROOT, free_port

APP = [sys.executable, str(ROOT / "tests" / "adapter" / "plain_app.py")]
VARIABLES = {"AWS_LWA_INVOKE_MODE": "response_stream", "AWS_LWA_READINESS_CHECK_PATH": "/ready"}


@pytest.fixture
def app(runtime: RuntimeApi, tmp_path: Path) -> Iterator[str]:
    """One environment. Gives the app's own address, with which a test can reach it without the adapter."""
    port = free_port()
    with environment(runtime.address, APP, VARIABLES, tmp_path / "log", port=port):
        yield f"http://127.0.0.1:{port}"


def test_an_answer_reaches_the_client_as_it_is_made(rest: RestApi, app: str) -> None:
    with opened("GET", f"{rest.url}/stream") as answer:
        assert answer.status == 200
        assert answer.getheader("content-type") == "text/event-stream"
        assert answer.headers.get_all("x-app") == ["one", "two"]
        read = events(answer)
        for number in range(3):  # each piece is read before the next one is made
            assert next(read) == f"data: {number}"
            call("GET", f"{app}/release")
        assert list(read) == []


def test_a_hang_up_is_hidden_from_the_app(rest: RestApi, app: str) -> None:
    with opened("GET", f"{rest.url}/stream") as answer:
        assert next(events(answer)) == "data: 0"
    (invocation,) = rest.invocations
    assert call("GET", f"{app}/echo").body["finished"] == "False"
    for _ in range(3):
        call("GET", f"{app}/release")
    assert invocation.ended.wait(30)  # the environment was busy until its app had finished
    assert call("GET", f"{app}/echo").body["finished"] == "True"


def test_an_environment_that_dies_cuts_its_answer_off(rest: RestApi, runtime: RuntimeApi, tmp_path: Path) -> None:
    with ExitStack() as alive, ExitStack() as stack:
        alive.enter_context(environment(runtime.address, APP, VARIABLES, tmp_path / "log"))
        answer = stack.enter_context(opened("GET", f"{rest.url}/stream"))
        assert next(events(answer)) == "data: 0"
        alive.close()
        with pytest.raises(http.client.IncompleteRead):
            answer.read()


def test_what_arrives(rest: RestApi, app: str) -> None:
    spoofed = {"x-amzn-request-context": '{"identity":{"sourceIp":"9.9.9.9"}}', "x-forwarded-for": "9.9.9.9"}
    told = call("POST", f"{rest.url}/live/a/b?beta=true&x=1&x=2", {"é": 1}, spoofed).body
    assert told["REQUEST_METHOD"] == "POST"
    assert told["PATH_INFO"] == "/a/b"
    assert sorted(told["QUERY_STRING"].split("&")) == ["beta=true", "x=1", "x=2"]
    assert told["body"] == '{"\\u00e9": 1}'
    assert "9.9.9.9" not in told["HTTP_X_AMZN_REQUEST_CONTEXT"]
    assert '"sourceIp":"127.0.0.1"' in told["HTTP_X_AMZN_REQUEST_CONTEXT"]


def test_a_status_and_a_big_answer(rest: RestApi, app: str) -> None:
    assert call("GET", f"{rest.url}/teapot").status == 418
    assert len(call("GET", f"{rest.url}/big").text) == 200 * 65_536


def test_what_lambda_does_not_take_is_refused_before_it(rest: RestApi, app: str) -> None:
    assert call("POST", f"{rest.url}/echo", b"x" * (6 * 1024 * 1024 + 1)).status == 413
    assert rest.invocations == []


def test_several_environments_are_as_many_calls_at_once(rest: RestApi, runtime: RuntimeApi, tmp_path: Path) -> None:
    with ExitStack() as stack:
        ports = [free_port(), free_port()]
        for port in ports:
            log = tmp_path / f"log-{port}"
            stack.enter_context(environment(runtime.address, APP, VARIABLES, log, port=port))
        answers = [stack.enter_context(opened("GET", f"{rest.url}/stream")) for _ in ports]
        reads = [events(answer) for answer in answers]
        assert [next(read) for read in reads] == ["data: 0", "data: 0"]
        for port in ports:
            for _ in range(3):
                call("GET", f"http://127.0.0.1:{port}/release")
        assert [list(read) for read in reads] == [["data: 1", "data: 2"], ["data: 1", "data: 2"]]
