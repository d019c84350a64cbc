"""Reads answers of an odd form with the standard library: HTTP/1.0, interim statuses, no length, folded lines."""

from __future__ import annotations

import http.client
import io
import re
from collections.abc import Iterator, Mapping
from typing import Any

from gateway.http1 import Cut, Malformed, Silence
from gateway.sockets import TimedConnection

_PIECE = 65_536
_INTERIM = re.compile(rb"HTTP/1\.\d 1(?!01)\d\d\s")  # a status that another one follows; 101 switches protocols
_HEADER = re.compile(rb"[!-9;-~]+:[\t\x20-\x7e]*\r?\n")


class OddAnswer:
    """An answer whose head the lean reader left in its buffer. Its connection is not used again."""

    reusable = False

    def __init__(self, connection: TimedConnection, method: str) -> None:
        """Reads the head. Raises Malformed, and what the connection raises."""
        self._connection, connection.patient = connection, True
        self._response = _Response(_Socket(connection), method=method)  # type: ignore[arg-type]  # all it uses
        try:
            self._response.begin()
        except (http.client.HTTPException, ValueError) as fault:
            raise _malformed(fault) from None
        self.status = self._response.status
        self.headers: Mapping[str, str] = {name.lower(): value for name, value in self._response.getheaders()}
        self.measured = self._response.length is not None or self._response.chunked

    def buffered(self) -> bytes | None:
        return None

    def pieces(self) -> Iterator[bytes]:
        """The body's bytes as they arrive; an empty piece at each Silence. Raises Malformed, and what the connection
        raises."""
        left = self._response.length  # counted here: Python 3.11 does not count what read1 has read
        try:
            while left != 0:
                while not self._comes():
                    yield b""
                # read1 returns after one receive; read would wait for a full buffer.
                if not (piece := self._response.read1(_PIECE if left is None else min(left, _PIECE))):
                    break
                left = None if left is None else left - len(piece)
                yield piece
        except (http.client.HTTPException, ValueError) as fault:
            raise _malformed(fault) from None
        if left:  # announced bytes that never came
            raise Cut("the body is shorter than it was said to be")

    def _comes(self) -> bool:
        """Whether there is anything to read, even the end. Peeking loses nothing if nothing comes."""
        if self._response.fp is None:
            return True
        self._connection.patient = False
        try:
            self._response.fp.peek(1)
        except Silence:
            return False
        finally:
            self._connection.patient = True
        return True

    def close(self) -> None:
        self._response.close()


def _malformed(fault: Exception) -> Malformed:
    # A ValueError comes from http.client: it trusts lengths and chunk sizes, and reads them as numbers.
    return Malformed(type(fault).__name__)


class _Socket:
    """The part of a socket that an answer uses."""

    def __init__(self, connection: TimedConnection) -> None:
        self._connection = connection

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(_Fed(self._connection))


class _Fed(io.RawIOBase):
    """Gives the bytes that the lean reader has already, then those that come."""

    def __init__(self, connection: TimedConnection) -> None:
        self._connection = connection

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        kept = self._connection.reader.buffer
        data = bytes(kept[: len(buffer)]) or self._connection.receive(len(buffer))
        del kept[: len(buffer)]
        buffer[: len(data)] = data
        return len(data)


class _Head:
    """The lines of an answer's head. Two things are skipped. Interim heads (100, 103): http.client takes a 103 for the
    answer, and then nobody reads the real one, though it is billed. Invalid headers: http.client takes the first of
    these (a name that is not ASCII) for the start of the body, and so misses a length below it."""

    def __init__(self, plain: io.BufferedReader) -> None:
        self.plain, self._within = plain, False

    def readline(self, limit: int = -1) -> bytes:
        line = self.plain.readline(limit)
        while not self._within and _INTERIM.match(line):
            while line.strip(b"\r\n"):
                line = self.plain.readline(limit)
            line = self.plain.readline(limit)
        if self._within:
            while line.strip(b"\r\n") and len(line) < limit and not _HEADER.fullmatch(line):
                line = self.plain.readline(limit)
        self._within = bool(line.strip(b"\r\n"))
        return line

    def close(self) -> None:
        self.plain.close()


class _Response(http.client.HTTPResponse):
    fp: Any

    def begin(self) -> None:
        self.fp = _Head(self.fp)
        try:
            super().begin()
        finally:
            if self.fp is not None:
                self.fp = self.fp.plain
