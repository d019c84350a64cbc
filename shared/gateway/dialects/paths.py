"""Finds, in the text of an endpoint's error, the path of the client's field that the error is about.

Only text that has the form of a path and begins with a known name is taken: an error may quote an account, an ARN or
a host.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from msgspec.structs import replace

from gateway.dialects.written import Written

# Chat's names, by Converse's names and those of Messages, which models behind Converse use too.
_FIELDS: Final = {
    "inferenceConfig.maxTokens": "max_completion_tokens",
    "inferenceConfig.stopSequences": "stop",
    "inferenceConfig.temperature": "temperature",
    "inferenceConfig.topP": "top_p",
    "max_tokens": "max_completion_tokens",
    "messages": "messages",
    "outputConfig.effort": "reasoning_effort",
    "output_config.effort": "reasoning_effort",
    "outputConfig.textFormat": "response_format",
    "output_config.format": "response_format",
    "serviceTier": "service_tier",
    "stop_sequences": "stop",
    "system": "messages",
    "temperature": "temperature",
    "thinking": "thinking",
    "thinking.budget_tokens": "thinking.budget_tokens",
    "tool_choice": "tool_choice",
    "toolConfig.toolChoice": "tool_choice",
    "toolConfig.tools": "tools",
    "toolConfig": "tools",
    "tools": "tools",
    "top_k": "top_k",
    "top_p": "top_p",
}
_ROOTS = "|".join(sorted({name.partition(".")[0] for name in _FIELDS}, key=len, reverse=True))
_NEXT = r"(?:[./](?:[A-Za-z_]{1,40}|\d{1,5})|\[\d{1,5}\])"
# A text, which `re` compiles on first use and not at each start: only failures are searched with it.
_PATH = rf"(?<![\w./:@-])(?:#/)?((?:{_ROOTS}){_NEXT}*)(?![\w@:-]*[@:]\w)"
_STEP = re.compile(r"[A-Za-z_]+|\d+")
_LONGEST_READ = 4_000
_OF_MODEL, _MARK = "The model returned", ".cache_control"


def client_path(message: str, written: Written) -> str | None:
    """The path in the client's request of the first field that the message names; None if it names no known field."""
    if _OF_MODEL in message:  # a model does not count cache marks as blocks
        written = replace(written, turns=[[at for at in turn if not at.endswith(_MARK)] for turn in written.turns])
    for found in re.finditer(_PATH, message[:_LONGEST_READ]):
        steps = [step for step in _STEP.findall(found[1]) if step != "member"]
        # A bare word of prose (system, messages) is a path only if more steps, a colon or a quote follow it.
        if len(steps) > 1 or message[found.end() : found.end() + 1] in (":", "'", '"'):
            path = _client(steps, written)
            if path:
                return path
    return None


def _client(steps: Sequence[str], written: Written) -> str | None:
    root, numbers = steps[0], [int(step) for step in steps[1:] if step.isdigit()]
    if root == "messages" and numbers:
        return _place(written.turns, numbers) or "messages"
    if root == "system" and numbers:
        return _place([written.system], [0, numbers[0]]) or "messages"
    if root == "tools" and numbers:
        return f"tools[{numbers[0]}]"
    if root == "toolConfig" and numbers and "toolChoice" not in steps:
        return _tool(numbers[0], written) or "tools"
    for length in (2, 1):
        field = _FIELDS.get(".".join(step for step in steps[:length] if not step.isdigit()))
        if field:
            return written.paths.get(field, field)
    return None


def _place(places: Sequence[Sequence[str]], numbers: Sequence[int]) -> str | None:
    """The client's path of that block in that turn. For a whole turn it is the path of its first message."""
    if numbers[0] >= len(places):
        return None
    blocks = places[numbers[0]]
    if len(numbers) > 1 and numbers[1] < len(blocks) and blocks[numbers[1]]:
        return blocks[numbers[1]]
    first = next((block for block in blocks if block), "")
    return first.partition(".")[0] or None


def _tool(number: int, written: Written) -> str | None:
    tools = written.body.get("toolConfig", {}).get("tools", [])
    if number >= len(tools) or "toolSpec" not in tools[number]:
        return None
    return f"tools[{sum('toolSpec' in tool for tool in tools[:number])}]"
