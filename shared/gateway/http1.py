"""A lean HTTP/1.1 client (RFC 9112): it writes a request in one piece, and reads an answer's head and body on arrival.

It reads the form that almost every answer has: a status line of HTTP/1.1, plain ASCII header lines, and a body with a
length or in chunks. Any other head (`Odd`) goes to the standard library, which is long proven there. http.client reads
each head with its e-mail parser, which costs more than all the rest of an exchange.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Iterator, Mapping
from functools import lru_cache
from typing import TypeVar

from msgspec import Struct

MOST_HEAD = PIECE = 65_536  # bytes of a head, of the trailers after chunks, and of the most that is received at a time
_HEAD_ENDS = re.compile(rb"\n\r?\n")
# The head ends with an empty line. LF without CR does not match, and a blank before a line's end does not. A header
# that says where the body ends may occur once, and with these values only: `(?(n)(?!))` fails if the group has matched.
# Most lines are read by the first form: the name of no such header begins like theirs. Almost every answer has a
# Content-Type, which would be tried against all of the other forms.
_HEAD = re.compile(
    rb"HTTP/1\.1 ([2-9][0-9]{2})(?: [\t\x20-\x7e]*+)?+\r\n"
    rb"(?:(?:[!#$%&'*+.^_`|~0-9ABD-SU-Zabd-su-z-][!#$%&'*+.^_`|~0-9A-Za-z-]*+:[\t\x20-\x7e]*+(?<![ \t])"
    rb"|(?i:content-type):[\t\x20-\x7e]*+(?<![ \t])"
    rb"|(?i:content-length):(?(2)(?!))[ \t]*+([0-9]{1,15})"
    rb"|(?i:transfer-encoding):(?(3)(?!))[ \t]*+((?i:chunked))"
    rb"|(?i:connection):(?(4)(?!))[ \t]*+((?:[\t\x20-\x7e]*+(?<![ \t]))?+)"
    rb"|(?!(?i:content-length|transfer-encoding|connection):)"
    rb"[!#$%&'*+.^_`|~0-9A-Za-z-]++:(?:[ \t]*+(?=\r)|[\t\x20-\x7e]*+(?<![ \t])))\r\n)*+\r\n"
)
_KEPT = (None, b"keep-alive", b"Keep-Alive")
_BODILESS = (b"204", b"304")
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;[\t\x20-\x7e]*)?\r?\n")
_LONGEST_CHUNK_LINE = 4_096
_METHOD = re.compile(r"[A-Z]+")
_TARGET = re.compile(r"/[!-~]*")
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[\t\x20-\x7e]*")
_IN_VALUES = bytes((0x09, *range(0x20, 0x7F)))

Fixed = tuple[tuple[str, str], ...]
Receive = Callable[[int], bytes]  # at most that many bytes; none if the other side has closed
Got = TypeVar("Got")


class Silence(Exception):
    """Nothing has come for as long as the reader waits at a time. It keeps the bytes that it has read: call again."""


class Malformed(ValueError):
    """The answer is not HTTP. The message quotes nothing of it."""


class Cut(Malformed):
    """The answer ended early."""


def request_bytes(
    method: str, target: str, host: str, headers: Mapping[str, str], body: bytes, fixed: Fixed = ()
) -> bytes:
    """The bytes of a request. `fixed` are further headers that are the same in many requests; they are checked only
    once. Raises ValueError, which quotes nothing, for parts that would make another request on the wire."""
    text, breaks, counted = _shape(method, target, host, tuple(headers), fixed)
    values = tuple(headers.values())
    text %= values if counted else (*values, len(body))
    # All but the values was checked, so the values are fine if the text has no more line breaks and nothing else odd.
    if not text.isascii() or (head := text.encode()).translate(None, _IN_VALUES) != breaks:
        raise ValueError("a malformed header")
    return head + body


@lru_cache(maxsize=256)
def _shape(method: str, target: str, host: str, names: tuple[str, ...], fixed: Fixed) -> tuple[str, bytes, bool]:
    """What is the same in many requests: the text of their heads, with a %s for each value of these names and for the
    body's length; its line breaks; and whether the headers give that length, so that it has no %s."""
    every = (*(name for name, _ in fixed), *names)
    given = {name.lower() for name in every}
    if not _METHOD.fullmatch(method) or not _TARGET.fullmatch(target) or not _VALUE.fullmatch(host):
        raise ValueError("a malformed request line")
    if not all(map(_NAME.fullmatch, every)) or not all(_VALUE.fullmatch(value) for _, value in fixed):
        raise ValueError("a malformed header")
    start = f"{method} {target} HTTP/1.1" + ("" if "host" in given else f"\r\nHost: {host}")
    start += "".join(f"\r\n{name}: {value}" for name, value in fixed)
    start += "".join(f"\r\n{name}: \0" for name in names)  # no part has a NUL: each was checked
    start += "" if "accept-encoding" in given else "\r\nAccept-Encoding: identity"
    counted = bool(given & {"content-length", "transfer-encoding"})
    start += "\r\n\r\n" if counted else "\r\nContent-Length: \0\r\n\r\n"
    return start.replace("%", "%%").replace("\0", "%s"), b"\r\n" * start.count("\r\n"), counted


class Headers(Mapping[str, str]):
    """Header lines by lower-case name, parsed on first use. Of a repeated header the last one counts."""

    __slots__ = ("_head", "_read")

    def __init__(self, head: bytes) -> None:
        self._head: bytes | None = head

    def _lines(self) -> dict[str, str]:
        if self._head is not None:
            read = {}
            for line in self._head.decode("ascii").split("\r\n")[1:-2]:
                name, _, value = line.partition(":")
                read[name.lower()] = value.strip(" \t")
            self._read, self._head = read, None
        return self._read

    def __getitem__(self, name: str) -> str:
        return self._lines()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._lines())

    def __len__(self) -> int:
        return len(self._lines())


class HttpReply:
    """An answer with its whole body. `headers` have lower-case names and printable ASCII; other headers are left out.
    `keep` says whether the connection may be used again, `measured` whether the answer says where its body ends."""

    __slots__ = ("_headers", "body", "keep", "measured", "status")

    def __init__(
        self, status: int, headers: Mapping[str, str] | bytes, body: bytes, keep: bool = False, measured: bool = True
    ) -> None:
        self.status, self._headers, self.body, self.keep, self.measured = status, headers, body, keep, measured

    @property
    def headers(self) -> Mapping[str, str]:
        if isinstance(self._headers, bytes):  # the head's: most answers are never asked for all headers
            self._headers = Headers(self._headers)
        return self._headers

    def header(self, name: str) -> str | None:
        """One header. A search costs less than reading all of them."""
        head = self._headers
        if not isinstance(head, bytes):
            return head.get(name)
        sought = f"\r\n{name}:".encode()
        at = head.lower().rfind(sought)
        if at < 0:
            return None
        at += len(sought)
        return head[at : head.find(b"\r\n", at)].decode("ascii").strip(" \t")


class Head(Struct, frozen=True):
    """`length` is the body's in bytes, None if it comes in chunks. `keep`: the connection may be used again."""

    status: int
    headers: Mapping[str, str]
    length: int | None
    keep: bool


class Odd:
    """A head that this module does not read."""


_ODD = Odd()


class Reader:
    """Reads what comes over one connection, answer after answer."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self.buffer = bytearray()

    def head(self) -> Head | Odd:
        """The next answer's head. An odd one stays in the buffer. Raises Cut if the head is cut off, and what `receive`
        raises."""
        start = 0
        while not self.buffer or (end := _HEAD_ENDS.search(self.buffer, start)) is None:
            if len(self.buffer) > MOST_HEAD:
                return _ODD
            start = max(0, len(self.buffer) - 2)
            if not self._more():
                raise Cut("the connection was closed before the answer's head was whole")
        read = _read_head(bytes(self.buffer[: end.end()]))
        if isinstance(read, Head):
            del self.buffer[: end.end()]
        return read

    def body(self, head: Head) -> Iterator[bytes]:
        """The body's bytes as they arrive; an empty piece at each Silence. Raises Malformed."""
        return self._chunks() if head.length is None else self._so_many(head.length)

    def buffered(self, head: Head) -> bytes | None:
        """The body if all of it came with its head, as short bodies do; else None, and nothing is read."""
        if head.length is None or head.length > len(self.buffer):
            return None
        body = bytes(self.buffer[: head.length])
        del self.buffer[: head.length]
        return body

    def _so_many(self, left: int) -> Iterator[bytes]:
        while left:
            if not self.buffer and not (yield from _patiently(self._more)):
                raise Cut("the body is shorter than it was said to be")
            piece = bytes(self.buffer[:left])
            del self.buffer[:left]
            left -= len(piece)
            yield piece

    def _chunks(self) -> Iterator[bytes]:
        while size := (yield from _patiently(self._chunk_size)):
            yield from self._so_many(size)
            if (yield from _patiently(lambda: self._line(2))).strip(b"\r\n"):
                raise Malformed("a chunk is longer than it was said to be")
        seen = 0
        # Trailers are skipped: nobody asked for them.
        while (line := (yield from _patiently(lambda: self._line(MOST_HEAD)))).strip(b"\r\n"):
            seen += len(line)
            if seen > MOST_HEAD:
                raise Malformed("trailers without end")

    def _chunk_size(self) -> int:
        match = _CHUNK.fullmatch(self._line(_LONGEST_CHUNK_LINE))
        if match is None:
            raise Malformed("a chunk without its size")
        return int(match[1], 16)

    def _line(self, most: int) -> bytes:
        """The next line with its end. Raises Malformed if it is longer than `most`."""
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
        piece = self._receive(PIECE)
        self.buffer += piece
        return bool(piece)


def _patiently(read: Callable[[], Got]) -> Generator[bytes, None, Got]:
    """Return what `read` gives, and yield an empty piece at each Silence before that."""
    while True:
        try:
            return read()
        except Silence:
            yield b""


class PlainAnswer:
    """An answer that the lean reader reads: its head says where the body ends."""

    measured = True

    def __init__(self, head: Head, reader: Reader) -> None:
        self.status, self.headers = head.status, head.headers
        self._head, self._reader = head, reader

    @property
    def reusable(self) -> bool:
        return self._head.keep and not self._reader.buffer

    def pieces(self) -> Iterator[bytes]:
        return self._reader.body(self._head)

    def buffered(self) -> bytes | None:
        return self._reader.buffered(self._head)

    def close(self) -> None:
        """Nothing is held."""


def at_once(piece: bytes) -> HttpReply | None:
    """The answer, if these bytes are one plain answer with a length, whole, and nothing follows it; else None."""
    match = _HEAD.match(piece)
    if match is None:
        return None
    said, length, coding, connection = match.groups()
    end = match.end()
    if length is None or coding is not None or said in _BODILESS or len(piece) - end != int(length):
        return None
    return HttpReply(int(said), piece[:end], piece[end:], connection in _KEPT or connection.lower() == b"keep-alive")


def _read_head(text: bytes) -> Head | Odd:
    match = _HEAD.fullmatch(text)
    if match is None:
        return _ODD
    said, length, coding, connection = match.groups()
    if (length is None) == (coding is None) or said in _BODILESS:  # no length, or two, or no body
        return _ODD
    keep = connection in _KEPT or connection.lower() == b"keep-alive"
    return Head(int(said), Headers(text), None if length is None else int(length), keep)
