"""Chat to chat: chunks pass unchanged, and harmless mistakes of hosts are corrected."""

from __future__ import annotations

import json
from typing import Any

import pytest
from openai.types.chat import ChatCompletionChunk

from gateway.dialects.chat.schema import parse_chat
from gateway.dialects.chat.spoken import SPOKEN
from gateway.dialects.pairs import Stream
from gateway.dialects.sse import Parser
from gateway.models.usage import Usage
from tests.gathered import gathered

FRAME = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
COUNTS = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
BILLED = Usage(input_tokens=3, output_tokens=2)  # if the host counted nothing
FACTS = {"cost": 0.25}


def chunk(delta: dict[str, Any], finish: str | None = None, index: int = 0, **beside: Any) -> dict[str, Any]:
    choice = {"index": index, "delta": delta, "logprobs": None, "finish_reason": finish}
    return {**FRAME, "choices": [choice], **beside}


SAID = [chunk({"role": "assistant", "content": ""}), chunk({"content": "hi"})]
END = chunk({}, "stop")


def passed(
    chunks: list[dict[str, Any]], *, usage: bool = False, done: bool = True, choices: int = 1, asked: Any = None
) -> tuple[list[str], Stream]:
    """The data that go to the client, and the stream."""
    stream = Stream("chat", "chat", {}, known="k", model="m", most=100, choices=choices)
    body = {"model": "m", "messages": [{"role": "user", "content": "x"}], "stream": True}
    options = {"include_usage": True} if usage else asked
    delivery, sent = (
        SPOKEN.delivery(parse_chat(body | ({"stream_options": options} if options is not None else {}))),
        b"",
    )
    for each in chunks:
        for kind, event, data in stream.hear("", each, json.dumps(each)).events:
            sent += delivery.chunk(kind, event, data)
    for kind, event, data in stream.tap.end(done=done):
        sent += delivery.chunk(kind, event, data)
    sent += delivery.end(stream.tap.used.usage if stream.tap.used else BILLED, FACTS)
    *found, last = [data for _, data in Parser().feed(sent)]
    assert last == "[DONE]"
    for data in found:
        ChatCompletionChunk.model_validate_json(data)
        assert json.loads(data)["choices"] or usage
    return found, stream


def test_bytes_pass() -> None:
    """With obfuscation, logprobs, reasoning, audio and any other fields."""
    odd = [
        *SAID,
        chunk({"content": "a"}, obfuscation="xyz"),
        chunk({"reasoning_content": "hm", "refusal": None}),
        chunk({"refusal": "no"}),
        {**FRAME, "choices": [{"index": 0, "delta": {"content": "b"}, "logprobs": {"content": []}}], "x": {"y": [1]}},
        END,
    ]
    assert passed(odd)[0] == [json.dumps(each) for each in odd]


@pytest.mark.parametrize(
    "counted",
    [
        [END, {**FRAME, "choices": [], "usage": COUNTS}],
        [chunk({}, "stop", usage=COUNTS)],
        [chunk({}, "stop", x_groq={"id": "r", "usage": COUNTS})],
        [chunk({"content": "!"}, usage=COUNTS | {"completion_tokens": 2}), chunk({}, "stop", usage=COUNTS)],
        [chunk({"content": "!"}, usage=None), chunk({}, "stop", usage=None), {**FRAME, "choices": [], "usage": COUNTS}],
        [END, {**FRAME, "usage": COUNTS}],
    ],
    ids=["its own chunk", "the last choice's", "x_groq", "each chunk", "null until the end", "no choices"],
)
def test_the_usage_is_told_once_and_only_to_who_asks(counted: list[dict[str, Any]]) -> None:
    told, stream = passed([*SAID, *counted], usage=True)
    assert stream.tap.used is not None
    assert stream.tap.used.usage == Usage(input_tokens=10, output_tokens=5)
    usages = [json.loads(data)["usage"] for data in told if json.loads(data).get("usage")]
    assert usages == [usages[-1]]
    assert usages[-1].items() >= (COUNTS | FACTS).items() or "x_groq" in counted[-1]
    silent, _ = passed([*SAID, *counted])
    assert not [data for data in silent if "usage" in data or "x_groq" in data]
    assert gathered("chat", [("", json.loads(data)) for data in silent])["choices"][0]["finish_reason"] == "stop"


def test_a_host_without_counts_is_told_by_what_was_billed() -> None:
    (*_, last), stream = passed([*SAID, END], usage=True)
    assert stream.tap.used is None
    assert json.loads(last)["usage"].items() >= {"prompt_tokens": 3, "completion_tokens": 2, "cost": 0.25}.items()


@pytest.mark.parametrize(
    "options", [{}, {"include_usage": False}, {"include_usage": None}, {"include_obfuscation": True}]
)
def test_options_that_ask_for_no_usage(options: dict[str, Any]) -> None:
    assert not [data for data in passed([*SAID, END], asked=options)[0] if "usage" in data]


def test_an_end_that_the_host_did_not_say_is_said() -> None:
    call = {"index": 0, "id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    for delta, why in (({"content": "."}, "stop"), ({"tool_calls": [call]}, "tool_calls")):
        found, stream = passed([*SAID, chunk(delta)])
        assert stream.tap.ended
        assert json.loads(found[-1])["choices"] == [{"index": 0, "delta": {}, "logprobs": None, "finish_reason": why}]
    assert not passed([*SAID], done=False)[1].tap.ended, "it broke off"
    assert not passed([])[1].tap.ended, "nothing was said"


def test_several_choices() -> None:
    chunks = [chunk({"content": text}, index=index) for text in ("a", "b") for index in (0, 1)]
    found, stream = passed([*chunks, chunk({}, "stop"), chunk({}, "length", index=1)], choices=2)
    assert stream.tap.ended
    answer = gathered("chat", [("", json.loads(data)) for data in found])
    assert [choice["message"]["content"] for choice in answer["choices"]] == ["ab", "ab"]
    assert not passed([*chunks, chunk({}, "stop")], choices=2, done=False)[1].tap.ended, "one of two"
    assert [json.loads(data)["choices"][0]["index"] for data in passed(chunks, choices=2)[0][-2:]] == [0, 1]


def test_what_is_wrong_without_harm_is_put_right() -> None:
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    odd: list[dict[str, Any]] = [
        {"choices": [{"delta": {"role": "assistant"}, "finish_reason": ""}]},
        {"id": "", "choices": [{"delta": {"content": "hi"}, "finish_reason": ""}], "created": 1.5},
        {"choices": [{"index": 0, "delta": {"tool_calls": [call]}}]},
        {"choices": [{"index": 0}]},
        {"ping": True},
        {"choices": [{"index": 0, "delta": None, "finish_reason": "tool_calls"}]},
    ]
    found, stream = passed(odd, done=False)
    assert stream.tap.ended
    assert len(found) == len(odd) - 1
    assert len({(each["id"], each["created"], each["model"]) for each in map(json.loads, found)}) == 1
    message = gathered("chat", [("", json.loads(data)) for data in found])["choices"][0]["message"]
    assert (message["content"], message["tool_calls"][0]["function"]["name"]) == ("hi", "f")


def test_a_text_that_speaks_of_usage_is_left_alone() -> None:
    text = 'say ,"usage":null and "usage"'
    (found,), _ = passed([chunk({"content": text}, "stop", usage=None)])
    assert json.loads(found)["choices"][0]["delta"]["content"] == text
    assert "usage" not in json.loads(found)


def test_each_choice_s_delta_is_a_token_at_least() -> None:
    stream = Stream("chat", "chat", {}, known="k", model="m", most=4, choices=2)
    two = {**FRAME, "choices": [{"index": at, "delta": {"content": "x"}, "finish_reason": None} for at in (0, 1)]}
    for _ in range(2):
        stream.hear("", two)
    assert not stream.beyond
    stream.hear("", chunk({"content": ""}))
    assert not stream.beyond
    stream.hear("", chunk({"content": "y"}))
    assert stream.beyond
    assert [event["choices"][0]["index"] for _, event, _ in stream.tap.cut()] == [0, 1]


def test_what_a_host_counts_is_no_more_than_the_cap() -> None:
    stream = Stream("chat", "chat", {}, known="k", model="m", most=5)
    stream.hear("", chunk({"content": "a"}, usage=COUNTS))
    assert not stream.beyond
    more = COUNTS | {"completion_tokens": 6, "total_tokens": 16}
    stream.hear("", chunk({"content": "b"}, usage=more))
    assert stream.beyond
    ended = Stream("chat", "chat", {}, known="k", model="m", most=5)
    ended.hear("", chunk({}, "stop", usage=more))
    assert not ended.beyond, "it has ended: it is billed as it was told"
