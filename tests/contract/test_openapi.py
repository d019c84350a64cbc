"""schemathesis on the OpenAPI document: the real functions over DynamoDB Local answer nothing that it does not say.

Every request goes through the real authorizer and the real handlers, in this process, as events of the HTTP API.
"""

import base64
import importlib
import json
import re
from collections.abc import Callable, Iterable, Iterator
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qsl, unquote

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import CHECKS
from schemathesis.core.result import Ok

from gateway import settings as gateway_settings
from gateway import wiring
from tests.contract.conftest import Tables
from tests.upstream import FakeUpstream
from tools.local import seed
from tools.local.emulator import ROOT
from tools.manifest import Manifest, Names, load
from tools.openapi import OUT

EXAMPLES = 12
REQUEST_ID = "r"
CHECKED = ("not_a_server_error", "status_code_conformance", "content_type_conformance", "response_schema_conformance")
CONTEXT = SimpleNamespace(aws_request_id="aws-1", get_remaining_time_in_millis=lambda: 29_000)


class Front:
    """What the HTTP API does, as a WSGI application: finds the route, asks the authorizer, hands the event on."""

    def __init__(self, manifest: Manifest) -> None:
        self.manifest = manifest
        routes = sorted(manifest.routes().items(), key=lambda each: each[0].count("{"))
        self.routes = [(self._pattern(route), route, folder, access) for route, (folder, access) in routes]

    @staticmethod
    def _pattern(route: str) -> re.Pattern[str]:
        method, path = route.split(" ")
        pattern = re.sub(r"\{(\w+)\+\}", r"(?P<\1>.+)", path)
        return re.compile(f"{method} " + re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", pattern))

    def _found(self, wanted: str) -> tuple[re.Match[str], str, str, str] | None:
        for pattern, route, folder, access in self.routes:
            match = pattern.fullmatch(wanted)
            if match:
                return match, route, folder, access
        return None

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        method = environ["REQUEST_METHOD"]
        path = environ["PATH_INFO"].encode("latin-1").decode("utf-8", "replace")
        found = self._found(f"{method} {path}")
        if found is None:
            return _answer(start_response, 404, {"content-type": "application/json"}, '{"message":"Not Found"}')
        match, route, folder, access = found
        event = _event(environ, method, path, route, match.groupdict())
        if access != "public":
            refused = self._authorize(event, access)
            if refused:
                return _answer(start_response, refused, {"content-type": "application/json"}, '{"message":"Refused"}')
        handler = importlib.import_module(f"functions.{folder}.handler").handler
        reply = handler(event, CONTEXT)
        return _answer(start_response, reply["statusCode"], reply["headers"], reply["body"])

    def _authorize(self, event: dict[str, Any], access: str) -> int:
        name = {"api-key": "x-api-key", "bearer": "authorization"}[access]
        if not event["headers"].get(name):
            return 401
        handler = importlib.import_module("functions.authorizer.handler").handler
        verdict = handler(event | {"identitySource": [event["headers"][name]]}, CONTEXT)
        event["requestContext"]["authorizer"] = {"lambda": verdict["context"]}
        return 0 if verdict["isAuthorized"] else 403


def _event(environ: dict[str, Any], method: str, path: str, route: str, parameters: dict[str, str]) -> dict[str, Any]:
    headers = {key[5:].replace("_", "-").lower(): value for key, value in environ.items() if key.startswith("HTTP_")}
    if environ.get("CONTENT_TYPE"):
        headers["content-type"] = environ["CONTENT_TYPE"]
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    return {
        "routeKey": route,
        "rawPath": path,
        "headers": headers,
        "queryStringParameters": dict(parse_qsl(environ.get("QUERY_STRING", ""), keep_blank_values=True)),
        "pathParameters": {name: unquote(value) for name, value in parameters.items()},
        "isBase64Encoded": True,
        "body": base64.b64encode(body).decode(),
        "requestContext": {"http": {"method": method, "path": path}, "requestId": REQUEST_ID},
    }


def _answer(start_response: Callable[..., Any], status: int, headers: dict[str, str], body: str) -> Iterable[bytes]:
    start_response(f"{status} -", list(headers.items()))
    return [body.encode()]


@pytest.fixture
def front(tables: Tables, dynamodb_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Front, str]]:
    with FakeUpstream() as fake:
        variables = {
            "GATEWAY_ENVIRONMENT": "test",
            "GATEWAY_TABLE_PREFIX": tables.prefix,
            "GATEWAY_VERSION": "0.1.0",
            "GATEWAY_PROVIDERS": "bedrock",
            "GATEWAY_STORE_TIMEOUT_SECONDS": "20",
            "BEDROCK_REGION": "us-east-1",
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "x",
            "AWS_SECRET_ACCESS_KEY": "y",
            "AWS_LAMBDA_FUNCTION_NAME": "test",
            "AWS_ENDPOINT_URL_DYNAMODB": dynamodb_endpoint,
            "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": fake.url,
        }
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        gateway_settings.settings.cache_clear()
        wiring.reset()
        base, _, environment = tables.prefix.partition("-")
        keys = seed.seed_keys(tables.database, Names(environment, base=base))
        yield Front(load(ROOT)), keys["admin"]
    wiring.reset()
    gateway_settings.settings.cache_clear()


@pytest.mark.parametrize("folder", ["health", "completions", "mcp", "admin"])
def test_no_answer_that_the_document_does_not_say(front: tuple[Front, str], folder: str) -> None:
    application, key = front
    document = json.loads(OUT.read_text(encoding="utf-8"))
    schema = schemathesis.openapi.from_dict(document)
    schema.app = application
    checks = [CHECKS.get_one(name) for name in CHECKED]
    headers = {"x-api-key": key, "authorization": f"Bearer {key}"}
    tried, statuses = 0, set()
    for result in schema.get_all_operations():
        assert isinstance(result, Ok), result
        operation = result.ok()
        if operation.tags != [folder]:
            continue
        tried += 1

        @settings(
            max_examples=EXAMPLES,
            derandomize=True,
            database=None,
            deadline=None,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy())
        def ask(case: Any) -> None:
            statuses.add(case.call_and_validate(headers=headers, checks=checks).status_code)

        ask()
    routes = load(ROOT).functions[folder].routes
    assert tried == len(routes)
    assert 200 in statuses
