"""Most requests and answers are texts, and take shorter ways. Each gives what the general way gives: the same request
or answer takes that one if it also has a member without a meaning, or if calls of tools follow its texts."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec.structs import replace

from gateway.dialects.chat.request import read_request
from gateway.dialects.conversation import conversation_of
from gateway.dialects.converse.answer import read_answer
from gateway.dialects.converse.request import write_request
from gateway.dialects.converse.stream import EventReader
from gateway.dialects.converse.usage import usage_of
from gateway.dialects.neutral import (
    Delta,
    Document,
    Image,
    Link,
    Mark,
    Reasoning,
    Request,
    Text,
    Tool,
    ToolResult,
    ToolUse,
    Turn,
)
from gateway.dialects.plain import plain
from gateway.dialects.unsupported import Unsupported
from gateway.dialects.written import Written

TEXTS = st.sampled_from(["", " ", "\n", "a", "b ", "\u6f22", "c\td"])
ROLES: st.SearchStrategy[Any] = st.sampled_from(
    ["system", "developer", "user", "assistant", "tool", "x", None, ["user"]]
)
SPEAKERS: st.SearchStrategy[Any] = st.sampled_from(["system", "user", "assistant"])
SAID = st.builds(lambda speaker, texts: Turn(speaker, tuple(map(Text, texts))), SPEAKERS, st.lists(TEXTS, max_size=3))
CALL = (Turn("assistant", (ToolUse("i", "f", {}),)), Turn("user", (ToolResult("i", (Text("r"),)),)))
END = Turn("user", (Text("end"),))


def read(messages: list[Any]) -> object:
    """The turns with their paths, and what was left out; or the refusal."""
    try:
        request, dropped = read_request({"messages": messages}, cap=1)
    except Unsupported as refusal:
        return refusal.param, str(refusal)
    return [(turn, turn.at, [block.at for block in turn.blocks]) for turn in request.turns], dropped


@given(st.lists(st.tuples(ROLES, TEXTS), min_size=1, max_size=5))
def test_a_message_of_a_role_and_a_text(said: list[tuple[Any, str]]) -> None:
    short = [{"role": role, "content": text} for role, text in said]
    assert read(short) == read([message | {"x_new": None} for message in short])


def write(*turns: Turn, tools: tuple[Tool, ...] = (), marks: str = "") -> Written:
    request = Request(turns, tools=tools, cap=9, temperature=0.5)
    return write_request(request, [], metadata={}, one_tool=False, marks=marks)


@given(st.lists(SAID, max_size=5), st.sampled_from(["", "5m", "1h"]))
@example([Turn("system", (Text("be"),)), Turn("user", (Text(" "),))], "5m")
def test_a_request_of_texts(turns: list[Turn], marks: str) -> None:
    tools, system = (Tool("f"),), Turn("system", (Text("s"),))  # without the last, a mark would go behind the tools
    short, general = write(system, *turns, END, marks=marks), write(system, *turns, END, tools=tools, marks=marks)
    assert short.body == {name: value for name, value in general.body.items() if name != "toolConfig"}
    assert replace(short, body={}) == replace(general, body={})
    short, called = write(*turns, END), write(*turns, END, *CALL, tools=tools)
    assert (short.body["messages"], short.turns) == (called.body["messages"][:-2], called.turns[:-2])
    assert (short.body.get("system"), short.dropped) == (called.body.get("system"), called.dropped)


BLOCKS: st.SearchStrategy[Any] = st.one_of(
    TEXTS.map(lambda text: Text(text, at="text")),
    st.sampled_from(["", "1h"]).map(lambda ttl: Mark(ttl, "mark")),
    st.just(Image("png", "AAAA")),
    st.just(Reasoning("r", at="reasoning")),
)


@given(
    st.lists(st.builds(lambda speaker, blocks: Turn(speaker, tuple(blocks)), SPEAKERS, st.lists(BLOCKS, max_size=4)))
)
def test_a_conversation_without_calls_needs_no_pairing(turns: list[Turn]) -> None:
    def talk(*more: Turn) -> tuple[Any, list[str]]:
        dropped = list[str]()
        return conversation_of([*turns, END, *more], [Tool("f")], dropped, str), dropped

    (plain, left_out), (paired, left_out_too) = talk(), talk(*CALL)
    assert [(each.speaker, each.blocks) for each in plain.turns] == [
        (each.speaker, each.blocks) for each in paired.turns[:-2]
    ]
    assert (plain.system, plain.tools, left_out) == (paired.system, paired.tools, left_out_too)


NOTED = {"citations": {"enabled": True}}


@pytest.mark.parametrize(
    ("block", "changed", "dropped"),
    [
        (Text("a"), None, []),
        (Image("png", "AAAA"), None, []),
        (Link("image", "https://a"), None, []),
        (Text("a", NOTED, "at"), (Text("a"),), ["at.citations"]),
        (Link("image", "https://a", rest=NOTED, at="at"), (Link("image", "https://a"),), ["at.citations"]),
        (Document("pdf", "d", "AAAA", "at", rest=NOTED), (Document("pdf", "d", "AAAA"),), ["at.citations"]),
        (Document("", "d", "", parts=(Text("p"),)), (Text("d"), Text("p")), []),
        (ToolResult("i", (Text("a", NOTED, "at"),)), (ToolResult("i", (Text("a"),)),), ["at.citations"]),
    ],
)
def test_only_a_turn_with_extras_is_made_again(block: Any, changed: Any, dropped: list[str]) -> None:
    turn, named = Turn("user", (Text("before"), block)), list[str]()
    (found,) = plain((turn,), named)
    assert (found is turn) == (changed is None)
    assert found == (turn if changed is None else Turn("user", (Text("before"), *changed)))
    assert named == dropped


@given(
    st.lists(TEXTS.map(lambda text: {"text": text}) | st.sampled_from([{"text": 3}, {"text": None}, {}]), max_size=4)
)
def test_an_answer_of_texts(content: list[dict[str, Any]]) -> None:
    def deltas(blocks: list[dict[str, Any]]) -> object:
        return read_answer({"output": {"message": {"content": blocks}}, "stopReason": "end_turn"}, {})

    assert deltas(content) == deltas([{**block, "toolUse": None} for block in content])


@given(
    st.sampled_from([0, 3, True, None, "0"]),
    st.sampled_from([{"text": "a"}, {"text": ""}, {"text": 3}, {"text": "a", "new": 1}, {"new": 1}, {}, None]),
    st.sampled_from(["contentBlockDelta", "contentBlockStart", "contentBlockStop"]),
)
def test_an_event_of_a_text(number: Any, delta: Any, kind: str) -> None:
    def deltas(event: dict[str, Any]) -> list[Delta]:
        reader = EventReader({})
        return [*reader.hear(kind, event), *reader.hear("messageStop", {"stopReason": "end_turn"})]

    event = {"contentBlockIndex": number, "delta": delta}
    assert deltas(event) == deltas({**event, "start": {}})


COUNTS = st.integers(-1, 40) | st.just(10**8) | st.just(10**8 + 1)
NAMES = ("inputTokens", "outputTokens", "cacheReadInputTokens", "cacheWriteInputTokens")


@given(st.dictionaries(st.sampled_from(NAMES), COUNTS))
def test_counts_of_converse_mean_the_same_however_they_are_written(usage: dict[str, int]) -> None:
    """A count of 12.0 is counted like 12, and only the general way reads it."""
    assert usage_of(usage) == usage_of({name: float(value) for name, value in usage.items()})
