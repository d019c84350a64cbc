"""The whole gateway in this process: a copy of the HTTP API, the real authorizer and functions over DynamoDB Local, and
both vendors on the fake upstream. The fixture `gateway` starts one."""

from __future__ import annotations

import base64
import importlib
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote

from gateway import settings as gateway_settings
from gateway import wiring
from gateway.dynamodb.attributes import from_item
from tests.reply import Reply
from tests.upstream import FakeUpstream
from tools.manifest import Manifest

if TYPE_CHECKING:
    from tests.contract.conftest import Tables

REQUEST_ID = "r"
CONTEXT = SimpleNamespace(aws_request_id="aws-1", get_remaining_time_in_millis=lambda: 29_000)


IDENTITY_SOURCES = {"api-key": "x-api-key", "bearer": "authorization"}
# Bodies that an HTTP API passes on as text, whatever their bytes are; any other body is passed in base64.
_TEXT = re.compile(r"text/.*|application/(json|javascript|xml)")


class Front:
    """Finds the route, asks its authorizer, and passes the event to the function. It is also a WSGI application.

    The authorizers' answers are kept in `cache`, by kind and by the value of the kind's header, as Terraform configures
    the API; here they never expire.
    """

    def __init__(self, manifest: Manifest) -> None:
        self.cache: dict[tuple[str, str], dict[str, Any]] = {}
        self.source = "192.0.2.1"  # the network of the clients
        routes = sorted(manifest.routes().items(), key=lambda each: each[0].count("{"))
        self.routes = [(self._pattern(route), route, folder, access) for route, (folder, access) in routes]

    def call(self, method: str, url: str, body: Any = None, **headers: str) -> Reply:
        """A request with these headers, whose names have underscores, and no other key than those headers have. A body
        of bytes or text is sent unchanged; any other body is sent as JSON."""
        path, _, query = url.partition("?")
        sent = {"content-type": "application/json", "host": "localhost"}
        sent |= {name.replace("_", "-"): text for name, text in headers.items()}
        return self.ask(method, path, sent, _bytes(body), query)

    def ask(self, method: str, path: str, headers: Mapping[str, str], body: bytes = b"", query: str = "") -> Reply:
        """The names of `headers` are lower-case."""
        found = self._found(f"{method} {path}")
        if found is None:
            return Reply(404, {"content-type": "application/json"}, '{"message":"Not Found"}')
        match, route, folder, access = found
        event = _event(method, path, headers, body, query, route, match.groupdict())
        event["requestContext"]["http"]["sourceIp"] = self.source
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
        source = event["headers"].get(IDENTITY_SOURCES[access])
        if not source:
            return 401
        if (access, source) not in self.cache:
            handler = importlib.import_module("functions.authorizer.handler").handler
            self.cache[access, source] = handler(event | {"identitySource": [source]}, CONTEXT)
        verdict = self.cache[access, source]
        event["requestContext"]["authorizer"] = {"lambda": verdict["context"]}
        return 0 if verdict["isAuthorized"] else 403


def _event(
    method: str, path: str, headers: Mapping[str, str], body: bytes, query: str, route: str, parameters: dict[str, str]
) -> dict[str, Any]:
    text = _TEXT.fullmatch(headers.get("content-type", "").partition(";")[0].strip().lower())
    return {
        "routeKey": route,
        "rawPath": path,
        "headers": dict(headers),
        "queryStringParameters": dict(parse_qsl(query, keep_blank_values=True)),
        "pathParameters": {name: unquote(value) for name, value in parameters.items()},
        "isBase64Encoded": not text,
        "body": body.decode(errors="replace") if text else base64.b64encode(body).decode(),
        "requestContext": {"http": {"method": method, "path": path}, "requestId": REQUEST_ID},
    }


def _bytes(body: Any) -> bytes:
    if isinstance(body, bytes):
        return body
    return (body if isinstance(body, str) else "" if body is None else json.dumps(body)).encode()


@dataclass(frozen=True, slots=True)
class Place:
    """The properties of the place where a gateway runs, if its features depend on them."""

    region: str = "us-east-1"
    providers: str = "openai,bedrock"


@dataclass(frozen=True, slots=True)
class Gateway:
    """A gateway that only this test uses, and its parts that tests need. `keys` by name: a tier's name, or admin."""

    front: Front
    tables: Tables
    fake: FakeUpstream
    keys: Mapping[str, str]

    def ask(self, method: str, url: str, body: Any = None, *, key: str = "admin", **headers: str) -> Reply:
        """As `Front.call`, with a key by its name or text, or empty for no key. It is sent in both headers, and each
        route reads its own."""
        text = self.keys.get(key, key)
        mine = {"x_api_key": text, "authorization": f"Bearer {text}"} if text else {}
        return self.front.call(method, url, body, **mine | headers)

    def post(self, url: str, body: Any, **headers: str) -> Reply:
        return self.ask("POST", url, body, **headers)

    def new_key(self, **fields: Any) -> tuple[str, str]:
        """A new key's text and its id."""
        made = self.post("/api/v1/admin/keys", {"name": "test", "tier": "enterprise"} | fields)
        assert made.status == 201, made.text
        return made.body["key"], made.body["id"]

    @staticmethod
    def restart() -> None:
        """Starts new containers, which read the environment again."""
        gateway_settings.settings.cache_clear()
        wiring.reset()

    def rows(self) -> list[dict[str, Any]]:
        """All rows of all calls, oldest first."""
        found: list[dict[str, Any]] = []
        request: dict[str, Any] = {"TableName": self.tables["request-analytics"]}
        while True:
            reply = self.tables.database.call("Scan", request)
            found += map(from_item, reply["Items"])
            if "LastEvaluatedKey" not in reply:
                return sorted(found, key=lambda row: row["created"])
            request["ExclusiveStartKey"] = reply["LastEvaluatedKey"]


def variables(place: Place, prefix: str, dynamodb_endpoint: str, fake: FakeUpstream) -> dict[str, str]:
    """The environment variables of the functions of a gateway."""
    return {
        "GATEWAY_ENVIRONMENT": "test",
        "GATEWAY_TABLE_PREFIX": prefix,
        "GATEWAY_VERSION": "0.1.0",
        "GATEWAY_PROVIDERS": place.providers,
        "GATEWAY_STORE_TIMEOUT_SECONDS": "20",
        "GATEWAY_LOOPBACK_PROVIDERS": "allow",
        "OPENAI_BASE_URL": fake.openai_url,
        "OPENAI_SECRET_ID": "openai",
        "ANTHROPIC_BASE_URL": fake.url,
        "ANTHROPIC_SECRET_ID": "anthropic",
        "BEDROCK_REGION": place.region,
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "x",
        "AWS_SECRET_ACCESS_KEY": "y",
        "AWS_LAMBDA_FUNCTION_NAME": "test",
        "AWS_ENDPOINT_URL_DYNAMODB": dynamodb_endpoint,
        "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": fake.url,
        "AWS_ENDPOINT_URL_SECRETSMANAGER": fake.url,
    }
