"""Why a message ends: Anthropic's words and ours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from gateway.dialects.neutral import Finish
from gateway.dialects.unsupported import Unusable

# Anthropic's word; ours, and whether Anthropic's says more.
_WORDS: Final[Mapping[str, tuple[str, bool]]] = {
    "end_turn": ("stop", False),
    "stop_sequence": ("stop", True),
    "max_tokens": ("length", False),
    "model_context_window_exceeded": ("length", True),
    "pause_turn": ("length", True),  # the answer continues when it is sent back
    "tool_use": ("tool_calls", False),
    "refusal": ("content_filter", False),
}
_WRITTEN: Final = {ours: theirs for theirs, (ours, more) in _WORDS.items() if not more}


def finish_of(stop_reason: str, sequence: object = None) -> Finish:
    """The end for a stop reason. Raises Unusable for an unknown one: it may mean that the answer is not what it seems,
    so it is not treated as a plain stop."""
    found = _WORDS.get(stop_reason)
    if found is None:
        raise Unusable("unknown_stop_reason")
    ours, more = found
    return Finish(ours, stop_reason if more else "", sequence if isinstance(sequence, str) else "")


def stop_reason(finish: Finish, *, called: bool) -> str:
    """Anthropic's word. `called`: the answer calls a tool, after which some hosts report a plain stop. Raises Unusable
    for a reason that Messages lacks."""
    if finish.exact in _WORDS:
        return finish.exact
    if finish.reason == "stop" and called:
        return "tool_use"
    if finish.reason not in _WRITTEN:
        raise Unusable("unknown_stop_reason")
    return _WRITTEN[finish.reason]
