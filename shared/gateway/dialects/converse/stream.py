"""ConverseStream's events into deltas, and deltas into its events and into Converse's whole answer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from gateway.dialects.converse.answer import FINISH_REASONS, KNOWN, finish_of, others, used_in
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
from gateway.dialects.unsupported import Unusable
from gateway.dialects.values import json_object, mapping

_STOP_REASONS: Final = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "content_filter": "content_filtered",
}


def read_events(events: Iterable[tuple[str, Mapping[str, Any]]], names: Mapping[str, str]) -> Iterator[Delta]:
    """The deltas of ConverseStream's events (type and payload), as they come."""
    reader = EventReader(names)
    for kind, event in events:
        yield from reader.hear(kind, event)


class EventReader:
    """The deltas of ConverseStream's events, an event at a time. An exception among them, and a stopReason of an answer
    that is none, is a Failed. `names` gives tools' own names for those that the endpoint was told."""

    def __init__(self, names: Mapping[str, str]) -> None:
        self._names = names
        self._stopped = self.over = False
        self._beyond: list[Mapping[str, Any]] = []

    def hear(self, kind: str, event: Mapping[str, Any]) -> Iterator[Delta]:
        said = {**mapping(event.get("start")), **mapping(event.get("delta"))}
        self._beyond += [said] if not said.keys() <= KNOWN else []
        number = event.get("contentBlockIndex")
        if kind == "messageStart":
            yield Start()
        elif kind == "messageStop":
            self._stopped = True
            yield from others(self._beyond)
            try:
                yield finish_of(str(event.get("stopReason")))
            except Unusable as why:
                yield Failed(why.reason)
        elif kind == "metadata":
            self.over = self._stopped
            yield from used_in(event)
        elif kind.endswith("Exception"):
            message = event.get("message")
            yield Failed(kind, message if isinstance(message, str) else "")
        elif isinstance(number, int) and not isinstance(number, bool):
            yield from _of_event(kind, number, event, self._names)

    def end(self, *, done: bool) -> tuple[Delta, ...]:
        """Nothing: an end is told."""
        return ()


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
    """A whole answer: the events of its deltas, gathered. A call's input that is no JSON object is empty."""
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
    metrics = {"latencyMs": 0}  # which Converse always has, and nobody measured here
    return {"usage": usage, "metrics": metrics, **({"serviceTier": {"type": used.tier}} if used.tier else {})}
