"""Streams that say more, or less, than they should: anything after the end is ignored, and counts that can't belong to
the whole answer are not billed."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec.structs import replace

from gateway.dialects.sse import MOST_EVENT, Parser
from gateway.models.usage import Usage
from gateway.vendors.base import Provider
from gateway.vendors.streams import frames_of
from tests.unit.vendors.test_endpoints import messages
from tests.unit.vendors.test_streams import chat, said, streamed
from tests.upstream import FakeUpstream, Steer, eventstream

HEAD = "HTTP/1.1 200 OK\r\ncontent-type: {}\r\nconnection: close\r\n\r\n"
BINARY = "application/vnd.amazon.eventstream"
START: dict[str, Any] = {
    "type": "message_start",
    "message": {
        "id": "m",
        "type": "message",
        "role": "assistant",
        "model": "x",
        "content": [],
        "usage": {"input_tokens": 500, "cache_read_input_tokens": 40, "output_tokens": 1},
    },
}
BLOCK = {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
STOP = {"type": "message_stop"}
ERROR = {"type": "error", "error": {"type": "overloaded_error", "message": "no"}}


def event(kind: str, payload: dict[str, Any]) -> bytes:
    return eventstream.event(kind, json.dumps(payload).encode())


def text(words: str) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": words}}


def ends(**usage: Any) -> dict[str, Any]:
    return {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None}, "usage": usage}


def anthropics(*events: dict[str, Any]) -> Steer:
    return Steer(
        wire=HEAD.format("text/event-stream")
        + "".join(f"event: {each['type']}\ndata: {json.dumps(each)}\n\n" for each in events)
    )


def openais(*parts: dict[str, Any]) -> Steer:
    frame = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    lines = "".join(f"data: {json.dumps({**frame, **each})}\n\n" for each in parts)
    return Steer(wire=HEAD.format("text/event-stream") + lines + "data: [DONE]\n\n")


def delta(words: str, why: str | None = None) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": {"content": words}, "finish_reason": why}]}


def counts(prompt: int, output: int) -> dict[str, Any]:
    return {"usage": {"prompt_tokens": prompt, "completion_tokens": output, "total_tokens": prompt + output}}


@pytest.mark.parametrize("dialect", ["chat", "messages"])
@pytest.mark.parametrize("late", [text("late"), ERROR, ends(output_tokens=1)])
def test_what_stands_behind_the_last_event_is_nobody_s(
    fake: FakeUpstream, anthropic: Provider, dialect: str, late: dict[str, Any]
) -> None:
    """In any pieces; here all in one."""
    fake.script(anthropics(START, BLOCK, text("hi"), ends(output_tokens=9), STOP, late))
    asked = chat() if dialect == "chat" else replace(messages(), streamed=True)
    chunks, answer = streamed(anthropic, asked)
    assert answer.usage is not None
    assert answer.usage.output_tokens == 9
    assert "late" not in json.dumps(said(chunks))
    if dialect == "messages":
        assert chunks[-1].kind == "message_stop"


def test_so_it_is_in_a_binary_stream_be_it_damaged(fake: FakeUpstream, bedrock: Provider) -> None:
    usage = {"inputTokens": 5, "outputTokens": 9, "totalTokens": 14}
    sound = (
        event("messageStart", {"role": "assistant"}),
        event("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "hi"}}),
        event("messageStop", {"stopReason": "end_turn"}),
        event("metadata", {"usage": usage, "metrics": {"latencyMs": 1}}),
    )
    for late in (event("metadata", {"usage": {**usage, "outputTokens": 1}}), b"\0" * 40):
        fake.script(Steer(wire=HEAD.format(BINARY) + b"".join((*sound, late)).decode("latin-1")))
        assert streamed(bedrock, chat())[1].usage == Usage(5, output_tokens=9)


def test_what_is_sound_stands_before_what_is_damaged() -> None:
    sound = event("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "hi"}})
    assert next(frames_of(BINARY).feed(sound + b"\0" * 40))[0] == "contentBlockDelta"


@pytest.mark.parametrize("dialect", ["chat", "messages"])
@pytest.mark.parametrize("zeros", [{"input_tokens": 0}, {"input_tokens": 0, "cache_read_input_tokens": 0}])
def test_a_prompt_that_was_told_is_not_of_no_tokens_later(
    fake: FakeUpstream, anthropic: Provider, dialect: str, zeros: dict[str, int]
) -> None:
    fake.script(anthropics(START, BLOCK, text("hi"), ends(**zeros, output_tokens=9), STOP))
    asked = chat() if dialect == "chat" else replace(messages(), streamed=True)
    assert streamed(anthropic, asked)[1].usage == Usage(500, 40, output_tokens=9)


def test_what_is_told_of_a_prompt_later_counts_where_it_is_a_count(fake: FakeUpstream, anthropic: Provider) -> None:
    told = {"input_tokens": 20, "cache_read_input_tokens": 520, "output_tokens": 9}
    fake.script(anthropics(START, BLOCK, text("hi"), ends(**told), STOP))
    assert streamed(anthropic, chat())[1].usage == Usage(20, 520, output_tokens=9)


@pytest.mark.parametrize("dialect", ["chat", "messages"])
def test_a_count_that_more_came_behind_is_not_of_the_whole(fake: FakeUpstream, openai: Provider, dialect: str) -> None:
    asked = chat() if dialect == "chat" else replace(messages(), streamed=True)
    early = ({**delta("hi"), **counts(5, 1)}, delta(" there and more"), delta("", "stop"))
    fake.script(openais(*early), openais(*early, {"choices": [], **counts(5, 7)}))
    assert streamed(openai, asked)[1].usage is None
    assert streamed(openai, asked)[1].usage == Usage(5, output_tokens=7)


@pytest.mark.parametrize("size", [1, 1_000, 65_536, MOST_EVENT])
def test_an_event_s_size_is_counted_once_in_whatever_pieces_it_comes(size: int) -> None:
    data = "x" * (MOST_EVENT - 100 if size > 1 else 50_000)
    sent, parser = f"data: {data}\n\n".encode(), Parser()
    found = [each for at in range(0, len(sent), size) for each in parser.feed(sent[at : at + size])]
    assert found == [("", data)]
