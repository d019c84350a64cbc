"""Writes deltas as a legacy completion and its chunks: only text, and why it ends."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from gateway.dialects.neutral import Delta, Finish, Rest, TextDelta, Used
from gateway.models.usage import openai_usage

_REASONS: Final = frozenset(("stop", "length", "content_filter"))


def completion(deltas: Iterable[Delta], frame: Mapping[str, Any]) -> dict[str, Any]:
    """A `text_completion` of one choice. `frame` are its id, creation time and model."""
    said: dict[str, Any] = {}
    text, reason = "", "stop"
    for delta in deltas:
        text += _text(delta)
        if isinstance(delta, Finish):
            reason = _reason(delta)
        elif isinstance(delta, Used):
            said = {"usage": openai_usage(delta.usage)}
    return {**frame, "object": "text_completion", "choices": [_choice(text, reason)], **said}


class Writer:
    """The chunks of a `text_completion`, a delta at a time; no usage."""

    def __init__(self, frame: Mapping[str, Any]) -> None:
        self._frame = {**frame, "object": "text_completion"}
        self.failed = ""

    def write(self, delta: Delta) -> Iterator[tuple[str, dict[str, Any]]]:
        """Type (always empty) and payload."""
        if text := _text(delta):
            yield "", {**self._frame, "choices": [_choice(text, None)]}
        elif isinstance(delta, Finish):
            yield "", {**self._frame, "choices": [_choice("", _reason(delta))]}

    def end(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Nothing is left when all deltas have come."""
        return iter(())


def _choice(text: str, reason: str | None) -> dict[str, Any]:
    return {"index": 0, "text": text, "logprobs": None, "finish_reason": reason}


def _text(delta: Delta) -> str:
    """The delta's text: reasoning is not part of it, but a refusal is."""
    if isinstance(delta, TextDelta):
        return delta.text
    refusal = delta.message.get("refusal") if isinstance(delta, Rest) else None
    return refusal if isinstance(refusal, str) else ""


def _reason(delta: Finish) -> str:
    return delta.reason if delta.reason in _REASONS else "stop"
