"""From Converse's answer to OpenAI's `chat.completion`."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from gateway.dialects.values import mapping
from gateway.models.usage import Usage, openai_usage

_REQUEST_ID = re.compile(r"[A-Za-z0-9-]{1,64}")
_FINISH_REASONS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "guardrail_intervened": "content_filter",
    "content_filtered": "content_filter",
}


def completion_of(
    answer: Mapping[str, Any], usage: Usage | None, *, model: str, request_id: str, now: float
) -> dict[str, Any] | None:
    """The `chat.completion` of a Converse answer; None where it has not the promised shape. `now` is Unix seconds."""
    content = mapping(mapping(answer.get("output")).get("message")).get("content")
    if not isinstance(content, list) or not isinstance(answer.get("stopReason"), str):
        return None
    if not all(isinstance(block, dict) and _is_sound(block) for block in content):
        return None
    choice = {
        "index": 0,
        "message": message_of(content),
        "logprobs": None,
        "finish_reason": finish_reason(answer["stopReason"]),
    }
    body = {
        "id": f"chatcmpl-{request_id if _REQUEST_ID.fullmatch(request_id) else uuid.uuid4()}",
        "object": "chat.completion",
        "created": int(now),
        "model": model,
        "choices": [choice],
    }
    return body | ({"usage": openai_usage(usage)} if usage else {})


def _is_sound(block: Mapping[str, Any]) -> bool:
    """Whether what is known in a block has its promised type. Unknown blocks are none of ours."""
    if not isinstance(block.get("text"), str | None):
        return False
    use = block.get("toolUse")
    if use is not None and not (
        isinstance(use, dict)
        and all(isinstance(use.get(name), str) and use[name] for name in ("toolUseId", "name"))
        and isinstance(use.get("input"), dict | None)
    ):
        return False
    reasoning = block.get("reasoningContent")
    if reasoning is None:
        return True
    spoken = mapping(mapping(reasoning).get("reasoningText"))
    said = (spoken.get("text"), spoken.get("signature"), mapping(reasoning).get("redactedContent"))
    return isinstance(reasoning, dict) and all(isinstance(text, str | None) for text in said)


def finish_reason(stop_reason: str) -> str:
    """OpenAI's word for a stopReason; one that has no counterpart is a plain stop."""
    return _FINISH_REASONS.get(stop_reason, "stop")


def message_of(blocks: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """One assistant message. Reasoning stands in `reasoning_content`, and whole in `thinking_blocks`, which a client
    sends back with a tool's result (the field names are those of DeepSeek and LiteLLM; OpenAI has none)."""
    texts = [text for block in blocks for text in _texts(block)]
    calls = [_tool_call(mapping(block["toolUse"])) for block in blocks if block.get("toolUse") is not None]
    message: dict[str, Any] = {"role": "assistant", "content": "".join(texts) if texts or not calls else None}
    if calls:
        message["tool_calls"] = calls
    reasoning = [block["reasoningContent"] for block in blocks if block.get("reasoningContent") is not None]
    if thinking := [_thinking(mapping(block)) for block in reasoning]:
        message["thinking_blocks"] = thinking
        if spoken := "".join(block.get("thinking", "") for block in thinking):
            message["reasoning_content"] = spoken
    return message


def _texts(block: Mapping[str, Any]) -> list[str]:
    cited = mapping(block.get("citationsContent")).get("content")
    parts = [block, *(cited if isinstance(cited, list) else [])]
    return [text for part in parts if isinstance(text := mapping(part).get("text"), str)]


def _tool_call(use: Mapping[str, Any]) -> dict[str, Any]:
    arguments = json.dumps(use.get("input") or {}, ensure_ascii=False, separators=(",", ":"))
    return {
        "id": str(use.get("toolUseId", "")),
        "type": "function",
        "function": {"name": str(use.get("name", "")), "arguments": arguments},
    }


def _thinking(reasoning: Mapping[str, Any]) -> dict[str, Any]:
    text = mapping(reasoning.get("reasoningText"))
    if isinstance(text.get("text"), str):
        return {"type": "thinking", "thinking": text["text"], "signature": text.get("signature") or ""}
    return {"type": "redacted_thinking", "data": reasoning.get("redactedContent") or ""}
