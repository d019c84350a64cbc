"""Reads ConverseStream's events into deltas."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from gateway.dialects.converse.answer import KNOWN, finish_of, others, used_in
from gateway.dialects.neutral import (
    ArgumentsDelta,
    BlockStop,
    Delta,
    Failed,
    ReasoningDelta,
    RedactedDelta,
    SignatureDelta,
    Start,
    TextDelta,
    ToolStart,
)
from gateway.dialects.unsupported import Unusable
from gateway.dialects.values import mapping


class EventReader:
    """The deltas of ConverseStream's events, an event at a time. An exception among them, or a stopReason that
    marks a broken answer, is a Failed. `names` gives tools' own names by those in the request."""

    def __init__(self, names: Mapping[str, str]) -> None:
        self._names = names
        self._stopped = self.over = False
        self._beyond: list[Mapping[str, Any]] = []

    def hear(self, kind: str, event: Mapping[str, Any]) -> Iterator[Delta]:
        number, delta = event.get("contentBlockIndex"), mapping(event.get("delta"))
        if kind == "contentBlockDelta" and type(number) is int and len(delta) == 1 and "start" not in event:
            text = delta.get("text")
            if type(text) is str:  # as most events are
                yield TextDelta(number, text)
                return
        said = {**mapping(event.get("start")), **delta}
        self._beyond += [said] if not said.keys() <= KNOWN else []
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
            if (used := used_in(event)) is not None:
                yield used
        elif kind.endswith("Exception"):
            message = event.get("message")
            yield Failed(kind, message if isinstance(message, str) else "")
        elif isinstance(number, int) and not isinstance(number, bool):
            yield from _of_event(kind, number, event, self._names)

    def end(self, *, done: bool) -> tuple[Delta, ...]:
        """Nothing is left: the provider reports the end itself."""
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
