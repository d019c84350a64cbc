"""Converts Anthropic's whole messages into deltas, and deltas into a whole message."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import Any, Final

from gateway.dialects.messages.stops import finish_of
from gateway.dialects.messages.stream import Writer, others
from gateway.dialects.messages.usage import tier_of, usage_of
from gateway.dialects.neutral import (
    ArgumentsDelta,
    BlockStop,
    CitationDelta,
    Delta,
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

_TEXTS: Final[Mapping[str, tuple[str, ...]]] = {
    "text": ("text",),
    "thinking": ("thinking",),
    "redacted_thinking": ("data",),
    "tool_use": ("id", "name"),
}


def read_answer(answer: Mapping[str, Any], names: Mapping[str, str]) -> list[Delta] | None:
    """The deltas of a whole message; None if it does not have the promised shape. `names` gives tools' own names by
    those in the request. Raises Unusable."""
    content = answer.get("content")
    if not isinstance(content, list) or not isinstance(answer.get("stop_reason"), str):
        return None
    if not all(isinstance(block, dict) and _is_sound(block) for block in content):
        return None
    deltas: list[Delta] = [Start()]
    for number, block in enumerate(content):
        deltas += _of_block(number, block, names)
    beyond = [block for block in content if block.get("type") not in _TEXTS]
    deltas += others(beyond, answer.get("usage"), answer.get("stop_details"))
    deltas.append(finish_of(answer["stop_reason"], answer.get("stop_sequence")))
    usage = usage_of(answer.get("usage"))
    return [*deltas, *([Used(usage, tier_of(answer["usage"]))] if usage else [])]


def _is_sound(block: Mapping[str, Any]) -> bool:
    """Whether the known members of a block have their promised types. Unknown blocks are not checked."""
    kind = block.get("type")
    if not isinstance(kind, str):
        return False
    texts = all(isinstance(block.get(name), str) for name in _TEXTS.get(kind, ()))
    return texts and (kind != "tool_use" or (isinstance(block.get("input"), dict) and bool(block["id"])))


def _of_block(number: int, block: Mapping[str, Any], names: Mapping[str, str]) -> Iterator[Delta]:
    kind = block["type"]
    if kind == "text":
        yield TextDelta(number, block["text"])
        citations = block.get("citations")
        for citation in citations if isinstance(citations, list) else ():
            yield CitationDelta(number, mapping(citation))
    elif kind == "thinking":
        yield ReasoningDelta(number, block["thinking"])
        if isinstance(block.get("signature"), str) and block["signature"]:
            yield SignatureDelta(number, block["signature"])
    elif kind == "redacted_thinking":
        yield RedactedDelta(number, block["data"])
    elif kind == "tool_use":
        yield ToolStart(number, block["id"], names.get(block["name"], block["name"]))
        yield ArgumentsDelta(number, json.dumps(block["input"], ensure_ascii=False, separators=(",", ":")))
    if kind in _TEXTS:
        yield BlockStop(number)


def write_answer(deltas: Iterable[Delta], frame: Mapping[str, Any]) -> dict[str, Any]:
    """A whole message, built from the events of its deltas. `frame` is its id and model. Raises Unusable if it ends in
    a reason that Messages lacks, in an error, or in a call whose input is not a JSON object."""
    message: dict[str, Any] = {}
    content: list[dict[str, Any]] = []
    inputs: dict[int, str] = {}
    writer = Writer(frame)
    for kind, event in chain(chain.from_iterable(map(writer.write, deltas)), writer.end()):
        if kind == "message_start":
            message = {**event["message"], "content": content}
        elif kind == "content_block_start":
            content.append(dict(event["content_block"]))
        elif kind == "content_block_delta":
            _add(content[event["index"]], event["delta"], inputs, event["index"])
        elif kind == "message_delta":
            message |= {**event["delta"], **{name: each for name, each in event.items() if name in ("usage", "other")}}
    if writer.failed:
        raise Unusable(writer.failed)
    for index, text in inputs.items():
        content[index]["input"] = _input(text, cut=message.get("stop_reason") == "max_tokens")
    return message


def _add(block: dict[str, Any], delta: Mapping[str, Any], inputs: dict[int, str], index: int) -> None:
    kind = delta["type"]
    if kind == "input_json_delta":
        inputs[index] = inputs.get(index, "") + delta["partial_json"]
    elif kind == "citations_delta":
        block["citations"] = [*(block.get("citations") or ()), delta["citation"]]
    else:
        name = kind.removesuffix("_delta")
        block[name] += delta[name]


def _input(text: str, *, cut: bool) -> dict[str, Any]:
    found = json_object(text) if text.strip() else {}
    if found is None and not cut:
        raise Unusable("malformed_tool_use")
    return found or {}
