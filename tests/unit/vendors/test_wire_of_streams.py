"""The bytes of streams, for each pair of a client's dialect and an endpoint's: cut anywhere, with any end of lines,
damaged, broken off. The client's own package must put them together to the text that was sent, or reject the stream.

Judges: the accumulators of openai's and anthropic's packages, botocore's reader of event streams.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any

import pytest
from botocore.eventstream import EventStreamBuffer
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.aws.eventstream import Decoder
from gateway.dialects.chat.stream import chunks
from gateway.dialects.neutral import (
    ArgumentsDelta,
    BlockStop,
    Delta,
    Finish,
    ReasoningDelta,
    SignatureDelta,
    Start,
    TextDelta,
    Told,
    ToolStart,
    Used,
)
from gateway.dialects.pairs import Stream
from gateway.dialects.sse import MOST_EVENT
from gateway.dialects.unsupported import Unusable
from gateway.models.usage import Usage, openai_usage
from gateway.transport import Broken
from gateway.vendors.streams import StreamError, frames_of
from tests.gathered import gathered
from tests.unit.dialects.converse_written import write_events as converse_events
from tests.unit.dialects.in_one_go import write_messages_events as messages_events
from tests.upstream.eventstream import event as framed
from tests.upstream.messages_judge import stream_faults

BINARY, TEXT = "application/vnd.amazon.eventstream", "text/event-stream"
USAGE = Usage(7, 2, 3, 1, 5)
FRAME = {"id": "chatcmpl-1", "created": 1, "model": "m"}
WORDS = st.text(st.characters(blacklist_categories=["Cs"]), min_size=1, max_size=12)
Events = list[tuple[str, dict[str, Any]]]


def _sse(events: Iterable[tuple[str, Any]]) -> bytes:
    lines = [
        f"event: {kind}\n" * bool(kind) + f"data: {json.dumps(event, ensure_ascii=False)}" for kind, event in events
    ]
    return "".join(f"{each}\n\n" for each in lines).encode()


def chat(deltas: Sequence[Delta]) -> bytes:
    made = [("", chunk) for chunk in chunks(deltas, FRAME)]
    usage = {**FRAME, "object": "chat.completion.chunk", "choices": [], "usage": openai_usage(USAGE)}
    return _sse([*made, ("", usage)]) + b"data: [DONE]\n\n"


def anthropic(deltas: Sequence[Delta]) -> bytes:
    return _sse(messages_events(deltas, {"id": "msg_1", "model": "m"}))


def invoke(deltas: Sequence[Delta]) -> bytes:
    inner = [json.dumps(event).encode() for _, event in messages_events(deltas, {"id": "msg_1", "model": "m"})]
    return b"".join(framed("chunk", json.dumps({"bytes": base64.b64encode(each).decode()}).encode()) for each in inner)


def converse(deltas: Sequence[Delta]) -> bytes:
    return b"".join(framed(kind, json.dumps(event).encode()) for kind, event in converse_events(deltas))


# By name: the client's dialect, the endpoint's, how its stream is framed, and how it is written.
PAIRS: dict[str, tuple[str, str, str, Callable[[Sequence[Delta]], bytes]]] = {
    "chat over chat": ("chat", "chat", TEXT, chat),
    "chat over Converse": ("chat", "converse", BINARY, converse),
    "chat over Messages": ("chat", "messages", TEXT, anthropic),
    "Messages over Anthropic": ("messages", "messages", TEXT, anthropic),
    "Messages over InvokeModel": ("messages", "messages", BINARY, invoke),
    "Messages over Converse": ("messages", "converse", BINARY, converse),
    "Messages over chat": ("messages", "chat", TEXT, chat),
}


@pytest.fixture(params=PAIRS, scope="module")
def pair(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@st.composite
def answers(draw: st.DrawFn) -> list[Delta]:
    """Thoughts, a text and calls of tools, as every dialect can say them."""
    deltas: list[Delta] = [Start(), Told(Usage(7, 2, 3, 1))]
    number = 0
    if draw(st.booleans()):
        deltas += [ReasoningDelta(0, text) for text in draw(st.lists(WORDS, min_size=1, max_size=3))]
        deltas += [SignatureDelta(0, "c2ln"), BlockStop(0)]
        number = 1
    texts = draw(st.lists(WORDS, max_size=4))
    if texts:
        deltas += [*(TextDelta(number, text) for text in texts), BlockStop(number)]
        number += 1
    calls = draw(st.integers(0 if texts else 1, 2))
    for at in range(number, number + calls):
        arguments = json.dumps(draw(st.dictionaries(WORDS, WORDS, max_size=2)))
        cut = draw(st.integers(0, len(arguments)))
        pieces = [ArgumentsDelta(at, piece) for piece in (arguments[:cut], arguments[cut:]) if piece]
        deltas += [ToolStart(at, f"call_{at}", "f"), *pieces, BlockStop(at)]
    return [*deltas, Finish("tool_calls" if calls else "stop"), Used(USAGE)]


def said(deltas: Iterable[Delta]) -> tuple[str, list[Any]]:
    """The text, and the arguments of the calls."""
    texts = [each.text for each in deltas if isinstance(each, TextDelta)]
    calls: dict[int, str] = {each.block: "" for each in deltas if isinstance(each, ToolStart)}
    for each in deltas:
        if isinstance(each, ArgumentsDelta):
            calls[each.block] += each.text
    return "".join(texts), [json.loads(text) for text in calls.values()]


def whole(dialect: str, events: Events) -> tuple[str, list[Any]]:
    """Like `said`, for the answer that the client's package puts together."""
    answer = gathered(dialect, events)
    if dialect == "messages":
        content = answer["content"]
        texts = [block["text"] for block in content if block["type"] == "text"]
        return "".join(texts), [block["input"] for block in content if block["type"] == "tool_use"]
    message = answer["choices"][0]["message"]
    calls = message.get("tool_calls") or []
    return message.get("content") or "", [json.loads(call["function"]["arguments"]) for call in calls]


def heard(pair: str, pieces: Iterable[bytes], most: int = 10_000) -> tuple[Events, Stream]:
    """The bytes that come out, by `gateway.vendors.streams.relayed`. Raises Broken if it breaks off."""
    client, native, kind, _ = PAIRS[pair]
    stream, frames = Stream(client, native, {}, known="k", model="m", most=most), frames_of(kind)
    found: Events = []
    for piece in pieces:
        for name, event, data in frames.feed(piece):
            came = stream.hear(name, event, data).events
            if stream.beyond:
                return found + [(kind, event) for kind, event, _ in stream.tap.cut()], stream
            found += [(kind, event) for kind, event, _ in came]
    for name, event, data in frames.end():
        found += [(kind, event) for kind, event, _ in stream.hear(name, event, data).events]
    found += [(kind, event) for kind, event, _ in stream.tap.end(done=frames.done)]
    if not stream.tap.ended:
        raise Broken("the stream ends early")
    return found, stream


def cut_up(data: bytes, at: Sequence[int]) -> list[bytes]:
    cuts = sorted(each % (len(data) + 1) for each in at)
    return [data[start:end] for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True)]


@settings(deadline=None, max_examples=60)
@given(answers(), st.lists(st.integers(0, 100_000), max_size=12), st.sampled_from([b"\n", b"\r\n", b"\r"]), st.data())
def test_cut_anywhere_and_ended_by_any_line_it_is_what_was_said(
    pair: str, deltas: list[Delta], cuts: list[int], line: bytes, data: st.DataObject
) -> None:
    client, _, kind, wire = PAIRS[pair]
    sent = wire(deltas)
    if kind == TEXT:
        if data.draw(st.booleans()):
            sent = re.sub(rb"^data: ", b"data:", sent, flags=re.MULTILINE)  # it is in no text of an answer
        if data.draw(st.booleans()):
            sent = b"\xef\xbb\xbf: a comment\n\n" + sent.replace(b"\n\n", b"\n\n: another\n\nid: 1\nretry: 3\n\n")
        sent = sent.replace(b"\n", line)
    events, stream = heard(pair, cut_up(sent, cuts))
    assert whole(client, events) == said(deltas)
    assert stream.tap.used is not None
    assert stream.tap.used.usage.output_tokens == 5
    if client == "messages":
        assert stream_faults(json.loads(json.dumps(events))) == []


ANSWER: list[Delta] = [
    Start(),
    TextDelta(0, "é漢"),
    TextDelta(0, "🌍."),
    BlockStop(0),
    ToolStart(1, "call_1", "f"),
    ArgumentsDelta(1, '{"a": "ü"}'),
    BlockStop(1),
    Finish("tool_calls"),
    Used(USAGE),
]


def test_at_every_byte_in_two_and_byte_by_byte(pair: str) -> None:
    client, _, _, wire = PAIRS[pair]
    sent = wire(ANSWER)
    for pieces in (*([sent[:at], sent[at:]] for at in range(len(sent))), [bytes([each]) for each in sent]):
        assert whole(client, heard(pair, pieces)[0]) == said(ANSWER)


def test_broken_off_at_every_byte_it_is_whole_or_none(pair: str) -> None:
    """If a stream ends well, none of its content is missing; some of its counts may be."""
    client, _, _, wire = PAIRS[pair]
    sent, ended = wire(ANSWER), 0
    for at in range(len(sent)):
        try:
            events, _ = heard(pair, [sent[:at]])
        except (Broken, Unusable):
            continue
        ended += 1
        assert whole(client, events) == said(ANSWER)
    assert ended < len(sent) / 2


@settings(deadline=None, max_examples=150)
@given(st.integers(0, 100_000), st.integers(1, 255))
def test_a_damaged_byte_of_a_binary_stream_never_passes(pair: str, at: int, change: int) -> None:
    _, _, kind, wire = PAIRS[pair]
    if kind != BINARY:
        return
    sent = bytearray(wire(ANSWER))
    sent[at % len(sent)] ^= change
    with pytest.raises((Broken, StreamError)):
        heard(pair, [bytes(sent)])


@settings(deadline=None, max_examples=150)
@given(st.binary(max_size=200), st.integers(0, 100_000))
def test_any_bytes_within_a_stream_are_no_fault_of_ours(pair: str, odd: bytes, at: int) -> None:
    sent = PAIRS[pair][3](ANSWER)
    place = at % len(sent)
    with suppress(Broken, StreamError, Unusable):
        heard(pair, [sent[:place] + odd + sent[place:]])


@settings(deadline=None, max_examples=60)
@given(st.lists(st.binary(max_size=60), max_size=6), st.lists(st.integers(0, 100_000), max_size=8))
def test_a_binary_stream_is_read_as_botocore_reads_it(payloads: list[bytes], cuts: list[int]) -> None:
    sent = b"".join(framed("chunk", payload) for payload in payloads)
    ours, theirs = Decoder(), EventStreamBuffer()
    found = [message for piece in cut_up(sent, cuts) for message in ours.feed(piece)]
    theirs.add_data(sent)
    known = list(theirs)
    assert [(each.payload, dict(each.headers)) for each in found] == [(each.payload, each.headers) for each in known]


@pytest.mark.parametrize("kind", [TEXT, BINARY])
def test_an_event_without_end_is_not_waited_for(kind: str) -> None:
    frames = frames_of(kind)
    piece = b"data: " + b"x" * 65_536 if kind == TEXT else framed("chunk", b"x" * (MOST_EVENT + 1))[:65_536]
    pieces = (found for _ in range(MOST_EVENT // 65_536 + 2) for found in frames.feed(piece))
    with pytest.raises(Broken):
        list(pieces)


def test_an_answer_that_goes_beyond_its_cap_is_ended_there(pair: str) -> None:
    client, _, _, wire = PAIRS[pair]
    words: list[Delta] = [TextDelta(0, f"word {number} ") for number in range(50)]
    events, stream = heard(pair, [wire([Start(), *words, BlockStop(0), Finish("stop"), Used(USAGE)])], most=20)
    text, _ = whole(client, events)
    assert text == "".join(f"word {number} " for number in range(20))
    assert not stream.tap.ended
    end = gathered(client, events)
    if client == "chat":
        assert end["choices"][0]["finish_reason"] == "length"
    else:
        assert end["stop_reason"] == "max_tokens"
        kinds = [kind for kind, _ in events if kind != "ping"]
        assert kinds[-3:] == ["content_block_stop", "message_delta", "message_stop"]


def test_bytes_are_no_tokens(pair: str) -> None:
    words: list[Delta] = [TextDelta(0, "a long piece " * 100) for _ in range(4)]
    heard(pair, [PAIRS[pair][3]([Start(), *words, BlockStop(0), Finish("stop"), Used(USAGE)])], most=5)


def test_the_provider_s_own_events_pass_as_they_came() -> None:
    """Of any type, with any other fields. An unknown reason is an end, as for a whole answer."""
    wire = _sse(
        [
            (
                "message_start",
                {"type": "message_start", "message": {"id": "m", "type": "message", "role": "assistant"}},
            ),
            (
                "content_block_start",
                {"type": "content_block_start", "index": 0, "content_block": {"type": "x", "y": 1}},
            ),
            ("content_block_stop", {"type": "content_block_stop", "index": 0}),
            ("new_kind", {"type": "new_kind", "z": [1.0]}),
            ("message_delta", {"type": "message_delta", "delta": {"stop_reason": "new_word"}, "usage": {}}),
            ("message_stop", {"type": "message_stop"}),
        ]
    )
    events, stream = heard("Messages over Anthropic", [wire])
    assert [kind for kind, _ in events][1:] == [
        "content_block_start",
        "content_block_stop",
        "new_kind",
        "message_delta",
        "message_stop",
    ]
    assert (stream.tap.ended, stream.tap.over, stream.tap.used) == (True, True, None)


def test_a_text_within_a_call_is_a_block_of_its_own() -> None:
    """Converse has one number for both; none of these is a fault of ours."""
    wire = converse([Start(), ToolStart(0, "call_1", "f"), TextDelta(0, "hm"), Finish("stop"), Used(USAGE)])
    events, _ = heard("Messages over Converse", [wire])
    assert stream_faults(json.loads(json.dumps(events))) == []
    assert [block["type"] for block in gathered("messages", events)["content"]] == ["tool_use", "text"]
