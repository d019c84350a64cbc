"""Turns deltas into ConverseStream's events and into Converse's whole answer. No client speaks Converse here: tests
read this back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from gateway.dialects.converse.answer import FINISH_REASONS
from gateway.dialects.neutral import (
    ArgumentsDelta,
    BlockStop,
    Delta,
    Failed,
    Finish,
    ReasoningDelta,
    RedactedDelta,
    SignatureDelta,
    Start,
    TextDelta,
    ToolStart,
    Used,
)
from gateway.dialects.values import json_object

_STOP_REASONS: Final = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "content_filter": "content_filtered",
}


def write_events(deltas: Iterable[Delta]) -> Iterator[tuple[str, dict[str, Any]]]:
    """ConverseStream's events of an answer: type and payload. A delta for which it has no event is left out."""
    for delta in deltas:
        if isinstance(delta, Start):
            yield "messageStart", {"role": "assistant"}
        elif isinstance(delta, Finish):
            known = delta.exact if delta.exact in FINISH_REASONS else _STOP_REASONS.get(delta.reason, delta.reason)
            yield "messageStop", {"stopReason": known}
        elif isinstance(delta, Used):
            yield "metadata", _metadata(delta)
        elif isinstance(delta, Failed):
            yield delta.kind, {"message": delta.message}
        elif isinstance(delta, BlockStop):
            yield "contentBlockStop", {"contentBlockIndex": delta.block}
        elif isinstance(delta, ToolStart):
            start = {"toolUse": {"toolUseId": delta.id, "name": delta.name}}
            yield "contentBlockStart", {"contentBlockIndex": delta.block, "start": start}
        elif isinstance(delta, (TextDelta, ArgumentsDelta, ReasoningDelta, SignatureDelta, RedactedDelta)):
            yield "contentBlockDelta", {"contentBlockIndex": delta.block, "delta": _written(delta)}


def _written(delta: TextDelta | ArgumentsDelta | ReasoningDelta | SignatureDelta | RedactedDelta) -> dict[str, Any]:
    if isinstance(delta, TextDelta):
        return {"text": delta.text}
    if isinstance(delta, ArgumentsDelta):
        return {"toolUse": {"input": delta.text}}
    if isinstance(delta, ReasoningDelta):
        return {"reasoningContent": {"text": delta.text}}
    if isinstance(delta, SignatureDelta):
        return {"reasoningContent": {"signature": delta.signature}}
    return {"reasoningContent": {"redactedContent": delta.data}}


def write_answer(deltas: Iterable[Delta]) -> dict[str, Any]:
    """A whole answer: the events of its deltas, gathered. The input of a call is empty if it is not a JSON object."""
    blocks: dict[int, dict[str, Any]] = {}
    answer: dict[str, Any] = {"output": {"message": {"role": "assistant", "content": []}}}
    for kind, event in write_events(deltas):
        if kind == "contentBlockStart":
            blocks[event["contentBlockIndex"]] = {"toolUse": {**event["start"]["toolUse"], "input": ""}}
        elif kind == "contentBlockDelta":
            _add(blocks, event["contentBlockIndex"], event["delta"])
        elif kind in ("messageStop", "metadata"):
            answer |= event
    for block in blocks.values():
        if "toolUse" in block:
            block["toolUse"]["input"] = json_object(block["toolUse"]["input"] or "{}") or {}
    answer["output"]["message"]["content"] = [blocks[number] for number in sorted(blocks)]
    return answer


def _add(blocks: dict[int, dict[str, Any]], number: int, delta: Mapping[str, Any]) -> None:
    reasoning = delta.get("reasoningContent", {})
    if "text" in delta:
        block = blocks.setdefault(number, {"text": ""})
        block["text"] += delta["text"]
    elif "toolUse" in delta:
        blocks[number]["toolUse"]["input"] += delta["toolUse"]["input"]
    elif "redactedContent" in reasoning:
        block = blocks.setdefault(number, {"reasoningContent": {"redactedContent": ""}})
        block["reasoningContent"]["redactedContent"] += reasoning["redactedContent"]
    else:
        block = blocks.setdefault(number, {"reasoningContent": {"reasoningText": {"text": ""}}})
        spoken = block["reasoningContent"]["reasoningText"]
        for name, text in reasoning.items():
            spoken[name] = spoken.get(name, "") + text


def _metadata(used: Used) -> dict[str, Any]:
    counts = used.usage
    written = counts.cache_write_tokens + counts.cache_write_1h_tokens
    by_ttl = {"5m": counts.cache_write_tokens, "1h": counts.cache_write_1h_tokens}
    usage = {
        "inputTokens": counts.input_tokens,
        "outputTokens": counts.output_tokens,
        "totalTokens": counts.total_tokens,
        "cacheReadInputTokens": counts.cached_tokens,
        "cacheWriteInputTokens": written,
        "cacheDetails": [{"ttl": ttl, "inputTokens": count} for ttl, count in by_ttl.items() if count],
    }
    metrics = {"latencyMs": 0}  # Converse always has it, and nobody measured it here
    return {"usage": usage, "metrics": metrics, **({"serviceTier": {"type": used.tier}} if used.tier else {})}
