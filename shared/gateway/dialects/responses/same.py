"""Responses on both sides: the client's own document leaves, and the provider's own comes back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from gateway.dialects.neutral import BlockStop, Failed, Finish, Start, Used, text_of
from gateway.dialects.pairs import Events, Heard
from gateway.dialects.responses.made.reader import Reader, read_answer
from gateway.dialects.responses.policy import NOTES, check_fields, left_out
from gateway.dialects.responses.thoughts import is_packed
from gateway.dialects.responses.usage import usage_of
from gateway.dialects.unsupported import Unusable
from gateway.dialects.values import count, mapping
from gateway.dialects.written import Asked, Written
from gateway.models.usage import Usage

_KEPT: Final = frozenset(("background", "model", "stream", *NOTES))  # not sent on
_SPEAKERS: Final = ("user", "system", "developer")
_BEGINS: Final = ("response.created", "response.in_progress", "response.queued", "keepalive", "response.failed")
# Opening events, by the member that holds the opened part: if the part is empty, nothing was said yet.
_OPENS: Final = {
    "response.output_item.added": "item",
    "response.content_part.added": "part",
    "response.reasoning_summary_part.added": "part",
}
_EMPTY_ONES: Final = ("message", "reasoning", "output_text", "summary_text", "reasoning_text", "refusal")


class _Same:
    """See `gateway.dialects.pairs.Pair`."""

    def request(self, asked: Asked) -> Written:
        quirks, dropped = asked.quirks, [name for name in asked.body if name in NOTES]
        check_fields(asked.body, None if quirks.passes_all else frozenset(quirks.pass_fields))
        body = {name: value for name, value in asked.body.items() if name not in _KEPT and value is not None}
        if gone := left_out(body):
            dropped += [f"tools[{at}]" for at in gone]
            body["tools"] = [tool for at, tool in enumerate(body["tools"]) if at not in gone]
        if body.get("store") is True and not asked.may_store:
            dropped.append("store")
        if isinstance(body["input"], list):
            body["input"] = _sendable(body["input"], dropped)
        return Written(leaving(body, asked), dropped, {})

    def answer(
        self,
        answer: Mapping[str, Any],
        usage: Usage | None,
        *,
        names: Mapping[str, str],
        known: Callable[[], str],
        model: str,
    ) -> dict[str, Any] | None:
        if read_answer(answer, names) is None:
            return None
        if answer.get("status") == "failed":
            raise Unusable(str(mapping(answer.get("error")).get("code") or "failed"))
        body = {**answer, "object": "response"}
        if not isinstance(body.get("id"), str):
            body["id"] = f"resp_{known()}"
        if not isinstance(body.get("model"), str):
            body["model"] = model
        return body

    def usage_of(self, answer: Mapping[str, Any]) -> Usage | None:
        return usage_of(answer.get("usage"))

    def path(self, message: object, param: object, asked: Asked) -> str | None:
        return param if isinstance(param, str) else None


def leaving(given: Mapping[str, Any], asked: Asked) -> dict[str, Any]:
    """A body as it leaves: our model id, the enforced cap, the service tier that was priced if none is named. It is
    stored only if it asks for that and may be: providers store by default."""
    stored = asked.may_store and given.get("store") is True
    body = {**given, "model": asked.model, "max_output_tokens": asked.cap, "store": stored}
    if asked.quirks.service_tier:
        body["service_tier"] = body.get("service_tier") or asked.quirks.service_tier
    if asked.streamed:
        body["stream"] = True
    else:
        body.pop("stream_options", None)
    return body


def _sendable(items: list[Any], dropped: list[str]) -> list[Any]:
    """The items without ids that agents give to users' messages: the format has none there. Reasoning that the provider
    can't have is left out too: it stores none by id, and can't read that of others. The rest of an answer with such
    reasoning loses its ids, because the provider would ask for the reasoning by them."""
    items = [_without_id(item) if _is_own(mapping(item)) else item for item in items]
    gone = [at for at, item in enumerate(items) if _is_lost(mapping(item))]
    if not gone:
        return items
    dropped += [f"input[{at}]" for at in gone]
    kept = [item for at, item in enumerate(items) if at not in set(gone)]
    return [item if _needs_id(item) else _without_id(item) for item in kept]


def _is_own(item: Mapping[str, Any]) -> bool:
    return "id" in item and item.get("role") in _SPEAKERS and item.get("type") in ("message", None)


def _without_id(item: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in item.items() if name != "id"}


def _is_lost(item: Mapping[str, Any]) -> bool:
    sealed = item.get("encrypted_content")
    return item.get("type") == "reasoning" and (not sealed or is_packed(sealed))


def _needs_id(item: Mapping[str, Any]) -> bool:
    return item.get("type") not in ("message", "function_call", "custom_tool_call", None)


def _only_opens(kind: str, event: Mapping[str, Any]) -> bool:
    """Whether the event only says that a part begins, and holds nothing of it."""
    opened = mapping(event.get(_OPENS.get(kind, "")))
    held = (opened.get(name) for name in ("content", "summary", "text", "refusal"))
    return opened.get("type") in _EMPTY_ONES and not any(held)


class Passing:
    """See `gateway.dialects.pairs.Tap`: events as they came. Their content and counts are read on the way."""

    def __init__(self, *, known: str, model: str, choices: int) -> None:
        self.ended = self.over = False
        self.used: Used | None = None
        self._reader = Reader({})
        self._frame: dict[str, Any] = {"id": f"resp_{known}", "object": "response", "model": model, "output": []}
        self._number = -1

    def hear(self, kind: str, event: dict[str, Any], data: str) -> Heard:
        heard = Heard(events=[(kind, event, data)])
        number = count(event.get("sequence_number"))
        self._number = number if number is not None else self._number + 1
        if kind == "response.created":
            self._frame |= mapping(event.get("response"))
        for delta in self._reader.hear(kind, event):
            if isinstance(delta, Used):
                self.used, heard.counted = delta, delta.usage
            elif not isinstance(delta, (Start, BlockStop, Failed)):
                self.ended = self.ended or isinstance(delta, Finish)
                heard.content = True
                if text := text_of(delta):
                    heard.pieces += 1
                    heard.size += len(text.encode(errors="replace"))
        # The model produced this too, even if it has no deltas.
        heard.content = heard.content or not (kind.startswith(_BEGINS) or _only_opens(kind, event))
        self.over = self._reader.over
        return heard

    def end(self, *, done: bool) -> Events:
        return []

    def cut(self) -> Events:
        cut = {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}
        event = {"type": "response.incomplete", "sequence_number": self._number + 1, "response": {**self._frame, **cut}}
        return [("response.incomplete", event, "")]


SAME: Final = _Same()
