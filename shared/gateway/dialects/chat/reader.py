"""The deltas of one choice in a stream's chunks: chat numbers only calls, and does not say where a block ends."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from itertools import count
from typing import Any

from gateway.dialects.chat.parts import thinking_part
from gateway.dialects.neutral import (
    ArgumentsDelta,
    BlockStop,
    Delta,
    Failed,
    Reasoning,
    ReasoningDelta,
    Redacted,
    RedactedDelta,
    Rest,
    SignatureDelta,
    Start,
    TextDelta,
    ToolStart,
)
from gateway.dialects.values import mapping, objects

REASONING = ("reasoning_content", "reasoning")  # DeepSeek's name for it, and OpenRouter's and vLLM's


class Reader:
    """Tracks which block is open. Errors of some hosts are corrected: calls without an id, several calls under one
    index, the id repeated in every chunk."""

    def __init__(self) -> None:
        self._numbers = count()
        self._open: tuple[Any, int] | None = None
        self._id = ""  # of the call that is open
        self._reasoning: int | None = None
        self._begun = False

    def hear(self, delta: Mapping[str, Any]) -> Iterator[Delta]:
        if delta.get("role") and not self._begun:
            self._begun = True  # some hosts repeat the role in every chunk
            yield Start()
        text = next((delta[name] for name in REASONING if isinstance(delta.get(name), str) and delta[name]), "")
        if text:
            yield from self._at("reasoning")
            self._reasoning = self._number
            yield ReasoningDelta(self._number, text)
        if isinstance(text := delta.get("content"), str) and text:
            yield from self._at("text")
            yield TextDelta(self._number, text)
        if isinstance(refusal := delta.get("refusal"), str) and refusal:
            yield Rest({"refusal": refusal})
        for call in objects(delta.get("tool_calls")):
            yield from self._call(call)
        for block in objects(delta.get("thinking_blocks")):
            yield from self._thought(thinking_part(block, "thinking_blocks", []))

    @property
    def _number(self) -> int:
        return self._open[1] if self._open else 0

    def _at(self, what: object) -> Iterator[Delta]:
        if self._open is None or self._open[0] != what:
            yield from self.stop()
            self._open = (what, next(self._numbers))

    def _call(self, call: Mapping[str, Any]) -> Iterator[Delta]:
        function = mapping(call.get("function"))
        index, id, name = call.get("index", 0), _text(call.get("id")), _text(function.get("name"))
        goes_on = self._open is not None and self._open[0] == index
        if not goes_on or (id and name and id != self._id):
            if not id and not name:  # a piece of a call that another call followed, or that never began
                yield Failed("malformed_tool_use")
                return
            yield from self.stop()
            yield from self._at(index)
            self._id = id or f"call_{uuid.uuid4().hex}"
            yield ToolStart(self._number, self._id, name)
        if arguments := _text(function.get("arguments")):
            yield ArgumentsDelta(self._number, arguments)

    def _thought(self, block: Reasoning | Redacted) -> Iterator[Delta]:
        if isinstance(block, Reasoning) and self._reasoning is not None:
            if block.signature:  # its text came before
                yield SignatureDelta(self._reasoning, block.signature)
            return
        yield from self.stop()
        number = next(self._numbers)
        if isinstance(block, Redacted):
            yield RedactedDelta(number, block.data)
        else:
            yield ReasoningDelta(number, block.text)
            yield SignatureDelta(number, block.signature)
        yield BlockStop(number)

    def stop(self) -> Iterator[Delta]:
        if self._open is not None:
            yield BlockStop(self._open[1])
            self._open = None


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
