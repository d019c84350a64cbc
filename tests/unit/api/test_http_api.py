"""The door of the HTTP API: it turns events into requests, and gives only answers of a known shape."""

import base64
import gzip
import json
import zlib
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.api.http_api import http_api
from gateway.api.message import MAX_BODY_BYTES, Dialect, Request, Response, parse_json_object
from gateway.api.routes import Described, Route
from gateway.errors import BadRequest, NotFound, RateLimited, StoreUnavailable, UpstreamError

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


def served(handler: Any, method_path: str, errors: Dialect = "openai") -> Any:
    """A Lambda handler with this one public route."""
    described = Described(summary="A test.", answers={})
    made = Route(
        method_path=method_path, handler=handler, auth="public", scope=None, errors=errors, described=described
    )
    return http_api("test", [made])


def answer(route: Any, sent: dict[str, Any]) -> tuple[int, Any, dict[str, str]]:
    reply = served(route, sent["routeKey"])(sent, CONTEXT)
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


def packed(body: bytes, encoding: str = "gzip", content_type: str = "application/json") -> dict[str, Any]:
    headers = {"Content-Type": content_type, "Content-Encoding": encoding}
    return event(body=base64.b64encode(body).decode(), isBase64Encoded=True, headers=headers)


GZIP = gzip.compress(b'{"a": 1}')


@pytest.mark.parametrize("encoding", ["gzip", "GZIP", "x-gzip", " gzip ", "identity, gzip", "gzip,"])
def test_unpacks_gzip(encoding: str) -> None:
    assert answer(echo, packed(GZIP, encoding))[:2] == (200, {"a": 1})


def test_says_that_a_packed_body_was_made_text_on_its_way() -> None:
    """An HTTP API does this with application/json and text/*: the original bytes are lost, and the client is not
    blamed."""
    headers = {"content-type": "application/json", "content-encoding": "gzip"}
    status, body, _ = answer(echo, event(body=GZIP.decode("utf-8", "replace"), headers=headers))
    assert (status, body["error"]["code"]) == (415, "unsupported_media_type")
    assert "application/vnd.api+json" in body["message"]
    assert answer(echo, packed(GZIP, content_type="application/vnd.api+json"))[:2] == (200, {"a": 1})


@pytest.mark.parametrize("encoding", ["", "identity", "Identity, identity"])
def test_takes_a_body_that_is_not_packed(encoding: str) -> None:
    assert answer(echo, packed(b'{"a": 1}', encoding))[:2] == (200, {"a": 1})
    assert answer(echo, packed(GZIP, encoding))[0] == 400


@pytest.mark.parametrize(
    "encoding", ["br", "zstd", "deflate", "compress", "gzip, gzip", "gzip,br", "gzip;q=1", "*", "none", "gz", "g zip"]
)
def test_refuses_any_other_coding_by_name(encoding: str) -> None:
    status, body, _ = answer(echo, packed(GZIP, encoding))
    assert (status, body["error"]["code"]) == (415, "unsupported_media_type")
    assert "gzip" in body["message"]


@pytest.mark.parametrize(
    "body",
    [
        GZIP[:-1],
        GZIP[:-8],
        GZIP[:5],
        GZIP + b"x",
        GZIP + GZIP,
        GZIP[:-4] + b"\0\0\0\0",
        b'{"a": 1}',
        b"\x1f\x8b",
        zlib.compress(b'{"a": 1}'),
        GZIP[:12] + b"\xff\xff" + GZIP[14:],
    ],
    ids=["cut", "no trailer", "head", "trailing", "two", "wrong length", "plain", "magic", "zlib", "damaged"],
)
def test_refuses_what_is_no_whole_gzip(body: bytes) -> None:
    status, answered, _ = answer(echo, packed(body))
    assert (status, answered["error"]["code"]) == (400, "invalid_encoding")


def test_unpacks_no_further_than_the_limit() -> None:
    just = b'{"a":"' + b"x" * (MAX_BODY_BYTES - 8) + b'"}'
    assert len(just) == MAX_BODY_BYTES
    assert answer(lambda _request: Response(body={}), packed(gzip.compress(just)))[0] == 200
    for bomb in (gzip.compress(just + b" "), gzip.compress(b"\0" * 200_000_000)):
        status, body, _ = answer(echo, packed(bomb))
        assert (status, body["error"]["code"]) == (413, "request_too_large")


@given(st.binary(max_size=300))
def test_no_bytes_said_to_be_gzip_are_an_error_of_ours(body: bytes) -> None:
    assert answer(echo, packed(body))[0] in (200, 400)


def test_a_body_that_cannot_be_read_is_refused_under_the_request_s_own_ids() -> None:
    for sent in (packed(b"x"), packed(b"x", "br"), event(body="!!!", isBase64Encoded=True)):
        sent["headers"] = sent["headers"] | {"x-correlation-id": "mine-1"}
        headers = answer(echo, sent)[2]
        assert (headers["x-correlation-id"], headers["x-request-id"]) == ("mine-1", "req-1")


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("application/json; charset=utf-8", 200),
        ('application/json;charset="UTF-8"', 200),
        ("application/json; charset=US-ASCII; x=y", 200),
        ("application/vnd.api+json", 200),
        ("application/json; charset=iso-8859-1", 415),
        ("application/json; charset=utf-16", 415),
        ("application/json; charset=", 415),
        ("text/json", 415),
        ("", 415),
    ],
)
def test_takes_json_in_utf_8(content_type: str, status: int) -> None:
    assert answer(echo, event(body="{}", headers={"content-type": content_type}))[0] == status


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b'\xef\xbb\xbf{"a": 1}', 200),
        ('{"a": "ä🎧"}'.encode(), 200),
        ('{"a": 1}'.encode("utf-16"), 400),
        ('{"a": 1}'.encode("utf-32-le"), 400),
        ('{"a": "ä"}'.encode("latin-1"), 400),
        (b'{"a": "\xed\xa0\x80"}', 400),
        (b'\xef\xbb\xbf\xef\xbb\xbf{"a": 1}', 400),
    ],
    ids=["mark", "utf-8", "utf-16", "utf-32", "latin-1", "surrogate", "two marks"],
)
def test_reads_no_bytes_but_utf_8(body: bytes, status: int) -> None:
    assert answer(echo, packed(body, ""))[0] == status


@pytest.mark.parametrize("given", ["JKJaXmPLvHcESHA=", "-_a", "a" * 128])
def test_answers_have_the_platform_s_request_id(given: str) -> None:
    for route in (
        echo,
        refuse(BadRequest("No.")),
        refuse(RuntimeError("x")),
        refuse(RateLimited("No.", retry_after=1)),
    ):
        sent = event(body="{}")
        sent["requestContext"]["requestId"] = given
        assert answer(route, sent)[2]["x-request-id"] == given
    assert http_api("test", ())(event("GET /nowhere"), CONTEXT)["headers"]["x-request-id"] == "req-1"


@pytest.mark.parametrize("given", ["a b", "a\r\nb", "é", "a" * 129, "\x00"])
def test_an_id_that_can_stand_in_no_header_is_replaced(given: str) -> None:
    sent = event(body="{}")
    sent["requestContext"]["requestId"] = given
    assert len(answer(echo, sent)[2]["x-request-id"]) == 36
    assert len(http_api("test", ())({"rawPath": "/x"}, CONTEXT)["headers"]["x-request-id"]) == 36


def test_no_answer_overrides_the_request_s_own_ids() -> None:
    def kept(_request: Request) -> Response:
        return Response(headers={"x-request-id": "old", "x-correlation-id": "old", "x-gateway-cost": "1"})

    headers = answer(kept, event(body="{}"))[2]
    assert (headers["x-request-id"], headers["x-gateway-cost"]) == ("req-1", "1")
    assert headers["x-correlation-id"] != "old"


def test_an_answer_that_json_cannot_say_is_a_shaped_500() -> None:
    for body in ({"a": float("nan")}, {"a": {1, 2}}, {"a": float("inf")}):
        status, answered, headers = answer(lambda _request, body=body: Response(body=body), event(body="{}"))
        assert (status, answered["error"]["code"], headers["x-request-id"]) == (500, "internal_error", "req-1")


def test_unknown_route() -> None:
    reply = http_api("test", ())(event("GET /nowhere"), CONTEXT)
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


@pytest.mark.parametrize(("errors", "status"), [("openai", 404), ("gateway", 400), ("jsonrpc", 404)])
def test_an_unknown_model_by_dialect(errors: Dialect, status: int) -> None:
    error = NotFound("No such model.", code="model_not_found", param="model")
    reply = served(refuse(error), "POST /x", errors)(event("POST /x", body="{}"), CONTEXT)
    assert reply["statusCode"] == status


def test_an_error_of_json_rpc() -> None:
    for error, code in ((BadRequest("No.", param="a"), -32600), (StoreUnavailable("Down."), -32603)):
        reply = served(refuse(error), "POST /x", "jsonrpc")(event("POST /x", body="{}"), CONTEXT)
        facts = {"message": error.message, "type": error.type, "param": error.param, "code": error.code}
        body = {"jsonrpc": "2.0", "id": None, "error": {"code": code, "message": error.message, "data": facts}}
        assert (reply["statusCode"], json.loads(reply["body"])) == (error.status, body)


def test_an_unexpected_error_shows_nothing_of_itself() -> None:
    status, body, headers = answer(refuse(RuntimeError("secret detail")), event(body="{}"))
    assert status == 500
    assert body["error"]["code"] == "internal_error"
    assert "secret" not in json.dumps(body)
    assert headers["x-correlation-id"]


def test_a_failure_before_the_request_is_known_is_shaped_too() -> None:
    reply = http_api("test", ())({"rawPath": "/x"}, CONTEXT)
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


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ('{"a": 1e999}', "The body contains a number that is too large."),
        ('{"a": NaN}', "The body is not valid JSON: NaN is not a JSON number."),
        ("{a}", "The body is not valid JSON: see line 1, column 2."),
        ('{"model": "gpt-4",\n "n": }', "The body is not valid JSON: see line 2, column 7."),
        (" ", "The body is empty, and must be a JSON object."),
        ("[" * 100_000, "The body is not valid JSON."),
    ],
)
def test_bad_json_says_what_is_bad(body: str, said: str) -> None:
    status, refused, _ = answer(lambda request: Response(200, request.json()), event(body=body))
    assert (status, refused["error"]["code"], refused["message"]) == (400, "invalid_json", said)
