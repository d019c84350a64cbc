"""Checks for models that are strict about tools."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from gateway.dialects.neutral import Mark, Request, Tool
from gateway.dialects.unsupported import refuse


def check_names(tools: Iterable[Tool | Mark]) -> None:
    """Raises Unsupported if two tools have the same name."""
    seen: set[str] = set()
    for tool in tools:
        if isinstance(tool, Tool):
            if tool.name in seen:
                raise refuse(f"{tool.at}.name", "is the name of two tools")
            seen.add(tool.name)


def check_choice(request: Request) -> None:
    """Raises Unsupported if the choice asks for a tool that the request does not have."""
    choice = request.choice
    known = {tool.name for tool in request.tools if isinstance(tool, Tool)}
    if choice is not None and choice.kind == "one" and choice.name not in known:
        raise refuse(request.path("tool_choice"), "names no tool of this request")
    if choice is not None and choice.kind == "any" and not known:
        raise refuse(request.path("tool_choice"), "asks for a tool, and the request has no tools")


def object_schema(tool: Tool) -> dict[str, Any]:
    """The schema of a tool's input, which must be an object. Raises Unsupported for another type."""
    schema = dict(tool.schema or {"type": "object", "properties": {}})
    kind = schema.get("type")
    if kind == "object":
        return schema
    if kind in (None, "", []) or (isinstance(kind, list) and "object" in kind):
        return {**schema, "type": "object"}
    raise refuse(f"{tool.schema_at or f'{tool.at}.parameters'}.type", 'must be "object" for this model')
