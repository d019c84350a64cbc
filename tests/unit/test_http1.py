"""The lean reader of answers, judged by the standard library: whatever it reads, http.client reads in the same way.

Any bytes may come, in pieces of any size. Three things may become of them: an answer, an odd head (which http.client
then reads), or Malformed. Never another answer than http.client's.
"""

from __future__ import annotations

import http.client
import io
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.http1 import MOST_HEAD, Cut, Head, Malformed, Odd, Reader, Silence, request_bytes

NAMES = st.sampled_from(["Server", "x-amzn-RequestId", "Date", "X_odd.name", "content-type", "Connection"])
VALUES = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=30).map(str.strip)


@dataclass
class Read:
    """The result of reading some bytes: an answer, or nothing."""

    status: int
    headers: dict[str, str]
    body: bytes


def pieces_of(data: bytes, sizes: Sequence[int]) -> Any:
    """A source that gives the data in pieces of these sizes, then the rest at once."""
    rest, start = [], 0
    for size in sizes:
        rest.append(data[start : start + size])
        start += size
    rest.append(data[start:])
    waiting = [piece for piece in rest if piece]

    def receive(most: int) -> bytes:
        if not waiting:
            return b""
        piece = waiting.pop(0)
        if len(piece) > most:
            waiting.insert(0, piece[most:])
        return piece[:most]

    return receive


def lean(data: bytes, sizes: Sequence[int] = ()) -> Read | Odd | None:
    """None if it is not HTTP."""
    reader = Reader(pieces_of(data, sizes))
    try:
        head = reader.head()
        if isinstance(head, Odd):
            return head
        return Read(head.status, dict(head.headers), b"".join(reader.body(head)))
    except Malformed:
        return None


class _Socket:
    def __init__(self, data: bytes) -> None:
        self._data = data

    def makefile(self, _mode: str) -> io.BytesIO:
        return io.BytesIO(self._data)


def standard(data: bytes) -> Read | None:
    response = http.client.HTTPResponse(_Socket(data), method="POST")  # type: ignore[arg-type]
    try:
        response.begin()
        headers = {name.lower(): value for name, value in response.getheaders()}
        return Read(response.status, headers, response.read())
    except (http.client.HTTPException, ValueError):
        return None
    finally:
        response.close()


@st.composite
def answers(draw: st.DrawFn) -> tuple[bytes, Read]:
    """A well-formed answer, with a length or in chunks, and its content."""
    status = draw(st.integers(200, 599).filter(lambda each: each not in (204, 304)))
    headers = {name.lower(): (name, value) for name, value in draw(st.dictionaries(NAMES, VALUES, max_size=5)).items()}
    body = draw(st.binary(max_size=300))
    lines = [f"{name}: {value}" for name, value in headers.values()]
    if draw(st.booleans()):
        framing, sent = ("Content-Length", str(len(body))), body
    else:
        framing, sent = ("Transfer-Encoding", "chunked"), b""
        cuts = sorted(draw(st.lists(st.integers(0, len(body)), max_size=4)))
        for start, end in zip([0, *cuts], [*cuts, len(body)], strict=True):
            if part := body[start:end]:
                note = draw(st.sampled_from(["", ";x=1", " "]))
                sent += f"{len(part):{draw(st.sampled_from('xX'))}}{note}\r\n".encode() + part + b"\r\n"
        sent += b"0\r\n" + draw(st.sampled_from([b"", b"X-Trailer: 1\r\n"])) + b"\r\n"
    lines.insert(draw(st.integers(0, len(lines))), f"{framing[0]}: {framing[1]}")
    reason = draw(st.sampled_from([" OK", " ", ""]))
    head = "\r\n".join((f"HTTP/1.1 {status}{reason}", *lines, "", ""))
    said = {name: value for name, (_, value) in headers.items()} | {framing[0].lower(): framing[1]}
    return head.encode() + sent, Read(status, said, body)


SIZES = st.lists(st.integers(1, 40), max_size=20)


@given(answers(), SIZES)
def test_a_plain_answer_is_read_as_it_was_written(answer: tuple[bytes, Read], sizes: list[int]) -> None:
    data, said = answer
    assert lean(data, sizes) == said


@given(answers(), SIZES, st.lists(st.booleans(), max_size=40))
def test_silences_between_any_bytes_lose_nothing(
    answer: tuple[bytes, Read], sizes: list[int], silences: list[bool]
) -> None:
    data, said = answer
    come, waiting = pieces_of(data, sizes), list(silences)

    def receive(most: int) -> bytes:
        if waiting and waiting.pop():
            raise Silence
        return bytes(come(most))

    reader, head = Reader(receive), None
    while head is None:
        with suppress(Silence):
            head = reader.head()
    assert isinstance(head, Head)
    pieces = list(reader.body(head))
    assert (head.status, b"".join(pieces)) == (said.status, said.body)


@given(answers(), SIZES, st.data())
def test_whatever_is_read_the_standard_library_reads_the_same(
    answer: tuple[bytes, Read], sizes: list[int], data: st.DataObject
) -> None:
    sent = bytearray(answer[0])
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(sent)))
        match data.draw(st.sampled_from(["cut", "byte", "insert", "twice"])):
            case "cut":
                del sent[at:]
            case "byte" if at < len(sent):
                sent[at] = data.draw(st.integers(0, 255))
            case "insert":
                sent[at:at] = data.draw(
                    st.sampled_from([b"\n", b"\r\n", b"\r\n\r\n", b" ", b"\x00", b":", b"Content-Length: 1\r\n", b"-1"])
                )
            case _:
                sent[at:at] = sent[: data.draw(st.integers(0, len(sent)))]
    read = lean(bytes(sent), sizes)
    if isinstance(read, Read):
        assert read == standard(bytes(sent))


@given(st.binary(max_size=200), SIZES)
def test_any_bytes_end_in_an_answer_an_odd_head_or_malformed(data: bytes, sizes: list[int]) -> None:
    read = lean(data, sizes)
    assert read is None or isinstance(read, Odd)


@given(answers(), st.one_of(NAMES, NAMES.map(str.lower), st.text(max_size=20)))
def test_a_header_that_is_asked_for_first_is_the_one_that_parsing_gives(answer: tuple[bytes, Read], name: str) -> None:
    head = Reader(pieces_of(answer[0], ())).head()
    assert isinstance(head, Head)
    assert head.headers.get(name, "none") == answer[1].headers.get(name, "none")
    assert dict(head.headers) == answer[1].headers
    assert head.headers.get(name) == answer[1].headers.get(name)


def test_a_header_within_a_value_is_none() -> None:
    data = b"HTTP/1.1 200 x-a:1\r\nX-B: x-a:2\r\nContent-Length: 0\r\nX-a-c:3\r\n\r\nx-a:4"
    head = Reader(pieces_of(data, ())).head()
    assert isinstance(head, Head)
    assert [head.headers.get(name) for name in ("x-a", "a", "x-a:2", "", "X-A-C")] == [None] * 5
    assert (head.headers.get("x-a-c"), head.headers.get("x-b")) == ("3", "x-a:2")


@given(st.lists(answers(), min_size=2, max_size=4), SIZES)
def test_one_answer_after_the_other_on_one_connection(several: list[tuple[bytes, Read]], sizes: list[int]) -> None:
    reader = Reader(pieces_of(b"".join(data for data, _ in several), sizes))
    for _, said in several:
        head = reader.head()
        assert isinstance(head, Head)
        assert (head.status, b"".join(reader.body(head))) == (said.status, said.body)


@pytest.mark.parametrize(
    "head",
    [
        "HTTP/1.0 200 OK\r\nContent-Length: 0",
        "HTTP/1.1 100 Continue\r\nContent-Length: 0",
        "HTTP/1.1 204 No Content\r\nContent-Length: 0",
        "HTTP/1.1 304 Not Modified\r\nContent-Length: 5",
        "HTTP/1.1 200 OK",
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked",
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4",
        "HTTP/1.1 200 OK\r\nContent-Length: +3",
        "HTTP/1.1 200 OK\r\nContent-Length: 3_0",
        "HTTP/1.1 200 OK\r\nContent-Length: " + "9" * 16,
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked",
        "HTTP/1.1 200 OK\r\ncontent-length: 3\r\nX: y\r\nCONTENT-LENGTH: x",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\ntransfer-encoding: chunked",
        "HTTP/1.1 200 OK\r\nConnection: close\r\nConnection: keep-alive\r\nContent-Length: 0",
        "HTTP/1.1 200 OK\r\nContent-Length:",
        "HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 0",
        "HTTP/1.1 200 OK\r\nX : a\r\nContent-Length: 0",
        "HTTP/1.1 200 OK\r\nX: ü\r\nContent-Length: 0",
        "HTTP/1.1 200 OK\nContent-Length: 0",
        "ICY 200 OK\r\nContent-Length: 0",
        "HTTP/1.1 2000 OK\r\nContent-Length: 0",
    ],
)
def test_what_is_left_to_the_standard_library(head: str) -> None:
    reader = Reader(pieces_of(head.encode() + b"\r\n\r\n", ()))
    assert isinstance(reader.head(), Odd)
    assert bytes(reader.buffer) == head.encode() + b"\r\n\r\n"  # no byte of it is lost


def test_a_head_without_end_is_odd_and_bounded() -> None:
    sent = 0

    def endless(most: int) -> bytes:
        nonlocal sent
        sent += most
        return b"x" * most

    assert isinstance(Reader(endless).head(), Odd)
    assert sent <= 3 * MOST_HEAD


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"5\r\nhel",
        b"5\r\nhello",
        b"5\r\nhelloX\r\n0\r\n\r\n",
        b"5\r\nhello\r\n",
        b"0\r\n",
        b"zz\r\nhello\r\n0\r\n\r\n",
        b"-1\r\n\r\n",
        b"0x5\r\nhello\r\n0\r\n\r\n",
        b"5" * 5_000 + b"\r\n",
        b"0\r\n" + b"x: y\r\n" * 20_000 + b"\r\n",
        b"F" * 16 + b"\r\n",
    ],
)
def test_chunks_that_are_none(body: bytes) -> None:
    reader = Reader(pieces_of(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + body, [len(body)]))
    head = reader.head()
    assert isinstance(head, Head)
    with pytest.raises(Malformed):
        list(reader.body(head))


def test_nothing_at_all_is_cut() -> None:
    with pytest.raises(Cut):
        Reader(lambda _most: b"").head()


@pytest.mark.parametrize(("said", "keep"), [("close", False), ("Keep-Alive", True), ("x, close", False), ("", False)])
def test_whether_a_connection_may_be_used_again(said: str, keep: bool) -> None:
    head = Reader(pieces_of(f"HTTP/1.1 200 OK\r\nConnection: {said}\r\nContent-Length: 0\r\n\r\n".encode(), ())).head()
    assert isinstance(head, Head)
    assert head.keep is keep


def test_a_request_is_one_piece() -> None:
    assert request_bytes("POST", "/v1/x?a=1", "host:81", {"Authorization": "Bearer k"}, b"{}") == (
        b"POST /v1/x?a=1 HTTP/1.1\r\nHost: host:81\r\nAuthorization: Bearer k\r\n"
        b"Accept-Encoding: identity\r\nContent-Length: 2\r\n\r\n{}"
    )
    given = request_bytes("POST", "/", "h", {"host": "other", "content-length": "0"}, b"")
    assert (given.lower().count(b"host:"), given.lower().count(b"content-length:")) == (1, 1)


def test_headers_that_stay_the_same_leave_like_any_other() -> None:
    fixed = (("host", "other"), ("x-token", "t"))
    assert request_bytes("POST", "/", "h", {"x-date": "1"}, b"ab", fixed) == (
        b"POST / HTTP/1.1\r\nhost: other\r\nx-token: t\r\nx-date: 1\r\n"
        b"Accept-Encoding: identity\r\nContent-Length: 2\r\n\r\nab"
    )
    for name, value in (("a b", "1"), ("a", "1\r\nb: 2"), ("a", "ü"), ("a:", ""), ("", "1")):
        with pytest.raises(ValueError, match="malformed"):
            request_bytes("POST", "/", "h", {}, b"", ((name, value),))


@pytest.mark.parametrize("stays", [False, True])
def test_a_value_has_printable_ascii_and_tabs_only(stays: bool) -> None:
    for code in (*range(0x180), 0x2028, 0xD800, 0xFF0D, 0x1F600):
        value, fine = f"a{chr(code)}b", code == 0x09 or 0x20 <= code <= 0x7E
        headers, fixed = ({}, (("x", value),)) if stays else ({"x": value}, ())
        if fine:
            assert f"\r\nx: {value}\r\n".encode() in request_bytes("POST", "/", "h", headers, b"", fixed)
            continue
        with pytest.raises(ValueError, match=r"^a malformed header$") as fault:
            request_bytes("POST", "/", "h", headers, b"", fixed)
        assert fault.value.__context__ is None  # it would quote the value


@given(st.text(max_size=20), st.text(max_size=20), st.text(max_size=20), st.booleans())
def test_no_text_makes_another_request_of_it(target: str, name: str, value: str, stays: bool) -> None:
    """Whatever text a target or a header has, the wire carries one request with one more header, or none at all."""
    try:
        headers, fixed = ({}, ((name, value),)) if stays else ({name: value}, ())
        sent = request_bytes("POST", f"/{target}", "host", headers, b"body", fixed)
    except ValueError:
        return
    head, _, body = sent.partition(b"\r\n\r\n")
    assert body == b"body"
    first, *lines = head.decode("ascii").split("\r\n")
    assert first == f"POST /{target} HTTP/1.1"
    assert f"{name}: {value}" in lines
    assert all("\n" not in line and "\r" not in line for line in lines)
