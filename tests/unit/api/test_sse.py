"""A whole answer, sent as the event stream that a client asked for, is the same answer when it is put together
again."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.types.chat import ChatCompletionChunk

from gateway.api.sse import event_stream

CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}
THOUGHTS = [{"type": "thinking", "thinking": "hm", "signature": "s"}, {"type": "redacted_thinking", "data": "AAAA"}]
_TOKENS = [{"token": "a", "logprob": -1.0, "bytes": None, "top_logprobs": []}]
LOGPROBS: dict[str, Any] = {"content": _TOKENS, "refusal": None}


def body(*messages: dict[str, Any], **choice: Any) -> dict[str, Any]:
    choices = [
        {"index": at, "message": {"role": "assistant", "content": None, **message}, "logprobs": None,
         "finish_reason": "stop", **choice}
        for at, message in enumerate(messages)
    ]  # fmt: skip
    usage = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
    frame = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "m", "service_tier": "default"}
    return {**frame, "x_unknown": {"kept": True}, "choices": choices, "usage": usage}


def chunks(text: str) -> list[dict[str, Any]]:
    *events, last = [line.removeprefix("data: ") for line in text.splitlines() if line]
    assert last == "[DONE]"
    return [json.loads(event) for event in events]


ANSWERS = [
    body({"content": "hello"}),
    body({"content": ""}),
    body({"content": None, "refusal": "no"}),
    body({"content": "a", "annotations": [{"type": "url_citation"}], "x_new": [1]}),
    body({"tool_calls": [CALL, CALL | {"id": "c2"}]}, finish_reason="tool_calls"),
    body({"tool_calls": [CALL | {"x_new": 1}, {"id": "c2", "type": "custom", "custom": {"name": "g", "input": "x"}}]}),
    body({"content": "a", "thinking_blocks": THOUGHTS, "reasoning_content": "hm", "tool_calls": [CALL]}),
    body({"content": "a", "thinking_blocks": "of another kind", "reasoning_content": "hm"}),
    body({"content": "a", "reasoning_content": "hm"}),
    body({"content": "a"}, {"content": "b"}),
    body({"content": "a"}, logprobs=LOGPROBS),
    body({"content": "a"}, finish_reason="eos"),
]
ODD = re.compile("eos|custom")  # the client's types for chunks do not know these


@pytest.mark.parametrize("answer", ANSWERS)
def test_what_is_put_together_again_is_the_answer(answer: dict[str, Any]) -> None:
    found = chunks(event_stream(answer, usage=True))
    assert {name: value for name, value in found[-1].items() if name != "choices"} == {
        **{name: value for name, value in answer.items() if name != "choices"},
        "object": "chat.completion.chunk",
    }
    whole: dict[int, dict[str, Any]] = {}
    for chunk in found[:-1]:
        assert "usage" not in chunk
        assert (chunk["object"], chunk["x_unknown"]) == ("chat.completion.chunk", {"kept": True})
        (choice,) = chunk["choices"]
        _add(whole.setdefault(choice["index"], {"logprobs": None}), choice)
    for choice in answer["choices"]:
        made = whole[choice["index"]]
        assert (made["finish_reason"], made["logprobs"]) == (choice["finish_reason"], choice["logprobs"])
        said = {name: value for name, value in choice["message"].items() if value is not None}
        calls = list(made.pop("tool_calls", {}).values())
        for call in calls:
            del call["index"]
        assert {"content": "", **said} == {**made["message"], **({"tool_calls": calls} if calls else {})}


def _add(whole: dict[str, Any], choice: dict[str, Any]) -> None:
    whole["finish_reason"] = choice["finish_reason"]
    whole["logprobs"] = choice["logprobs"] or whole["logprobs"]
    message = whole.setdefault("message", {})
    for name, value in choice["delta"].items():
        if name == "tool_calls":
            for call in value:
                _add_call(whole.setdefault("tool_calls", {}).setdefault(call["index"], {}), call)
        elif name in ("content", "reasoning_content", "refusal"):
            message[name] = message.get(name, "") + value
        else:
            assert name not in message
            message[name] = value


def _add_call(whole: dict[str, Any], call: dict[str, Any]) -> None:
    for name, value in call.items():
        if name == "function" and name in whole:
            whole[name] = {**whole[name], "arguments": whole[name]["arguments"] + value["arguments"]}
        else:
            whole[name] = value


@pytest.mark.parametrize("answer", [answer for answer in ANSWERS if not ODD.search(str(answer))])
def test_openais_client_puts_it_together(answer: dict[str, Any]) -> None:
    state: ChatCompletionStreamState[Any] = ChatCompletionStreamState()
    for chunk in chunks(event_stream(answer, usage=False)):
        state.handle_chunk(ChatCompletionChunk.model_validate(chunk))
    for made, choice in zip(state.current_completion_snapshot.choices, answer["choices"], strict=True):
        assert (made.message.content or "") == (choice["message"]["content"] or "")
        assert made.finish_reason == choice["finish_reason"]


def test_the_usage_comes_only_where_it_is_asked_for() -> None:
    assert all(chunk["choices"] for chunk in chunks(event_stream(body({"content": "a"}), usage=False)))
