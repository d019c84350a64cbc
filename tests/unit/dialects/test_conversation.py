"""Corner cases on the way from chat's messages to Converse's turns. Each of them happened, or was forgotten, once."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.dialects.conversation import JSON_SENTENCE
from gateway.dialects.unsupported import Unsupported
from tests.unit.dialects.test_any_request import FIELDS, MESSAGES
from tests.unit.dialects.translating import HI, PIXEL, called, marked, result, tool, translated, used

THOUGHT = {"type": "thinking", "thinking": "hm", "signature": "c2ln"}
MARK = {"cachePoint": {"type": "default"}}


def turns(*messages: Any, **fields: Any) -> list[list[dict[str, Any]]]:
    sent = translated({"messages": list(messages), **fields}).body["messages"]
    return [turn["content"] for turn in sent]


def test_a_mark_stays_behind_its_own_result() -> None:
    history = [HI, called(used("c1"), used("c2")), HI, result("c1", [marked("one")]), result("c2", "two")]
    answered = turns(*history, tools=[tool()])[2]
    assert [next(iter(block)) for block in answered] == ["toolResult", "cachePoint", "toolResult", "text"]


def test_a_mark_behind_reasoning_alone_goes_to_what_precedes() -> None:
    said = {"role": "assistant", "thinking_blocks": [THOUGHT], "content": [marked(""), {"type": "text", "text": "a"}]}
    first, second = turns(HI, said)
    assert first == [{"text": "hi"}, MARK]
    assert [next(iter(block)) for block in second] == ["reasoningContent", "text"]


def test_turns_that_a_turn_of_nothing_divided_are_one() -> None:
    """A result without its call and without text leaves nothing behind."""
    said = [{"role": "assistant", "content": text} for text in ("a", "b")]
    found = turns(HI, said[0], result("c9", ""), said[1], tools=[tool()])
    assert found == [[{"text": "hi"}], [{"text": "a"}, {"text": "b"}]]


def test_base64_gets_its_padding() -> None:
    url = f"data:image/png;base64,{PIXEL.rstrip('=')}"
    parts = [{"type": "text", "text": "see"}, {"type": "image_url", "image_url": url}]
    ((_, image),) = turns({"role": "user", "content": parts})
    assert image["image"]["source"]["bytes"] == PIXEL


def test_our_own_answer_with_reasoning_comes_back_whole() -> None:
    answer = called(used(), thinking_blocks=[THOUGHT], reasoning_content="hm")
    found = translated({"messages": [HI, answer, result()], "tools": [tool()]})
    assert found.dropped == []
    changed = translated({"messages": [HI, answer | {"reasoning_content": "other"}, result()], "tools": [tool()]})
    assert changed.dropped == ["messages[1].reasoning_content"]


def test_an_image_in_a_tool_result() -> None:
    image = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}}
    answered = turns(HI, called(used()), result(content=[image]), tools=[tool()])[2]
    assert answered == [
        {"toolResult": {"toolUseId": "c1", "content": [{"image": {"format": "png", "source": {"bytes": PIXEL}}}]}}
    ]
    told = turns(HI, called(used()), result(content=[image]))[2]
    assert told == [{"text": "[tool result: ]"}, {"image": {"format": "png", "source": {"bytes": PIXEL}}}]


def test_a_result_that_comes_too_late_is_words_and_the_call_has_none() -> None:
    late = turns(HI, called(used()), HI, {"role": "assistant", "content": "a"}, result(), tools=[tool()])
    assert late[2][0]["toolResult"]["content"] == [{"text": "(no result)"}]
    assert late[4] == [{"text": "done"}]


def _texts(value: Any) -> int:
    """The bytes of everything that a model reads of a body."""
    if isinstance(value, dict):
        skipped = ("bytes", "toolUseId", "cachePoint", "reasoningContent", "format", "role", "type")
        inside = sum(_texts(each) for name, each in value.items() if name not in skipped)
        as_json = value.get("input") if isinstance(value.get("input"), dict) else value.get("json")
        return inside + (len(json.dumps(as_json)) if as_json is not None else 0)
    if isinstance(value, list):
        return sum(map(_texts, value))
    return len(value.encode(errors="surrogatepass")) if isinstance(value, str) else 0


@settings(max_examples=300, deadline=None)
@given(st.lists(MESSAGES, min_size=1, max_size=6), FIELDS)
def test_what_is_added_stays_within_what_the_hold_counts(messages: list[Any], fields: dict[str, Any]) -> None:
    """The estimate counts the bytes of the client's JSON. For the text that a format adds around the whole it counts
    128 tokens, and 1,024 more if there are tools or a format."""
    body = {"messages": messages, **fields}
    try:
        sent = translated(body).body
    except Unsupported:
        return
    kept = {name: sent[name] for name in ("messages", "system") if name in sent}
    counted = len(json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode())
    sentence = len(JSON_SENTENCE) if fields.get("response_format", {}).get("type") == "json_object" else 0
    assert sentence < 128
    assert _texts(kept) <= counted + 32 + sentence
