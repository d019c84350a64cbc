"""JSON schemas of the OpenAPI document, as tables of fields."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from tools.docs.tables import code, one_line, table

Schema = Mapping[str, Any]
_BOUNDS = {
    "minimum": "at least {}",
    "exclusiveMinimum": "above {}",
    "maximum": "at most {}",
    "exclusiveMaximum": "below {}",
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "minItems": "at least {} entries",
    "maxItems": "at most {} entries",
    "maxProperties": "at most {} entries",
}


def resolved(schema: Schema, document: Schema) -> Schema:
    """The schema that a reference stands for."""
    while "$ref" in schema:
        schema = document["components"]["schemas"][_name(schema)]
    return schema


def _name(schema: Schema) -> str:
    return str(schema["$ref"]).rpartition("/")[2]


def reachable(name: str, document: Schema) -> Iterator[tuple[str, Schema]]:
    """A schema and those that it refers to, each once, in the order of their fields."""
    wanted, seen = [name], set()
    while wanted:
        name = wanted.pop(0)
        if name not in seen:
            seen.add(name)
            schema = document["components"]["schemas"][name]
            wanted += list(_names(schema))
            yield name, schema


def _names(part: Any) -> Iterator[str]:
    if isinstance(part, Mapping):
        if "$ref" in part:
            yield _name(part)
        for below in part.values():
            yield from _names(below)
    elif isinstance(part, list):
        for below in part:
            yield from _names(below)


def fields(schema: Schema) -> str:
    """A table: field, form, default, meaning."""
    required = set(schema.get("required", ()))
    rows = [
        [
            code(name),
            form(each),
            "required" if name in required else code(json.dumps(each["default"])) if "default" in each else "",
            one_line(each.get("description", "")),
        ]
        for name, each in schema.get("properties", {}).items()
    ]
    return table(["field", "form", "default", "meaning"], rows)


def form(schema: Schema) -> str:
    """The values that are allowed, in words."""
    if "$ref" in schema:
        return _name(schema)
    if "anyOf" in schema:
        return " or ".join(form(each) for each in schema["anyOf"])
    if "const" in schema:
        return code(json.dumps(schema["const"]))
    if "enum" in schema:
        return ", ".join(code(str(each)) for each in schema["enum"])
    kind = str(schema.get("type", "any"))
    if kind == "array":
        kind = f"list of {form(schema['items'])}" if schema.get("items") else "list"
    elif kind == "object":
        below = [*schema.get("patternProperties", {}).values(), schema.get("additionalProperties")]
        named = [form(each) for each in below if isinstance(each, Mapping) and each]
        kind = f"{named[0]} by name" if named else "object"
    bounds = [text.format(schema[name]) for name, text in _BOUNDS.items() if name in schema]
    return ", ".join([kind, *bounds])
