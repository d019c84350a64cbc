"""`python -m tools.openapi write|check`: the OpenAPI 3.1 document, made from the functions' own descriptions.

A function's handler lists its routes in a table, ROUTES: who may call each, and its request and answers, as schemas or
as the names of pydantic models. This module adds what all routes have in common. function.json, which Terraform reads,
must name the same routes with the same access.
"""

from __future__ import annotations

import importlib
import json
import re
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel

from gateway.api.message import Dialect
from gateway.api.routes import Auth, Described, Route
from tools.described import WORDS, describe
from tools.local.emulator import ROOT
from tools.manifest import Manifest, load

OUT = ROOT / "shared" / "gateway" / "data" / "openapi.json"
_PARAMETER = re.compile(r"\{(\w+)\+?\}")
_FIXED = {
    "Error": {
        "type": "object",
        "required": ["error", "message"],
        "properties": {
            "error": {
                "type": "object",
                "required": ["message", "type", "param", "code"],
                "properties": {
                    "message": {"type": "string"},
                    "type": {"type": "string"},
                    "param": {"type": ["string", "null"]},
                    "code": {"type": "string"},
                },
            },
            "message": {"type": "string"},
        },
    },
    "Refused": {
        "description": "A refusal. API Gateway itself sends only a message, and a function sends an Error.",
        "type": "object",
        "required": ["message"],
        "properties": {"message": {"type": "string"}, "error": {"type": "object"}},
    },
    "MessagesError": {
        "description": "An error in the shape of Anthropic's API.",
        "type": "object",
        "required": ["type", "error", "request_id"],
        "properties": {
            "type": {"const": "error"},
            "error": {
                "type": "object",
                "required": ["type", "message"],
                "properties": {"type": {"type": "string"}, "message": {"type": "string"}},
            },
            "request_id": {"type": ["string", "null"]},
        },
    },
    "MessagesRefused": {
        "description": "A refusal. API Gateway itself sends only a message, and a function sends a MessagesError.",
        "anyOf": [
            {"type": "object", "required": ["message"], "properties": {"message": {"type": "string"}}},
            {"$ref": "#/components/schemas/MessagesError"},
        ],
    },
    "RpcError": {
        "description": "An error of JSON-RPC. Its `data` has the fields of `error` of an Error.",
        "type": "object",
        "required": ["jsonrpc", "id", "error"],
        "properties": {
            "jsonrpc": {"const": "2.0"},
            "id": {"type": "null"},
            "error": {
                "type": "object",
                "required": ["code", "message", "data"],
                "properties": {
                    "code": {"type": "integer"},
                    "message": {"type": "string"},
                    "data": {"$ref": "#/components/schemas/Error/properties/error"},
                },
            },
        },
    },
    "RpcRefused": {
        "description": "A refusal. API Gateway itself sends only a message, and the function sends an RpcError.",
        "anyOf": [
            {"type": "object", "required": ["message"], "properties": {"message": {"type": "string"}}},
            {"$ref": "#/components/schemas/RpcError"},
        ],
    },
}
_SECURITY: Mapping[Auth, Sequence[str]] = {
    "public": (),
    "api-key": ("api-key",),
    "bearer": ("bearer",),
    "key": ("bearer", "api-key"),
}
_ERRORS_OF: Mapping[Dialect, str] = {
    "openai": "Error",
    "gateway": "Error",
    "jsonrpc": "RpcError",
    "messages": "MessagesError",
}
_REFUSALS: Mapping[Dialect, str] = {
    "openai": "Refused",
    "gateway": "Refused",
    "jsonrpc": "RpcRefused",
    "messages": "MessagesRefused",
}


class DescriptionError(Exception):
    """A function's routes and its function.json do not match. The message names every difference."""


Tables = Mapping[str, Sequence[Route]]


def tables(manifest: Manifest) -> Tables:
    """The routes of each function that has any, by folder."""
    return {
        folder: importlib.import_module(f"functions.{folder}.handler").ROUTES
        for folder, function in sorted(manifest.functions.items())
        if function.routes
    }


def agreed(manifest: Manifest, routes: Tables) -> None:
    """Raises DescriptionError unless each function.json has its function's routes, with the same access."""
    problems = []
    for folder, function in manifest.functions.items():
        said = {route.method_path: route.auth for route in routes.get(folder, ())}
        file = f"functions/{folder}/function.json"
        for name in {*said} | {*function.routes}:
            if name not in function.routes:
                problems.append(f"{file}: routes.{name}: is missing, the handler has it")
            elif name not in said:
                problems.append(f"{file}: routes.{name}: the handler has no such route")
            elif function.routes[name] != said[name]:
                problems.append(f"{file}: routes.{name}: is {function.routes[name]}, the handler says {said[name]}")
    if problems:
        raise DescriptionError("\n".join(sorted(problems)))


def document(manifest: Manifest, routes: Tables) -> dict[str, Any]:
    """The whole document. Raises DescriptionError as `agreed` does."""
    agreed(manifest, routes)
    schemas: dict[str, Any] = dict(_FIXED)
    paths: dict[str, Any] = {}
    for folder, table in sorted(routes.items()):
        for route in table:
            method, path = route.method_path.split(" ")
            operations = paths.setdefault(_PARAMETER.sub(r"{\1}", path), {})
            if method.lower() not in operations:  # a route that both doors serve is described once
                operations[method.lower()] = _operation(folder, route, schemas)
    made = {
        "openapi": "3.1.0",
        "info": {
            "title": "AI Model Gateway",
            "version": "0.1.0",
            "description": "A gateway to language models, with keys, limits, hard budgets and a bill.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": dict(sorted(schemas.items())),
            "securitySchemes": {
                "api-key": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "X-API-Key",
                    "description": "Send the gateway's key in this header on `/api/v1/*`.",
                },
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "Send the gateway's key as `Authorization: Bearer sk-...` on `/v1/*` and `/mcp`.",
                },
            },
        },
    }
    if problems := describe(made):
        raise DescriptionError("\n".join(problems))
    return made


def _operation(folder: str, route: Route, schemas: dict[str, Any]) -> dict[str, Any]:
    method, path = route.method_path.split(" ")
    described = route.described
    operation: dict[str, Any] = {
        "operationId": "_".join([method.lower(), *re.findall(r"\w+", path)]),
        "tags": [folder],
        "summary": described.summary,
        "responses": {str(status): _answer(status, described, schemas) for status in described.answers}
        | {str(status): _error(status, route) for status in _errors(route) if status not in described.answers},
        "security": [{scheme: []} for scheme in _SECURITY[route.auth]],
    }
    parameters = _parameters(path, described, schemas)
    if parameters:
        operation["parameters"] = parameters
    if described.body is not None:
        content = {"application/json": {"schema": _schema(described.body, schemas, "validation")}}
        operation["requestBody"] = {"required": not described.optional, "content": content}
    return operation


def _parameters(path: str, described: Described, schemas: dict[str, Any]) -> list[dict[str, Any]]:
    in_path = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in _PARAMETER.findall(path)
    ]
    in_query = [
        {"name": name, "in": "query", "schema": _schema(schema, schemas, "validation")}
        for name, schema in described.query.items()
    ]
    in_header = [
        {"name": name, "in": "header", "description": WORDS["headers"][name], "schema": {"type": "string"}}
        for name in described.headers
    ]
    return in_path + in_query + in_header


def _errors(route: Route) -> list[int]:
    """The statuses of a route's errors: its own, and those that follow from its inputs."""
    described = route.described
    errors = set(described.errors)
    if route.auth != "public":
        errors |= {401, 403, 503}
    if described.body is not None:
        errors |= {400, 413, 415}
    if described.query or described.headers:
        errors.add(400)
    if "{" in route.method_path:
        errors.add(404)
    return sorted(errors)


def _answer(status: int, described: Described, schemas: dict[str, Any]) -> dict[str, Any]:
    schema = _schema(described.answers[status], schemas, "serialization")
    content: dict[str, Any] = {} if described.media and not schema else {"application/json": {"schema": schema}}
    content |= {media: {"schema": {"type": "string"}} for media in described.media}
    return {"description": "The request succeeded." if status < 300 else described.summary, "content": content}


def _error(status: int, route: Route) -> dict[str, Any]:
    name = _REFUSALS if status in (401, 403) else _ERRORS_OF
    told: tuple[Dialect, ...] = (route.errors, "messages") if route.errors_by else (route.errors,)
    forms = [{"$ref": f"#/components/schemas/{name[dialect]}"} for dialect in told]
    schema = forms[0] if len(forms) == 1 else {"anyOf": forms}
    return {"description": WORDS["errors"][str(status)], "content": {"application/json": {"schema": schema}}}


def _schema(described: Any, schemas: dict[str, Any], mode: Any) -> dict[str, Any]:
    if not isinstance(described, str):
        return dict(described)
    module, _, name = described.partition(":")
    model: type[BaseModel] = getattr(importlib.import_module(module), name)
    made = model.model_json_schema(by_alias=True, mode=mode, ref_template="#/components/schemas/{model}")
    for title, each in {**made.pop("$defs", {}), name: made}.items():
        if schemas.setdefault(title, each) != each:
            raise DescriptionError(f"{described}: two types are called {title}")
    return {"$ref": f"#/components/schemas/{name}"}


def text() -> str:
    """The document in its committed form."""
    manifest = load(ROOT)
    return json.dumps(document(manifest, tables(manifest)), indent=1, ensure_ascii=False) + "\n"


def main() -> int:
    try:
        made = text()
    except DescriptionError as error:
        print(error, file=sys.stderr)
        return 1
    if sys.argv[1:] == ["write"]:
        OUT.write_text(made, encoding="utf-8")
        return 0
    if OUT.exists() and OUT.read_text(encoding="utf-8") == made:
        return 0
    print(f"{OUT.relative_to(ROOT)} is not what the functions say: `make openapi` writes it again.", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
