"""The items of an output while they are made: a message, a thought, a call of a tool."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

from gateway.dialects.neutral import (
    ArgumentsDelta,
    Delta,
    Reasoning,
    ReasoningDelta,
    Redacted,
    RedactedDelta,
    SignatureDelta,
    TextDelta,
    ToolStart,
)
from gateway.dialects.responses.made.inputs import InputText
from gateway.dialects.responses.thoughts import packed
from gateway.dialects.responses.tools import SEARCH, called_of
from gateway.dialects.values import json_object

Event = tuple[str, dict[str, Any]]


class Opened(ABC):
    """One item. Its events have no number yet. `over`: the item is done."""

    def __init__(self, place: tuple[int, str]) -> None:
        self.place, self.id = place
        self.over = False
        self.status = "in_progress"

    @abstractmethod
    def written(self) -> dict[str, Any]:
        """The item as it is so far."""

    def begin(self) -> Iterator[Event]:
        yield "response.output_item.added", {"output_index": self.place, "item": self.written()}

    @abstractmethod
    def hear(self, delta: Delta) -> Iterator[Event]:
        """The events for a delta of one of its blocks."""

    def stop(self, block: int) -> Iterator[Event]:
        """One of its blocks ends. The item ends too, unless it may have more blocks."""
        return self.end("completed")

    def end(self, status: str) -> Iterator[Event]:
        """The events that are left; none if it is done."""
        if self.over:
            return
        self.over, self.status = True, status
        yield from self._rest()
        yield "response.output_item.done", {"output_index": self.place, "item": self.written()}

    def _rest(self) -> Iterator[Event]:
        return iter(())

    def _at(self, **more: Any) -> dict[str, Any]:
        return {"item_id": self.id, "output_index": self.place, **more}


class Message(Opened):
    """Texts and a refusal: one part for each block."""

    def __init__(self, place: tuple[int, str]) -> None:
        super().__init__(place)
        self._parts: list[dict[str, Any]] = []
        self._of: dict[int, int] = {}  # by the number of each block that is open

    def written(self) -> dict[str, Any]:
        content = [dict(part) for part in self._parts]
        return {"id": self.id, "type": "message", "status": self.status, "role": "assistant", "content": content}

    def hear(self, delta: Delta) -> Iterator[Event]:
        assert isinstance(delta, TextDelta)  # noqa: S101  a message's blocks are texts
        if delta.block not in self._of:
            self._of[delta.block] = len(self._parts)
            yield self._part({"type": "output_text", "text": "", "annotations": [], "logprobs": []})
        at = self._of[delta.block]
        self._parts[at]["text"] += delta.text
        yield "response.output_text.delta", self._at(content_index=at, delta=delta.text, logprobs=[])

    def refuse(self, text: str) -> Iterator[Event]:
        at = len(self._parts)
        yield self._part({"type": "refusal", "refusal": ""})
        self._parts[at]["refusal"] = text
        yield "response.refusal.delta", self._at(content_index=at, delta=text)
        yield "response.refusal.done", self._at(content_index=at, refusal=text)
        yield "response.content_part.done", self._at(content_index=at, part=dict(self._parts[at]))

    def stop(self, block: int) -> Iterator[Event]:
        """The message may go on with another text."""
        at = self._of.pop(block, None)
        if at is not None:
            text = self._parts[at]["text"]
            yield "response.output_text.done", self._at(content_index=at, text=text, logprobs=[])
            yield "response.content_part.done", self._at(content_index=at, part=dict(self._parts[at]))

    def _rest(self) -> Iterator[Event]:
        for block in list(self._of):
            yield from self.stop(block)

    def _part(self, part: dict[str, Any]) -> Event:
        self._parts.append(part)
        return "response.content_part.added", self._at(content_index=len(self._parts) - 1, part=dict(part))


class Thought(Opened):
    """Reasoning: its text as a summary, and what its provider verifies as packed `encrypted_content`."""

    def __init__(self, place: tuple[int, str]) -> None:
        super().__init__(place)
        self._text = self._signature = self._data = ""
        self._said = False

    def written(self) -> dict[str, Any]:
        summary = [{"type": "summary_text", "text": self._text}] if self._said else []
        thought = Redacted(self._data) if self._data else Reasoning(self._text, self._signature)
        sealed = packed(thought)
        return {
            "id": self.id,
            "type": "reasoning",
            "summary": summary,
            **({"encrypted_content": sealed} if sealed else {}),
            "status": self.status,
        }

    def hear(self, delta: Delta) -> Iterator[Event]:
        if isinstance(delta, SignatureDelta):
            self._signature += delta.signature
        elif isinstance(delta, RedactedDelta):
            self._data += delta.data
        elif isinstance(delta, ReasoningDelta) and delta.text:
            if not self._said:
                self._said = True
                part = {"type": "summary_text", "text": ""}
                yield "response.reasoning_summary_part.added", self._at(summary_index=0, part=part)
            self._text += delta.text
            yield "response.reasoning_summary_text.delta", self._at(summary_index=0, delta=delta.text)

    def _rest(self) -> Iterator[Event]:
        if self._said:
            part = {"type": "summary_text", "text": self._text}
            yield "response.reasoning_summary_text.done", self._at(summary_index=0, text=self._text)
            yield "response.reasoning_summary_part.done", self._at(summary_index=0, part=part)


class Call(Opened):
    """A call of a function, of a custom tool, or of the search of tools."""

    def __init__(self, place: tuple[int, str], start: ToolStart) -> None:
        super().__init__(place)
        self._called, self._call_id = called_of(start.name), start.id
        if self._called.kind == "custom":
            self.id = f"ctc{self.id.removeprefix('fc')}"
        self._arguments = ""
        self._input = InputText()

    def written(self) -> dict[str, Any]:
        called = self._called
        names = {"namespace": called.namespace} if called.namespace else {}
        same = {"id": self.id, "status": self.status, "call_id": self._call_id}
        if called.kind == "custom":
            return {**same, "type": "custom_tool_call", "name": called.name, "input": self._input.text, **names}
        if called.kind == SEARCH:
            arguments = json_object(self._arguments or "{}") or {}
            return {**same, "type": "tool_search_call", "execution": "client", "arguments": arguments}
        return {**same, "type": "function_call", "name": called.name, "arguments": self._arguments, **names}

    def hear(self, delta: Delta) -> Iterator[Event]:
        if not isinstance(delta, ArgumentsDelta) or not delta.text:
            return
        self._arguments += delta.text
        if self._called.kind == "function":
            yield "response.function_call_arguments.delta", self._at(delta=delta.text)
        elif self._called.kind == "custom" and (text := self._input.hear(delta.text)):
            yield "response.custom_tool_call_input.delta", self._at(delta=text)

    def _rest(self) -> Iterator[Event]:
        if self._called.kind == "custom":
            before = self._input.text
            self._input.text = whole = self._input.end()
            if more := whole[len(before) :]:
                yield "response.custom_tool_call_input.delta", self._at(delta=more)
            yield "response.custom_tool_call_input.done", self._at(input=whole)
        elif self._called.kind == "function":
            if not self._arguments.strip():  # of a call without arguments
                yield from self.hear(ArgumentsDelta(0, "{}"))
            yield "response.function_call_arguments.done", self._at(arguments=self._arguments, name=self._called.name)
