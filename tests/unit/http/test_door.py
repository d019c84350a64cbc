"""The HTTP API's door: events in, shaped answers out, nothing else."""

import base64
import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import BadRequest, NotFound, RateLimited, UpstreamError
from gateway.http.door import door
from gateway.http.message import MAX_BODY_BYTES, Request, Response, parse_json_object

CONTEXT = SimpleNamespace(aws_request_id="aws-1", get_remaining_time_in_millis=lambda: 29_000)


@pytest.fixture(autouse=True)
def environment(gateway_environment: None) -> None:
    """Every test here runs in a function's environment."""


def event(route: str = "POST /v1/chat/completions", body: Any = None, **extra: Any) -> dict[str, Any]:
    method, path = route.split(" ")
    return {
        "routeKey": route,
        "rawPath": path,
        "headers": {"content-type": "application/json"},
        "requestContext": {"http": {"method": method, "path": path}, "requestId": "req-1"},
        "body": body,
    } | extra


def answer(route: Any, sent: dict[str, Any]) -> tuple[int, Any, dict[str, str]]:
    reply = door("test", {sent["routeKey"]: route})(sent, CONTEXT)
    return reply["statusCode"], json.loads(reply["body"]), reply["headers"]


def echo(request: Request) -> Response:
    return Response(body=request.json())


def refuse(error: Exception) -> Any:
    def route(_request: Request) -> Response:
        raise error

    return route


def test_answers_json() -> None:
    status, body, headers = answer(echo, event(body='{"a": [1, "\\ud800", {"b": null}]}'))
    assert (status, body) == (200, {"a": [1, "\ud800", {"b": None}]})
    assert headers["content-type"] == "application/json"


def test_decodes_base64_bodies() -> None:
    sent = event(body=base64.b64encode(b'{"a": 1}').decode(), isBase64Encoded=True)
    assert answer(echo, sent)[:2] == (200, {"a": 1})


@pytest.mark.parametrize("sent", ["abc-1:2/3", "a" * 128])
def test_takes_a_sane_correlation_id(sent: str) -> None:
    headers = {"X-Correlation-ID": sent, "content-type": "application/json"}
    assert answer(echo, event(body="{}", headers=headers))[2]["x-correlation-id"] == sent


@pytest.mark.parametrize("sent", ["", "a b", "a" * 129, "x\r\nset-cookie: a", "é", "-a"])
def test_replaces_an_unsafe_correlation_id(sent: str) -> None:
    headers = {"x-correlation-id": sent, "content-type": "application/json"}
    made = answer(echo, event(body="{}", headers=headers))[2]["x-correlation-id"]
    assert made != sent
    assert len(made) == 36


@pytest.mark.parametrize(
    "body",
    [
        "",
        "{",
        "[]",
        "1",
        '{"a": NaN}',
        '{"a": Infinity}',
        '{"a": 1e400}',
        '{"a": ' + "[" * 100_000 + "]" * 100_000 + "}",
        '{"a": ' + "9" * 5_000 + "}",
    ],
    ids=["empty", "open", "list", "number", "nan", "infinity", "huge-float", "deep", "digits"],
)
def test_refuses_what_is_no_json_object(body: str) -> None:
    status, answered, _ = answer(echo, event(body=body))
    assert status == 400
    assert answered["error"]["code"] == "invalid_json"
    assert answered["message"] == answered["error"]["message"]


def test_refuses_other_media_types() -> None:
    assert answer(echo, event(body="{}", headers={"content-type": "text/plain"}))[0] == 415


def test_refuses_a_body_over_the_limit_before_parsing() -> None:
    status, body, _ = answer(echo, event(body="x" * (MAX_BODY_BYTES * 4 // 3 + 5)))
    assert (status, body["error"]["code"]) == (413, "request_too_large")
    status, body, _ = answer(echo, event(body="x" * (MAX_BODY_BYTES + 1)))
    assert (status, body["error"]["code"]) == (413, "request_too_large")


def test_refuses_a_body_that_is_not_base64() -> None:
    assert answer(echo, event(body="!!!", isBase64Encoded=True))[0] == 400


def test_unknown_route() -> None:
    reply = door("test", {})(event("GET /nowhere"), CONTEXT)
    assert (reply["statusCode"], json.loads(reply["body"])["error"]["code"]) == (404, "not_found")


def test_shapes_errors_and_the_true_reset() -> None:
    error = RateLimited("Too fast.", retry_after=5.2, details={"limit": 10}, headers={"x-a": "b"})
    status, body, headers = answer(refuse(error), event(body="{}"))
    assert status == 429
    assert body["error"] == {
        "message": "Too fast.",
        "type": "rate_limit_error",
        "param": None,
        "code": "rate_limit_exceeded",
        "limit": 10,
    }
    assert (headers["retry-after"], headers["retry-after-ms"], headers["x-a"]) == ("6", "5200", "b")


@pytest.mark.parametrize(("path", "status"), [("/v1/chat/completions", 404), ("/api/v1/completions", 400)])
def test_an_unknown_model_by_path(path: str, status: int) -> None:
    error = NotFound("No such model.", code="model_not_found", param="model")
    assert answer(refuse(error), event(f"POST {path}", body="{}"))[0] == status


def test_an_unexpected_error_shows_nothing_of_itself() -> None:
    status, body, headers = answer(refuse(RuntimeError("secret detail")), event(body="{}"))
    assert status == 500
    assert body["error"]["code"] == "internal_error"
    assert "secret" not in json.dumps(body)
    assert headers["x-correlation-id"]


def test_a_failure_before_the_request_is_known_is_shaped_too() -> None:
    reply = door("test", {})({"rawPath": "/x"}, CONTEXT)
    assert reply["statusCode"] == 500


def test_logs_one_request_line_without_headers_or_body(log_lines: Callable[[], list[dict[str, Any]]]) -> None:
    headers = {"content-type": "application/json", "x-api-key": "sk-canary-key", "authorization": "Bearer canary"}
    answer(echo, event(body='{"prompt": "canary prompt"}', headers=headers))
    lines = log_lines()
    assert [line["message"] for line in lines if "message" in line] == ["request"]
    assert "canary" not in json.dumps(lines)


def test_counts_requests_and_refusals(log_lines: Callable[[], list[dict[str, Any]]]) -> None:
    answer(refuse(BadRequest("No.")), event(body="{}"))
    metrics = [line for line in log_lines() if "_aws" in line]
    assert any(line.get("Refusals") == [1] and line["Reason"] == "invalid_request" for line in metrics)
    assert any(line.get("Requests") == [1] and line["Gateway"] == "ai-gateway-test" for line in metrics)


def test_a_providers_fault_is_logged_with_its_facts(log_lines: Callable[[], list[dict[str, Any]]]) -> None:
    error = UpstreamError("No.", provider="openai", upstream_status=500, reason="server_error")
    headers = {"content-type": "application/json"}
    context = {"authorizer": {"lambda": {"keyId": "key-1"}}}
    sent = event(body="{}", headers=headers)
    sent["requestContext"] |= context
    answer(refuse(error), sent)
    (line,) = [line for line in log_lines() if line.get("message") == "refused"]
    wanted = {"provider": "openai", "upstream_status": 500, "reason": "server_error", "key_id": "key-1", "status": 502}
    assert wanted.items() <= line.items()


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(st.dictionaries(st.text(), json_values))
def test_every_json_object_passes_unchanged(value: dict[str, Any]) -> None:
    assert json.loads(Response(body=parse_json_object(json.dumps(value).encode())).text()) == value


@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_parsed_or_refused(body: bytes) -> None:
    try:
        assert isinstance(parse_json_object(body), dict)
    except BadRequest:
        return
