"""`python -m tools.openapi write|check`: the OpenAPI 3.1 document, from what the functions say of themselves.

Routes and who may call them stand in function.json, what they take and answer in routes.json beside it: a schema, or
the name of the pydantic model that judges it. What every route has in common is added here.
"""

from __future__ import annotations

import importlib
import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from tools.local.emulator import ROOT
from tools.manifest import load

OUT = ROOT / "functions" / "health" / "openapi.json"
_PARAMETER = re.compile(r"\{(\w+)\+?\}")
_ERRORS = {
    400: "The request is wrong; `param` names where.",
    401: "No API key, or one that is unknown, expired or revoked.",
    402: "A budget is used up.",
    403: "The API key may not do this.",
    404: "There is no such thing.",
    409: "It is there already, or is being changed by others.",
    412: "It was changed since: If-Match names another version.",
    413: "The body is too large.",
    415: "The body is of the wrong media type.",
    422: "The Idempotency-Key was used for another request.",
    429: "A limit is reached; retry-after(-ms) says for how long.",
    502: "The provider failed.",
    503: "A data store or a provider can't be reached now.",
    504: "The provider took too long.",
}
_HEADERS = {
    "if-match": "The ETag of an earlier answer: refused with 412 where it changed since.",
    "idempotency-key": "The same key and body within a day is answered, and billed, once.",
}
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
        "description": "By the HTTP API a message alone, by a function an Error.",
        "type": "object",
        "required": ["message"],
        "properties": {"message": {"type": "string"}, "error": {"type": "object"}},
    },
}


class DescriptionError(Exception):
    """Routes and descriptions do not fit; the message names them all."""


def document(root: Path = ROOT) -> dict[str, Any]:
    """The whole document. Raises DescriptionError for a route without a description, and the other way round."""
    manifest = load(root)
    schemas: dict[str, Any] = dict(_FIXED)
    paths: dict[str, Any] = {}
    problems = []
    for folder, function in sorted(manifest.functions.items()):
        file = root / "functions" / folder / "routes.json"
        described = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
        problems += [
            f"functions/{folder}/routes.json: {route}: no such route" for route in {*described} - {*function.routes}
        ]
        for route, access in function.routes.items():
            if route not in described:
                problems.append(f"functions/{folder}/routes.json: {route}: is not described")
                continue
            method, path = route.split(" ")
            operation = _operation(folder, route, access, described[route], schemas)
            paths.setdefault(_PARAMETER.sub(r"{\1}", path), {})[method.lower()] = operation
    if problems:
        raise DescriptionError("\n".join(sorted(problems)))
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "AI Model Gateway",
            "version": "0.1.0",
            "description": "Language models with keys, limits, budgets and a bill.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": dict(sorted(schemas.items())),
            "securitySchemes": {
                "api-key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
                "bearer": {"type": "http", "scheme": "bearer"},
            },
        },
    }


def _operation(
    folder: str, route: str, access: str, facts: Mapping[str, Any], schemas: dict[str, Any]
) -> dict[str, Any]:
    method, path = route.split(" ")
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in _PARAMETER.findall(path)
    ]
    parameters += [{"name": name, "in": "query", "schema": schema} for name, schema in facts.get("query", {}).items()]
    parameters += [
        {"name": name, "in": "header", "description": _HEADERS[name], "schema": {"type": "string"}}
        for name in facts.get("headers", [])
    ]
    errors = set(facts.get("errors", []))
    if access != "public":
        errors |= {401, 403, 503}
    if "body" in facts:
        errors |= {400, 413, 415}
    if "query" in facts or "headers" in facts:
        errors.add(400)
    if "{id" in path:
        errors.add(404)
    operation: dict[str, Any] = {
        "operationId": "_".join([method.lower(), *re.findall(r"\w+", path)]),
        "tags": [folder],
        "summary": facts["summary"],
        "responses": {status: _answer(schema, facts, schemas) for status, schema in facts["answers"].items()}
        | {str(status): _error(status) for status in sorted(errors) if str(status) not in facts["answers"]},
        "security": [] if access == "public" else [{access: []}],
    }
    if parameters:
        operation["parameters"] = parameters
    if "body" in facts:
        required = facts["body"] != "gateway.keys.key_fields:Rotation"
        schema = _schema(facts["body"], schemas, "validation")
        operation["requestBody"] = {"required": required, "content": {"application/json": {"schema": schema}}}
    return operation


def _answer(schema: Any, facts: Mapping[str, Any], schemas: dict[str, Any]) -> dict[str, Any]:
    content: dict[str, Any] = {"application/json": {"schema": _schema(schema, schemas, "serialization")}}
    if facts.get("csv"):
        content["text/csv"] = {"schema": {"type": "string"}}
    if facts.get("stream"):
        content["text/event-stream"] = {"schema": {"type": "string"}}
    return {"description": facts["summary"], "content": content}


def _error(status: int) -> dict[str, Any]:
    name = "Refused" if status in (401, 403) else "Error"
    reference = {"$ref": f"#/components/schemas/{name}"}
    return {"description": _ERRORS[status], "content": {"application/json": {"schema": reference}}}


def _schema(described: Any, schemas: dict[str, Any], mode: Any) -> dict[str, Any]:
    if not isinstance(described, str):
        return dict(described)
    module, _, name = described.partition(":")
    model: type[BaseModel] = getattr(importlib.import_module(module), name)
    made = model.model_json_schema(by_alias=True, mode=mode, ref_template="#/components/schemas/{model}")
    schemas |= made.pop("$defs", {})
    schemas[name] = made
    return {"$ref": f"#/components/schemas/{name}"}


def text(root: Path = ROOT) -> str:
    """The document as it is committed."""
    return json.dumps(document(root), indent=1, ensure_ascii=False) + "\n"


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
    print(f"{OUT.relative_to(ROOT)} is not what the functions say: `make openapi` writes it anew.", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
