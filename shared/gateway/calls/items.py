"""What a body holds, by whatever name its dialect has for it: messages or items, tools wherever they stand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from gateway.dialects.values import objects

_BRING_TOOLS: Final = ("additional_tools", "tool_search_output")

Part = Mapping[str, Any]


def messages_in(body: Mapping[str, Any]) -> int:
    """How many there are: each has something around it."""
    given = body.get("input")
    return len(body.get("messages") or ()) + (len(given) if isinstance(given, list) else given is not None)


def tools_in(body: Mapping[str, Any]) -> Iterator[tuple[str, Part]]:
    """The tools, those of a namespace behind it, and those that a conversation brought, each with where it stands."""
    for number, tool in enumerate(body.get("tools") or ()):
        yield from _with_inner(f"tools[{number}]", tool)
    for at, item in enumerate(objects(body.get("input"))):
        if item.get("type") in _BRING_TOOLS:
            for number, tool in enumerate(objects(item.get("tools"))):
                yield from _with_inner(f"input[{at}].tools[{number}]", tool)


def _with_inner(where: str, tool: Part) -> Iterator[tuple[str, Part]]:
    yield where, tool
    if tool.get("type") == "namespace":
        yield from ((f"{where}.tools[{at}]", each) for at, each in enumerate(objects(tool.get("tools"))))


def is_left_out(tool: Part, body: Mapping[str, Any]) -> bool:
    """Whether it is a tool of the provider's that no provider is told."""
    if "input" not in body:
        return False
    from gateway.dialects.responses.policy import is_offered  # spoken by few

    return is_offered(tool)
