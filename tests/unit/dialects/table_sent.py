"""Requests for the rows of docs/api.md's table that are sent: what the body says about each, and what the header
names."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from gateway.dialects.conversation import JSON_SENTENCE, NO_MESSAGE, NO_RESULT
from tests.unit.dialects.translating import HI, PIXEL, Translated, called, marked, result, tool, used

Check = Callable[[Translated], object]
TOOLS = [tool(parameters={"type": "object"})]
ODD_ID = "call_9|fc_" + "x" * 85
ODD_NAME = "mcp.server/tool"


def turns(*messages: Any, **fields: Any) -> dict[str, Any]:
    return {"messages": list(messages), **fields}


def field(**fields: Any) -> dict[str, Any]:
    return turns(HI, **fields)


def content(*parts: Any) -> dict[str, Any]:
    return turns({"role": "user", "content": list(parts)})


def image(url: str, **more: Any) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url, **more}}


def file(**given: Any) -> dict[str, Any]:
    return {"type": "file", "file": given}


PDF = "data:application/pdf;base64,JVBERi0="
THOUGHT = {"type": "thinking", "thinking": "hm", "signature": "c2ln"}


def blocks(found: Translated, turn: int = -1) -> list[dict[str, Any]]:
    content: list[dict[str, Any]] = found.body["messages"][turn]["content"]
    return content


def roles(found: Translated) -> list[str]:
    return [message["role"] for message in found.body["messages"]]


def mark(ttl: str | None = None) -> dict[str, Any]:
    return {"cachePoint": {"type": "default", **({"ttl": ttl} if ttl else {})}}


_EMPTY: list[Any] = ["", None, []]
_NO_TOOLS: list[dict[str, Any]] = [{}, {"tools": []}, {"tools": TOOLS, "tool_choice": "none"}]
_SCHEMAS: list[Any] = [None, {}, {"properties": {}}, {"type": None}, {"type": ["object", "null"]}]
_HEADS = [
    "data:image/png;base64",
    "data:image/jpg;base64",
    "data:image/PNG;base64",
    "DATA:image/webp;charset=x;BASE64",
]
_LEFT_OUT: dict[str, Any] = {
    "frequency_penalty": 0.5,
    "presence_penalty": -1,
    "seed": 7,
    "store": True,
    "metadata": {"a": "b"},
    "user": "u",
    "safety_identifier": "s",
    "prediction": {"type": "content", "content": "x"},
    "prompt_cache_key": "k",
    "prompt_cache_retention": "24h",
    "prompt_cache_options": {"ttl": "30m"},
    "verbosity": "low",
}
# By row: requests, and either the body's members and the paths that the header names, or the refusal's path.
SAID: dict[str, list[tuple[dict[str, Any], list[str], Check]]] = {
    "`system` and `developer` messages": [
        (
            turns({"role": "system", "content": "a"}, {"role": "developer", "content": "b"}, HI),
            [],
            lambda found: found.body["system"] == [{"text": "a"}, {"text": "b"}],
        )
    ],
    "one that stands behind another message": [
        (
            turns(HI, {"role": "system", "content": "a"}, HI),
            ["messages[1].role"],
            lambda found: found.body["system"] == [{"text": "a"}] and roles(found) == ["user"],
        )
    ],
    "only `system` messages": [
        (
            turns({"role": "system", "content": "a"}),
            ["messages[0].role"],
            lambda found: blocks(found) == [{"text": "a"}] and "system" not in found.body,
        )
    ],
    "neighbours of the same role": [(turns(HI, HI), [], lambda found: blocks(found) == [{"text": "hi"}] * 2)],
    "a first message of the assistant": [
        (
            turns({"role": "assistant", "content": "a"}, HI),
            [],
            lambda found: roles(found) == ["user", "assistant", "user"] and blocks(found, 0) == [{"text": NO_MESSAGE}],
        )
    ],
    "blanks at the end of a last assistant message": [
        (turns(HI, {"role": "assistant", "content": "a \n"}), [], lambda found: blocks(found) == [{"text": "a"}])
    ],
    "empty texts, parts and messages": [
        (turns(HI, {"role": "assistant", "content": ""}), [], lambda found: roles(found) == ["user"]),
        (turns(HI, {"role": "assistant", "content": None}, HI), [], lambda found: roles(found) == ["user"]),
        (turns({"role": "system", "content": ""}, HI), [], lambda found: "system" not in found.body),
        (
            content({"type": "text", "text": ""}, {"type": "text", "text": "a"}),
            [],
            lambda found: blocks(found) == [{"text": "a"}],
        ),
    ],
    "a text of blanks alone": [
        (turns(HI, {"role": "user", "content": " \n"}), ["messages[1].content"], lambda found: len(blocks(found)) == 1),
        (
            content(marked(" "), {"type": "text", "text": "a"}),
            ["messages[0].content[0]", "messages[0].content[0].cache_control"],
            lambda found: blocks(found) == [{"text": "a"}],
        ),
    ],
    "members that nobody knows, at any depth; `name`": [
        (
            turns(HI | {"name": "bob", "x_new": 1}),
            ["messages[0].name", "messages[0].x_new"],
            lambda found: blocks(found) == [{"text": "hi"}],
        ),
        (
            field(tools=[tool(x_new=1, cache_control={"type": "ephemeral", "scope": "x"})]),
            ["tools[0].function.x_new", "tools[0].function.cache_control.scope"],
            lambda found: found.body["toolConfig"]["tools"][1:] == [mark()],
        ),
    ],
    "ids of tool calls": [
        (
            turns(
                HI,
                called(used(ODD_ID)),
                result(ODD_ID),
                called(used("c1")),
                result(),
                called(used("c1")),
                result(),
                tools=TOOLS,
            ),
            [],
            lambda found: (
                blocks(found, 3)[0]["toolUse"]["toolUseId"] == "c1" != blocks(found, 5)[0]["toolUse"]["toolUseId"]
            ),
        )
    ],
    "names of tools": [
        (
            turns(
                HI,
                called(used(name=ODD_NAME)),
                result(),
                tools=[tool(ODD_NAME)],
                tool_choice={"type": "function", "function": {"name": ODD_NAME}},
            ),
            [],
            lambda found: (
                found.names == {found.body["toolConfig"]["toolChoice"]["tool"]["name"]: ODD_NAME}
                and blocks(found, 1)[0]["toolUse"]["name"] in found.names
            ),
        )
    ],
    "`NaN`, `Infinity` and the like in `arguments`": [
        (
            turns(HI, called(used(arguments='{"a": NaN, "b": 1}')), result(), tools=TOOLS),
            ["messages[1].tool_calls[0].function.arguments"],
            lambda found: blocks(found, 1)[0]["toolUse"]["input"] == {"a": None, "b": 1},
        )
    ],
    "an empty tool result": [
        (
            turns(HI, called(used()), result(content=text), tools=TOOLS),
            [],
            lambda found: blocks(found)[0]["toolResult"]["content"] == [{"text": NO_RESULT}],
        )
        for text in _EMPTY
    ],
    "a tool call without its result": [
        (
            turns(HI, called(used("c1"), used("c2")), result("c2"), HI, tools=TOOLS),
            ["messages[1].tool_calls[0]"],
            lambda found: {block["toolResult"]["toolUseId"] for block in blocks(found)[:2]} == {"c1", "c2"},
        ),
        (
            turns(HI, called(used()), tools=TOOLS),
            ["messages[1].tool_calls[0]"],
            lambda found: roles(found)[-1] == "user",
        ),
    ],
    "a tool result without its call": [
        (
            turns(HI, result("c9"), tools=TOOLS),
            ["messages[1].tool_call_id"],
            lambda found: blocks(found)[1] == {"text": "done"},
        ),
        (
            turns(HI, called(used()), result(), result(content="again"), tools=TOOLS),
            ["messages[3].tool_call_id"],
            lambda found: blocks(found)[1] == {"text": "again"},
        ),
    ],
    "words between a tool call and its result": [
        (turns(HI, called(used()), HI, result(), tools=TOOLS), [], lambda found: "toolResult" in blocks(found)[0])
    ],
    "tool calls and results where no tool may be called (no `tools`, or `tool_choice` none)": [
        (
            turns(HI, called(used(name="f", arguments='{"a":1}')), result(content="rain"), **more),
            [],
            lambda found: (
                "toolConfig" not in found.body
                and blocks(found, 1) == [{"text": '[tool call f: {"a":1}]'}]
                and blocks(found, 2) == [{"text": "[tool result: rain]"}]
            ),
        )
        for more in _NO_TOOLS
    ],
    "`tool_choice`": [
        (field(tools=TOOLS, tool_choice="auto"), [], lambda found: "toolChoice" not in found.body["toolConfig"]),
        (
            field(tools=TOOLS, tool_choice="required"),
            [],
            lambda found: found.body["toolConfig"]["toolChoice"] == {"any": {}},
        ),
        (field(tools=TOOLS, tool_choice="none"), [], lambda found: "toolConfig" not in found.body),
    ],
    "`parallel_tool_calls` false, Claude from 4 on": [
        (
            field(tools=TOOLS, parallel_tool_calls=False, tool_choice=choice),
            [],
            lambda found: found.body["additionalModelRequestFields"]["tool_choice"].pop("disable_parallel_tool_use"),
        )
        for choice in ("auto", "required", None)
    ],
    "`parallel_tool_calls` false, other models": [
        (
            field(tools=TOOLS, parallel_tool_calls=False),
            ["parallel_tool_calls"],
            lambda found: "additionalModelRequestFields" not in found.body,
        )
    ],
    "`tools[].function.strict` true": [
        (
            field(tools=[tool(strict=True)]),
            ["tools[0].function.strict"],
            lambda found: "strict" not in json.dumps(found.body),
        )
    ],
    "`parameters` without `type`": [
        (
            field(tools=[tool(parameters=schema)]),
            [],
            lambda found: found.body["toolConfig"]["tools"][0]["toolSpec"]["inputSchema"]["json"]["type"] == "object",
        )
        for schema in _SCHEMAS
    ],
    "images as base64 data URLs": [
        (
            content({"type": "text", "text": "see"}, image(f"{head},{PIXEL}")),
            [],
            lambda found: blocks(found)[1]["image"]["source"] == {"bytes": PIXEL},
        )
        for head in _HEADS
    ],
    "`image_url.detail`": [
        (
            content(image(f"data:image/png;base64,{PIXEL}", detail="low")),
            ["messages[0].content[0].image_url.detail"],
            lambda found: "image" in blocks(found)[0],
        )
    ],
    "files as base64 data URLs (pdf, text, Word, Excel; five at most)": [
        (
            content(file(file_data=PDF, filename="a: b.pdf"), file(file_data=PDF, filename="a: b.pdf")),
            [],
            lambda found: [block.get("document", {}).get("name") for block in blocks(found)] == ["a b", "a b 2", None],
        )
    ],
    "`thinking_blocks`": [
        (
            turns(
                HI,
                {
                    "role": "assistant",
                    "content": "a",
                    "thinking_blocks": [THOUGHT, {"type": "thinking", "thinking": "x", "signature": ""}],
                },
            ),
            [],
            lambda found: (
                [block["reasoningContent"]["reasoningText"] for block in blocks(found)[:2]]
                == [{"text": "hm", "signature": "c2ln"}, {"text": "x"}]
            ),
        )
    ],
    "`thinking_blocks` that nothing follows; `reasoning_content` alone": [
        (
            turns(HI, {"role": "assistant", "content": "", "thinking_blocks": [THOUGHT]}, HI),
            ["messages[1].thinking_blocks[0]"],
            lambda found: roles(found) == ["user"],
        ),
        (
            turns(HI, {"role": "assistant", "content": "a", "reasoning_content": "hm"}),
            ["messages[1].reasoning_content"],
            lambda found: len(blocks(found)) == 1,
        ),
    ],
    "`cache_control` on parts, messages, tool results and tools": [
        (content(marked(ttl="1h")), [], lambda found: blocks(found) == [{"text": "kept"}, mark("1h")]),
        (
            turns(HI | {"cache_control": {"type": "ephemeral"}}),
            [],
            lambda found: blocks(found) == [{"text": "hi"}, mark()],
        ),
        (
            turns({"role": "system", "content": [marked("a")]}, HI),
            [],
            lambda found: found.body["system"] == [{"text": "a"}, mark()],
        ),
        (
            turns(HI, called(used()), result(content=[marked("rain")]), tools=TOOLS),
            [],
            lambda found: [*blocks(found)[0]] == ["toolResult"] and blocks(found)[1] == mark(),
        ),
        (
            field(tools=[*TOOLS, tool("g") | {"cache_control": {"type": "ephemeral"}}]),
            [],
            lambda found: found.body["toolConfig"]["tools"][2:] == [mark()],
        ),
    ],
    "`cache_control` on an empty part or message": [
        (
            content({"type": "text", "text": "a"}, marked("")),
            [],
            lambda found: blocks(found) == [{"text": "a"}, mark()],
        ),
        (
            turns(HI, {"role": "assistant", "content": "a"}, {"role": "user", "content": [marked("")]}),
            [],
            lambda found: blocks(found) == [{"text": "a"}, mark()],
        ),
        (
            turns(
                {"role": "system", "content": "a"},
                {"role": "user", "content": [marked(""), {"type": "text", "text": "b"}]},
            ),
            [],
            lambda found: found.body["system"] == [{"text": "a"}, mark()] and blocks(found) == [{"text": "b"}],
        ),
    ],
    "marks beyond the last four, an hour behind five minutes": [
        (
            content(*(marked(str(number)) for number in range(5))),
            ["messages[0].content[0].cache_control"],
            lambda found: sum("cachePoint" in block for block in blocks(found)) == 4,
        ),
        (
            content(marked("a"), marked("b", "1h")),
            ["messages[0].content[1].cache_control.ttl"],
            lambda found: blocks(found) == [{"text": "a"}, mark(), {"text": "b"}, mark("5m")],
        ),
    ],
    "`max_tokens`, `max_completion_tokens`": [
        (field(max_tokens=5), [], lambda found: found.body["inferenceConfig"] == {"maxTokens": 100})
    ],
    "`temperature` over 1": [
        (field(temperature=1.5), ["temperature"], lambda found: found.body["inferenceConfig"]["temperature"] == 1)
    ],
    "`temperature`, `top_p`, `top_k`, `stop`, `reasoning_effort`, `thinking`": [
        (
            field(
                temperature=0.5, top_p=0.5, top_k=5, stop=["a"], reasoning_effort="low", thinking={"type": "disabled"}
            ),
            [],
            lambda found: (
                [found.body[name] for name in ("inferenceConfig", "additionalModelRequestFields", "outputConfig")]
                == [
                    {"maxTokens": 100, "temperature": 0.5, "topP": 0.5, "stopSequences": ["a"]},
                    {"thinking": {"type": "disabled"}, "top_k": 5},
                    {"effort": "low"},
                ]
            ),
        )
    ],
    "`top_p` of 1 with a `temperature`, Claude from 4 on": [
        (
            field(temperature=0.5, top_p=1),
            [],
            lambda found: found.body["inferenceConfig"] == {"maxTokens": 100, "temperature": 0.5},
        )
    ],
    "another `top_p` with a `temperature`, Claude from 4 on": [
        (
            field(temperature=0.5, top_p=0.9, top_k=5),
            ["top_p"],
            lambda found: (
                found.body["inferenceConfig"] == {"maxTokens": 100, "temperature": 0.5}
                and found.body["additionalModelRequestFields"] == {"top_k": 5}
            ),
        )
    ],
    "`temperature`, `top_p`, `top_k`, Claude Opus from 4.7 on and every Claude from 5 on": [
        (
            field(temperature=0.5, top_p=0.9, top_k=5),
            ["temperature", "top_p", "top_k"],
            lambda found: (
                found.body["inferenceConfig"] == {"maxTokens": 100} and "additionalModelRequestFields" not in found.body
            ),
        ),
        (field(top_p=0.9), ["top_p"], lambda found: found.body["inferenceConfig"] == {"maxTokens": 100}),
    ],
    "blank `stop` sequences": [
        (field(stop=["\n", "a"]), ["stop[0]"], lambda found: found.body["inferenceConfig"]["stopSequences"] == ["a"])
    ],
    "`response_format` json_schema": [
        (
            field(response_format={"type": "json_schema", "json_schema": {"schema": {}, "name": "n", "strict": True}}),
            [],
            lambda found: found.body["outputConfig"]["textFormat"]["structure"]["jsonSchema"]["schema"] == "{}",
        )
    ],
    "`response_format` json_object": [
        (
            field(response_format={"type": "json_object"}),
            [],
            lambda found: found.body["system"] == [{"text": JSON_SENTENCE}],
        )
    ],
    "`response_format.json_schema.strict` false": [
        (
            field(response_format={"type": "json_schema", "json_schema": {"schema": {}, "strict": False}}),
            ["response_format.json_schema.strict"],
            lambda found: "textFormat" in found.body["outputConfig"],
        )
    ],
    "`service_tier` priority, flex, reserved": [
        (field(service_tier="flex"), [], lambda found: found.body["serviceTier"] == {"type": "flex"})
    ],
    "values that ask for nothing (`n` 1, penalties of 0, `store` false, `logprobs` false, `service_tier` auto)": [
        (
            field(
                n=1,
                frequency_penalty=0,
                presence_penalty=0.0,
                store=False,
                logprobs=False,
                top_logprobs=0,
                logit_bias={},
                service_tier="auto",
                modalities=["text"],
                parallel_tool_calls=True,
                metadata={},
                stop=None,
            ),
            [],
            lambda found: found.body.keys() == {"messages", "inferenceConfig"},
        )
    ],
    "`frequency_penalty`, `presence_penalty`, `seed`, `store`, `metadata`, `user`, `safety_identifier`, `prediction`, "
    "`prompt_cache_key`, `prompt_cache_retention`, `prompt_cache_options`, `verbosity`": [
        (field(**{name: value}), [name], lambda found: found.body.keys() == {"messages", "inferenceConfig"})
        for name, value in _LEFT_OUT.items()
    ],
}
