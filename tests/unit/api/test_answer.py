"""The answerer: each request has its own context up to the last byte of its answer, and every answer has a known
shape."""

import base64
import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from gateway import context, observability
from gateway.api.answer import Broken, answer, failed
from gateway.api.http_api import http_api
from gateway.api.message import Dialect, Request, Response
from gateway.api.pace import Buckets, Pace
from gateway.api.routes import Described, Handler, Route, Service, service
from gateway.errors import BadRequest, UpstreamUnavailable
from gateway.identity.caller import Caller
from gateway.identity.verification import Identity
from tests.unit.api.test_http_api import CONTEXT, event

Lines = Callable[[], list[dict[str, Any]]]
DESCRIBED = Described(summary="A test.", answers={})


@pytest.fixture(autouse=True)
def environment(gateway_environment: None) -> None:
    """Every test here runs in a function's environment."""


def serving(handler: Handler, errors: Dialect = "openai") -> Service:
    """A service of one public route."""
    route = Route(method_path="GET /x", handler=handler, auth="public", scope=None, errors=errors, described=DESCRIBED)
    return service("test", [route])


def request(name: str = "one", **facts: Any) -> Request:
    ids = {"correlation_id": f"corr-{name}", "request_id": f"req-{name}", "context": {"keyId": f"key-{name}"}}
    return Request(facts.pop("route", "GET /x"), "/x", {}, b"", **ids | facts)


def told_apart(lines: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Lines of the log, and of metrics."""
    return [line for line in lines if "_aws" not in line], [line for line in lines if "_aws" in line]


@pytest.mark.parametrize(
    ("asked", "advice"),
    [
        ("POST /chat/completions", "This path takes GET."),
        ("GET /chat/completion", "Did you mean /chat/completions?"),
        ("GET /nothing/like/it", "GET /openapi.json lists the routes."),
    ],
)
def test_an_unknown_route_is_refused_with_a_way_on(asked: str, advice: str) -> None:
    one = Route(
        method_path="GET /chat/completions",
        handler=lambda _: Response(200),
        auth="public",
        scope=None,
        errors="openai",
        described=DESCRIBED,
    )
    refused = answer(service("test", [one]), request(route=asked))
    assert (refused.status, json.loads(refused.text())["message"]) == (404, f"There is no route {asked}. {advice}")


MANY = 8


def test_requests_at_once_keep_everything_apart(log_lines: Lines) -> None:
    """All requests meet in the handler, and again between the pieces of the body. So the steps of each one run between
    the steps of the others."""
    gate = threading.Barrier(MANY)
    deadlines: dict[str, float] = {}

    def pieces(name: str) -> Iterator[bytes]:
        for number in range(3):
            gate.wait(30)
            observability.count("OutputTokens", number, provider=name)
            observability.log.info("piece", extra={"of": name})
            yield f"{name}{number} ".encode()

    def handler(asked: Request) -> Response:
        name = asked.query["name"]
        gate.wait(30)
        observability.log.info("handled", extra={"of": name})
        observability.count("InputTokens", int(name), provider=name)
        gate.wait(30)
        deadlines[name] = context.current().deadline
        return Response(200 + int(name), pieces(name), media_type="text/plain")

    serves, texts = serving(handler), {}

    def ask(name: str) -> None:
        response = answer(serves, request(name, query={"name": name}, deadline=1_000.0 + int(name)))
        texts[name] = b"".join(response.body).decode(), response.headers["x-correlation-id"]

    names = [str(number) for number in range(MANY)]
    threads = [threading.Thread(target=ask, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert texts == {name: (f"{name}0 {name}1 {name}2 ", f"corr-{name}") for name in names}
    assert deadlines == {name: 1_000.0 + int(name) for name in names}
    said, metrics = told_apart(log_lines())
    assert len(said) == MANY * 5
    for line in said:
        name = line["correlation_id"].removeprefix("corr-")
        assert (line["request_id"], line["key_id"], line["service"]) == (f"req-{name}", f"key-{name}", "test")
        assert line.get("of", name) == name
        assert line.get("status", 200 + int(name)) == 200 + int(name)
    assert {line["Provider"]: (line["InputTokens"], line["OutputTokens"], line["Requests"]) for line in metrics} == {
        name: ([int(name)], [0, 1, 2], [1]) for name in names
    }


def test_two_bodies_on_one_thread_in_turns(log_lines: Lines) -> None:
    def handler(asked: Request) -> Response:
        def pieces() -> Iterator[bytes]:
            for _ in range(2):
                observability.count("RowsCounted", int(asked.query["weight"]))
                yield context.current().correlation_id.encode()

        return Response(body=pieces())

    serves = serving(handler)
    first = answer(serves, request("a", query={"weight": "1"})).body
    second = answer(serves, request("b", query={"weight": "2"})).body
    outside = context.current()
    assert [next(first), next(second), next(second), next(first)] == [b"corr-a", b"corr-b", b"corr-b", b"corr-a"]
    assert context.current() is outside
    assert (list(second), list(first)) == ([], [])
    _, metrics = told_apart(log_lines())
    assert [line["RowsCounted"] for line in metrics] == [[2, 2], [1, 1]]


def test_accounting_comes_after_the_last_byte(log_lines: Lines) -> None:
    def pieces() -> Iterator[bytes]:
        yield b"a"
        yield b"b"
        observability.log.info("settled")

    body = answer(serving(lambda _request: Response(body=pieces())), request()).body
    assert next(body) == b"a"
    assert next(body) == b"b"
    assert log_lines() == []
    assert list(body) == []
    said, metrics = told_apart(log_lines())
    assert [(line["message"], line["correlation_id"]) for line in said] == [
        ("settled", "corr-one"),
        ("request", "corr-one"),
    ]
    assert [line["Requests"] for line in metrics] == [[1]]
    body.close()
    assert list(body) == []
    assert log_lines() == []  # once


@pytest.mark.parametrize("read", [0, 1])
def test_a_client_that_hangs_up_is_accounted_for(log_lines: Lines, read: int) -> None:
    def pieces() -> Iterator[bytes]:
        try:
            yield b"a"
            yield b"b"
        finally:
            observability.log.info("settled")
            observability.count("RowsCounted")

    body = answer(serving(lambda _request: Response(body=pieces())), request()).body
    for _ in range(read):
        next(body)
    closer = threading.Thread(target=body.close)  # a server may notice at any point that the client has gone
    closer.start()
    closer.join(60)
    said, metrics = told_apart(log_lines())
    # A body that was never begun has nothing to settle.
    assert [line["message"] for line in said] == ["settled"] * read + ["request"]
    assert {line["correlation_id"] for line in said} == {"corr-one"}
    assert [(line["Requests"], line.get("RowsCounted")) for line in metrics] == [([1], [1] if read else None)]


def test_what_fails_while_it_is_closed_reaches_the_log_alone(log_lines: Lines) -> None:
    def pieces() -> Iterator[bytes]:
        try:
            yield b"a"
        finally:
            raise RuntimeError("secret detail")

    body = answer(serving(lambda _request: Response(body=pieces())), request()).body
    next(body)
    body.close()
    said, metrics = told_apart(log_lines())
    assert [(line["message"], line.get("status")) for line in said] == [("unexpected error", None), ("request", 500)]
    assert metrics[0]["Errors"] == [1]


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [(BadRequest("No."), 400, "invalid_request"), (RuntimeError("secret detail"), 500, "internal_error")],
)
def test_a_body_that_breaks_is_shaped_for_who_has_sent_nothing(
    log_lines: Lines, error: Exception, status: int, code: str
) -> None:
    def pieces() -> Iterator[bytes]:
        yield b"a"
        raise error

    def handler(_request: Request) -> Response:
        return Response(body=pieces())

    body = answer(serving(handler), request()).body
    assert next(body) == b"a"
    with pytest.raises(Broken) as broken:
        next(body)
    assert (broken.value.response.status, json.loads(broken.value.response.body)["error"]["code"]) == (status, code)
    said, _ = told_apart(log_lines())
    assert [line["status"] for line in said if line["message"] == "request"] == [status]
    route = Route(method_path="GET /x", handler=handler, auth="public", scope=None, described=DESCRIBED)
    reply = http_api("test", [route])(event("GET /x"), CONTEXT)
    assert (reply["statusCode"], json.loads(reply["body"])["error"]["code"]) == (status, code)
    assert (reply["headers"]["x-request-id"], reply["headers"]["content-type"]) == ("req-1", "application/json")


def test_a_door_that_cannot_stream_gives_the_body_whole() -> None:
    def handler(_request: Request) -> Response:
        return Response(201, iter([b"data: \xc3", b"\xa4\n\n"]), media_type="text/event-stream")

    route = Route(method_path="GET /x", handler=handler, auth="public", scope=None, described=DESCRIBED)
    reply = http_api("test", [route])(event("GET /x"), CONTEXT)
    assert (reply["statusCode"], reply["body"]) == (201, "data: ä\n\n")
    assert reply["headers"]["content-type"] == "text/event-stream"


def test_a_body_that_is_no_text_goes_in_base64() -> None:
    route = Route(
        method_path="GET /x",
        handler=lambda _request: Response(body=iter([b"\xff", b"\xfe"]), media_type="audio/mpeg"),
        auth="public",
        scope=None,
        described=DESCRIBED,
    )
    reply = http_api("test", [route])(event("GET /x"), CONTEXT)
    assert (reply["isBase64Encoded"], base64.b64decode(reply["body"])) == (True, b"\xff\xfe")


def test_a_hang_up_while_a_piece_is_made_ends_after_it(log_lines: Lines) -> None:
    making, go_on = threading.Event(), threading.Event()

    def pieces() -> Iterator[bytes]:
        try:
            making.set()
            assert go_on.wait(30)
            observability.log.info("made")
            yield b"a"
            yield b"b"
        finally:
            observability.log.info("settled")

    body = answer(serving(lambda _request: Response(body=pieces())), request()).body
    read: list[bytes] = []
    reader = threading.Thread(target=lambda: read.append(next(body)))
    reader.start()
    assert making.wait(30)
    closer = threading.Thread(target=body.close)
    closer.start()
    go_on.set()
    for thread in (reader, closer):
        thread.join(30)
    assert (read, list(body)) == ([b"a"], [])
    said, metrics = told_apart(log_lines())
    assert [line["message"] for line in said] == ["made", "settled", "request"]
    assert {line["correlation_id"] for line in said} == {"corr-one"}
    assert [line["Requests"] for line in metrics] == [[1]]


@pytest.mark.parametrize("streamed", [False, True])
def test_what_ends_the_process_is_accounted_for_and_goes_on(log_lines: Lines, streamed: bool) -> None:
    def pieces() -> Iterator[bytes]:
        yield b"a"
        raise SystemExit(3)

    def handler(_request: Request) -> Response:
        if streamed:
            return Response(body=pieces())
        raise SystemExit(3)

    with pytest.raises(SystemExit):
        list(answer(serving(handler), request()).body)
    said, metrics = told_apart(log_lines())
    assert [(line["message"], line["status"]) for line in said] == [("request", 500)]
    assert (metrics[0]["Requests"], metrics[0]["Errors"]) == ([1], [1])
    observability.log.info("after")
    assert "correlation_id" not in log_lines()[0]


def test_a_request_that_could_not_be_read_is_shaped_and_accounted_for(log_lines: Lines) -> None:
    response = failed(serving(lambda _request: Response()), request(), ValueError("secret detail"))
    assert (response.status, response.headers["x-request-id"]) == (500, "req-one")
    assert "secret" not in response.body
    assert [line["message"] for line in told_apart(log_lines())[0]] == ["unexpected error", "request"]


def test_the_body_is_read_after_the_caller_is_known() -> None:
    def read() -> bytes:
        raise BadRequest("Can't be read.", code="invalid_encoding")

    facts: dict[str, Any] = {"method_path": "GET /x", "handler": lambda _r: Response(), "described": DESCRIBED}
    serves = service("test", [Route(auth="bearer", scope="models", **facts)], nobody, pace=unpaced)
    assert answer(serves, request(), read).status == 401
    assert answer(serves, request(context=CALLER.to_context()), read).status == 400


CALLER = Caller("abc", "free", ("models",), version=1)


def unpaced() -> Pace:
    return Pace(lambda _caller: None)


def nobody() -> Identity:
    raise AssertionError("nobody is asked where the authorizer knew the caller, or there is none")


@pytest.mark.parametrize(("scope", "status"), [("models", 200), (None, 200), ("admin", 403)])
def test_the_scope_is_asked_for_before_the_handler(scope: str | None, status: int) -> None:
    seen: list[Caller] = []

    def handler(asked: Request) -> Response:
        seen.append(asked.caller)
        return Response(body={})

    route = Route(method_path="GET /x", handler=handler, auth="bearer", scope=scope, described=DESCRIBED)
    serves = service("test", [route], nobody, pace=unpaced)
    response = answer(serves, request(context=CALLER.to_context()))
    assert (response.status, seen) == (status, [CALLER] if status == 200 else [])
    assert answer(serves, request()).status == 401


@pytest.mark.parametrize("dialect", ["openai", "gateway", "messages", "jsonrpc"])
def test_every_request_of_a_key_is_counted_before_anything_else(dialect: Dialect) -> None:
    """A caller without the scope, a body that can't be read, and a refusal by the handler: at this rate all are refused
    in the same way."""

    def refuses(_request: Request) -> Response:
        raise BadRequest("No.")

    def unreadable() -> bytes:
        raise BadRequest("Can't be read.", code="invalid_encoding")

    pace = Pace(lambda _caller: (1, 1), Buckets(lambda: 1_000_000_000))
    facts: dict[str, Any] = {"auth": "bearer", "described": DESCRIBED, "errors": dialect}
    routes = [
        Route(method_path="GET /x", handler=refuses, scope="models", **facts),
        Route(method_path="GET /y", handler=refuses, scope="admin", **facts),
    ]
    serves = service("test", routes, nobody, pace=lambda: pace)
    asked = [request(context=CALLER.to_context(), route=route) for route in ("GET /x", "GET /y") for _ in range(5)]
    assert [answer(serves, each, unreadable).status for each in asked] == [400] * 5 + [403] * 5
    refused = answer(serves, request(context=CALLER.to_context()), unreadable)
    assert (refused.status, refused.headers["retry-after"], refused.headers["retry-after-ms"]) == (429, "6", "6000")
    limits = {name: refused.headers[f"x-ratelimit-{name}-requests"] for name in ("limit", "remaining", "reset")}
    assert limits == {"limit": "10", "remaining": "0", "reset": "60000ms"}
    told = json.loads(refused.text())["error"]
    facts = told["data"] if dialect == "jsonrpc" else told
    assert (facts["code"], facts["dimension"], facts["limit"]) == ("rate_limit_exceeded", "all_requests", 10)
    assert facts["type"] == "rate_limit_error"
    other = Caller("other", "free", ("models",), version=1).to_context()
    assert answer(serves, request(context=other), unreadable).status == 400


def test_on_a_public_route_nobody_is_known(log_lines: Lines) -> None:
    response = answer(serving(lambda asked: Response(body=asked.caller.key_id)), request(context=CALLER.to_context()))
    assert response.status == 500
    assert log_lines()


def test_a_body_is_parsed_once() -> None:
    sent = Request("POST /x", "/x", {"content-type": "application/json"}, b'{"a": 1}')
    assert sent.json() is sent.json()


def test_routes_that_contradict_themselves_are_refused() -> None:
    facts: dict[str, Any] = {"method_path": "GET /x", "handler": lambda _r: Response(), "described": DESCRIBED}
    public = Route(auth="public", scope=None, **facts)
    with pytest.raises(ValueError, match="is there twice"):
        service("test", [public, Route(auth="public", scope=None, **facts)])
    with pytest.raises(ValueError, match="knows no keys"):
        service("test", [Route(auth="bearer", scope=None, **facts)])
    with pytest.raises(ValueError, match="counts no requests"):
        service("test", [Route(auth="bearer", scope=None, **facts)], nobody)
    for wrong in ({"scope": "admin"}, {"scope": None, "fresh": True}):
        with pytest.raises(ValueError, match="is public"):
            Route(auth="public", **facts | wrong)


def test_an_upstream_s_fault_in_a_body_has_its_facts_in_the_log(log_lines: Lines) -> None:
    def pieces() -> Iterator[bytes]:
        raise UpstreamUnavailable("Gone.", provider="openai", reason="network")
        yield b""

    with pytest.raises(Broken):
        list(answer(serving(lambda _request: Response(body=pieces())), request()).body)
    (line,) = [line for line in log_lines() if line.get("message") == "refused"]
    assert (line["provider"], line["reason"], line["correlation_id"]) == ("openai", "network", "corr-one")
