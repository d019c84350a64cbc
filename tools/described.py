"""The words of the OpenAPI document: tools/described.json describes each field, parameter, header and error status.

They are not in the models, since functions load those at their start and never need the words. A field is described by
`Type.field`, or by `field` for all types that have it, unless its model describes it. A parameter is described by its
name, if need be after its path or the end of that (`admin/keys/{id}`). A missing description is an error, and so is one
that nothing uses.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

WORDS: dict[str, dict[str, str]] = json.loads(Path(__file__).with_suffix(".json").read_text(encoding="utf-8"))
_BY_OTHERS = ("CodexModel",)  # whose fields Codex defines


def describe(document: dict[str, Any]) -> list[str]:
    """Adds the descriptions to the document. Returns the problems."""
    used: set[tuple[str, str]] = set()
    problems = [*_fields(document, used), *_parameters(document, used)]
    there = {(part, name) for part in ("fields", "parameters") for name in WORDS[part]}
    return problems + [f"tools/described.json: {part}: {name} describes nothing" for part, name in sorted(there - used)]


def _fields(document: dict[str, Any], used: set[tuple[str, str]]) -> Iterator[str]:
    for name, schema in document["components"]["schemas"].items():
        for field, each in schema.get("properties", {}).items():
            if "description" in each:
                continue
            names = (f"{name}.{field}",) if name in _BY_OTHERS else (f"{name}.{field}", field)
            found = next((key for key in names if key in WORDS["fields"]), None)
            if found is None and name in _BY_OTHERS:
                continue
            if found is None:
                yield f"tools/described.json: fields: {name}.{field} is not described"
                continue
            used.add(("fields", found))
            each["description"] = WORDS["fields"][found]


def _parameters(document: dict[str, Any], used: set[tuple[str, str]]) -> Iterator[str]:
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            for each in operation.get("parameters", ()):
                if "description" in each:
                    continue
                names = (*_endings(path, each["name"]), f"{path} {each['name']}", each["name"])
                found = next((key for key in names if key in WORDS["parameters"]), None)
                if found is None:
                    yield f"tools/described.json: parameters: {each['name']} of {method} {path} is not described"
                    continue
                used.add(("parameters", found))
                each["description"] = WORDS["parameters"][found]


def _endings(path: str, name: str) -> Iterator[str]:
    """The ends of a path up to a parameter in it: `admin/keys/{id}`, then `keys/{id}`; none for another parameter."""
    upto, found, _ = path.partition(f"{{{name}}}")
    parts = upto.strip("/").split("/")
    yield from ("/".join([*parts[-length:], f"{{{name}}}"]) for length in (2, 1) if found)
