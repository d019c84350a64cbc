"""Server-sent events: parsed from bytes that come in any pieces, and written.

Format: https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from gateway.json_text import to_text

_LINE = re.compile(rb"\r\n|\n|\r")
_BOM = b"\xef\xbb\xbf"
MOST_EVENT = 4 * 1024 * 1024  # bytes


class Parser:
    """Takes pieces of bytes and yields events: the name (empty if the event has no name) and the data. An event that no
    empty line closes is ignored. Bytes that are not UTF-8 become U+FFFD. `feed` raises ValueError for an event of more
    than `MOST_EVENT` bytes."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []  # of the line that has not ended yet
        self._after_return = False  # a line feed now belongs to the line end before it
        self._first = True
        self._name = ""
        self._data: list[str] = []
        self._size = 0  # of the event that has not ended yet

    def feed(self, piece: bytes) -> Iterator[tuple[str, str]]:
        if self._after_return and piece:
            piece, self._after_return = piece.removeprefix(b"\n"), False
        self._after_return = piece.endswith(b"\r") or (self._after_return and not piece)
        *ends, rest = _LINE.split(piece)
        for line in ends:
            self._grow(len(line))
            whole = b"".join((*self._pieces, line))
            self._pieces.clear()
            yield from self._line(whole)
        if rest:
            self._pieces.append(rest)
            self._grow(len(rest))

    def _line(self, line: bytes) -> Iterator[tuple[str, str]]:
        if self._first:
            self._first, line = False, line.removeprefix(_BOM)
        if not line:
            if self._data:
                yield self._name, "\n".join(self._data)
            self._name, self._data, self._size = "", [], 0
            return
        name, _, value = line.partition(b":")
        said = value.removeprefix(b" ").decode(errors="replace")
        if name == b"event":
            self._name = said
        elif name == b"data":
            self._data.append(said)

    def _grow(self, size: int) -> None:
        self._size += size
        if self._size > MOST_EVENT:
            raise ValueError("an event without end")


def event_of(data: str, kind: str = "") -> bytes:
    """An event with this data as it goes over the wire, with its name if it has one."""
    name = f"event: {kind}\n" if kind else ""
    lines = data.replace("\r\n", "\n").replace("\r", "\n").replace("\n", "\ndata: ")
    return f"{name}data: {lines}\n\n".encode(errors="replace")


def written(kind: str, event: Mapping[str, Any], data: str = "") -> bytes:
    """An event as it goes over the wire, with its name if it has one. `data` is its text, if that exists already."""
    return event_of(data or to_text(event, finite=True), kind)  # its numbers were read from JSON, or counted here
