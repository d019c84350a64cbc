"""How the port's application reads the environment that a server and Lambda's adapter give it."""

from __future__ import annotations

import io
import json
import time
from typing import Any

import pytest

from gateway.api.message import Request, Response
from gateway.api.paths import Paths
from gateway.api.port import Port
from gateway.api.routes import Described, Route, service

Environ = dict[str, Any]


@pytest.fixture(autouse=True)
def environment(gateway_environment: None) -> None:
    """Every test here runs in a function's environment."""


class Seen:
    """A port's application with one route, and the last request that this route received."""

    request: Request

    def __init__(self, **facts: Any) -> None:
        described = Described(summary="A test.", answers={})
        route = Route(method_path="POST /v1/x", handler=self._handle, auth="public", scope=None, described=described)
        self._port = Port(service("test", [route]), **facts)

    def _handle(self, request: Request) -> Response:
        self.request = request
        return Response(200, "é", {"x-odd": "a\r\nb: c – é"}, media_type="text/plain")

    def ask(self, **environ: Any) -> tuple[str, dict[str, str], bytes]:
        told: list[Any] = []
        whole = {"REQUEST_METHOD": "POST", "PATH_INFO": "/v1/x", "REMOTE_ADDR": "127.0.0.1"} | environ
        body = self._port(whole | {"wsgi.input": io.BytesIO()}, lambda status, headers: told.extend([status, headers]))
        return told[0], dict(told[1]), b"".join(body)


def around(**context: Any) -> Environ:
    return {"HTTP_X_AMZN_REQUEST_CONTEXT": json.dumps(context)}


def test_behind_the_adapter_its_words_tell_the_address_and_the_platform_s_id() -> None:
    seen = Seen(adapter=True)
    identity = {"sourceIp": "203.0.113.7", "apiKey": "k", "userArn": "arn:x"}
    _, headers, _ = seen.ask(**around(requestId="r-1", identity=identity, authorizer={"keyId": "admin"}))
    assert (seen.request.source, headers["x-request-id"]) == ("203.0.113.7", "r-1")
    assert dict(seen.request.context) == {}
    assert set(seen.request.headers) == set()
    assert seen.request.by is None


@pytest.mark.parametrize(
    "context", ["", "[]", "{", "null", '{"identity": 3, "requestId": {}}', '{"requestId": "a\\nb"}', '{"identity":{}}']
)
def test_what_the_adapter_does_not_say_is_not_known(context: str) -> None:
    seen = Seen(adapter=True)
    status, headers, _ = seen.ask(HTTP_X_AMZN_REQUEST_CONTEXT=context, HTTP_X_AMZN_LAMBDA_CONTEXT=context)
    assert (status, seen.request.source) == ("200 OK", "")
    assert len(headers["x-request-id"]) == 36


def test_a_call_ends_ten_seconds_before_its_function() -> None:
    def left(seen: Seen) -> float:
        return seen.request.deadline - time.monotonic()

    seen = Seen(adapter=True, seconds=890.0)
    deadline = json.dumps({"deadline": (time.time() + 100) * 1_000})
    seen.ask(HTTP_X_AMZN_LAMBDA_CONTEXT=deadline)
    assert 89.0 < left(seen) <= 90.0
    seen.ask(HTTP_X_AMZN_LAMBDA_CONTEXT=json.dumps({"deadline": 1e300}))
    assert 889.0 < left(seen) <= 890.0
    seen = Seen(seconds=300.0)
    seen.ask(HTTP_X_AMZN_LAMBDA_CONTEXT=deadline)  # no adapter: this is the client's own text
    assert 299.0 < left(seen) <= 300.0


def test_an_answer_s_headers_are_headers_whatever_is_in_them() -> None:
    status, headers, body = Seen().ask()
    assert (status, headers["x-odd"], body) == ("200 OK", "a??b: c ? é", "é".encode())
    assert headers["content-length"] == "2"


def test_what_is_no_request_at_all_is_answered() -> None:
    told: list[str] = []
    body = Seen()._port({}, lambda status, _headers: told.append(status))
    assert (told, json.loads(b"".join(body))["error"]["code"]) == (["500 Internal Server Error"], "internal_error")


def test_a_path_is_found_by_its_likeliest_meaning() -> None:
    paths = Paths(["GET /v1/models", "GET /v1/models/{id+}", "POST /v1/models", "HEAD /", "GET /a.b/{one}/{two}"])
    found = {
        "/v1/models": ("/v1/models", {}),
        "/models": ("/v1/models", {}),
        "/live/v1/models": ("/v1/models", {}),
        "/v1/models/live/v1/models": ("/v1/models/{id+}", {"id": "live/v1/models"}),
        "/models/a%20b%00": ("/v1/models/{id+}", {"id": "a b\0"}),
        "/a.b/%2F/%ff": ("/a.b/{one}/{two}", {"one": "/", "two": "\ufffd"}),
        "/": ("/", {}),
    }
    for path, (described, parameters) in found.items():
        match = paths.find(path)
        assert match is not None, path
        assert (match.path, dict(match.parameters)) == (described, parameters)
    assert paths.find("/v1/models")
    for path in (
        "",
        "/v1/model",
        "/v1/models/",
        "/a.b/x",
        "/aXb/x/y",
        "/x/y/v1/models",
        "/v1/{id}",
        "/x.y/v1/models",
        "*",
    ):
        assert paths.find(path) is None, path
