"""Subsegments in the form that the X-Ray daemon accepts: a header line and a document in one datagram."""

import json
import re
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from gateway.api.message import Request, Response
from gateway.tracing import Tracing
from tests.unit.api.test_http_api import CONTEXT, event, served

ROOT_ID, PARENT = "1-5759e988-bd862e3fe1be46a994272793", "53995c3f42cd8ad8"
SAMPLED = f"Root={ROOT_ID};Parent={PARENT};Sampled=1;Lineage=a:0"


@pytest.fixture
def daemon() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(5)
        yield receiver


def address(daemon: socket.socket) -> str:
    return f"127.0.0.1:{daemon.getsockname()[1]}"


def received(daemon: socket.socket) -> Any:
    header, _, document = daemon.recv(65_535).partition(b"\n")
    assert json.loads(header) == {"format": "json", "version": 1}
    return json.loads(document)


def nothing_came(daemon: socket.socket) -> bool:
    daemon.setblocking(False)
    with pytest.raises(BlockingIOError):  # loopback delivers a datagram before sendto returns
        daemon.recv(65_535)
    return True


def test_a_subsegment(daemon: socket.socket) -> None:
    assert Tracing(SAMPLED, address(daemon)).annotate("health", 10.5, 11.25, {"correlation_id": "c-1", "status": 200})
    document = received(daemon)
    assert re.fullmatch("[0-9a-f]{16}", document.pop("id"))
    assert document == {
        "name": "health",
        "trace_id": ROOT_ID,
        "parent_id": PARENT,
        "type": "subsegment",
        "start_time": 10.5,
        "end_time": 11.25,
        "annotations": {"correlation_id": "c-1", "status": 200},
    }


@pytest.mark.parametrize(
    ("status", "flags"),
    [(200, set()), (302, set()), (404, {"error"}), (429, {"error", "throttle"}), (500, {"fault"}), (503, {"fault"})],
)
def test_flags_say_whose_fault_it_was(daemon: socket.socket, status: int, flags: set[str]) -> None:
    Tracing(SAMPLED, address(daemon)).annotate("x", 1, 2, {}, status)
    assert {name for name, value in received(daemon).items() if value is True} == flags


def test_a_name_that_xray_would_not_take(daemon: socket.socket) -> None:
    Tracing(SAMPLED, address(daemon)).annotate("a;b'c<ä>", 1, 2, {})
    assert received(daemon)["name"] == "a-b-c---"


def test_an_address_by_protocol(daemon: socket.socket) -> None:
    assert Tracing(SAMPLED, f"tcp:127.0.0.1:1 udp:{address(daemon)}").annotate("x", 1, 2, {})
    assert received(daemon)["trace_id"] == ROOT_ID


@pytest.mark.parametrize(
    "header",
    [
        "",
        f"Root={ROOT_ID};Parent={PARENT};Sampled=0",
        f"Root={ROOT_ID};Parent={PARENT}",
        f"Root={ROOT_ID};Sampled=1",
        f"Root=nonsense;Parent={PARENT};Sampled=1",
        f"Root={ROOT_ID};Parent={PARENT}00;Sampled=1",
        ";;=;",
    ],
)
def test_what_is_not_sampled_sends_nothing(daemon: socket.socket, header: str) -> None:
    assert not Tracing(header, address(daemon)).annotate("x", 1, 2, {})
    assert nothing_came(daemon)


@pytest.mark.parametrize(
    "place", ["", "nowhere", "127.0.0.1:", "127.0.0.1:port", "127.0.0.1:99999999", "tcp:127.0.0.1:1"]
)
def test_a_daemon_that_is_not_there_fails_nothing(place: str) -> None:
    Tracing(SAMPLED, place).annotate("x", 1, 2, {"correlation_id": "c"})


def test_what_json_cannot_say_fails_nothing(daemon: socket.socket) -> None:
    wrong: Any = {"correlation_id": object()}
    assert not Tracing(SAMPLED, address(daemon)).annotate("x", 1, 2, wrong)


def test_a_request_is_found_by_its_correlation_id(
    daemon: socket.socket, gateway_environment: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("_X_AMZN_TRACE_ID", SAMPLED)
    monkeypatch.setenv("AWS_XRAY_DAEMON_ADDRESS", address(daemon))

    def route(_request: Request) -> Response:
        return Response(body={"a": "canary-answer"})

    headers = {"x-correlation-id": "corr-7", "x-api-key": "canary-key", "content-type": "application/json"}
    sent = event("POST /x", body='{"prompt": "canary-prompt"}', headers=headers)
    assert served(route, "POST /x")(sent, CONTEXT)["statusCode"] == 200
    document = received(daemon)
    assert document["annotations"] == {"correlation_id": "corr-7", "status": 200}
    assert document["start_time"] <= document["end_time"]
    assert "canary" not in json.dumps(document)
    # Lambda gives every run its own trace.
    monkeypatch.setenv("_X_AMZN_TRACE_ID", SAMPLED.replace("Sampled=1", "Sampled=0"))
    assert served(route, "POST /x")(sent, CONTEXT)["statusCode"] == 200
    assert nothing_came(daemon)
