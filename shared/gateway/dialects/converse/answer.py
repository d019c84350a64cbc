"""Reads Converse's whole answers into deltas."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from gateway.dialects.converse.usage import usage_of
from gateway.dialects.neutral import (
    ArgumentsDelta,
    BlockStop,
    Delta,
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
from gateway.models.usage import Usage

FINISH_REASONS: Final = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "guardrail_intervened": "content_filter",
    "content_filtered": "content_filter",
}
# Those that say more than the neutral word.
_EXACT: Final = ("stop_sequence", "model_context_window_exceeded", "guardrail_intervened")
_FINISHES: Final = {word: Finish(why, word if word in _EXACT else "") for word, why in FINISH_REASONS.items()}
_START: Final = Start()
KNOWN: Final = frozenset(("text", "toolUse", "reasoningContent"))


def finish_reason(stop_reason: str) -> str:
    """The neutral word for a stopReason. Raises Unusable for one that marks a broken answer (`malformed_tool_use`), and
    for an unknown one: it may mean that the answer is not what it seems, so it is not treated as a plain stop."""
    found = FINISH_REASONS.get(stop_reason)
    if found is None:
        known = stop_reason in ("malformed_tool_use", "malformed_model_output")
        raise Unusable(stop_reason if known else "unknown_stop_reason")
    return found


def finish_of(stop_reason: str) -> Finish:
    """The end for a stopReason. Raises Unusable as `finish_reason` does."""
    found = _FINISHES.get(stop_reason)
    return Finish(finish_reason(stop_reason)) if found is None else found


def read_answer(answer: Mapping[str, Any], names: Mapping[str, str], usage: Usage | None = None) -> list[Delta] | None:
    """The deltas of a whole answer; None if it lacks the promised shape. `names` gives tools' own names by those that
    the request had. `usage` are the answer's counts if they were read before. Raises Unusable."""
    output = answer.get("output")
    message = output.get("message") if type(output) is dict else None
    content = message.get("content") if type(message) is dict else None
    if not isinstance(content, list) or not isinstance(answer.get("stopReason"), str):
        return None
    deltas: list[Delta] = [_START]
    beyond: list[Mapping[str, Any]] = []
    for number, block in enumerate(content):
        if not isinstance(block, dict):
            return None
        if len(block) == 1 and isinstance(text := block.get("text"), str):  # as most are
            deltas += (TextDelta(number, text), BlockStop(number))
            continue
        if not _is_sound(block):
            return None
        deltas += _of_block(number, block, names)
        if not block.keys() <= KNOWN:
            beyond.append(block)
    if beyond:
        deltas += others(beyond)
    finish = _FINISHES.get(answer["stopReason"])
    deltas.append(finish_of(answer["stopReason"]) if finish is None else finish)
    if (used := used_in(answer, usage)) is not None:
        deltas.append(used)
    return deltas


def _is_sound(block: Mapping[str, Any]) -> bool:
    """Whether the known members of a block have their promised types. Unknown blocks are not checked."""
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


def others(blocks: list[Mapping[str, Any]]) -> list[Rest]:
    """Content beyond text, calls and reasoning (citations, images), as it came."""
    return [Rest({"other_content": blocks})] if blocks else []


def _reasoning(number: int, reasoning: Mapping[str, Any]) -> Iterator[Delta]:
    spoken = mapping(reasoning.get("reasoningText"))
    if isinstance(spoken.get("text"), str):
        yield ReasoningDelta(number, spoken["text"])
        if spoken.get("signature"):
            yield SignatureDelta(number, spoken["signature"])
    elif reasoning.get("redactedContent"):
        yield RedactedDelta(number, reasoning["redactedContent"])


def used_in(event: Mapping[str, Any], usage: Usage | None = None) -> Used | None:
    """The counts of an answer, or of a stream's metadata event; `usage` if they were read before."""
    if usage is None:
        usage = usage_of(event.get("usage"))
    if usage is None:
        return None
    tier = mapping(event["serviceTier"]).get("type") if "serviceTier" in event else ""
    return Used(usage, tier if isinstance(tier, str) else "")
