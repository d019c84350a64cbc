"""Converts the events of Anthropic's streams into deltas, and deltas into such events.

API: https://platform.claude.com/docs/en/build-with-claude/streaming
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from gateway.dialects.messages.stops import finish_of, stop_reason
from gateway.dialects.messages.usage import tier_of, told_so_far, usage_of, uses_of_server_tools, written_usage
from gateway.dialects.neutral import (
    ArgumentsDelta,
    BlockStop,
    CitationDelta,
    Delta,
    Failed,
    Finish,
    ReasoningDelta,
    RedactedDelta,
    Rest,
    SignatureDelta,
    Start,
    TextDelta,
    Told,
    ToolStart,
    Used,
)
from gateway.dialects.unsupported import Unusable
from gateway.dialects.values import count, mapping
from gateway.models.usage import Usage

PING: Final[tuple[str, dict[str, Any]]] = ("ping", {"type": "ping"})
_PIECES: Final = (
    ("text_delta", "text", TextDelta),
    ("thinking_delta", "thinking", ReasoningDelta),
    ("signature_delta", "signature", SignatureDelta),
    ("input_json_delta", "partial_json", ArgumentsDelta),
)


class Reader:
    """Reads a stream, and keeps what the provider has reported so far."""

    def __init__(self, names: Mapping[str, str]) -> None:
        self._names = names
        self._usage: dict[str, Any] = {}
        self._known: set[int] = set()
        self.over = False
        self._others: list[Mapping[str, Any]] = []

    def hear(self, kind: str, event: Mapping[str, Any]) -> Iterator[Delta]:
        number = count(event.get("index"))
        if kind == "message_start":
            yield Start()
            self._usage = told_so_far(self._usage, mapping(mapping(event.get("message")).get("usage")))
            if told := usage_of(self._usage):
                yield Told(told)
        elif kind == "message_delta":
            yield from self._end(event)
        elif kind == "message_stop":
            self.over = True
        elif kind == "error":
            error = mapping(event.get("error"))
            said = [error.get(name) for name in ("type", "message")]
            yield Failed(*(text if isinstance(text, str) else "" for text in said))
        elif number is None:
            return
        elif kind == "content_block_start":
            yield from self._start(number, mapping(event.get("content_block")))
        elif kind == "content_block_delta" and number in self._known:
            yield from _piece(number, mapping(event.get("delta")))
        elif kind == "content_block_stop" and number in self._known:
            yield BlockStop(number)

    def end(self, *, done: bool) -> tuple[Delta, ...]:
        """Nothing is left: the provider reports the end itself."""
        return ()

    def _start(self, number: int, block: Mapping[str, Any]) -> Iterator[Delta]:
        kind = block.get("type")
        if kind not in ("text", "thinking", "redacted_thinking", "tool_use"):
            self._others.append(block)
            return
        self._known.add(number)
        if kind == "tool_use":
            name, id = (block[each] if isinstance(block.get(each), str) else "" for each in ("name", "id"))
            yield ToolStart(number, id, self._names.get(name, name))
            if block.get("input"):
                yield ArgumentsDelta(number, json.dumps(block["input"], ensure_ascii=False, separators=(",", ":")))
        for name, made in (("text", TextDelta), ("thinking", ReasoningDelta), ("signature", SignatureDelta)):
            if isinstance(said := block.get(name), str) and said:
                yield made(number, said)
        if isinstance(data := block.get("data"), str):
            yield RedactedDelta(number, data)

    def _end(self, event: Mapping[str, Any]) -> Iterator[Delta]:
        told = mapping(event.get("usage"))
        self._usage = told_so_far(self._usage, told)
        delta = mapping(event.get("delta"))
        if isinstance(why := delta.get("stop_reason"), str):
            yield from others(self._others, self._usage, delta.get("stop_details"))
            try:
                yield finish_of(why, delta.get("stop_sequence"))
            except Unusable as unknown:
                yield Failed(unknown.reason)
        # The count at a message's start does not cover the answer.
        if count(told.get("output_tokens")) is not None and (usage := usage_of(self._usage)):
            yield Used(usage, tier_of(self._usage))


def _piece(number: int, delta: Mapping[str, Any]) -> Iterator[Delta]:
    kind = delta.get("type")
    for known, name, made in _PIECES:
        if kind == known and isinstance(said := delta.get(name), str):
            if said:
                yield made(number, said)
            return
    if kind == "citations_delta":
        yield CitationDelta(number, mapping(delta.get("citation")))


def others(blocks: list[Mapping[str, Any]], usage: object, details: object) -> list[Rest]:
    """Everything except text, calls and reasoning, as it came: blocks of the provider's own tools, how often they ran,
    the details of a refusal."""
    said = {"other_content": blocks, "server_tool_use": dict(uses_of_server_tools(usage)), "stop_details": details}
    known = {name: value for name, value in said.items() if value}
    return [Rest(known)] if known else []


class Writer:
    """Tracks the open blocks. `message_delta` waits for the counts, which most dialects send after the end.
    `message_start` waits for the first content: the prompt's counts may be known by then. `failed` is why there is no
    end: the caller tells the client."""

    def __init__(self, frame: Mapping[str, Any]) -> None:
        self._frame = frame
        self.failed = ""
        self._begun = self._over = self._pinged = self._called = False
        self._told = Usage()
        self._indexes: dict[int, int] = {}  # by the number of each block that is open
        self._kinds: dict[int, str] = {}
        self._next = 0
        self._redacted: dict[int, str] = {}
        self._rest: dict[str, Any] = {}
        self._refused = False
        self._finish: Finish | None = None
        self._used: Used | None = None

    def write(self, delta: Delta) -> Iterator[tuple[str, dict[str, Any]]]:
        if self._over:
            return
        if isinstance(delta, Told):
            self._told = delta.usage
        elif isinstance(delta, Rest):
            yield from self._beyond(delta)
        elif isinstance(delta, Finish):
            self._finish = delta
        elif isinstance(delta, Used):
            self._used = delta
        elif isinstance(delta, Failed):
            self._fail(delta.kind)
        elif isinstance(delta, BlockStop):
            yield from self._stop(delta.block)
        elif isinstance(delta, RedactedDelta):
            self._redacted[delta.block] = self._redacted.get(delta.block, "") + delta.data
        elif not isinstance(delta, Start):
            yield from self._said(delta)

    def _start(self) -> Iterator[tuple[str, dict[str, Any]]]:
        if self._begun:
            return
        self._begun = True
        told = written_usage(self._told)
        message = {
            **self._frame,
            "type": "message",
            "role": "assistant",
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": told,
        }
        yield "message_start", {"type": "message_start", "message": message}

    def _open(self, number: int, block: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
        yield from self._start()
        index = self._indexes[number] = self._next
        self._kinds[number] = block["type"]
        self._next += 1
        yield "content_block_start", {"type": "content_block_start", "index": index, "content_block": block}
        if not self._pinged:
            self._pinged = True
            yield PING

    def _said(
        self, delta: TextDelta | CitationDelta | ReasoningDelta | SignatureDelta | ToolStart | ArgumentsDelta
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        number = delta.block
        if isinstance(delta, ToolStart):
            self._called = True
            block = {"type": "tool_use", "id": delta.id, "name": delta.name, "input": {}}
            yield from self._open(number, block)
            return
        piece = _written(delta)
        thought = isinstance(delta, (ReasoningDelta, SignatureDelta))
        kind = "tool_use" if isinstance(delta, ArgumentsDelta) else "thinking" if thought else "text"
        if self._kinds.get(number) != kind:
            if kind == "tool_use" or piece in ({"type": "text_delta", "text": ""}, None):
                return  # not of an open call; or an empty text, which Anthropic refuses when it is sent back
            yield from self._stop(number)  # a block of another kind ends where this one begins
            block = {"type": "thinking", "thinking": "", "signature": ""} if thought else {"type": "text", "text": ""}
            yield from self._open(number, block)
        index = self._indexes[number]
        yield "content_block_delta", {"type": "content_block_delta", "index": index, "delta": piece}

    def _stop(self, number: int) -> Iterator[tuple[str, dict[str, Any]]]:
        if number in self._redacted:
            yield from self._open(number, {"type": "redacted_thinking", "data": self._redacted.pop(number)})
        if number in self._indexes:
            index = self._indexes.pop(number)
            del self._kinds[number]
            yield "content_block_stop", {"type": "content_block_stop", "index": index}

    def _beyond(self, rest: Rest) -> Iterator[tuple[str, dict[str, Any]]]:
        """A refusal in chat becomes text with its own end; everything else comes with the end, unchanged."""
        said = {**rest.around, **rest.message}
        refusal = said.pop("refusal", None)
        if isinstance(refusal, str) and refusal:
            yield from self._said(TextDelta(-1, refusal))
            yield from self._stop(-1)
            self._refused = True
        self._rest |= said

    def end(self) -> Iterator[tuple[str, dict[str, Any]]]:
        if self._over:
            return
        for number in (*self._redacted, *self._indexes):
            yield from self._stop(number)
        if self._finish is None:
            self._fail("incomplete")
            return
        try:
            why = "refusal" if self._refused else stop_reason(self._finish, called=self._called)
        except Unusable as unknown:
            self._fail(unknown.reason)
            return
        yield from self._start()
        used = self._used or Used(self._told)
        delta = {"stop_reason": why, "stop_sequence": self._finish.sequence or None}
        rest = {"other": self._rest} if self._rest else {}
        usage = written_usage(used.usage, used.tier)
        yield "message_delta", {"type": "message_delta", "delta": delta, "usage": usage, **rest}
        yield "message_stop", {"type": "message_stop"}

    def _fail(self, kind: str) -> None:
        self._over, self.failed = True, kind or "error_in_stream"


def _written(
    delta: TextDelta | CitationDelta | ReasoningDelta | SignatureDelta | ArgumentsDelta,
) -> dict[str, Any] | None:
    if isinstance(delta, CitationDelta):
        return {"type": "citations_delta", "citation": delta.citation}
    kind, name = next((kind, name) for kind, name, made in _PIECES if isinstance(delta, made))
    text = delta.signature if isinstance(delta, SignatureDelta) else delta.text
    return {"type": kind, name: text}
