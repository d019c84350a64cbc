"""The reference, as pages: read from the descriptions of the functions, the tables and Terraform."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from tools import hcl
from tools.docs import schemas
from tools.docs.tables import code, one_line, table
from tools.local.emulator import ROOT
from tools.manifest import Manifest, load

_NOTE = "*This page is made from `{}` when the site is built.*\n"
_METHODS = ("get", "post", "put", "patch", "delete", "head")


def pages() -> dict[str, str]:
    """Text of each page by its file name below docs/reference."""
    manifest = load(ROOT)
    document = _json("shared/gateway/data/openapi.json")
    return {
        "routes.md": _routes(document),
        "config.md": _config(document),
        "functions.md": _functions(manifest),
        "environment.md": _environment(),
        "terraform-variables.md": _variables(),
        "metrics.md": _metrics(),
    }


def _json(path: str) -> Any:
    return json.loads((ROOT / path).read_text(encoding="utf-8"))


def _page(title: str, source: str, parts: Iterable[str]) -> str:
    return "\n".join([f"# {title}", "", _NOTE.format(source), *parts]) + "\n"


# --- the API ---------------------------------------------------------------------------------------------------------


def _routes(document: Mapping[str, Any]) -> str:
    operations = [
        (path, method, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if method in _METHODS
    ]
    rows = [
        [code(f"{method.upper()} {path}"), one_line(operation["summary"]), _key(operation)]
        for path, method, operation in operations
    ]
    parts = [
        "Every gateway serves the same document as `GET /openapi.json`. [The API](../api.md) explains the fields.\n",
        table(["route", "what it does", "key"], rows),
    ]
    for path, method, operation in operations:
        parts += _operation(path, method, operation, document)
    return _page("Every route", "shared/gateway/data/openapi.json", parts)


def _key(operation: Mapping[str, Any]) -> str:
    """How the key is sent; empty where none is needed."""
    names = {"api-key": "`X-API-Key`", "bearer": "`Authorization: Bearer`"}
    return " or ".join(names.get(name, code(name)) for each in operation["security"] for name in each)


def _operation(path: str, method: str, operation: Mapping[str, Any], document: Mapping[str, Any]) -> Iterator[str]:
    yield f"\n## {method.upper()} {path}\n\n{operation['summary']}\n"
    if operation.get("parameters"):
        rows = [
            [
                code(each["name"]),
                each["in"],
                schemas.form(each["schema"]),
                "required" if each.get("required") else "",
                one_line(each.get("description", "")),
            ]
            for each in operation["parameters"]
        ]
        yield table(["parameter", "where", "form", "", "meaning"], rows)
    for content in operation.get("requestBody", {}).get("content", {}).values():
        named = schemas.resolved(content["schema"], document)
        if named.get("properties"):
            yield "\nThe body:\n\n" + schemas.fields(named)
        break
    statuses = [[status, one_line(answer["description"])] for status, answer in operation["responses"].items()]
    yield "\nAnswers:\n\n" + table(["status", "when"], statuses)


# --- settings --------------------------------------------------------------------------------------------------------


def _config(document: Mapping[str, Any]) -> str:
    parts = [
        "Read it with `GET /api/v1/admin/config`, change it with `POST /api/v1/admin/config` and a JSON merge patch."
        " The packaged values are in `shared/gateway/data/config.json`.\n"
    ]
    for name, schema in schemas.reachable("Config", document):
        parts += [f"## {name}\n", one_line(schema.get("description", "")) + "\n", schemas.fields(schema), ""]
    return _page("The config, field by field", "shared/gateway/data/openapi.json", parts)


def _functions(manifest: Manifest) -> str:
    rows, parts = [], []
    for folder, function in sorted(manifest.functions.items()):
        rows.append([f"[`{folder}`](#{folder})", one_line(function.description), str(function.memory)])
        told = _json(f"functions/{folder}/function.json")
        parts.append(
            f"\n## {folder}\n\n{function.description} Up to {function.timeout} seconds, {function.memory} MB.\n"
        )
        if routes := told.get("routes"):
            parts.append(table(["route", "key"], [[code(route), key] for route, key in routes.items()]))
        if tables := told.get("tables"):
            parts.append(
                "\n" + table(["table", "what it may do there"], [[code(n), _rights(r)] for n, r in tables.items()])
            )
        if variables := told.get("environment"):
            parts.append("\nEnvironment: " + ", ".join(map(code, variables)) + ".\n")
    summary = table(["function", "what it does", "MB"], rows)
    return _page("Functions and their rights", "functions/*/function.json", [summary, *parts])


def _rights(rights: Any) -> str:
    if isinstance(rights, list):
        return ", ".join(rights)
    return "; ".join(f"{action} of {', '.join(map(code, where))}" for action, where in rights.items())


def _environment() -> str:
    rows = [
        [code(name), one_line(each["description"]), "every function" if each.get("everywhere") else "those that ask"]
        for name, each in _json("shared/environment.json").items()
    ]
    return _page(
        "Environment variables", "shared/environment.json", [table(["variable", "meaning", "who has it"], rows)]
    )


def _variables() -> str:
    blocks = hcl.read(ROOT / "terraform" / "variables.tf").of("variable")
    rows = [
        [
            code(block.labels[0]),
            code(block.body.attributes.get("type", "")),
            code(block.body.attributes["default"]) if "default" in block.body.attributes else "must be set",
            one_line(block.body.attributes.get("description", "").strip('"')),
        ]
        for block in blocks
    ]
    table_of_all = table(["variable", "type", "default", "meaning"], rows)
    return _page("Terraform variables", "terraform/variables.tf", [table_of_all])


def _metrics() -> str:
    told = _json("shared/gateway/data/metrics.json")
    rows = [
        [
            code(name),
            each["unit"],
            "; ".join(", ".join(names) for names in each["dimensions"]),
            one_line(each["description"]),
        ]
        for name, each in told["metrics"].items()
    ]
    dimensions = [[code(name), one_line(meaning)] for name, meaning in told["dimensions"].items()]
    parts = [
        f"All are in the namespace `{told['namespace']}`.\n",
        table(["metric", "unit", "by", "meaning"], rows),
        "\n## Dimensions\n",
        table(["dimension", "meaning"], dimensions),
    ]
    return _page("Metrics", "shared/gateway/data/metrics.json", parts)
