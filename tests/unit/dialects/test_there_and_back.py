"""Everything that both sides can express comes back unchanged: requests, answers, streams."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from gateway.dialects.chat import request as chat
from gateway.dialects.chat.stream import chunks, completion, read_choice
from gateway.dialects.converse import reading
from gateway.dialects.converse.answer import read_answer
from gateway.dialects.converse.request import write_request
from gateway.dialects.neutral import (
    ArgumentsDelta,
    Block,
    BlockStop,
    Choice,
    Delta,
    Document,
    Failed,
    Finish,
    Image,
    Mark,
    Output,
    Reasoning,
    ReasoningDelta,
    Redacted,
    RedactedDelta,
    Request,
    Rest,
    SignatureDelta,
    Start,
    Text,
    TextDelta,
    Tool,
    ToolResult,
    ToolStart,
    ToolUse,
    Turn,
    Used,
)
from gateway.models.usage import Usage
from tests.unit.dialects.converse_written import write_answer, write_events
from tests.unit.dialects.in_one_go import read_chunks
from tests.unit.dialects.in_one_go import read_converse_events as read_events
from tests.upstream import Steer
from tests.upstream.bedrock_api import converse, events
from tests.upstream.converse_judge import event_faults, faults

FRAME = {"id": "chatcmpl-1", "created": 1, "model": "m"}
WORDS = st.sampled_from(["a", "two words", "é漢🌍", "x\ny"])
BASE64 = st.sampled_from(["aW1hZ2U=", "AAAA"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | WORDS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(WORDS, inner, max_size=2),
    max_leaves=4,
)
INPUTS = st.dictionaries(WORDS, JSON, max_size=3)


def made(kind: Callable[..., Any], *parts: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Made only of these parts, since `st.builds` would also make up the others of a named tuple."""
    return st.builds(lambda *said: kind(*said), *parts)


TEXT = made(Text, WORDS)
IMAGE = made(Image, st.sampled_from(["png", "jpeg", "gif", "webp"]), BASE64)
NAMES = st.sampled_from(["f", "g-1", "h_2"])
THOUGHT = made(Reasoning, WORDS, st.sampled_from(["", "c2ln"])) | made(Redacted, BASE64)


@st.composite
def conversations(draw: st.DrawFn) -> list[Turn]:
    """Turns that both sides can express, with each call answered, divided as chat's messages are."""
    turns = [Turn("system", (draw(TEXT),))] if draw(st.booleans()) else []
    turns.append(Turn("user", (draw(TEXT), *draw(st.lists(TEXT | IMAGE, max_size=2)))))
    for number in range(draw(st.integers(0, 3))):
        thoughts = draw(st.lists(THOUGHT, max_size=2))
        ids = [f"c{number}-{at}" for at in range(draw(st.integers(0, 2)))]
        uses = [ToolUse(id, draw(NAMES), draw(INPUTS)) for id in ids]
        turns.append(Turn("assistant", (*thoughts, draw(TEXT), *uses)))
        for id in ids:
            turns.append(Turn("user", (ToolResult(id, tuple(draw(st.lists(TEXT | IMAGE, min_size=1, max_size=2)))),)))
        if not ids or draw(st.booleans()):
            documents = [Document("pdf", f"report {number}", draw(BASE64))] if draw(st.booleans()) else []
            turns.append(Turn("user", (draw(TEXT), *documents)))
    return turns


@st.composite
def requests(draw: st.DrawFn) -> Request:
    turns = draw(conversations())
    marked = draw(st.lists(st.integers(0, len(turns) - 1), unique=True, max_size=3))
    ttl = draw(st.sampled_from(["", "5m", "1h"]))
    turns = [
        Turn(turn.speaker, (*turn.blocks, Mark(ttl)) if at in marked else turn.blocks) for at, turn in enumerate(turns)
    ]
    schemas = st.builds(lambda more: {"type": "object", **more}, st.dictionaries(st.just("title"), WORDS))
    tools = [
        Tool(name, draw(st.just("") | WORDS), draw(schemas))
        for name in draw(st.lists(NAMES, unique=True, min_size=1, max_size=3))
    ]
    choices = [None, Choice("any"), Choice("one", tools[0].name)]
    output = st.none() | made(Output, st.just("schema"), INPUTS, st.just("") | WORDS, st.just("") | WORDS)
    return Request(
        tuple(turns),
        tools=(*tools, Mark(ttl)) if draw(st.booleans()) else tuple(tools),
        choice=draw(st.sampled_from(choices)),
        parallel=draw(st.sampled_from([None, False])),
        output=draw(output),
        cap=draw(st.integers(1, 9)),
        temperature=draw(st.none() | st.floats(0, 1)),
        top_p=draw(st.none() | st.floats(0, 0.99)),
        top_k=draw(st.none() | st.integers(0, 9)),
        stop=tuple(draw(st.lists(WORDS, max_size=2))),
        effort=draw(st.sampled_from([None, "low"])),
        thinking=draw(st.sampled_from([None, {"type": "enabled", "budget_tokens": 1_024}])),
        tier=draw(st.sampled_from([None, "flex", "priority"])),
    )


def _over_the_wire(body: Any) -> Any:
    return json.loads(json.dumps(body, allow_nan=False))


def _joined(request: Request) -> Request:
    """As Converse wants it: neighbouring messages of one speaker are one turn."""
    turns: list[Turn] = []
    for turn in request.turns:
        if turns and turns[-1].speaker == turn.speaker:
            turns[-1] = Turn(turn.speaker, (*turns[-1].blocks, *turn.blocks))
        else:
            turns.append(turn)
    return replace(request, turns=tuple(turns))


@settings(deadline=None)
@given(requests())
def test_a_request_through_chat(request: Request) -> None:
    found, dropped = chat.read_request(_over_the_wire(chat.write_request(request)), cap=request.cap)
    assert found == request
    assert dropped == []


@settings(deadline=None)
@given(requests())
def test_a_request_through_converse(request: Request) -> None:
    written = write_request(request, [], metadata={"correlation-id": "c"}, one_tool=True)
    body = _over_the_wire(written.body)
    assert faults(body) == []
    assert written.dropped == []
    assert reading.read_request(body) == _joined(request)


@settings(deadline=None)
@given(requests())
def test_a_request_through_both(request: Request) -> None:
    read, _ = chat.read_request(_over_the_wire(chat.write_request(request)), cap=request.cap)
    body = _over_the_wire(write_request(read, [], metadata={}, one_tool=True).body)
    again, _ = chat.read_request(_over_the_wire(chat.write_request(reading.read_request(body))), cap=request.cap)
    assert _joined(again) == _joined(request)


BLOCKS = st.one_of(TEXT, THOUGHT, made(ToolUse, st.sampled_from(["c1", "c2"]), NAMES, INPUTS))


def _deltas(number: int, block: Block, pieces: int) -> list[Delta]:
    """A block in this many pieces."""

    def cut(text: str) -> list[str]:
        step = max(1, -(-len(text) // pieces))
        return [text[at : at + step] for at in range(0, len(text), step)]

    if isinstance(block, Text):
        return [*(TextDelta(number, piece) for piece in cut(block.text)), BlockStop(number)]
    if isinstance(block, Redacted):
        return [RedactedDelta(number, block.data), BlockStop(number)]
    if isinstance(block, Reasoning):
        signature = [SignatureDelta(number, block.signature)] if block.signature else []
        return [*(ReasoningDelta(number, piece) for piece in cut(block.text)), *signature, BlockStop(number)]
    assert isinstance(block, ToolUse)
    arguments = json.dumps(block.input, ensure_ascii=False, separators=(",", ":"))
    started = ToolStart(number, block.id, block.name)
    return [started, *(ArgumentsDelta(number, piece) for piece in cut(arguments)), BlockStop(number)]


@st.composite
def streams(draw: st.DrawFn) -> list[Delta]:
    blocks = draw(st.lists(BLOCKS, max_size=4))
    finish = draw(st.sampled_from(["stop", "length", "tool_calls", "content_filter"]))
    usage = Usage(1, 2, draw(st.integers(0, 9)), draw(st.integers(0, 9)), 5)
    deltas: list[Delta] = [Start()]
    for number, block in enumerate(blocks):
        deltas += _deltas(number, block, draw(st.integers(1, 3)))
    rest: list[Delta] = [Rest({"other_content": [{"x": 1}]})] if draw(st.booleans()) else []
    return [*deltas, *rest, Finish(finish), Used(usage, draw(st.sampled_from(["", "flex"])))]


@given(streams())
def test_a_stream_through_converse(deltas: list[Delta]) -> None:
    sent = [(kind, _over_the_wire(event)) for kind, event in write_events(deltas)]
    assert [fault for kind, event in sent for fault in event_faults(kind, event)] == []
    assert list(read_events(sent, {})) == [delta for delta in deltas if not isinstance(delta, Rest)]
    failed: list[Delta] = [Start(), TextDelta(0, "a"), Failed("modelStreamErrorException", "broke")]
    assert list(read_events(write_events(failed), {})) == failed


@given(streams())
def test_an_answer_through_chat(deltas: list[Delta]) -> None:
    whole = completion(deltas, FRAME)
    again = completion([*read_choice(_over_the_wire(whole["choices"][0])), deltas[-1]], FRAME)
    assert again == whole


@given(streams())
def test_a_stream_through_chat(deltas: list[Delta]) -> None:
    """At most one thought, at the front. With more of them, chat's chunks don't say which part belongs to which
    thought."""
    thoughts = [delta.block for delta in deltas if isinstance(delta, (ReasoningDelta, RedactedDelta))]
    one = [each for each in deltas if getattr(each, "block", None) not in thoughts or each.block == thoughts[0]]  # type: ignore[union-attr]
    sent = [_over_the_wire(chunk) for chunk in chunks(one, FRAME)]
    whole = completion(one, FRAME)
    found = completion([*read_chunks(sent), deltas[-1]], FRAME)
    for part in ("tool_calls", "content", "thinking_blocks", "reasoning_content"):
        assert found["choices"][0]["message"].get(part) == whole["choices"][0]["message"].get(part)
    assert found["choices"][0]["finish_reason"] == whole["choices"][0]["finish_reason"]


@given(streams())
def test_a_whole_answer_is_its_stream(given_deltas: list[Delta]) -> None:
    """Converse's answer and its events lead to the same completion."""
    deltas = [delta for delta in given_deltas if not isinstance(delta, Rest)]
    found = read_answer(_over_the_wire(write_answer(deltas)), {})
    assert found is not None
    assert completion(found, FRAME) == completion(deltas, FRAME)


@pytest.mark.parametrize(
    "steer", [Steer(), Steer(tool="f", arguments='{"a": 1}'), Steer(finish="max_tokens", cached=3)]
)
def test_an_upstreams_answer_is_its_stream(steer: Steer) -> None:
    request = {"messages": [{"role": "user", "content": [{"text": "hi"}]}]}
    whole = read_answer(converse(request, steer), {})
    assert whole is not None
    streamed = completion(read_events(events(request, steer), {}), FRAME)
    for call in streamed["choices"][0]["message"].get("tool_calls", []):
        call["function"]["arguments"] = call["function"]["arguments"].replace(" ", "")
    assert streamed == completion(whole, FRAME)
