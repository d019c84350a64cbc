"""Converts deltas into a chat completion and its chunks, and back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import count
from typing import Any

from gateway.dialects.chat.parts import thinking, thinking_part
from gateway.dialects.chat.reader import REASONING, Reader
from gateway.dialects.chat.usage import usage_of
from gateway.dialects.neutral import (
    NOTHING,
    ArgumentsDelta,
    BlockStop,
    CitationDelta,
    Delta,
    Failed,
    Finish,
    Reasoning,
    ReasoningDelta,
    Redacted,
    RedactedDelta,
    Rest,
    SignatureDelta,
    Start,
    TextDelta,
    ToolStart,
    Used,
)
from gateway.dialects.unsupported import Unsupported
from gateway.dialects.values import mapping, objects
from gateway.models.usage import openai_usage


def completion(deltas: Iterable[Delta], frame: Mapping[str, Any]) -> dict[str, Any]:
    """A `chat.completion` of one choice. `frame` are its id, creation time and model.

    Reasoning is in `reasoning_content`, and complete in `thinking_blocks`, which a client sends back with a tool's
    result (the field names are those of DeepSeek and LiteLLM; OpenAI has none).
    """
    message: dict[str, Any] = {"role": "assistant", "content": None}
    choice: dict[str, Any] = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
    calls: dict[int, dict[str, Any]] = {}
    thoughts, body = _Thoughts(), {**frame, "object": "chat.completion", "choices": [choice]}
    for delta in deltas:  # the usual kinds first, by identity: an instance check that fails costs ten times as much
        if type(delta) is TextDelta:
            message["content"] = (message["content"] or "") + delta.text
        elif type(delta) is Start or type(delta) is BlockStop:
            continue
        elif type(delta) is Finish:
            choice["finish_reason"] = delta.reason
        elif type(delta) is Used:
            body["usage"] = openai_usage(delta.usage)
            body |= {"service_tier": delta.tier} if delta.tier else {}
        elif isinstance(delta, ToolStart):
            function = {"name": delta.name, "arguments": ""}
            calls[delta.block] = {"id": delta.id, "type": "function", "function": function}
        elif isinstance(delta, ArgumentsDelta) and delta.block in calls:
            calls[delta.block]["function"]["arguments"] += delta.text
        elif isinstance(delta, (Rest, CitationDelta)):
            message |= thoughts.beyond(delta)
            choice |= delta.around if isinstance(delta, Rest) else NOTHING
        elif isinstance(delta, (ReasoningDelta, SignatureDelta, RedactedDelta)):
            thoughts.hear(delta)
    if calls:
        message["tool_calls"] = list(calls.values())
    elif message["content"] is None:
        message["content"] = ""
    if thoughts.blocks:
        message["thinking_blocks"] = thoughts.written()
    if thoughts.spoken:
        message["reasoning_content"] = "".join(thoughts.spoken)
    return body


def chunks(deltas: Iterable[Delta], frame: Mapping[str, Any], index: int = 0) -> Iterator[dict[str, Any]]:
    """The `chat.completion.chunk`s of one choice, as the deltas come; no usage."""
    writer = ChunkWriter(frame, index)
    for delta in deltas:
        for _, chunk in writer.write(delta):
            yield chunk


class ChunkWriter:
    """The `chat.completion.chunk`s of one choice, a delta at a time; no usage. Complete thinking blocks are in the last
    chunk before the end: a client can't join pieces that have no index."""

    def __init__(self, frame: Mapping[str, Any], index: int = 0) -> None:
        self._base, self._index = {**frame, "object": "chat.completion.chunk"}, index
        self.failed = ""
        self._calls: dict[int, int] = {}
        self._thoughts = _Thoughts()

    def write(self, delta: Delta) -> Iterator[tuple[str, dict[str, Any]]]:
        """Type (chat has none) and payload."""
        thoughts = self._thoughts
        if isinstance(delta, TextDelta):
            yield self._chunk({"content": delta.text})
        elif isinstance(delta, Start):
            yield self._chunk({"role": "assistant", "content": ""})
        elif isinstance(delta, (ReasoningDelta, SignatureDelta, RedactedDelta)):
            thoughts.hear(delta)
            if isinstance(delta, ReasoningDelta):
                yield self._chunk({"reasoning_content": delta.text})
        elif isinstance(delta, ToolStart):
            at = self._calls.setdefault(delta.block, len(self._calls))
            function = {"name": delta.name, "arguments": ""}
            yield self._chunk({"tool_calls": [{"index": at, "id": delta.id, "type": "function", "function": function}]})
        elif isinstance(delta, ArgumentsDelta) and delta.block in self._calls:
            arguments = {"index": self._calls[delta.block], "function": {"arguments": delta.text}}
            yield self._chunk({"tool_calls": [arguments]})
        elif isinstance(delta, CitationDelta):
            yield self._chunk({"other_content": [{"citation": delta.citation}]})
        elif isinstance(delta, Rest):
            yield self._chunk(dict(delta.message), around=delta.around)
        elif isinstance(delta, Finish):
            if thoughts.blocks:
                yield self._chunk({"thinking_blocks": thoughts.written()})
            yield self._chunk({}, delta.reason)

    def end(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Nothing is left when all deltas have come."""
        return iter(())

    def _chunk(
        self, delta: dict[str, Any], finish: str | None = None, around: Mapping[str, Any] = NOTHING
    ) -> tuple[str, dict[str, Any]]:
        choice = {"index": self._index, "delta": delta, "logprobs": None, "finish_reason": finish, **around}
        return "", {**self._base, "choices": [choice]}


class _Thoughts:
    """The reasoning among deltas, and everything else that is not text."""

    def __init__(self) -> None:
        self.blocks: dict[int, Reasoning | Redacted] = {}
        self.spoken: list[str] = []
        self._others: list[Any] = []  # citations, and unknown blocks

    def hear(self, delta: ReasoningDelta | SignatureDelta | RedactedDelta) -> None:
        before = self.blocks.get(delta.block)
        if isinstance(delta, RedactedDelta):
            self.blocks[delta.block] = Redacted((before.data if isinstance(before, Redacted) else "") + delta.data)
        else:
            text, signature = (before.text, before.signature) if isinstance(before, Reasoning) else ("", "")
            if isinstance(delta, ReasoningDelta):
                self.spoken.append(delta.text)
                text += delta.text
            else:
                signature += delta.signature
            self.blocks[delta.block] = Reasoning(text, signature)

    def beyond(self, delta: Rest | CitationDelta) -> dict[str, Any]:
        """The members of the message that hold what chat can't express: all of it so far."""
        if isinstance(delta, Rest) and "other_content" not in delta.message:
            return dict(delta.message)
        said = delta.message if isinstance(delta, Rest) else {"other_content": [{"citation": delta.citation}]}
        self._others += said["other_content"]
        return {**said, "other_content": list(self._others)}

    def written(self) -> list[dict[str, Any]]:
        return [thinking(block) for block in self.blocks.values()]


def read_choice(choice: Mapping[str, Any], *, foreign: bool = False) -> Iterator[Delta]:
    """The deltas of one whole choice. A part that the neutral form can't express is a Rest. `foreign`: they are for
    another dialect, so calls and reasoning are read even if they hold further fields."""
    given = mapping(choice.get("message"))
    message = {name: value for name, value in given.items() if name != "role" and value is not None}
    yield Start()
    numbers = count()
    yield from _thoughts_of(message, numbers)
    spoken = next((name for name in REASONING if isinstance(message.get(name), str)), None) if foreign else None
    if spoken is not None:
        number = next(numbers)
        yield from (ReasoningDelta(number, message.pop(spoken)), BlockStop(number))
    if isinstance(message.get("content"), str):
        number = next(numbers)
        yield TextDelta(number, message.pop("content"))
        yield BlockStop(number)
    yield from _calls_of(message, numbers, foreign=foreign)
    around = {} if choice.get("logprobs") is None else {"logprobs": choice["logprobs"]}
    if message or around:
        yield Rest(message, around)
    if isinstance(choice.get("finish_reason"), str):
        yield Finish(choice["finish_reason"])


def _thoughts_of(message: dict[str, Any], numbers: Iterator[int]) -> Iterator[Delta]:
    """The reasoning, taken out of the message if it has our own form: blocks, and their text a second time."""
    dropped: list[str] = []
    try:
        blocks = [thinking_part(mapping(block), "", dropped) for block in message.get("thinking_blocks") or ()]
    except Unsupported:
        return
    spoken = "".join(block.text for block in blocks if isinstance(block, Reasoning))
    if not blocks or dropped or message.get("reasoning_content", "") != spoken:
        return
    del message["thinking_blocks"]
    message.pop("reasoning_content", None)
    for number, block in zip(numbers, blocks, strict=False):
        if isinstance(block, Redacted):
            yield RedactedDelta(number, block.data)
        else:
            yield ReasoningDelta(number, block.text)
            if block.signature:
                yield SignatureDelta(number, block.signature)
        yield BlockStop(number)


def _calls_of(message: dict[str, Any], numbers: Iterator[int], *, foreign: bool) -> Iterator[Delta]:
    """The calls, taken out of the message if all are plain function calls; else each gets an index, as in a stream."""
    calls = message.pop("tool_calls", None) or []
    if not all(_is_function(call) if foreign else _is_plain(call) for call in calls):
        message["tool_calls"] = [{"index": at, **call} for at, call in enumerate(calls)]
        return
    for number, call in zip(numbers, calls, strict=False):
        yield ToolStart(number, call["id"], call["function"]["name"])
        yield ArgumentsDelta(number, call["function"]["arguments"])
        yield BlockStop(number)


def _is_plain(call: Mapping[str, Any]) -> bool:
    function = mapping(call.get("function"))
    whole = call.keys() == {"id", "type", "function"} and function.keys() == {"name", "arguments"}
    return whole and call["type"] == "function" and _is_function(call)


def _is_function(call: Mapping[str, Any]) -> bool:
    function = mapping(call.get("function"))
    return all(isinstance(text, str) for text in (call.get("id"), function.get("name"), function.get("arguments")))


class ChunkReader:
    """The deltas of a stream's chunks, a chunk at a time; of several choices only the first is read. An error
    is a Failed, and is the last delta. Any chunk may name the service tier."""

    def __init__(self) -> None:
        self._reader, self._tier, self.over = Reader(), "", False
        self._begun = self._called = self._finished = False

    def hear(self, kind: str, chunk: Mapping[str, Any]) -> Iterator[Delta]:
        if self.over:
            return
        self._tier = chunk["service_tier"] if isinstance(chunk.get("service_tier"), str) else self._tier
        if error := mapping(chunk.get("error")):
            self.over = True
            said = (error.get("type") or error.get("code"), error.get("message"))
            yield Failed(*(text if isinstance(text, str) else "" for text in said))
            return
        choice = next((each for each in objects(chunk.get("choices")) if each.get("index", 0) == 0), None)
        if choice is not None:
            self._begun = True
            self._called = self._called or bool(mapping(choice.get("delta")).get("tool_calls"))
            yield from self._reader.hear(mapping(choice.get("delta")))
            if isinstance(why := choice.get("finish_reason"), str) and why:  # some hosts send it empty in every chunk
                self._finished = True
                yield from self._reader.stop()
                yield Finish(why)
        usage = usage_of(chunk.get("usage") or mapping(chunk.get("x_groq")).get("usage"))  # Groq's place for it
        if usage is not None:
            yield Used(usage, self._tier)

    def end(self, *, done: bool) -> Iterator[Delta]:
        """The end of an answer for which the host gave no reason."""
        if done and self._begun and not self._finished:
            yield from self._reader.stop()
            yield Finish("tool_calls" if self._called else "stop")
