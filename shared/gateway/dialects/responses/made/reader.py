"""Reads the events of a response's stream, and a whole response, into deltas.

API: https://platform.openai.com/docs/api-reference/responses-streaming
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from gateway.dialects.neutral import (
    ArgumentsDelta,
    BlockStop,
    Delta,
    Failed,
    Finish,
    Reasoning,
    ReasoningDelta,
    RedactedDelta,
    Rest,
    SignatureDelta,
    Start,
    TextDelta,
    ToolStart,
    Used,
)
from gateway.dialects.responses.thoughts import unpacked
from gateway.dialects.responses.tools import INPUT, SEARCH, Called, as_arguments, as_json
from gateway.dialects.responses.usage import usage_of
from gateway.dialects.values import count, mapping, objects

_ENDS: Final = ("response.completed", "response.incomplete", "response.failed")
_WORDS: Final = {"max_output_tokens": "length", "content_filter": "content_filter"}
_CALLS: Final = ("function_call", "custom_tool_call", "tool_search_call")
_SUMMARIES: Final = ("response.reasoning_summary_text.delta", "response.reasoning_text.delta")


class Reader:
    """Tracks the open items by their place in the output. Each text of a message, and every other item, is a block."""

    def __init__(self, names: Mapping[str, str]) -> None:
        self._names = names
        self.over = False
        self._numbers: dict[tuple[int, int], int] = {}  # by the place of an item, and of a part in it
        self._open: set[tuple[int, int]] = set()
        self._said: set[tuple[int, int]] = set()  # those of them that had content
        self._kinds: dict[int, str] = {}
        self._others: list[Mapping[str, Any]] = []
        self._called = False

    def hear(self, kind: str, event: Mapping[str, Any]) -> Iterator[Delta]:
        place, part = count(event.get("output_index")), count(event.get("content_index")) or 0
        if kind == "response.created":
            yield Start()
        elif kind in _ENDS:
            yield from self._end(mapping(event.get("response")))
        elif kind == "error":
            yield _failed(mapping(event.get("error")) or event)
        elif place is None:
            return
        elif kind == "response.output_item.added":
            yield from self._added(place, mapping(event.get("item")))
        elif kind == "response.output_item.done":
            yield from self._done(place, mapping(event.get("item")))
        elif kind == "response.refusal.done" and isinstance(event.get("refusal"), str):
            yield Rest({"refusal": event["refusal"]})
        elif kind == "response.reasoning_summary_part.added" and count(event.get("summary_index")):
            yield ReasoningDelta(self._number((place, 0)), "\n\n")
        elif kind in ("response.output_text.done", "response.content_part.done"):
            yield from self._stop((place, part), event.get("text"))
        elif isinstance(text := event.get("delta"), str) and text:
            yield from self._delta(kind, place, part, text)

    def end(self, *, done: bool) -> tuple[Delta, ...]:
        """Nothing is left: the last event holds everything."""
        return ()

    def _delta(self, kind: str, place: int, part: int, text: str) -> Iterator[Delta]:
        if kind == "response.output_text.delta":
            self._said.add((place, part))
            yield TextDelta(self._number((place, part)), text)
        elif kind in _SUMMARIES:
            self._said.add((place, 0))
            yield ReasoningDelta(self._number((place, 0)), text)
        elif kind == "response.function_call_arguments.delta" and (place, 0) in self._open:
            self._said.add((place, 0))
            yield ArgumentsDelta(self._number((place, 0)), text)
        elif kind == "response.custom_tool_call_input.delta" and (place, 0) in self._open:
            begin = "" if (place, 0) in self._said else f'{{"{INPUT}":"'
            self._said.add((place, 0))
            yield ArgumentsDelta(self._number((place, 0)), begin + json.dumps(text, ensure_ascii=False)[1:-1])

    def _number(self, place: tuple[int, int]) -> int:
        self._open.add(place)
        return self._numbers.setdefault(place, len(self._numbers))

    def _added(self, place: int, item: Mapping[str, Any]) -> Iterator[Delta]:
        kind = item.get("type")
        self._kinds[place] = kind if isinstance(kind, str) else ""
        if kind in _CALLS:
            self._called = True
            names = [item.get(name) for name in ("namespace", "name", "call_id")]
            namespace, name, id = (each if isinstance(each, str) else "" for each in names)
            sort = {"function_call": "function", "custom_tool_call": "custom"}.get(str(kind), SEARCH)
            called = Called(sort, namespace, SEARCH if sort == SEARCH else name)
            yield ToolStart(self._number((place, 0)), id, self._names.get(called.told, called.told))

    def _done(self, place: int, item: Mapping[str, Any]) -> Iterator[Delta]:
        """The whole item: content that did not come in pieces comes now."""
        if place not in self._kinds:
            yield from self._added(place, item)
        kind, first = self._kinds[place], (place, 0)
        if kind == "message":
            for at, part in enumerate(objects(item.get("content"))):
                if (place, at) not in self._numbers and isinstance(part.get("refusal"), str):
                    yield Rest({"refusal": part["refusal"]})
                else:
                    yield from self._stop((place, at), part.get("text"))
        elif kind == "reasoning":
            yield from self._thought(first, item)
        elif kind == "function_call":
            yield from self._arguments(first, item.get("arguments"))
        elif kind == "custom_tool_call":
            if first in self._said:
                yield ArgumentsDelta(self._number(first), '"}')
            else:
                yield ArgumentsDelta(self._number(first), as_json(as_arguments(str(item.get("input")))))
            yield from self._closed(first)
        elif kind == "tool_search_call":
            yield ArgumentsDelta(self._number(first), as_json(item.get("arguments") or {}))
            yield from self._closed(first)
        else:
            self._others.append(item)

    def _thought(self, place: tuple[int, int], item: Mapping[str, Any]) -> Iterator[Delta]:
        """A thought that its provider signs has one text. An empty thought without a signature is ignored."""
        signed = unpacked(item.get("encrypted_content"), "")
        texts = [part.get("text") for part in (*objects(item.get("summary")), *objects(item.get("content")))]
        text = "\n\n".join(each for each in texts if isinstance(each, str) and each)
        if signed is None and not text:
            return
        number = self._number(place)
        if isinstance(signed, Reasoning) or signed is None:
            text = signed.text if signed is not None else text
            if text and place not in self._said:
                yield ReasoningDelta(number, text)
            if signed is not None:
                yield SignatureDelta(number, signed.signature)
        else:
            yield RedactedDelta(number, signed.data)
        yield from self._closed(place)

    def _arguments(self, place: tuple[int, int], arguments: object) -> Iterator[Delta]:
        if place not in self._said and isinstance(arguments, str) and arguments:
            yield ArgumentsDelta(self._number(place), arguments)
        yield from self._closed(place)

    def _stop(self, place: tuple[int, int], text: object) -> Iterator[Delta]:
        if place not in self._said and isinstance(text, str) and text:
            self._said.add(place)
            yield TextDelta(self._number(place), text)
        yield from self._closed(place)

    def _closed(self, place: tuple[int, int]) -> Iterator[Delta]:
        if place in self._open:
            self._open.discard(place)
            yield BlockStop(self._numbers[place])

    def _end(self, response: Mapping[str, Any]) -> Iterator[Delta]:
        self.over = True
        if self._others:
            yield Rest({"other_content": list(self._others)})
        status = response.get("status")
        if status == "failed":
            yield _failed(mapping(response.get("error")))
        elif status == "incomplete":
            reason = mapping(response.get("incomplete_details")).get("reason")
            word = reason if isinstance(reason, str) else "max_output_tokens"
            yield Finish(_WORDS.get(word, "length"), "" if word in _WORDS else word)
        else:
            yield Finish("tool_calls" if self._called else "stop")
        if usage := usage_of(response.get("usage")):
            tier = response.get("service_tier")
            yield Used(usage, tier if isinstance(tier, str) and tier != "default" else "")


def _failed(error: Mapping[str, Any]) -> Failed:
    said = [error.get(name) for name in ("code", "message")]
    return Failed(*(text if isinstance(text, str) else "" for text in said))


def read_answer(answer: Mapping[str, Any], names: Mapping[str, str]) -> list[Delta] | None:
    """The deltas of a whole response; None if it does not have the promised shape. `names` gives tools' own names
    by those in the request."""
    output, status = answer.get("output"), answer.get("status", "completed")
    if not isinstance(output, list) or not all(isinstance(item, dict) for item in output):
        return None
    if status not in ("completed", "incomplete", "failed"):
        return None
    reader = Reader(names)
    deltas = [*reader.hear("response.created", {})]
    for place, item in enumerate(output):
        if not _is_sound(item):
            return None
        deltas += reader.hear("response.output_item.done", {"output_index": place, "item": item})
    return [*deltas, *reader.hear(f"response.{status}", {"response": answer})]


def _is_sound(item: Mapping[str, Any]) -> bool:
    """Whether the known members of an item have their promised types. Unknown items are not checked."""
    kind = item.get("type")
    texts = {
        "function_call": ("call_id", "name", "arguments"),
        "custom_tool_call": ("call_id", "name", "input"),
    }.get(str(kind), ())
    if not isinstance(kind, str) or not all(isinstance(item.get(name), str) for name in texts):
        return False
    return kind != "message" or isinstance(item.get("content"), list)
