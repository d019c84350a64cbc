"""Converse's answers and streams into deltas, and deltas into its stream."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from gateway.dialects.converse.usage import usage_of
from gateway.dialects.neutral import (
    ArgumentsDelta,
    BlockStop,
    Delta,
    Failed,
    Finish,
    ReasoningDelta,
    RedactedDelta,
    Rest,
    SignatureDelta,
    Start,
    TextDelta,
    ToolStart,
    Used,
)
from gateway.dialects.unsupported import Unusable
from gateway.dialects.values import mapping

_FINISH_REASONS: Final = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "guardrail_intervened": "content_filter",
    "content_filtered": "content_filter",
}
_KNOWN: Final = frozenset(("text", "toolUse", "reasoningContent"))
_STOP_REASONS: Final = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "content_filter": "content_filtered",
}


def finish_reason(stop_reason: str) -> str:
    """The neutral word for a stopReason. Raises Unusable for one of an answer that is none (`malformed_tool_use`), and
    for one that nobody here knows: it may say that the answer is not what it seems, so it is no plain stop."""
    found = _FINISH_REASONS.get(stop_reason)
    if found is None:
        known = stop_reason in ("malformed_tool_use", "malformed_model_output")
        raise Unusable(stop_reason if known else "unknown_stop_reason")
    return found


def read_answer(answer: Mapping[str, Any], names: Mapping[str, str]) -> list[Delta] | None:
    """The deltas of a whole answer; None where it has not the promised shape. `names` gives tools' own names for those
    that Converse was told. Raises Unusable."""
    content = mapping(mapping(answer.get("output")).get("message")).get("content")
    if not isinstance(content, list) or not isinstance(answer.get("stopReason"), str):
        return None
    if not all(isinstance(block, dict) and _is_sound(block) for block in content):
        return None
    deltas: list[Delta] = [Start()]
    for number, block in enumerate(content):
        deltas += _of_block(number, block, names)
    deltas += _others([block for block in content if not block.keys() <= _KNOWN])
    deltas.append(Finish(finish_reason(answer["stopReason"])))
    return [*deltas, *_used(answer)]


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


def _of_block(number: int, block: Mapping[str, Any], names: Mapping[str, str]) -> Iterator[Delta]:
    cited = mapping(block.get("citationsContent")).get("content")
    for part in (block, *(cited if isinstance(cited, list) else ())):
        if isinstance(text := mapping(part).get("text"), str):
            yield TextDelta(number, text)
    reasoning = block.get("reasoningContent")
    if reasoning is not None:
        yield from _reasoning(number, mapping(reasoning))
    use = block.get("toolUse")
    if use is not None:
        yield ToolStart(number, use["toolUseId"], names.get(use["name"], use["name"]))
        yield ArgumentsDelta(number, json.dumps(use.get("input") or {}, ensure_ascii=False, separators=(",", ":")))
    yield BlockStop(number)


def _others(blocks: list[Mapping[str, Any]]) -> list[Rest]:
    """What is said beyond text, calls and reasoning (citations, images), as it came."""
    return [Rest({"other_content": blocks})] if blocks else []


def _reasoning(number: int, reasoning: Mapping[str, Any]) -> Iterator[Delta]:
    spoken = mapping(reasoning.get("reasoningText"))
    if isinstance(spoken.get("text"), str):
        yield ReasoningDelta(number, spoken["text"])
        if spoken.get("signature"):
            yield SignatureDelta(number, spoken["signature"])
    elif reasoning.get("redactedContent"):
        yield RedactedDelta(number, reasoning["redactedContent"])


def _used(event: Mapping[str, Any]) -> Iterator[Used]:
    usage = usage_of(event.get("usage"))
    tier = mapping(event.get("serviceTier")).get("type")
    if usage is not None:
        yield Used(usage, tier if isinstance(tier, str) else "")


def read_events(events: Iterable[tuple[str, Mapping[str, Any]]], names: Mapping[str, str]) -> Iterator[Delta]:
    """The deltas of ConverseStream's events (type and payload), as they come. An exception among them, and a
    stopReason of an answer that is none, is a Failed."""
    others: list[Mapping[str, Any]] = []
    for kind, event in events:
        said = {**mapping(event.get("start")), **mapping(event.get("delta"))}
        others += [said] if not said.keys() <= _KNOWN else []
        number = event.get("contentBlockIndex")
        if kind == "messageStart":
            yield Start()
        elif kind == "messageStop":
            yield from _others(others)
            try:
                yield Finish(finish_reason(str(event.get("stopReason"))))
            except Unusable as why:
                yield Failed(why.reason)
        elif kind == "metadata":
            yield from _used(event)
        elif kind.endswith("Exception"):
            message = event.get("message")
            yield Failed(kind, message if isinstance(message, str) else "")
        elif isinstance(number, int) and not isinstance(number, bool):
            yield from _of_event(kind, number, event, names)


def _of_event(kind: str, number: int, event: Mapping[str, Any], names: Mapping[str, str]) -> Iterator[Delta]:
    if kind == "contentBlockStop":
        yield BlockStop(number)
        return
    started = mapping(mapping(event.get("start")).get("toolUse"))
    if isinstance(started.get("toolUseId"), str) and isinstance(started.get("name"), str):
        yield ToolStart(number, started["toolUseId"], names.get(started["name"], started["name"]))
    delta = mapping(event.get("delta"))
    if isinstance(delta.get("text"), str):
        yield TextDelta(number, delta["text"])
    if isinstance(text := mapping(delta.get("toolUse")).get("input"), str):
        yield ArgumentsDelta(number, text)
    reasoning = mapping(delta.get("reasoningContent"))
    for name, made in (("text", ReasoningDelta), ("signature", SignatureDelta), ("redactedContent", RedactedDelta)):
        if isinstance(said := reasoning.get(name), str):
            yield made(number, said)


def write_events(deltas: Iterable[Delta]) -> Iterator[tuple[str, dict[str, Any]]]:
    """ConverseStream's events of an answer, type and payload. What it has no event for is left out."""
    for delta in deltas:
        if isinstance(delta, Start):
            yield "messageStart", {"role": "assistant"}
        elif isinstance(delta, Finish):
            yield "messageStop", {"stopReason": _STOP_REASONS.get(delta.reason, delta.reason)}
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
    return {"usage": usage, **({"serviceTier": {"type": used.tier}} if used.tier else {})}
