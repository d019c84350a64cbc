"""Messages on both sides: the client's own document leaves, and the provider's own comes back."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from gateway.dialects.messages.answer import read_answer
from gateway.dialects.messages.policy import DOCUMENTED, OF_HEADERS, check_fields
from gateway.dialects.messages.roles import leaving
from gateway.dialects.messages.thinking import LEAST_BUDGET
from gateway.dialects.messages.usage import tier_of, told_so_far, usage_of
from gateway.dialects.neutral import Used
from gateway.dialects.pairs import Events, Heard
from gateway.dialects.unsupported import Unusable
from gateway.dialects.values import count, mapping
from gateway.dialects.written import Asked, Written
from gateway.models.usage import Usage

_PATH = re.compile(r"([a-z_]{1,40})((?:\.(?:[a-z_]{1,40}|\d{1,5})){0,12}): ")
_DELIVERY: Final = frozenset(("model", "stream")) | OF_HEADERS
_NUMBER = re.compile(r"\.(\d+)")


class _Same:
    """See `gateway.dialects.pairs.Pair`."""

    def request(self, asked: Asked) -> Written:
        dropped: list[str] = []
        quirks = asked.quirks
        passed = None if quirks.passes_all else frozenset(quirks.pass_fields)
        body = native_body(asked.body, dropped, cap=asked.cap, passed=passed)
        return Written(leaving(body, dropped, asked), dropped, {})

    def answer(
        self,
        answer: Mapping[str, Any],
        usage: Usage | None,
        *,
        names: Mapping[str, str],
        known: Callable[[], str],
        model: str,
    ) -> dict[str, Any] | None:
        try:
            if read_answer(answer, names) is None:
                return None
        except Unusable:
            pass  # the client has to judge an unknown stop reason: it gets the document as it came
        body = {**answer, "type": "message", "role": "assistant"}
        if not isinstance(body.get("id"), str):
            body["id"] = f"msg_{known()}"
        if not isinstance(body.get("model"), str):
            body["model"] = model
        return body

    def usage_of(self, answer: Mapping[str, Any]) -> Usage | None:
        return usage_of(answer.get("usage"))

    def path(self, message: object, param: object, asked: Asked) -> str | None:
        """The path with which Anthropic's errors begin: `messages.0.content.1.text: ...`."""
        found = _PATH.match(message) if isinstance(message, str) else None
        if found is None or found[1] not in DOCUMENTED:
            return None
        return found[1] + _NUMBER.sub(r"[\1]", found[2])


def native_body(
    body: Mapping[str, Any], dropped: list[str], *, cap: int, passed: frozenset[str] | None = None
) -> dict[str, Any]:
    """The body for Anthropic: the client's document with the enforced cap, and without model and delivery, which the
    vendor adds. If the cap leaves no room for a thinking budget, the budget is lowered or taken out, and named in
    `dropped`. `passed` as in `check_fields`. Raises BadRequest for a field that may not leave."""
    check_fields(body, passed)
    found = {name: value for name, value in body.items() if name not in _DELIVERY and value is not None}
    found["max_tokens"] = cap
    thinking = mapping(found.get("thinking"))
    budget = thinking.get("budget_tokens")
    asked = body.get("max_tokens")
    # If the cap is not lowered, a budget without room is the client's error, which the host reports.
    lowered = not isinstance(asked, int) or cap < asked
    if lowered and isinstance(budget, int) and budget >= cap:
        if cap <= LEAST_BUDGET:
            del found["thinking"]
            dropped.append("thinking")
        else:
            found["thinking"] = {**thinking, "budget_tokens": cap - 1}
            dropped.append("thinking.budget_tokens")
    return found


class Passing:
    """See `gateway.dialects.pairs.Tap`: events of any type as they came. The client judges why a message ends, even if
    the reason is unknown."""

    def __init__(self, *, known: str, model: str, choices: int) -> None:
        self.ended = self.over = False
        self.used: Used | None = None
        self._frame = {"id": f"msg_{known}", "model": model, "type": "message", "role": "assistant"}
        self._usage: dict[str, Any] = {}
        self._open: dict[int, None] = {}  # numbers of blocks

    def hear(self, kind: str, event: dict[str, Any], data: str) -> Heard:
        heard = Heard()
        if kind == "content_block_delta":
            self._said(mapping(event.get("delta")).items(), heard)
        elif kind == "content_block_start":
            self._start(event, heard)
        elif kind == "content_block_stop":
            self._open.pop(count(event.get("index")) or 0, None)
        elif kind == "message_start":
            event, data = self._begun(event, data)
            self._told(mapping(mapping(event["message"]).get("usage")), heard)
        elif kind == "message_delta":
            heard.content = True
            self.ended = self.ended or isinstance(mapping(event.get("delta")).get("stop_reason"), str)
            told = mapping(event.get("usage"))
            self._told(told, heard)
            if heard.counted is not None and count(told.get("output_tokens")) is not None:
                self.used = Used(heard.counted, tier_of(self._usage))
        self.over = self.over or kind == "message_stop"
        heard.events.append((kind, event, data))
        return heard

    def _start(self, event: Mapping[str, Any], heard: Heard) -> None:
        block = mapping(event.get("content_block"))
        self._open[count(event.get("index")) or 0] = None
        if block.get("type") in ("text", "thinking"):
            self._said(block.items(), heard)
        else:
            heard.content = True
            self._said([("name", block.get("name"))], heard)

    def _said(self, members: Iterable[tuple[str, object]], heard: Heard) -> None:
        for name, text in members:
            if name in _TEXTS and isinstance(text, str) and text:
                heard.pieces += 1
                heard.size += len(text.encode(errors="replace"))
            heard.content = heard.content or (name != "type" and bool(text))

    def _begun(self, event: dict[str, Any], data: str) -> tuple[dict[str, Any], str]:
        message = mapping(event.get("message"))
        if all(isinstance(message.get(name), str) for name in self._frame):
            return event, data
        said = {name: text for name, text in message.items() if name not in self._frame or isinstance(text, str)}
        return {**event, "message": {**self._frame, **said}}, ""

    def _told(self, usage: Mapping[str, Any], heard: Heard) -> None:
        self._usage = told_so_far(self._usage, usage)
        heard.counted = usage_of(self._usage) if usage else None

    def end(self, *, done: bool) -> Events:
        return [("message_stop", {"type": "message_stop"}, "")] if self.ended and not self.over else []

    def cut(self) -> Events:
        events: Events = [
            ("content_block_stop", {"type": "content_block_stop", "index": number}, "") for number in self._open
        ]
        delta = {"stop_reason": "max_tokens", "stop_sequence": None}
        events.append(("message_delta", {"type": "message_delta", "delta": delta, "usage": {}}, ""))
        return [*events, ("message_stop", {"type": "message_stop"}, "")]


# Members of a block or a delta that are text of the answer: each is at least one token.
_TEXTS: Final = frozenset(("text", "thinking", "partial_json", "name"))

SAME: Final = _Same()
