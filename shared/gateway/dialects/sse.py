"""Server-sent events, out of bytes that come in any pieces and into text.

Format: https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from gateway.json_text import writer

_LINE = re.compile(rb"\r\n|\n|\r")
_BOM = b"\xef\xbb\xbf"
MOST_EVENT = 4 * 1024 * 1024  # bytes
text: Final = writer(allow_nan=False, decimals=True)  # of an event's payload


class Parser:
    """Pieces in, events out: each its name (empty where none was said) and its data. An event that is not closed by an
    empty line is none. Bytes that are no UTF-8 become U+FFFD. `feed` raises ValueError for an event of more than
    `MOST_EVENT` bytes."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []  # of the line that has no end yet
        self._after_return = False  # a line feed now belongs to the end that was there
        self._first = True
        self._name = ""
        self._data: list[str] = []
        self._size = 0  # of the event that has no end yet

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
    """An event of such data, as it goes over the wire; its name where it has one."""
    name = f"event: {kind}\n" if kind else ""
    lines = data.replace("\r\n", "\n").replace("\r", "\n").replace("\n", "\ndata: ")
    return f"{name}data: {lines}\n\n".encode(errors="replace")


def written(kind: str, event: Mapping[str, Any], data: str = "") -> bytes:
    """An event as it goes over the wire, its name where it has one. `data` is its text, where that is there already."""
    return event_of(data or text(event), kind)
