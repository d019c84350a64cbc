"""Requests of chat for the rows of docs/dialects.md's table, and the fate of each on its way to Messages."""

from __future__ import annotations

from typing import Any

from gateway.dialects.conversation import JSON_SENTENCE, NO_MESSAGE, NO_RESULT
from tests.unit.dialects.table_messages import PDF, PNG, Fate, Found, dropped, ignored, last, refused, translated
from tests.unit.dialects.translating import HI, called, marked, result, tool, used


def chat(*messages: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"messages": list(messages or (HI,)), **fields}


def content(*parts: dict[str, Any]) -> dict[str, Any]:
    return chat({"role": "user", "content": [*parts, {"type": "text", "text": "look"}]})


def _to(fate: Fate) -> dict[str, Fate]:
    return {"Messages": fate}


def _schema(**more: Any) -> dict[str, Any]:
    return {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}, **more}}


def _file(name: str, media: str) -> dict[str, Any]:
    return {"type": "file", "file": {"filename": name, "file_data": f"data:{media};base64,{PDF}"}}


TOOLS = [tool()]
THOUGHT = {"type": "thinking", "thinking": "hm", "signature": "c2ln"}
THINKING = {"type": "enabled", "budget_tokens": 1_024}
_LOOP = [HI, called(used(), thinking_blocks=[THOUGHT]), result()]


def _thought(found: Found) -> bool:
    return bool(found["messages"][1]["content"][0] == THOUGHT)


CHAT: dict[str, list[tuple[dict[str, Any], dict[str, Fate]]]] = {
    "`system` and `developer` messages in front": [
        (
            chat({"role": "developer", "content": "be"}, HI),
            _to(translated(lambda found: found["system"] == [{"type": "text", "text": "be"}])),
        )
    ],
    "one that stands behind another message": [
        (chat(HI, {"role": "system", "content": "be"}), _to(dropped("messages[1].role")))
    ],
    "neighbours of the same role, a first message of the assistant": [
        (chat(HI, HI), _to(translated(lambda found: len(last(found)) == 2))),
        (
            chat({"role": "assistant", "content": "a"}, HI),
            _to(translated(lambda found: found["messages"][0]["content"][0]["text"] == NO_MESSAGE)),
        ),
    ],
    "empty texts and messages": [
        (chat(HI, {"role": "assistant", "content": ""}), _to(ignored(lambda found: len(found["messages"]) == 1)))
    ],
    "`tool_calls` and their results": [
        (
            chat(HI, called(used(arguments='{"a": 1}')), result(), tools=TOOLS),
            _to(
                translated(
                    lambda found: (
                        found["messages"][1]["content"]
                        == [{"type": "tool_use", "id": "c1", "name": "f", "input": {"a": 1}}]
                        and last(found)[0]["content"] == [{"type": "text", "text": "done"}]
                    )
                )
            ),
        )
    ],
    "the same where no tool may be called": [
        (
            chat(HI, called(used()), result()),
            _to(translated(lambda found: last(found)[0]["text"] == "[tool result: done]")),
        )
    ],
    "a call without its result": [
        (
            chat(HI, called(used()), HI, tools=TOOLS),
            _to(
                dropped(
                    "messages[1].tool_calls[0]", check=lambda found: last(found)[0]["content"][0]["text"] == NO_RESULT
                )
            ),
        )
    ],
    "a result without its call": [(chat(HI, result(), tools=TOOLS), _to(dropped("messages[1].tool_call_id")))],
    "images, at an address too": [
        (
            content({"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}),
            _to(translated(lambda found: last(found)[0]["source"]["media_type"] == "image/png")),
        ),
        (
            content({"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}),
            _to(
                translated(
                    lambda found: last(found)[0]["source"] == {"type": "url", "url": "https://example.com/a.png"}
                )
            ),
        ),
    ],
    "files: pdf, text": [
        (
            content(_file("a.pdf", "application/pdf")),
            _to(translated(lambda found: last(found)[0]["source"]["media_type"] == "application/pdf")),
        ),
        (
            content(_file("a.csv", "text/csv")),
            _to(
                translated(
                    lambda found: (
                        last(found)[0]["source"] == {"type": "text", "media_type": "text/plain", "data": "%PDF-"}
                    )
                )
            ),
        ),
    ],
    "files: Word, Excel; `file_id`, `input_audio`": [
        (content(_file("a.doc", "application/msword")), _to(refused("messages[0].content[0].file"))),
        (content({"type": "file", "file": {"file_id": "f"}}), _to(refused("messages[0].content[0].file.file_data"))),
        (content({"type": "input_audio", "input_audio": {}}), _to(refused("messages[0].content[0]"))),
    ],
    "`cache_control`": [
        (
            content(marked(ttl="1h")),
            _to(translated(lambda found: last(found)[0]["cache_control"] == {"type": "ephemeral", "ttl": "1h"})),
        )
    ],
    "`thinking_blocks`": [
        (chat(*_LOOP, tools=TOOLS, thinking=THINKING), _to(translated(_thought))),
    ],
    "`thinking_blocks` that nobody signed, `reasoning_content`": [
        (
            chat(HI, called(used(), thinking_blocks=[{"type": "thinking", "thinking": "hm"}]), result(), tools=TOOLS),
            _to(dropped("messages[1].thinking_blocks[0]")),
        ),
        (
            chat(HI, {"role": "assistant", "content": "a", "reasoning_content": "hm"}, HI),
            _to(dropped("messages[1].reasoning_content")),
        ),
    ],
    "`thinking`": [(chat(thinking=THINKING), _to(translated(lambda found: found["thinking"] == THINKING)))],
    "`thinking` with a tool that must be called, or in a loop of tools that has lost its thoughts": [
        (chat(tools=TOOLS, tool_choice="required", thinking=THINKING), _to(dropped("thinking"))),
        (chat(HI, called(used()), result(), tools=TOOLS, thinking=THINKING), _to(dropped("thinking"))),
    ],
    "`thinking.budget_tokens` over the cap": [
        (
            chat(thinking={"type": "enabled", "budget_tokens": 8_000}),
            _to(dropped("thinking.budget_tokens", check=lambda found: found["thinking"]["budget_tokens"] == 3_999)),
        )
    ],
    "`temperature`, `top_p`, `top_k` with `thinking`": [
        (
            chat(thinking=THINKING, temperature=0.5, top_k=5),
            _to(dropped("temperature", "top_k", check=lambda found: "temperature" not in found)),
        ),
        (chat(thinking=THINKING, top_p=0.5), _to(dropped("top_p"))),
    ],
    "`temperature` over 1, `top_p` with a `temperature`": [
        (chat(temperature=1.5), _to(dropped("temperature", check=lambda found: found["temperature"] == 1))),
        (chat(temperature=0.5, top_p=0.5), _to(dropped("top_p"))),
    ],
    "`temperature`, `top_p`, `top_k`, `stop`": [
        (
            chat(temperature=0.5, top_k=5, stop="END"),
            _to(
                translated(
                    lambda found: (found["temperature"], found["top_k"], found["stop_sequences"]) == (0.5, 5, ["END"])
                )
            ),
        )
    ],
    "blank `stop` sequences": [(chat(stop=[" "]), _to(dropped("stop[0]")))],
    "`tools`, `strict`, `tool_choice`, `parallel_tool_calls` false": [
        (
            chat(
                tools=[tool(strict=True, description="what")],
                tool_choice={"type": "function", "function": {"name": "f"}},
                parallel_tool_calls=False,
            ),
            _to(
                translated(
                    lambda found: (
                        found["tool_choice"] == {"type": "tool", "name": "f", "disable_parallel_tool_use": True}
                        and found["tools"][0]["strict"] is True
                    )
                )
            ),
        ),
        (
            chat(tools=TOOLS, tool_choice="none"),
            _to(translated(lambda found: found["tool_choice"] == {"type": "none"} and found["tools"])),
        ),
    ],
    "names and ids that don't fit": [
        (
            chat(HI, called(used("a|b", "mcp.server/tool")), result("a|b"), tools=[tool("mcp.server/tool")]),
            _to(translated(lambda found: found["tools"][0]["name"].startswith("mcp_server_tool_"))),
        )
    ],
    "`reasoning_effort`": [
        (chat(reasoning_effort="low"), _to(translated(lambda found: found["output_config"] == {"effort": "low"})))
    ],
    "`reasoning_effort` minimal, none": [
        (chat(reasoning_effort="minimal"), _to(dropped("reasoning_effort"))),
        (chat(reasoning_effort="none"), _to(dropped("reasoning_effort"))),
    ],
    "`response_format` json_schema": [
        (
            chat(response_format=_schema(strict=True)),
            _to(
                translated(
                    lambda found: (
                        found["output_config"]["format"] == {"type": "json_schema", "schema": {"type": "object"}}
                    )
                )
            ),
        )
    ],
    "its `description`, `strict` false": [
        (
            chat(response_format=_schema(strict=False, description="what")),
            _to(dropped("response_format.json_schema.description", "response_format.json_schema.strict")),
        )
    ],
    "`response_format` json_object": [
        (
            chat(response_format={"type": "json_object"}),
            _to(translated(lambda found: found["system"][0]["text"] == JSON_SENTENCE)),
        )
    ],
    "`user`, `seed`, `store`, `metadata`, penalties and other fields that cost nothing": [
        (chat(user="a@example.com", seed=7), _to(dropped("user", "seed"))),
        (chat(metadata={"a": "b"}, presence_penalty=1), _to(dropped("metadata", "presence_penalty"))),
    ],
    "values that ask for nothing": [(chat(n=1, store=False, service_tier="auto"), _to(ignored()))],
    "`n` over 1, `logprobs`, `logit_bias`, other `service_tier`s, any other field": [
        (chat(n=2), _to(refused("n"))),
        (chat(logprobs=True), _to(refused("logprobs"))),
        (chat(logit_bias={"1": 5}), _to(refused("logit_bias"))),
        (chat(service_tier="flex"), _to(refused("service_tier"))),
        (chat(something_new=5), _to(refused("something_new"))),
        (chat(reasoning_effort="somewhat"), _to(refused("reasoning_effort"))),
    ],
}
