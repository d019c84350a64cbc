"""Removes extras of texts and files (documents in parts, citations) for dialects that do not have them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from gateway.dialects.neutral import Block, Document, Image, Link, Text, ToolResult, Turn
from gateway.dialects.unsupported import refuse

_Said = Text | Image | Link | Document


def plain(turns: Iterable[Turn], dropped: list[str]) -> tuple[Turn, ...]:
    """The turns with each document that consists of parts replaced by its title and these parts. The `rest` of texts
    and documents is left out and named in `dropped`. A turn without any of this stays as it is."""
    found: list[Turn] = []
    for turn in turns:
        for block in turn.blocks:
            if block.rest if isinstance(block, (Text, Link)) else isinstance(block, (Document, ToolResult)):
                found.append(Turn(turn.speaker, tuple(_blocks(turn.blocks, dropped)), turn.at))
                break
        else:
            found.append(turn)
    return tuple(found)


def no_links(turns: Iterable[Turn]) -> None:
    """Raises Unsupported for the first image or document that is given by a URL."""
    for turn in turns:
        for block in turn.blocks:
            for part in block.content if isinstance(block, ToolResult) else (block,):
                if isinstance(part, Link):
                    what = "a png, jpeg, gif or webp image" if part.kind == "image" else "a document"
                    raise refuse(part.at, f"must be {what} as base64 in the request itself")


def _blocks(blocks: Iterable[Any], dropped: list[str]) -> Iterator[Block]:
    for block in blocks:
        if isinstance(block, ToolResult):
            content = tuple(part for each in block.content for part in _plain(each, dropped))
            yield ToolResult(block.id, content, block.failed, block.at)
        elif isinstance(block, _Said):
            yield from _plain(block, dropped)
        else:
            yield block


def _plain(block: _Said, dropped: list[str]) -> Iterator[_Said]:
    if isinstance(block, Image):
        yield block
        return
    dropped += [f"{block.at}.{name}" for name in block.rest]
    if isinstance(block, Document) and block.parts:
        if block.name:
            yield Text(block.name, at=block.at)
        for part in block.parts:
            yield from _plain(part, dropped)
    elif isinstance(block, Document):
        yield Document(block.format, block.name, block.data, block.at)
    elif isinstance(block, Link):
        yield Link(block.kind, block.url, block.name, at=block.at)
    else:
        yield Text(block.text, at=block.at)
