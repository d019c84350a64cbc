"""Writes blocks in Messages' form, with each mark as a member of the block before it."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from typing import Any, Final

from gateway.dialects.marks import mark
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
    ToolResult,
    ToolUse,
)
from gateway.dialects.unsupported import refuse

_TEXTS: Final = ("txt", "csv", "html", "md")  # these are sent as text; the only files are pdfs


def written(blocks: Iterable[Block], names: Names) -> list[dict[str, Any]]:
    """The content for these blocks. Raises Unsupported for a document that Messages has no form for."""
    content: list[dict[str, Any]] = []
    for block in blocks:
        if not isinstance(block, Mark):
            content.append(_written(block, names))
        elif content:
            content[-1] |= mark(block)
    return content


def _written(block: Block, names: Names) -> dict[str, Any]:
    if isinstance(block, Text):
        return {"type": "text", "text": block.text, **block.rest}
    if isinstance(block, ToolUse):
        return {"type": "tool_use", "id": block.id, "name": names.of(block.name), "input": block.input}
    if isinstance(block, ToolResult):
        failed = {"is_error": True} if block.failed else {}
        content = written(block.content, names)
        return {"type": "tool_result", "tool_use_id": block.id, "content": content, **failed}
    if isinstance(block, Image):
        source = {"type": "base64", "media_type": f"image/{block.format}", "data": block.data}
        return {"type": "image", "source": source}
    if isinstance(block, Link):
        titled = {"title": block.name} if block.name else {}
        return {"type": block.kind, "source": {"type": "url", "url": block.url}, **titled, **block.rest}
    if isinstance(block, Document):
        titled = {"title": block.name} if block.name else {}
        return {"type": "document", "source": _source(block, names), **titled, **block.rest}
    if isinstance(block, Redacted):
        return {"type": "redacted_thinking", "data": block.data}
    assert isinstance(block, Reasoning)  # noqa: S101  # marks are members of blocks, all else is above
    return {"type": "thinking", "thinking": block.text, "signature": block.signature}


def _source(document: Document, names: Names) -> dict[str, Any]:
    if document.parts:
        return {"type": "content", "content": written(document.parts, names)}
    if document.format == "pdf":
        return {"type": "base64", "media_type": "application/pdf", "data": document.data}
    if document.format not in _TEXTS:
        raise refuse(document.at, "must be a pdf or text for this model")
    try:
        text = base64.b64decode(document.data).decode()
    except ValueError:
        raise refuse(document.at, "must be text in UTF-8 for this model") from None
    return {"type": "text", "media_type": "text/plain", "data": text}
