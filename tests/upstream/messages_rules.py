"""The rules of Messages that no type has: from Anthropic's documents, and from problems that users of translators had.

They are written independently of the gateway's translation, and are simpler, because they only check.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

_NAME = re.compile(r"[a-zA-Z0-9_-]{1,128}")
_ID = re.compile(r"[a-zA-Z0-9_-]+")
_EMAIL = re.compile(r"\S+@\S+\.\S+")
_THOUGHTS = ("thinking", "redacted_thinking")
_IMAGES = ("image/png", "image/jpeg", "image/gif", "image/webp")
_MOST_MARKS, _LEAST_BUDGET = 4, 1_024


def broken_rules(body: Mapping[str, Any]) -> Iterator[str]:
    """The faults of a body that has the shape of the types, as texts that begin with a path."""
    if body["max_tokens"] < 1:
        yield "max_tokens: must be greater than or equal to 1"
    messages = [{**each, "content": _blocks(each["content"])} for each in body["messages"]]
    yield from _texts("system", _blocks(body.get("system", [])))
    yield from _turns(messages)
    for number, message in enumerate(messages):
        where = f"messages.{number}"
        yield from _texts(f"{where}.content", message["content"])
        if message["role"] == "user":
            yield from _user(message["content"], messages[number - 1]["content"] if number else [], where)
        elif message["role"] == "assistant":
            yield from _assistant(message["content"], where, last=number == len(messages) - 1)
    yield from _tools(body, messages)
    yield from _marks(body, messages)
    yield from _thinking(body, messages)
    yield from _sampling(body)
    yield from _files(messages)


def _blocks(content: Any) -> list[Any]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else list(content)


def _turns(messages: Sequence[Any]) -> Iterator[str]:
    spoken = [message for message in messages if message["role"] != "system"]
    if not spoken:
        yield "messages: at least one message is required"
    elif spoken[0]["role"] != "user":
        yield "messages: first message must use the user role"
    for number, message in enumerate(messages):
        if not message["content"]:
            yield f"messages.{number}: all messages must have non-empty content"


def _texts(where: str, blocks: Sequence[Any]) -> Iterator[str]:
    for at, block in enumerate(blocks):
        if block["type"] == "text" and not block["text"].strip():
            yield f"{where}.{at}: text content blocks must contain non-whitespace text"
        if block["type"] == "tool_result":
            yield from _texts(f"{where}.{at}.content", _blocks(block.get("content", [])))


def _user(content: Sequence[Any], before: Sequence[Any], where: str) -> Iterator[str]:
    called = [block["id"] for block in before if block["type"] == "tool_use"]
    answered = [block["tool_use_id"] for block in content if block["type"] == "tool_result"]
    if missing := [id for id in called if id not in answered]:
        yield f"{where}: tool_use ids were found without tool_result blocks immediately after: {missing}"
    if unexpected := [id for id in answered if id not in called]:
        yield f"{where}: unexpected tool_use_id found in tool_result blocks: {unexpected}"
    if len(set(answered)) != len(answered):
        yield f"{where}: each tool_use must have a single result"
    others = False
    for at, block in enumerate(content):
        if block["type"] in ("tool_use", *_THOUGHTS):
            yield f"{where}.content.{at}: {block['type']} blocks can only be in assistant messages"
        if block["type"] == "tool_result" and others:
            yield f"{where}.content.{at}: tool_result blocks must come first"
        others = others or block["type"] != "tool_result"


def _assistant(content: Sequence[Any], where: str, *, last: bool) -> Iterator[str]:
    for at, block in enumerate(content):
        here = f"{where}.content.{at}"
        if block["type"] in ("image", "document", "tool_result"):
            yield f"{here}: {block['type']} blocks can only be in user messages"
        if block["type"] == "thinking" and not block["signature"]:
            yield f"{here}: Invalid `signature` in `thinking` block"
        if block["type"] == "redacted_thinking" and not block["data"]:
            yield f"{here}.data: is empty"
    if content and content[-1]["type"] in _THOUGHTS:
        yield f"{where}: the final block in an assistant message cannot be `{content[-1]['type']}`"
    if last and any(block["type"] == "tool_use" for block in content):
        yield f"{where}: tool_use ids were found without tool_result blocks"
    if last and content and content[-1]["type"] == "text" and content[-1]["text"] != content[-1]["text"].rstrip():
        yield f"{where}: final assistant content cannot end with trailing whitespace"


def _tools(body: Mapping[str, Any], messages: Sequence[Any]) -> Iterator[str]:
    tools = list(body.get("tools", ()))
    names = [tool.get("name") for tool in tools]
    used = [block for message in messages for block in message["content"] if block["type"] == "tool_use"]
    if len(set(names)) != len(names):
        yield "tools: Tool names must be unique."
    if used and not tools:
        yield "tools: Requests which include `tool_use` or `tool_result` blocks must define tools"
    for at, tool in enumerate(tools):
        if not _NAME.fullmatch(tool.get("name") or ""):
            yield f"tools.{at}.custom.name: String should match pattern '{_NAME.pattern}'"
        if "input_schema" in tool and tool["input_schema"].get("type") != "object":
            yield f"tools.{at}.custom.input_schema.type: Input should be 'object'"
    for block in used:
        if not _NAME.fullmatch(block["name"]) or not _ID.fullmatch(block["id"]):
            yield f"messages: tool_use {block['id']} {block['name']}: String should match pattern"
    ids = [block["id"] for block in used]
    if len(set(ids)) != len(ids):
        yield "messages: `tool_use` ids must be unique"
    choice = body.get("tool_choice")
    if choice and not tools:
        yield "tool_choice: may only be specified while providing tools"
    if choice and choice["type"] == "tool" and choice["name"] not in names:
        yield "tool_choice: is not among the tools"
    for at, text in enumerate(body.get("stop_sequences", ())):
        if not text.strip():
            yield f"stop_sequences.{at}: each stop sequence must contain non-whitespace"


def _marks(body: Mapping[str, Any], messages: Sequence[Any]) -> Iterator[str]:
    homes = [list(body.get("tools", ())), _blocks(body.get("system", []))]
    for message in messages:
        for block in message["content"]:
            homes.append(_blocks(block.get("content", [])) if block["type"] == "tool_result" else [])
            homes.append([block])
    marked = [block for home in homes for block in home if block.get("cache_control")]
    ttls = [block["cache_control"].get("ttl", "5m") for block in marked]
    if len(ttls) > _MOST_MARKS:
        yield f"A maximum of 4 blocks with cache_control may be provided. Found {len(ttls)}."
    if ttls != sorted(ttls):
        yield "cache_control.ttl: a ttl='1h' cache_control block must not come after a ttl='5m' cache_control block"
    if any(block.get("type") in _THOUGHTS for block in marked):
        yield "cache_control: cannot be set for thinking blocks"


def _thinking(body: Mapping[str, Any], messages: Sequence[Any]) -> Iterator[str]:
    thinking = body.get("thinking") or {"type": "disabled"}
    if thinking["type"] == "disabled":
        return
    if body.get("temperature", 1) != 1:
        yield "temperature: may only be set to 1 when thinking is enabled"
    if "top_k" in body:
        yield "top_k: must be unset when thinking is enabled"
    if body.get("top_p", 1) < 0.95:
        yield "top_p: must be greater than or equal to 0.95 or unset when thinking is enabled"
    if body.get("tool_choice", {}).get("type") in ("any", "tool"):
        yield "tool_choice: Thinking may not be enabled when tool_choice forces tool use."
    if thinking["type"] != "enabled":
        return
    if not _LEAST_BUDGET <= thinking["budget_tokens"] < body["max_tokens"]:
        yield "thinking.budget_tokens: must be at least 1024, and `max_tokens` must be greater"
    last = messages[-1]["content"]
    if any(block["type"] == "tool_result" for block in last) and messages[-2]["content"][0]["type"] not in _THOUGHTS:
        yield f"messages.{len(messages) - 2}.content.0.type: Expected `thinking` or `redacted_thinking`"


def _sampling(body: Mapping[str, Any]) -> Iterator[str]:
    for name, most in (("temperature", 1), ("top_p", 1)):
        if not 0 <= body.get(name, 0) <= most:
            yield f"{name}: range: 0..{most}"
    if "temperature" in body and "top_p" in body:
        yield "`temperature` and `top_p` cannot both be specified for this model. Please use only one."
    user = (body.get("metadata") or {}).get("user_id") or ""
    if _EMAIL.search(user):
        yield "metadata.user_id: user_id appears to contain an email address"


def _files(messages: Sequence[Any]) -> Iterator[str]:
    waiting = [(f"messages.{number}.content", message["content"]) for number, message in enumerate(messages)]
    while waiting:
        where, blocks = waiting.pop()
        for at, block in enumerate(blocks):
            here, source = f"{where}.{at}", block.get("source")
            if block["type"] == "tool_result":
                waiting.append((f"{here}.content", _blocks(block.get("content", []))))
            if not isinstance(source, Mapping):
                continue
            if source["type"] == "content":
                waiting.append((f"{here}.source.content", _blocks(source["content"])))
            if source["type"] == "base64":
                yield from _base64(source["data"], f"{here}.source.base64.data")
                if block["type"] == "image" and source["media_type"] not in _IMAGES:
                    yield f"{here}.source.base64.media_type: Input should be one of {_IMAGES}"
            if source["type"] == "text" and not source["data"]:
                yield f"{here}.source.text.data: cannot be empty"


def _base64(data: str, where: str) -> Iterator[str]:
    try:
        if not base64.b64decode(data, validate=True):
            yield f"{where}: cannot be empty"
    except ValueError:
        yield f"{where}: invalid base64 data"
