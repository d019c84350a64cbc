"""The API in this process: its routes, its authorizers and, unlike a test's, its cache of their answers."""

from __future__ import annotations

import importlib
import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote

from tests.contract.front import CONTEXT, Front
from tools.local.emulator import ROOT
from tools.manifest import load

SOURCES = {"api-key": "x-api-key", "bearer": "authorization"}


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    headers: dict[str, str]
    body: Any

    @property
    def code(self) -> str | None:
        return self.body["error"]["code"] if "error" in self.body else None

    @property
    def param(self) -> str | None:
        return self.body["error"]["param"] if "error" in self.body else None


@dataclass(slots=True)
class Api:
    """An HTTP API with caching authorizers, as Terraform sets them up: one a kind, by one header each."""

    cache: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    front: Front = field(default_factory=lambda: Front(load(ROOT)))

    def call(self, method: str, url: str, body: Any = None, **headers: str) -> Reply:
        """A request; `headers` with underscores. Text of a body goes out as it is."""
        path, _, query = url.partition("?")
        for pattern, route, folder, access in self.front.routes:
            match = pattern.fullmatch(f"{method} {path}")
            if match is None:
                continue
            sent = {name.replace("_", "-"): text for name, text in headers.items()}
            event = {
                "routeKey": route,
                "rawPath": path,
                "headers": {"content-type": "application/json"} | sent,
                "queryStringParameters": dict(parse_qsl(query, keep_blank_values=True)),
                "pathParameters": {name: unquote(text) for name, text in match.groupdict().items()},
                "body": body if isinstance(body, str) else json.dumps(body) if body is not None else "",
                "requestContext": {"http": {"method": method, "path": path}, "requestId": "r"},
            }
            refused = self._authorized(event, access) if access != "public" else 0
            if refused:
                return Reply(refused, {}, {})
            handler = importlib.import_module(f"functions.{folder}.handler").handler
            reply = handler(event, CONTEXT)
            return Reply(reply["statusCode"], reply["headers"], json.loads(reply["body"] or "{}"))
        return Reply(404, {}, {})

    def _authorized(self, event: dict[str, Any], access: str) -> int:
        source = event["headers"].get(SOURCES[access], "")
        if not source:
            return 401
        if (access, source) not in self.cache:
            handler = importlib.import_module("functions.authorizer.handler").handler
            self.cache[access, source] = handler(event | {"identitySource": [source]}, CONTEXT)
        verdict = self.cache[access, source]
        event["requestContext"]["authorizer"] = {"lambda": verdict["context"]}
        return 0 if verdict["isAuthorized"] else 403

    def admin(self, key: str, method: str, path: str, body: Any = None, **headers: str) -> Reply:
        """A call of an admin route with a key."""
        return self.call(method, f"/api/v1/admin{path}", body, x_api_key=key, **headers)
