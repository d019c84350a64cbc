"""Decodes vnd.amazon.eventstream, the framing of Bedrock's streams, from bytes that come in pieces of any size.

A message begins with its total length, the headers' length and a CRC of these two. Then come the headers, the payload
and a CRC of everything before. Each CRC is checked. If one is wrong, the message is invalid, and no later message can
be found.
Format: https://smithy.io/2.0/aws/amazon-eventstream.html
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Mapping
from typing import Final

from msgspec import Struct

_PRELUDE, _CRC = 12, 4
_LEAST: Final = _PRELUDE + _CRC
_MOST: Final = 24 * 1024 * 1024  # of one message, as AWS's own readers allow
_STRING: Final = 7
# A header value's size by its type: true, false, byte, short, int, long, (bytes, string: given), time, uuid.
_SIZES: Final[Mapping[int, int]] = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}
_TOLD: Final = (6, _STRING)


class Message(Struct, frozen=True):
    """`headers` has only the headers whose value is text."""

    headers: Mapping[str, str]
    payload: bytes

    @property
    def kind(self) -> str:
        """The type of an event or of a modelled exception; for any other error its code."""
        return next((self.headers[name] for name in _KINDS if name in self.headers), "")


_KINDS: Final = (":event-type", ":exception-type", ":error-code")


class Decoder:
    """Takes pieces and gives messages. `feed` raises ValueError if the bytes are not such a stream, and for a message
    of more than `most` bytes."""

    def __init__(self, most: int = _MOST) -> None:
        self._most = most
        self._buffer = bytearray()

    @property
    def whole(self) -> bool:
        """Whether the bytes so far end at the end of a message."""
        return not self._buffer

    def feed(self, piece: bytes) -> Iterator[Message]:
        self._buffer += piece
        while len(self._buffer) >= _PRELUDE:
            total, headers, crc = struct.unpack_from(">III", self._buffer)
            if zlib.crc32(self._buffer[:8]) != crc or not _LEAST + headers <= total <= self._most:
                raise ValueError("no event stream")
            if len(self._buffer) < total:
                return
            message = bytes(self._buffer[:total])
            del self._buffer[:total]
            if zlib.crc32(message[:-_CRC]) != int.from_bytes(message[-_CRC:], "big"):
                raise ValueError("an event was damaged")
            yield Message(_headers(message[_PRELUDE : _PRELUDE + headers]), message[_PRELUDE + headers : -_CRC])


def _headers(data: bytes) -> dict[str, str]:
    found: dict[str, str] = {}
    at = 0
    try:
        while at < len(data):
            name = data[at + 1 : at + 1 + data[at]].decode()
            at += 1 + data[at]
            kind, at = data[at], at + 1
            size = _SIZES.get(kind)
            if kind in _TOLD:
                size, at = int.from_bytes(data[at : at + 2], "big"), at + 2
            if size is None or at + size > len(data):
                raise ValueError("no header")
            if kind == _STRING:
                found[name] = data[at : at + size].decode()
            at += size
    except (IndexError, ValueError):
        raise ValueError("an event's headers are malformed") from None
    return found
