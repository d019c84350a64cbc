"""Requests for the rows of docs/api.md's table that are refused, each with its path."""

from __future__ import annotations

from typing import Any

from tests.unit.dialects.table_sent import PDF, TOOLS, content, field, file, image, turns
from tests.unit.dialects.translating import HI, PIXEL, called, marked, tool, used

REFUSED: dict[str, list[tuple[dict[str, Any], str]]] = {
    "nothing said at all": [
        (turns({"role": "user", "content": ""}), "messages"),
        (turns({"role": "assistant", "content": None}), "messages"),
        (turns({"role": "system", "content": " "}), "messages"),
    ],
    "`function` messages, `function_call`, `functions`, `audio` of an earlier answer, custom tools": [
        (turns({"role": "function", "content": "x"}), "messages[0].role"),
        (turns({"role": "assistant", "function_call": {"name": "f", "arguments": "{}"}}), "messages[0].function_call"),
        (turns({"role": "assistant", "audio": {"id": "a"}}), "messages[0].audio"),
        (field(functions=[]), "functions"),
        (field(tools=[{"type": "custom", "custom": {"name": "f"}}]), "tools[0]"),
        (turns(called({"id": "c", "type": "custom", "custom": {}})), "messages[0].tool_calls[0].type"),
    ],
    "`arguments` that are no JSON object, a call or a result without `id`": [
        (turns(called(used(arguments="{broken"))), "messages[0].tool_calls[0].function.arguments"),
        (turns(called(used(""))), "messages[0].tool_calls[0].id"),
        (turns({"role": "tool", "content": "x"}), "messages[0].tool_call_id"),
    ],
    "`tool_choice` of a tool that does not exist, or of another form": [
        (field(tools=TOOLS, tool_choice={"type": "function", "function": {"name": "g"}}), "tool_choice"),
        (field(tool_choice="required"), "tool_choice"),
        (field(tools=TOOLS, tool_choice={"type": "allowed_tools"}), "tool_choice"),
    ],
    "`parameters` of another `type`, two tools of one name": [
        (field(tools=[tool(parameters={"type": "string"})]), "tools[0].function.parameters.type"),
        (field(tools=[tool(), tool()]), "tools[1].function.name"),
    ],
    "remote images and files, `file_id`, `input_audio`, other formats": [
        (content(image("https://example.com/a.png")), "messages[0].content[0].image_url"),
        (content(image("data:image/tiff;base64,AAAA")), "messages[0].content[0].image_url"),
        (content(file(file_id="file-1")), "messages[0].content[0].file.file_data"),
        (content({"type": "input_audio", "input_audio": {}}), "messages[0].content[0]"),
        (content(*[file(file_data=PDF)] * 6), "messages[0].content[5].file"),
        (turns({"role": "system", "content": [image(f"data:image/png;base64,{PIXEL}")]}), "messages[0].content[0]"),
    ],
    "`cache_control.ttl` but 5m and 1h, `type` but ephemeral": [
        (content(marked(ttl="2h")), "messages[0].content[0].cache_control.ttl"),
        (turns(HI | {"cache_control": {"type": "kept"}}), "messages[0].cache_control.type"),
    ],
    "`n` over 1, `logprobs`, `top_logprobs`, `logit_bias`": [
        (field(n=2), "n"),
        (field(logprobs=True), "logprobs"),
        (field(top_logprobs=2), "top_logprobs"),
        (field(logit_bias={"1": 5}), "logit_bias"),
    ],
    "other `response_format`s, `service_tier`s, members of `thinking`, and any other field": [
        (field(response_format={"type": "grammar"}), "response_format"),
        (field(service_tier="scale"), "service_tier"),
        (field(thinking={"type": "enabled", "effort": "x"}), "thinking.effort"),
        (field(reasoning_effort="x" * 17), "reasoning_effort"),
        (field(something_new=5), "something_new"),
    ],
}
