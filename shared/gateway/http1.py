"""A lean client's side of HTTP/1.1 (RFC 9112): a request in one piece, and an answer's head and body, as they arrive.

Read here is what almost every answer is: a status line of HTTP/1.1, plain ASCII header lines, and a body by its length
or in chunks. Any other head (`Odd`) is for the standard library, whose way with it is long proven. http.client reads
each head with its e-mail parser, which costs more than all the rest of an exchange.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

MOST_HEAD = 65_536  # bytes of a head, and of the trailers behind chunks
_PIECE = 65_536
_HEAD_ENDS = re.compile(rb"\n\r?\n")
_STATUS = re.compile(rb"HTTP/1\.1 ([2-9][0-9]{2})(?: [\t\x20-\x7e]*)?")
_LINE = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*((?:[\x21-\x7e](?:[\t\x20-\x7e]*[\x21-\x7e])?)?)")
_LENGTH = re.compile(rb"[0-9]{1,15}")
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;[\t\x20-\x7e]*)?\r?\n")
_LONGEST_CHUNK_LINE = 4_096
_METHOD = re.compile(r"[A-Z]+")
_TARGET = re.compile(r"/[!-~]*")
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[\t\x20-\x7e]*")
_ONCE = (b"content-length", b"transfer-encoding", b"connection")

Receive = Callable[[int], bytes]  # at most so many bytes; none where the other side has ended


class Malformed(ValueError):
    """What came is no HTTP. Its text quotes nothing of it."""


class Cut(Malformed):
    """The answer ended early."""


def request_bytes(method: str, target: str, host: str, headers: Mapping[str, str], body: bytes) -> bytes:
    """A request as it leaves. Raises ValueError, which quotes nothing, for what would be another on the wire."""
    lines = [f"{method} {target} HTTP/1.1"]
    given = {name.lower() for name in headers}
    if "host" not in given:
        lines.append(f"Host: {host}")
    if not _METHOD.fullmatch(method) or not _TARGET.fullmatch(target) or not _VALUE.fullmatch(host):
        raise ValueError("a request line that is none")
    for name, value in headers.items():
        if not _NAME.fullmatch(name) or not _VALUE.fullmatch(value):
            raise ValueError("a header that is none")
        lines.append(f"{name}: {value}")
    if "accept-encoding" not in given:
        lines.append("Accept-Encoding: identity")
    if not given & {"content-length", "transfer-encoding"}:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join((*lines, "", "")).encode("ascii") + body


@dataclass(frozen=True, slots=True)
class Head:
    """`length` is the body's in bytes, None where it comes in chunks; `keep` whether the connection may be used again.
    Header names are lower-case; of a repeated header the last one counts."""

    status: int
    headers: Mapping[str, str]
    length: int | None
    keep: bool


@dataclass(frozen=True, slots=True)
class Odd:
    """A head that is not read here."""


class Reader:
    """What comes over one connection, answer after answer."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self.buffer = bytearray()

    def head(self) -> Head | Odd:
        """The next answer's head. It stays in the buffer where it is odd. Raises Cut where it does not come whole."""
        start = 0
        while (end := _HEAD_ENDS.search(self.buffer, start)) is None:
            if len(self.buffer) > MOST_HEAD:
                return Odd()
            start = max(0, len(self.buffer) - 2)
            if not self._more():
                raise Cut("the connection was closed before the answer's head was whole")
        read = _read_head(bytes(self.buffer[: end.end()]))
        if isinstance(read, Head):
            del self.buffer[: end.end()]
        return read

    def body(self, head: Head) -> Iterator[bytes]:
        """The body's bytes as they arrive. Raises Malformed."""
        return self._chunks() if head.length is None else self._so_many(head.length)

    def _so_many(self, left: int) -> Iterator[bytes]:
        while left:
            if not self.buffer and not self._more():
                raise Cut("the body is shorter than it was said to be")
            piece = bytes(self.buffer[:left])
            del self.buffer[:left]
            left -= len(piece)
            yield piece

    def _chunks(self) -> Iterator[bytes]:
        while size := self._chunk_size():
            yield from self._so_many(size)
            if self._line(2).strip(b"\r\n"):
                raise Malformed("a chunk is longer than it was said to be")
        seen = 0
        while (line := self._line(MOST_HEAD)).strip(b"\r\n"):  # trailers: nobody asked for them
            seen += len(line)
            if seen > MOST_HEAD:
                raise Malformed("trailers without end")

    def _chunk_size(self) -> int:
        match = _CHUNK.fullmatch(self._line(_LONGEST_CHUNK_LINE))
        if match is None:
            raise Malformed("a chunk without its size")
        return int(match[1], 16)

    def _line(self, most: int) -> bytes:
        """The next line with its end. Raises Malformed where it is longer than `most`."""
        start = 0
        while (end := self.buffer.find(b"\n", start)) < 0:
            start = len(self.buffer)
            if start >= most:
                break
            if not self._more():
                raise Cut("the body ends early")
        if end < 0 or end >= most:
            raise Malformed("a line without end")
        line = bytes(self.buffer[: end + 1])
        del self.buffer[: end + 1]
        return line

    def _more(self) -> bool:
        piece = self._receive(_PIECE)
        self.buffer += piece
        return bool(piece)


def _read_head(text: bytes) -> Head | Odd:
    first, *lines = text.split(b"\r\n")
    status = _STATUS.fullmatch(first)
    if status is None or lines[-2:] != [b"", b""]:  # an end of CR LF CR LF, and none of LF alone
        return Odd()
    headers: dict[str, str] = {}
    for line in lines[:-2]:
        match = _LINE.fullmatch(line)
        if match is None:
            return Odd()
        name = match[1].lower()
        if name in _ONCE and name.decode() in headers:
            return Odd()
        headers[name.decode()] = match[2].decode()
    return _framed(int(status[1]), headers)


def _framed(status: int, headers: dict[str, str]) -> Head | Odd:
    length, coding = headers.get("content-length"), headers.get("transfer-encoding")
    if status in (204, 304) or (length is None) == (coding is None):  # no body, or nobody says how long, or two do
        return Odd()
    keep = headers.get("connection", "keep-alive").lower() == "keep-alive"
    if coding is not None:
        return Head(status, headers, None, keep) if coding.lower() == "chunked" else Odd()
    return Head(status, headers, int(length or ""), keep) if _LENGTH.fullmatch((length or "").encode()) else Odd()
