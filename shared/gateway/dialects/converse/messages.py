"""OpenAI messages as Converse wants them: user and assistant in turn, of typed blocks, the system's words apart."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from gateway.dialects.unsupported import Unsupported
from gateway.dialects.values import json_object, mapping

Block = dict[str, Any]

_SYSTEM = ("system", "developer")
_DATA_URL = re.compile(r"data:image/(png|jpeg|gif|webp);base64,([A-Za-z0-9+/]+={0,2})")


def system_of(messages: Sequence[Any]) -> list[Block]:
    """Every system and developer message, in order, wherever it stood."""
    return [
        block
        for where, message in _numbered(messages)
        if message.get("role") in _SYSTEM
        for block in _content(message, where, _text_part)
    ]


def messages_of(messages: Sequence[Any]) -> list[Block]:
    """All others; neighbours of the same role become one message (tool results are the user's)."""
    turns: list[Block] = []
    for where, message in _numbered(messages):
        role = message.get("role")
        if role in _SYSTEM:
            continue
        speaker = "assistant" if role == "assistant" else "user"
        blocks = _blocks(role, message, where)
        if turns and turns[-1]["role"] == speaker:
            turns[-1]["content"].extend(blocks)
        else:
            turns.append({"role": speaker, "content": blocks})
    if not turns:
        raise Unsupported("messages", "messages: at least one message that is not the system's is needed by Bedrock")
    return turns


def has_tool_blocks(messages: Sequence[Any]) -> bool:
    """Whether a tool was called before: Converse then asks for the tools to be given again."""
    return any(message.get("role") == "tool" or bool(message.get("tool_calls")) for _, message in _numbered(messages))


def _numbered(messages: Sequence[Any]) -> Iterator[tuple[str, Block]]:
    for index, message in enumerate(messages):
        yield f"messages[{index}]", dict(mapping(message))


def _blocks(role: object, message: Block, where: str) -> list[Block]:
    if role == "user":
        blocks = _content(message, where, _user_part)
    elif role == "assistant":
        blocks = [*_thinking(message), *_content(message, where, _text_part), *_tool_uses(message, where)]
    elif role == "tool":
        used = _named(message.get("tool_call_id"), f"{where}.tool_call_id")
        result = {"toolUseId": used, "content": _content(message, where, _text_part)}
        blocks = [{"toolResult": result}]
    else:
        raise Unsupported(f"{where}.role", f"{where}.role: not supported by Bedrock")
    if not blocks:
        raise Unsupported(f"{where}.content", f"{where}.content: empty, which Bedrock refuses")
    return blocks


def _content(message: Block, where: str, translate: Callable[[Block, str], Block]) -> list[Block]:
    content = message.get("content")
    parts = [{"type": "text", "text": content}] if isinstance(content, str) else content or []
    blocks: list[Block] = []
    for index, part in enumerate(parts):
        part = dict(mapping(part))
        if part.get("type") == "text" and not part.get("text"):
            continue  # Converse refuses an empty block; it says nothing either way
        blocks.append(translate(part, f"{where}.content[{index}]"))
        blocks.extend(_cache_point(part))
    return blocks


def _text_part(part: Block, where: str) -> Block:
    for kind in ("text", "refusal"):
        if part.get("type") == kind and isinstance(part.get(kind), str):
            return {"text": part[kind]}
    raise Unsupported(where, f"{where}: only text is supported by Bedrock here")


def _user_part(part: Block, where: str) -> Block:
    if part.get("type") != "image_url":
        return _text_part(part, where)
    found = _DATA_URL.fullmatch(str(mapping(part.get("image_url")).get("url", "")))
    if not found:
        raise Unsupported(
            f"{where}.image_url", f"{where}.image_url: must be a base64 data URL of a png, jpeg, gif or webp image"
        )
    return {"image": {"format": found[1], "source": {"bytes": found[2]}}}


def _cache_point(part: Block) -> list[Block]:
    # Anthropic's mark, as clients of several gateways put it on OpenAI's parts.
    control = mapping(part.get("cache_control"))
    if control.get("type") != "ephemeral":
        return []
    ttl = {"ttl": control["ttl"]} if isinstance(control.get("ttl"), str) else {}
    return [{"cachePoint": {"type": "default", **ttl}}]


def _thinking(message: Block) -> Iterator[Block]:
    # As `gateway.dialects.converse.answer` gave them: a model asks to have them back with a tool's result.
    for block in map(mapping, message.get("thinking_blocks") or []):
        if block.get("type") == "thinking":
            text = {"text": block.get("thinking", ""), "signature": block.get("signature", "")}
            yield {"reasoningContent": {"reasoningText": text}}
        else:
            yield {"reasoningContent": {"redactedContent": block.get("data", "")}}


def _tool_uses(message: Block, where: str) -> Iterator[Block]:
    if message.get("function_call"):
        raise Unsupported(f"{where}.function_call", f"{where}.function_call: use tool_calls")
    for index, call in enumerate(message.get("tool_calls") or []):
        here = f"{where}.tool_calls[{index}]"
        function = mapping(mapping(call).get("function"))
        arguments = _arguments(function.get("arguments"), f"{here}.function.arguments")
        name = _named(function.get("name"), f"{here}.function.name")
        used = _named(mapping(call).get("id"), f"{here}.id")
        yield {"toolUse": {"toolUseId": used, "name": name, "input": arguments}}


def _named(value: object, where: str) -> str:
    if not isinstance(value, str) or not value:
        raise Unsupported(where, f"{where}: must be there, as text")
    return value


def _arguments(text: object, where: str) -> dict[str, Any]:
    value = json_object(text or "{}") if isinstance(text, str) else None
    if value is None:
        raise Unsupported(where, f"{where}: not a JSON object")
    return value
