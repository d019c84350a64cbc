"""Writes blocks and tools in Converse's form."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from gateway.dialects.names import Names
from gateway.dialects.neutral import (
    Block,
    Document,
    Image,
    Link,
    Mark,
    Reasoning,
    Redacted,
    Text,
    Tool,
    ToolResult,
    ToolUse,
)
from gateway.dialects.tools import check_names, object_schema
from gateway.dialects.unsupported import refuse

_ODD = re.compile(r"[^A-Za-z0-9 ()\[\]-]+")
_BLANKS = re.compile(r"\s+")
_LONGEST_NAME = 200


def file_name(given: str, taken: set[str]) -> str:
    """A document's name with only the characters that Converse takes, and other than those that are `taken` in the
    request; it is taken then."""
    base = _BLANKS.sub(" ", _ODD.sub(" ", given)).strip()[: _LONGEST_NAME - 10].strip() or "document"
    name, number = base, 1
    while name.casefold() in taken:
        number += 1
        name = f"{base} {number}"
    taken.add(name.casefold())
    return name


def written(block: Block, names: Names, files: set[str]) -> dict[str, Any]:
    """The content block for this block. `files` are the names of the documents so far."""
    if isinstance(block, Text):
        return {"text": block.text}
    if isinstance(block, Mark):
        return {"cachePoint": {"type": "default", **({"ttl": block.ttl} if block.ttl else {})}}
    if isinstance(block, ToolUse):
        return {"toolUse": {"toolUseId": block.id, "name": names.of(block.name), "input": block.input}}
    if isinstance(block, ToolResult):
        failed = {"status": "error"} if block.failed else {}
        content = [written(part, names, files) for part in block.content]
        return {"toolResult": {"toolUseId": block.id, "content": content, **failed}}
    if isinstance(block, Image):
        return {"image": {"format": block.format, "source": {"bytes": block.data}}}
    if isinstance(block, Document):
        source = {"bytes": block.data}
        return {"document": {"format": block.format, "name": file_name(block.name, files), "source": source}}
    if isinstance(block, Link):
        raise refuse(block.at, "must be base64 in the request itself")
    if isinstance(block, Redacted):
        return {"reasoningContent": {"redactedContent": block.data}}
    return {"reasoningContent": {"reasoningText": _reasoning(block)}}


def _reasoning(block: Reasoning) -> dict[str, Any]:
    return {"text": block.text, **({"signature": block.signature} if block.signature else {})}


def written_tools(tools: Sequence[Tool | Mark], names: Names, dropped: list[str]) -> list[dict[str, Any]]:
    """The tools with their marks. Raises Unsupported if two have the same name or an input is not an object. `strict`
    is left out: most models of Bedrock refuse it, and the schema itself is sent."""
    check_names(tools)
    found: list[dict[str, Any]] = []
    for tool in tools:
        if isinstance(tool, Mark):
            found.append(written(tool, names, set()))
            continue
        if tool.strict:
            dropped.append(f"{tool.at}.strict")
        described = {"description": tool.description} if tool.description.strip() else {}
        spec = {"name": names.of(tool.name), **described, "inputSchema": {"json": object_schema(tool)}}
        found.append({"toolSpec": spec})
    return found
