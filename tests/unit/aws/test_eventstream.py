"""Bedrock's framing, against the fake's writer and against botocore's own reader."""

from __future__ import annotations

import struct
import zlib

import pytest
from botocore.eventstream import EventStreamBuffer
from hypothesis import given
from hypothesis import strategies as st

from gateway.aws.eventstream import Decoder, Message
from tests.upstream.eventstream import event, exception, message

HEADERS = st.dictionaries(st.text("abc:-", min_size=1, max_size=20), st.text(max_size=40), max_size=4)
MESSAGES = st.lists(st.tuples(HEADERS, st.binary(max_size=200)), max_size=5)


def read(data: bytes, sizes: list[int]) -> list[Message]:
    decoder, found, at = Decoder(), list[Message](), 0
    for size in [*sizes, len(data)]:
        found += decoder.feed(data[at : at + size])
        at += size
    assert decoder.whole
    return found


@given(MESSAGES, st.lists(st.integers(0, 90), max_size=20))
def test_whatever_the_pieces_the_messages_are_those_that_botocore_reads(
    given: list[tuple[dict[str, str], bytes]], sizes: list[int]
) -> None:
    data = b"".join(message(headers, payload) for headers, payload in given)
    found = read(data, sizes)
    assert [(each.headers, each.payload) for each in found] == given
    theirs = EventStreamBuffer()
    theirs.add_data(data)
    assert [(each.headers, each.payload) for each in theirs] == given


def test_events_and_exceptions_are_known_by_their_type() -> None:
    found = read(event("messageStart", b"{}") + exception("throttlingException", b"{}"), [])
    assert [each.kind for each in found] == ["messageStart", "throttlingException"]
    assert read(message({":message-type": "error", ":error-code": "Internal"}, b""), [])[0].kind == "Internal"
    assert read(message({}, b""), [])[0].kind == ""


@given(st.integers(0, 10_000), st.integers(1, 255))
def test_a_damaged_byte_is_never_an_event(at: int, by: int) -> None:
    data = bytearray(event("contentBlockDelta", b'{"delta": {"text": "hello"}}') * 2)
    data[at % len(data)] ^= by
    found: list[Message] = []
    with pytest.raises(ValueError, match="event"):
        found.extend(Decoder().feed(bytes(data)))
    whole = Message(
        {":event-type": "contentBlockDelta", ":content-type": "application/json", ":message-type": "event"},
        b'{"delta": {"text": "hello"}}',
    )
    assert all(each == whole for each in found)


def test_half_a_message_is_none() -> None:
    decoder = Decoder()
    assert list(decoder.feed(event("x", b"{}")[:-1])) == []
    assert not decoder.whole


def framed(headers: bytes) -> bytes:
    prelude = struct.pack(">II", 16 + len(headers), len(headers))
    body = prelude + struct.pack(">I", zlib.crc32(prelude)) + headers
    return body + struct.pack(">I", zlib.crc32(body))


@pytest.mark.parametrize("headers", [b"\x05ab", b"\x01a\x63", b"\x01a\x07\x00\x09x", b"\x01a", b"\x01\xff\x00"])
def test_headers_that_are_none_are_told(headers: bytes) -> None:
    with pytest.raises(ValueError, match="headers"):
        list(Decoder().feed(framed(headers)))


def test_a_message_without_end_is_told_at_once() -> None:
    prelude = struct.pack(">II", 2**31, 0)
    with pytest.raises(ValueError, match="no event stream"):
        list(Decoder().feed(prelude + struct.pack(">I", zlib.crc32(prelude))))


def test_headers_of_every_type_are_passed_over() -> None:
    kinds = b"\x01a\x00\x01b\x01\x01c\x02x\x01d\x03xx\x01e\x04xxxx\x01f\x05xxxxxxxx\x01g\x06\x00\x02xx\x01i\x08xxxxxxxx"
    data = framed(kinds + b"\x01j\x09" + b"x" * 16 + b"\x01k\x07\x00\x02hi")
    assert [each.headers for each in Decoder().feed(data)] == [{"k": "hi"}]
