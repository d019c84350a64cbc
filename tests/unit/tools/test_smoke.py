"""The requests that `make smoke` makes to a deployment, and to which address."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

import pytest

from tools.aws import smoke
from tools.aws.place import OperatorError, Place
from tools.manifest import Names

API = {
    "Name": "ai-gateway-dev-api",
    "ApiId": "abc",
    "ApiEndpoint": "https://abc.execute-api.eu-central-1.amazonaws.com",
}


class Api:
    """The part of API Gateway's API that is called."""

    def __init__(self, mappings: dict[str, list[dict[str, str]]], disabled: bool = False) -> None:
        self.mappings, self.disabled = mappings, disabled
        self.rest: list[dict[str, Any]] = [
            {"name": "ai-gateway-prod-stream", "id": "no"},
            {"name": "ai-gateway-dev-stream", "id": "rest"},
        ]

    def client(self, service: str) -> "Api":
        assert service in ("apigateway", "apigatewayv2")
        return self

    def get_paginator(self, operation: str) -> Any:
        items: dict[str, list[Any]] = {
            "get_apis": [API | {"DisableExecuteApiEndpoint": self.disabled}],
            "get_domain_names": [{"DomainName": name} for name in self.mappings],
        }
        if operation == "get_rest_apis":
            pages = [{"items": [each]} for each in self.rest]
        else:
            pages = [{"Items": [each]} for each in items[operation]]  # a page each
        return type("Paginator", (), {"paginate": lambda _self: pages})()

    def get_api_mappings(self, *, DomainName: str, MaxResults: str) -> dict[str, Any]:  # noqa: N803  AWS's spelling
        return {"Items": self.mappings[DomainName]}


def url(mappings: dict[str, list[dict[str, str]]], disabled: bool = False) -> str:
    return Place(Names("dev", region="eu-central-1", account="1"), Api(mappings, disabled)).base_url()


def mapped(api: str = "abc", stage: str = "$default", key: str = "") -> dict[str, str]:
    return {"ApiId": api, "Stage": stage, "ApiMappingKey": key}


def test_the_custom_domain_is_asked_where_there_is_one() -> None:
    for disabled in (False, True):
        assert url({"ai.example.com": [mapped()]}, disabled) == "https://ai.example.com"
    both = {"a.example.com": [mapped(key="v1")], "b.example.com": [mapped("other"), mapped()]}
    assert url(both) == "https://b.example.com"
    assert url({"a.example.com": [mapped(key="v1")]}) == "https://a.example.com/v1"


def test_without_one_the_api_s_own_address_is() -> None:
    others: tuple[dict[str, list[dict[str, str]]], ...] = (
        {},
        {"x.example.com": []},
        {"x.example.com": [mapped("other"), mapped(stage="old")]},
    )
    for mappings in others:
        assert url(mappings) == API["ApiEndpoint"]
        with pytest.raises(OperatorError, match="custom domain"):
            url(mappings, disabled=True)


def stream_url(
    mappings: dict[str, list[dict[str, str]]], environment: str = "dev", region: str = "eu-central-1"
) -> str:
    return Place(Names(environment, region=region, account="1"), Api(mappings)).stream_url()


def test_streams_come_by_the_rest_api_or_by_the_domain_that_it_is_mapped_to() -> None:
    assert stream_url({}) == "https://rest.execute-api.eu-central-1.amazonaws.com/live"
    assert stream_url({}, region="cn-north-1") == "https://rest.execute-api.cn-north-1.amazonaws.com.cn/live"
    both = [mapped(), mapped("rest", "live", "v1")]
    assert stream_url({"ai.example.com": both}) == "https://ai.example.com"
    assert stream_url({"ai.example.com": [mapped()]}).startswith("https://rest.")
    with pytest.raises(OperatorError, match="0 REST APIs named ai-gateway-staging-stream"):
        stream_url({}, "staging")


def test_streams_of_a_private_door_come_through_its_endpoint() -> None:
    api = Api({})
    where: dict[str, Any] = {"types": ["PRIVATE"], "vpcEndpointIds": ["vpce-0b", "vpce-0a"]}
    api.rest = [each | {"endpointConfiguration": where} for each in api.rest]
    place = Place(Names("dev", region="eu-central-1", account="1"), api)
    assert place.stream_url() == "https://rest-vpce-0a.execute-api.eu-central-1.amazonaws.com/live"


class _Gateway(BaseHTTPRequestHandler):
    models: ClassVar[list[dict[str, str]]]
    called: ClassVar[list[str]]
    failing: ClassVar[set[str]]

    def do_GET(self) -> None:
        key = self.headers.get("authorization")
        if self.path == "/v1/models":
            return self._say(200 if key == "Bearer good" else 403 if key else 401, {"data": self.models})
        return self._say(404 if "no/such" in self.path else 200, {})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        model = body["model"]
        self.called.append(model)
        if body.get("stream"):
            self._stream(model)
            return
        self._say(400 if model in self.failing else 200, {"message": "on-demand throughput isn't supported"})

    def _stream(self, model: str) -> None:
        end = b"" if model in self.failing else b"data: [DONE]\n\n"
        self.send_response(200)
        self.end_headers()
        for piece in (b"data: {}\n\n", end):
            self.wfile.write(piece)

    def _say(self, status: int, body: Any) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def serving(models: dict[str, str], failing: set[str]) -> Iterator[tuple[str, list[str]]]:
    listed = [{"id": name, "owned_by": owner} for name, owner in models.items()]
    called: list[str] = []
    handler = type("Handler", (_Gateway,), {"models": listed, "called": called, "failing": failing})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", called
    finally:
        server.shutdown()
        server.server_close()


BEDROCK = {"bedrock/x": "bedrock", "claude-3-haiku": "bedrock", "nova-lite": "bedrock"}


@pytest.mark.parametrize(
    ("models", "key", "model", "called"),
    [
        (BEDROCK | {"gpt-4": "openai"}, "good", "", ["nova-lite", "gpt-4"]),
        (BEDROCK, "good", "gpt-4", ["nova-lite", "gpt-4"]),
        (BEDROCK, "good", "nova-lite", ["nova-lite"]),
        ({"mine": "bedrock", "bedrock/x": "bedrock"}, "good", "", ["mine"]),
        ({"gpt-4": "openai"}, "good", "", ["gpt-4"]),
        (BEDROCK | {"anthropic/x": "anthropic", "anthropic/y": "anthropic"}, "good", "", ["nova-lite", "anthropic/x"]),
        ({"gpt-4": "openai"}, "good", "gpt-4", ["gpt-4"]),
        (BEDROCK, "", "", []),
        (BEDROCK, "bad", "", []),
    ],
)
def test_each_provider_is_called_once(models: dict[str, str], key: str, model: str, called: list[str]) -> None:
    with serving(models, set()) as (address, seen):
        found = list(smoke.checks(address, key, model))
    assert seen == called
    assert all(check.passed for check in found) == (key != "bad")


def test_a_provider_that_does_not_answer_fails() -> None:
    with serving(BEDROCK, {"nova-lite"}) as (address, _):
        (failed,) = [check for check in smoke.checks(address, "good", "") if not check.passed]
    assert failed.name == "answers by nova-lite"
    assert "throughput" in failed.said


def test_a_domain_that_leads_nowhere_is_no_answer() -> None:
    found = list(smoke.checks("http://127.0.0.1:1", "good", "gpt-4"))
    assert not any(check.passed for check in found)
    assert "no answer" in found[0].said


def test_the_first_model_streams_too_and_to_its_end() -> None:
    with serving(BEDROCK, set()) as (address, seen):
        found = {check.name: check.passed for check in smoke.checks(address, "good", "gpt-4", address)}
    assert seen == ["nova-lite", "gpt-4", "nova-lite"]
    assert found["refuses no key where it streams"]
    assert found["streams by nova-lite"]
    with serving(BEDROCK, {"nova-lite"}) as (address, _):
        found = {check.name: check.passed for check in smoke.checks(address, "good", "", address)}
    assert not found["streams by nova-lite"]
