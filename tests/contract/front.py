"""The whole gateway in this process: what the HTTP API does, the real authorizer and functions over DynamoDB Local,
both vendors on the fake upstream."""

from __future__ import annotations

import base64
import importlib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qsl, unquote

import pytest

from gateway import settings as gateway_settings
from gateway import wiring
from gateway.stores.attributes import from_item
from tests.contract.conftest import Tables
from tests.upstream import FakeUpstream
from tools.local import seed
from tools.local.emulator import ROOT
from tools.manifest import Manifest, Names, load

REQUEST_ID = "r"
CONTEXT = SimpleNamespace(aws_request_id="aws-1", get_remaining_time_in_millis=lambda: 29_000)


@dataclass(frozen=True, slots=True)
class Reply:
    """Status, headers, and the body's text."""

    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def body(self) -> Any:
        return json.loads(self.text)


class Front:
    """Finds the route, asks the authorizer, hands the event on. Also a WSGI application."""

    def __init__(self, manifest: Manifest) -> None:
        self.manifest = manifest
        routes = sorted(manifest.routes().items(), key=lambda each: each[0].count("{"))
        self.routes = [(self._pattern(route), route, folder, access) for route, (folder, access) in routes]

    def ask(self, method: str, path: str, headers: Mapping[str, str], body: bytes = b"", query: str = "") -> Reply:
        """`headers` have lower-case names."""
        found = self._found(f"{method} {path}")
        if found is None:
            return Reply(404, {"content-type": "application/json"}, '{"message":"Not Found"}')
        match, route, folder, access = found
        event = _event(method, path, headers, body, query, route, match.groupdict())
        if access != "public":
            refused = self._authorize(event, access)
            if refused:
                return Reply(refused, {"content-type": "application/json"}, '{"message":"Refused"}')
        handler = importlib.import_module(f"functions.{folder}.handler").handler
        reply = handler(event, CONTEXT)
        return Reply(reply["statusCode"], reply["headers"], reply["body"])

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        path = environ["PATH_INFO"].encode("latin-1").decode("utf-8", "replace")
        headers = {
            key[5:].replace("_", "-").lower(): value for key, value in environ.items() if key.startswith("HTTP_")
        }
        if environ.get("CONTENT_TYPE"):
            headers["content-type"] = environ["CONTENT_TYPE"]
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        reply = self.ask(environ["REQUEST_METHOD"], path, headers, body, environ.get("QUERY_STRING", ""))
        start_response(f"{reply.status} -", list(reply.headers.items()))
        return [reply.text.encode()]

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

    def _authorize(self, event: dict[str, Any], access: str) -> int:
        name = {"api-key": "x-api-key", "bearer": "authorization"}[access]
        if not event["headers"].get(name):
            return 401
        handler = importlib.import_module("functions.authorizer.handler").handler
        verdict = handler(event | {"identitySource": [event["headers"][name]]}, CONTEXT)
        event["requestContext"]["authorizer"] = {"lambda": verdict["context"]}
        return 0 if verdict["isAuthorized"] else 403


def _event(
    method: str, path: str, headers: Mapping[str, str], body: bytes, query: str, route: str, parameters: dict[str, str]
) -> dict[str, Any]:
    return {
        "routeKey": route,
        "rawPath": path,
        "headers": dict(headers),
        "queryStringParameters": dict(parse_qsl(query, keep_blank_values=True)),
        "pathParameters": {name: unquote(value) for name, value in parameters.items()},
        "isBase64Encoded": True,
        "body": base64.b64encode(body).decode(),
        "requestContext": {"http": {"method": method, "path": path}, "requestId": REQUEST_ID},
    }


@dataclass(frozen=True, slots=True)
class Gateway:
    """A gateway of this test's own, and what a test needs of it. `keys` by name: a tier's, or admin."""

    front: Front
    tables: Tables
    fake: FakeUpstream
    keys: Mapping[str, str]

    def post(self, path: str, body: Any, *, key: str = "admin", method: str = "POST", **headers: str) -> Reply:
        """Bytes are sent as they are, anything else as JSON."""
        sent = {"content-type": "application/json", "x-api-key": self.keys[key]}
        sent |= {"authorization": f"Bearer {self.keys[key]}"}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        return self.front.ask(method, path, sent, body if isinstance(body, bytes) else json.dumps(body).encode())

    @staticmethod
    def restart() -> None:
        """New containers, which read the environment anew."""
        gateway_settings.settings.cache_clear()
        wiring.reset()

    def rows(self) -> list[dict[str, Any]]:
        """Every row of every call, oldest first."""
        found: list[dict[str, Any]] = []
        request: dict[str, Any] = {"TableName": self.tables["request-analytics"]}
        while True:
            reply = self.tables.database.call("Scan", request)
            found += map(from_item, reply["Items"])
            if "LastEvaluatedKey" not in reply:
                return sorted(found, key=lambda row: row["created"])
            request["ExclusiveStartKey"] = reply["LastEvaluatedKey"]


@pytest.fixture
def gateway(tables: Tables, dynamodb_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Gateway]:
    with FakeUpstream() as fake:
        variables = {
            "GATEWAY_ENVIRONMENT": "test",
            "GATEWAY_TABLE_PREFIX": tables.prefix,
            "GATEWAY_VERSION": "0.1.0",
            "GATEWAY_PROVIDERS": "openai,bedrock",
            "GATEWAY_STORE_TIMEOUT_SECONDS": "20",
            "OPENAI_BASE_URL": fake.openai_url,
            "OPENAI_SECRET_ID": "openai",
            "BEDROCK_REGION": "us-east-1",
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "x",
            "AWS_SECRET_ACCESS_KEY": "y",
            "AWS_LAMBDA_FUNCTION_NAME": "test",
            "AWS_ENDPOINT_URL_DYNAMODB": dynamodb_endpoint,
            "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": fake.url,
            "AWS_ENDPOINT_URL_SECRETSMANAGER": fake.url,
        }
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        Gateway.restart()
        base, _, environment = tables.prefix.partition("-")
        keys = seed.seed_keys(tables.database, Names(environment, base=base))
        yield Gateway(Front(load(ROOT)), tables, fake, keys)
    Gateway.restart()
