"""Expresses all kinds of tools that a caller runs as functions. The function's name tells which tool a call is of.

A custom tool takes text, a namespace holds tools, a tool search has its own items. Other dialects know only functions:
a custom tool becomes a function with one text as input, and a tool of a namespace one whose name joins both names.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from msgspec import Struct

from gateway.dialects.neutral import Tool
from gateway.dialects.unsupported import name_unknown, refuse
from gateway.dialects.values import json_object, mapping, objects

INPUT: Final = "input"  # the only member of the arguments of a custom tool's function
_SCHEMA: Final = {
    "type": "object",
    "properties": {INPUT: {"type": "string"}},
    "required": [INPUT],
    "additionalProperties": False,
}
_APART: Final = "\x1f"
_FUNCTION: Final = ("type", "name", "description", "parameters", "strict")
# Values that ask for nothing, since the model knows all tools and calls them itself.
_IGNORED: Final[Mapping[str, tuple[Any, ...]]] = {
    "defer_loading": (True, False),
    "allowed_callers": (["direct"],),
    "async": (False,),
    "output_schema": (None,),
}
SEARCH: Final = "tool_search"


class Called(Struct, frozen=True):
    """Which tool is called: a function, a custom tool, or the tool search; in a namespace or in none."""

    kind: str
    namespace: str
    name: str

    @property
    def flat(self) -> str:
        """Its name among functions."""
        if not self.namespace:
            return self.name
        return f"{self.namespace}{'' if self.namespace.endswith('__') else '__'}{self.name}"

    @property
    def told(self) -> str:
        """The name that an answer gives it; for a plain function only its name."""
        if self.kind == "function" and not self.namespace:
            return self.name
        return _APART.join((self.kind, self.namespace, self.name))


def called_of(told: str) -> Called:
    """The tool to which an answer gives this name."""
    kind, *names = told.split(_APART)
    if len(names) != 2:
        return Called("function", "", told)
    return Called(kind, *names)


def read_tool(tool: Mapping[str, Any], where: str, dropped: list[str]) -> Iterator[tuple[Called, Tool]]:
    """The tool, or those of a namespace. Raises Unsupported for one that only models of this format know."""
    if tool.get("type") == "namespace":
        yield from _of_namespace(tool, where, dropped)
    else:
        yield _tool(tool, "", where, dropped)


def _of_namespace(tool: Mapping[str, Any], where: str, dropped: list[str]) -> Iterator[tuple[Called, Tool]]:
    namespace = _text(tool.get("name"), f"{where}.name")
    name_unknown(tool, ("type", "name", "tools"), where, dropped)
    for number, inner in enumerate(objects(tool.get("tools"))):
        yield _tool(inner, namespace, f"{where}.tools[{number}]", dropped)


def _tool(tool: Mapping[str, Any], namespace: str, where: str, dropped: list[str]) -> tuple[Called, Tool]:
    kind = tool.get("type")
    if kind == SEARCH:
        return _search(tool, where, dropped)
    if kind not in ("function", "custom"):
        raise refuse(f"{where}.type", "is known only to models of this format")
    called = Called(kind, namespace, _text(tool.get("name"), f"{where}.name"))
    description = tool.get("description") or ""
    if not isinstance(description, str):
        raise refuse(f"{where}.description", "must be text")
    said = {name: value for name, value in tool.items() if value not in _IGNORED.get(name, ())}
    if kind == "custom":
        name_unknown(said, ("type", "name", "description", "format"), where, dropped)
        text = _described(description, mapping(tool.get("format")))
        return called, Tool(called.flat, text, _SCHEMA, at=where, schema_at=f"{where}.format")
    name_unknown(said, _FUNCTION, where, dropped)
    schema, strict = tool.get("parameters"), tool.get("strict")
    if schema is not None and not isinstance(schema, dict):
        raise refuse(f"{where}.parameters", "must be an object")
    if strict is not None and not isinstance(strict, bool):
        raise refuse(f"{where}.strict", "must be true or false")
    # Tools of other dialects are not strict by default.
    return called, Tool(called.flat, description, schema, strict or None, where, f"{where}.parameters")


def _search(tool: Mapping[str, Any], where: str, dropped: list[str]) -> tuple[Called, Tool]:
    name_unknown(tool, ("type", "execution", "description", "parameters"), where, dropped)
    description, schema = tool.get("description") or "", tool.get("parameters")
    if not isinstance(description, str):
        raise refuse(f"{where}.description", "must be text")
    if schema is not None and not isinstance(schema, dict):
        raise refuse(f"{where}.parameters", "must be an object")
    return Called(SEARCH, "", SEARCH), Tool(SEARCH, description, schema, at=where, schema_at=f"{where}.parameters")


def _described(description: str, form: Mapping[str, Any]) -> str:
    """The description with the grammar for the text, if there is one: here nothing enforces the grammar."""
    if form.get("type") != "grammar":
        return description
    rule = f"The input is text of this {form.get('syntax')} grammar:\n{form.get('definition')}"
    return f"{description}\n\n{rule}" if description else rule


def _text(value: object, where: str) -> str:
    if not isinstance(value, str) or not value or _APART in value:
        raise refuse(where, "is required, as text")
    return value


def as_arguments(text: str) -> dict[str, Any]:
    """The input of a custom tool as the arguments of its function."""
    return {INPUT: text}


def as_text(arguments: str) -> str:
    """The input from the arguments that a model gave, even if they have another form."""
    given = json_object(arguments) if arguments.strip() else {}
    if given is not None and isinstance(given.get(INPUT), str):
        return str(given[INPUT])
    if given is not None and len(given) == 1 and isinstance(only := next(iter(given.values())), str):
        return only
    return arguments


def as_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
