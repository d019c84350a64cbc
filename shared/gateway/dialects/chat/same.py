"""Chat on both sides: the client's own document leaves, and the provider's own comes back."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from gateway.dialects.chat.answer import completion_of
from gateway.dialects.chat.policy import check_fields
from gateway.dialects.chat.usage import usage_of
from gateway.dialects.neutral import Used
from gateway.dialects.pairs import Events, Heard
from gateway.dialects.values import mapping, objects
from gateway.dialects.written import Asked, Written
from gateway.models.usage import Usage

_CAPS = ("max_completion_tokens", "max_tokens")
_DELIVERY = frozenset(("model", "stream", "stream_options"))


class _Same:
    """See `gateway.dialects.pairs.Pair`."""

    def request(self, asked: Asked) -> Written:
        quirks = asked.quirks
        check_fields(asked.body, None if quirks.passes_all else quirks.pass_fields)
        dropped: list[str] = []
        return Written(leaving(asked.body, asked, dropped), dropped, {})

    def answer(
        self,
        answer: Mapping[str, Any],
        usage: Usage | None,
        *,
        names: Mapping[str, str],
        known: Callable[[], str],
        model: str,
    ) -> dict[str, Any] | None:
        return completion_of(answer, usage, model=model)

    def usage_of(self, answer: Mapping[str, Any]) -> Usage | None:
        return usage_of(answer.get("usage"))

    def path(self, message: object, param: object, asked: Asked) -> str | None:
        return param if isinstance(param, str) else None


def leaving(given: Mapping[str, Any], asked: Asked, dropped: list[str]) -> dict[str, Any]:
    """A body as it leaves: our model id, the enforced cap under the names that the host knows, its service tier if none
    is named (`gateway.models.vendors` says why), and stored only if that is allowed. Fields that are left out are named
    in `dropped`."""
    quirks = asked.quirks
    body = {name: value for name, value in given.items() if name not in _DELIVERY}
    if quirks.stores or "store" in body:
        _keep_unstored(body, asked, dropped)
    named = [name for name in _CAPS if name in body and body[name] is not None]
    if quirks.service_tier:
        body["service_tier"] = body.get("service_tier") or quirks.service_tier
    capped = ([name for name in named if name in quirks.caps] or quirks.caps[:1]) if quirks.caps else None
    for name in _CAPS:
        wanted = body.pop(name, None)
        if name in (capped if capped is not None else (*named, "max_tokens")):
            body[name] = wanted if type(wanted) is int and 0 < wanted < asked.cap else asked.cap
    if asked.streamed:
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    body["model"] = asked.model
    return body


def _keep_unstored(body: dict[str, Any], asked: Asked, dropped: list[str]) -> None:
    """Hosts that store calls accept `metadata` only for a stored call."""
    if body.get("store") is True:
        if asked.may_store:
            return
        del body["store"]
        dropped.append("store")
    if asked.quirks.stores:
        body["store"] = False
        if body.pop("metadata", None):
            dropped.append("metadata")


class Passing:
    """See `gateway.dialects.pairs.Tap`: chunks as they came. Harmless errors of hosts are corrected, as in a whole
    answer. A choice without an end gets one once the host has said that the stream is done."""

    def __init__(self, *, known: str, model: str, choices: int) -> None:
        self.over = False
        self.used: Used | None = None
        self._frame: dict[str, Any] = {"id": f"chatcmpl-{known}", "object": _CHUNK, "created": 0, "model": model}
        self._choices = choices
        self._finished: set[int] = set()
        self._open: dict[int, bool] = {}  # whether the choice calls tools, by its number
        self._tier = ""

    @property
    def ended(self) -> bool:
        return len(self._finished) >= self._choices

    def hear(self, kind: str, event: dict[str, Any], data: str) -> Heard:
        heard = Heard()
        if isinstance(event.get("service_tier"), str):
            self._tier = event["service_tier"]
        usage = usage_of(event.get("usage") or mapping(event.get("x_groq")).get("usage"))  # Groq's place for it
        if usage is not None:
            self.used, heard.counted = Used(usage, self._tier), usage
        if not isinstance(event.get("choices"), list):
            if usage is None:
                return heard  # not a chunk: clients that read `choices` break on it
            event, data = {**event, "choices": []}, ""
        if not self._frame["created"] or not _is_framed(event):
            event, data = self._framed(event, data)
        choices = event["choices"]
        for at, choice in enumerate(choices):
            if not _is_sound(choice):
                event, data = {**event, "choices": [_mended(each, at) for at, each in enumerate(objects(choices))]}, ""
                choices = event["choices"]
                break
        for choice in choices:
            self._hear(choice, heard)
        heard.events.append(("", event, data))
        return heard

    def _framed(self, event: dict[str, Any], data: str) -> tuple[dict[str, Any], str]:
        """The chunk with all fields around its choices: those that it lacks are taken from the first chunk."""
        if not self._frame["created"]:
            self._frame["created"] = int(time.time())
            self._frame |= {name: event[name] for name, sound in _FRAME.items() if sound(event.get(name))}
        lacking = {name: self._frame[name] for name, sound in _FRAME.items() if not sound(event.get(name))}
        return ({**event, **lacking}, "") if lacking else (event, data)

    def _hear(self, choice: Mapping[str, Any], heard: Heard) -> None:
        delta, at = choice["delta"], choice["index"]
        if size := sum(len(text.encode(errors="replace")) for text in _texts(delta)):
            heard.pieces += 1
            heard.size += size
        heard.content = heard.content or size > 0 or bool(choice.get("finish_reason") or delta.get("tool_calls"))
        if choice.get("finish_reason"):
            self._finished.add(at)
            self._open.pop(at, None)
        elif at not in self._finished:
            self._open[at] = self._open.get(at, False) or bool(delta.get("tool_calls"))

    def end(self, *, done: bool) -> Events:
        events: Events = []
        if done:
            for at, calls in self._open.items():
                events.append(self._last(at, "tool_calls" if calls else "stop"))
            self._finished |= self._open.keys()
            self._choices = min(self._choices, len(self._finished)) or 1  # a host may give fewer than were asked for
        return events

    def cut(self) -> Events:
        return [self._last(at, "length") for at in self._open or (0,)]

    def _last(self, at: int, why: str) -> tuple[str, dict[str, Any], str]:
        choice = {"index": at, "delta": {}, "logprobs": None, "finish_reason": why}
        return "", {**self._frame, "choices": [choice]}, ""


_NOTHING_SAID: Final = ("id", "role", "type", "index")  # made by hosts, or about the text
_CHUNK: Final = "chat.completion.chunk"
_FRAME: Final[Mapping[str, Callable[[object], bool]]] = {
    "id": lambda id: isinstance(id, str) and bool(id),
    "object": lambda kind: kind == _CHUNK,
    "created": lambda at: type(at) is int and at > 0,
    "model": lambda name: isinstance(name, str) and bool(name),
}


def _is_framed(event: Mapping[str, Any]) -> bool:
    return all(sound(event.get(name)) for name, sound in _FRAME.items())


def _is_sound(choice: object) -> bool:
    if not isinstance(choice, dict) or type(choice.get("index")) is not int:
        return False
    delta, why = choice.get("delta"), choice.get("finish_reason")
    if not isinstance(delta, dict) or why == "" or not isinstance(why, str | None):
        return False
    calls = delta.get("tool_calls")
    return calls is None or (
        isinstance(calls, list) and all(isinstance(call, dict) and type(call.get("index")) is int for call in calls)
    )


def _mended(choice: Mapping[str, Any], at: int) -> dict[str, Any]:
    delta, why, index = dict(mapping(choice.get("delta"))), choice.get("finish_reason"), choice.get("index")
    if delta.get("tool_calls") is not None:
        calls = [dict(call) for call in objects(delta["tool_calls"])]
        numbers = [call.get("index") for call in calls]
        delta["tool_calls"] = [
            call | {"index": number if type(number) is int else place}
            for place, (call, number) in enumerate(zip(calls, numbers, strict=True))
        ]
    return {
        **choice,
        "index": index if type(index) is int else at,
        "delta": delta,
        "finish_reason": why if isinstance(why, str) and why else None,
    }


def _texts(value: object) -> Iterator[str]:
    """The texts in a delta, whatever their names: the model produced all of them."""
    if isinstance(value, str):
        if value:
            yield value
    elif isinstance(value, dict):
        for name, below in value.items():
            if name not in _NOTHING_SAID:
                yield from _texts(below)
    elif isinstance(value, list):
        for below in value:
            yield from _texts(below)


SAME: Final = _Same()
