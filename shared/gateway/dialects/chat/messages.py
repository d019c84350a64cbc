"""Converts chat's messages into turns of typed blocks, and back."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from gateway.dialects.chat.parts import (
    assistant_part,
    text_part,
    thinking,
    thinking_part,
    user_part,
    written,
)
from gateway.dialects.marks import mark, marks
from gateway.dialects.neutral import NOTHING, Block, Mark, Reasoning, Redacted, Speaker, Text, ToolResult, ToolUse, Turn
from gateway.dialects.unsupported import name_unknown, refuse
from gateway.dialects.values import mapping, read_json

_KNOWN = frozenset(
    (
        "role",
        "content",
        "refusal",
        "tool_call_id",
        "tool_calls",
        "function_call",
        "audio",
        "thinking_blocks",
        "reasoning_content",
        "cache_control",
    )
)
_PLAIN: Final[Mapping[str, Speaker]] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
}
_OF_ROLE = {"tool_call_id": ("tool",), "tool_calls": ("assistant",), "thinking_blocks": ("assistant",)}


def turns_of(messages: Sequence[Any], dropped: list[str]) -> tuple[Turn, ...]:
    """One turn per message. Raises Unsupported; what is left out is named in `dropped`."""
    turns: list[Turn] = []
    for at, message in enumerate(messages):
        where = f"messages[{at}]"
        if type(message) is dict and len(message) == 2:  # as most are: a role and a text
            role, text = message.get("role"), message.get("content")
            if type(role) is str and role in _PLAIN and type(text) is str:
                turns.append(Turn(_PLAIN[role], (Text(text, NOTHING, f"{where}.content"),), where))
                continue
        turns.append(_turn(mapping(message), where, dropped))
    return tuple(turns)


def _turn(message: Mapping[str, Any], where: str, dropped: list[str]) -> Turn:
    role = message.get("role")
    name_unknown(message, _KNOWN, where, dropped)
    for name, roles in _OF_ROLE.items():
        if message.get(name) and role not in roles:
            dropped.append(f"{where}.{name}")
    end = marks(message, where, dropped)
    if role in ("system", "developer"):
        return Turn("system", (*_content(message, where, dropped, text_part), *end), where)
    if role == "user":
        return Turn("user", (*_content(message, where, dropped, user_part), *end), where)
    if role == "assistant":
        return Turn("assistant", (*_assistant(message, where, dropped), *end), where)
    if role == "tool":
        return Turn("user", (*_result(message, where, dropped), *end), where)
    raise refuse(f"{where}.role", "not supported by this model")


def _content(
    message: Mapping[str, Any],
    where: str,
    dropped: list[str],
    read: Callable[[Mapping[str, Any], str, list[str]], Block],
) -> Iterator[Block]:
    content = message.get("content")
    if isinstance(content, str):
        yield Text(content, at=f"{where}.content")
        return
    for index, given in enumerate(content or ()):
        part, here = mapping(given), f"{where}.content[{index}]"
        block = read(part, here, dropped)
        yield block
        if not isinstance(block, (Reasoning, Redacted)):
            yield from marks(part, here, dropped)


def _assistant(message: Mapping[str, Any], where: str, dropped: list[str]) -> Iterator[Block]:
    for name in ("function_call", "audio"):
        if message.get(name):
            raise refuse(
                f"{where}.{name}", "use tool_calls" if name == "function_call" else "not contained in the request"
            )
    spoken = ""
    for index, given in enumerate(message.get("thinking_blocks") or ()):
        block = thinking_part(mapping(given), f"{where}.thinking_blocks[{index}]", dropped)
        spoken += block.text if isinstance(block, Reasoning) else ""
        yield block
    if message.get("reasoning_content") and message["reasoning_content"] != spoken:
        dropped.append(f"{where}.reasoning_content")  # unsigned: models that sign reasoning refuse it
    yield from _content(message, where, dropped, assistant_part)
    if refusal := message.get("refusal"):
        yield Text(refusal, at=f"{where}.refusal")
    for index, call in enumerate(message.get("tool_calls") or ()):
        yield _tool_use(mapping(call), f"{where}.tool_calls[{index}]", dropped)


def _tool_use(call: Mapping[str, Any], where: str, dropped: list[str]) -> ToolUse:
    if call.get("type") not in (None, "", "function"):
        raise refuse(f"{where}.type", "only function tools are supported by this model")
    name_unknown(call, ("id", "type", "function"), where, dropped)
    function = mapping(call.get("function"))
    name_unknown(function, ("name", "arguments"), f"{where}.function", dropped)
    name = _text(function.get("name"), f"{where}.function.name")
    here = f"{where}.function.arguments"
    arguments, text = None, function.get("arguments")
    if isinstance(text, str):
        arguments, sound = read_json(text if text.strip() else "{}")
        if arguments is not None and not sound:
            dropped.append(here)  # NaN or infinity, which is null now
    if arguments is None:
        raise refuse(here, "not a JSON object")
    return ToolUse(_text(call.get("id"), f"{where}.id"), name, arguments, where)


def _result(message: Mapping[str, Any], where: str, dropped: list[str]) -> Iterator[Block]:
    used = _text(message.get("tool_call_id"), f"{where}.tool_call_id")
    blocks = list(_content(message, where, dropped, user_part))
    content = tuple(block for block in blocks if not isinstance(block, Mark))
    yield ToolResult(used, content, at=f"{where}.tool_call_id")  # type: ignore[arg-type]  # what user_part gives
    yield from (block for block in blocks if isinstance(block, Mark))  # a result may hold no marks


def _text(value: object, where: str) -> str:
    if not isinstance(value, str) or not value:
        raise refuse(where, "is required, as text")
    return value


def messages_of(turns: Iterable[Turn]) -> list[dict[str, Any]]:
    """The messages for these turns: first each tool result as its own message, then what the speaker says."""
    messages: list[dict[str, Any]] = []
    for turn in turns:
        said: list[Block] = []
        for block in turn.blocks:
            if isinstance(block, ToolResult):
                parts = [written(part) for part in block.content]
                messages.append({"role": "tool", "tool_call_id": block.id, "content": parts})
            elif isinstance(block, Mark) and not said and messages and turn.blocks[0] is not block:
                messages[-1] |= mark(block)
            else:
                said.append(block)
        if said or not turn.blocks:
            messages.append(_message(turn.speaker, said))
    return messages


def _message(speaker: str, blocks: Sequence[Block]) -> dict[str, Any]:
    message: dict[str, Any] = {"role": speaker, "content": []}
    for block in blocks:
        if isinstance(block, (Reasoning, Redacted)):
            message.setdefault("thinking_blocks", []).append(thinking(block))
        elif isinstance(block, ToolUse):
            arguments = json.dumps(block.input, ensure_ascii=False, separators=(",", ":"))
            function = {"name": block.name, "arguments": arguments}
            message.setdefault("tool_calls", []).append({"id": block.id, "type": "function", "function": function})
        elif isinstance(block, Mark):
            last = message["content"][-1] if message["content"] and "tool_calls" not in message else message
            last |= mark(block)
        elif not isinstance(block, ToolResult):
            message["content"].append(written(block))
    return message
