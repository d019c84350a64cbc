"""Reads the blocks of a message's content, each with its cache mark."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from typing import Any

from gateway.dialects.files import DOCUMENTS, IMAGES, base64_of
from gateway.dialects.marks import marks
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
from gateway.dialects.unsupported import name_unknown, refuse
from gateway.dialects.values import mapping

_Part = Text | Image | Link | Document
_ELSEWHERE = "refers to a file that this body does not hold"


def blocks_of(content: Any, where: str, dropped: list[str]) -> Iterator[Block]:
    """The blocks of a text or of a list of blocks. Raises Unsupported."""
    if isinstance(content, str):
        yield Text(content, at=where)
        return
    for index, given in enumerate(content or ()):
        block, here = mapping(given), f"{where}[{index}]"
        kind = block.get("type")
        if kind == "tool_result":
            yield from _result(block, here, dropped)
        elif kind in ("thinking", "redacted_thinking"):
            yield _thinking(block, here, dropped)
        else:
            yield _tool_use(block, here, dropped) if kind == "tool_use" else part_of(block, here, dropped)
            yield from marks(block, here, dropped)


def part_of(block: Mapping[str, Any], where: str, dropped: list[str]) -> _Part:
    """A text, an image, a document or a search result, as a user or a tool says it."""
    kind = block.get("type")
    if kind == "text":
        name_unknown(block, ("type", "text", "citations", "cache_control"), where, dropped)
        cited = {"citations": block["citations"]} if block.get("citations") else {}
        return Text(_text(block.get("text"), f"{where}.text"), cited, where)
    if kind == "image":
        name_unknown(block, ("type", "source", "cache_control"), where, dropped)
        return _image(mapping(block.get("source")), where)
    if kind == "document":
        return _document(block, where, dropped)
    if kind == "search_result":
        name_unknown(block, ("type", "source", "title", "content", "citations", "cache_control"), where, dropped)
        source = Text(_text(block.get("source"), f"{where}.source"), at=where)
        parts = (source, *_parts(block.get("content"), f"{where}.content", dropped))
        return Document("", _text(block.get("title"), f"{where}.title"), "", where, parts, _cited(block))
    raise refuse(f"{where}.type", "not supported by this model")


def _image(source: Mapping[str, Any], where: str) -> Image | Link:
    kind = source.get("type")
    if kind == "url":
        return Link("image", _text(source.get("url"), f"{where}.source.url"), at=where)
    if kind != "base64":
        raise refuse(f"{where}.source.type", _ELSEWHERE)
    family, _, name = str(source.get("media_type")).lower().partition("/")
    if family != "image" or name not in IMAGES:
        raise refuse(f"{where}.source.media_type", "must be that of a png, jpeg, gif or webp image")
    return Image(IMAGES[name], _base64(source, where), where)


def _document(block: Mapping[str, Any], where: str, dropped: list[str]) -> Document | Link:
    known = ("type", "source", "title", "context", "citations", "cache_control")
    name_unknown(block, known, where, dropped)
    source = mapping(block.get("source"))
    kind, name = source.get("type"), _text(block.get("title") or "", f"{where}.title")
    rest = {**({"context": block["context"]} if block.get("context") else {}), **_cited(block)}
    if kind == "url":
        return Link("document", _text(source.get("url"), f"{where}.source.url"), name, rest, where)
    if kind == "text":
        text = _text(source.get("data"), f"{where}.source.data")
        data = base64.b64encode(text.encode(errors="surrogatepass")).decode()
        if not data:
            raise refuse(f"{where}.source.data", "is empty")
        return Document("txt", name, data, where, rest=rest)
    if kind == "content":
        return Document(
            "", name, "", where, tuple(_parts(source.get("content"), f"{where}.source.content", dropped)), rest
        )
    if kind != "base64":
        raise refuse(f"{where}.source.type", _ELSEWHERE)
    media = str(source.get("media_type")).lower()
    if media not in DOCUMENTS:
        raise refuse(f"{where}.source.media_type", "must be that of a pdf, text, Word or Excel file")
    return Document(DOCUMENTS[media], name, _base64(source, where), where, rest=rest)


def _parts(content: Any, where: str, dropped: list[str]) -> Iterator[Text | Image]:
    for block in blocks_of(content, where, dropped):
        if isinstance(block, (Text, Image)):
            yield block
        elif isinstance(block, Mark):
            dropped.append(block.at)  # inside a document it marks no block of the message
        else:
            raise refuse(block.at, "must be text, or an image as base64")


def _cited(block: Mapping[str, Any]) -> dict[str, Any]:
    return {"citations": block["citations"]} if mapping(block.get("citations")).get("enabled") else {}


def _thinking(block: Mapping[str, Any], where: str, dropped: list[str]) -> Reasoning | Redacted:
    if block["type"] == "redacted_thinking":
        name_unknown(block, ("type", "data"), where, dropped)
        return Redacted(base64_of(_text(block.get("data"), f"{where}.data"), f"{where}.data"), where)
    name_unknown(block, ("type", "thinking", "signature"), where, dropped)
    signature = _text(block.get("signature") or "", f"{where}.signature")
    return Reasoning(_text(block.get("thinking"), f"{where}.thinking"), signature, where)


def _tool_use(block: Mapping[str, Any], where: str, dropped: list[str]) -> ToolUse:
    name_unknown(block, ("type", "id", "name", "input", "caller", "cache_control"), where, dropped)
    if mapping(block.get("caller")).get("type", "direct") != "direct":
        dropped.append(f"{where}.caller")
    given = block.get("input")
    if not isinstance(given, dict):
        raise refuse(f"{where}.input", "must be an object")
    id, name = (_text(block.get(each), f"{where}.{each}") for each in ("id", "name"))
    return ToolUse(_some(id, f"{where}.id"), _some(name, f"{where}.name"), given, where)


def _result(block: Mapping[str, Any], where: str, dropped: list[str]) -> Iterator[Block]:
    """The result, and behind it the last mark: a result may hold no marks."""
    name_unknown(block, ("type", "tool_use_id", "content", "is_error", "cache_control"), where, dropped)
    content: list[_Part] = []
    kept: list[Mark] = []
    for part in blocks_of(block.get("content"), f"{where}.content", dropped):
        if isinstance(part, Mark):
            kept.append(part)
        elif isinstance(part, _Part):
            content.append(part)
        else:
            raise refuse(part.at, "is not allowed in a tool's result")
    id = _some(_text(block.get("tool_use_id"), f"{where}.tool_use_id"), f"{where}.tool_use_id")
    yield ToolResult(id, tuple(content), block.get("is_error") is True, where)
    yield from [*kept, *marks(block, where, dropped)][-1:]


def _base64(source: Mapping[str, Any], where: str) -> str:
    here = f"{where}.source.data"
    return base64_of(_text(source.get("data"), here), here)


def _text(value: object, where: str) -> str:
    if not isinstance(value, str):
        raise refuse(where, "is required, as text")
    return value


def _some(text: str, where: str) -> str:
    if not text:
        raise refuse(where, "is required, as text")
    return text
