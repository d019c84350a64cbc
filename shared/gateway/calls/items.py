"""The contents of a body, under whatever names its dialect uses: messages or items, and tools wherever they are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from gateway.dialects.values import objects

_BRING_TOOLS: Final = ("additional_tools", "tool_search_output")

Part = Mapping[str, Any]


def messages_in(body: Mapping[str, Any]) -> int:
    """The number of messages or items: the chat format adds tokens around each."""
    messages, given = len(listed(body.get("messages"))), body.get("input")
    return messages if given is None else messages + (len(given) if isinstance(given, list) else 1)


def listed(value: object) -> Sequence[Any]:
    """`value` if it is a list, else an empty one: a field that the body's dialect does not have may be anything."""
    return value if type(value) is list else ()


def tools_in(body: Mapping[str, Any]) -> Iterator[tuple[str, Part]]:
    """The tools, each with its path: those of a namespace follow it, then those that the conversation brought."""
    for number, tool in enumerate(objects(body.get("tools"))):
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
    """Whether this is a provider's own tool that is not sent to any provider."""
    if "input" not in body:
        return False
    from gateway.dialects.responses.policy import is_offered  # few clients use this dialect

    return is_offered(tool)
