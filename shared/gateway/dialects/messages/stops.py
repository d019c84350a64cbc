"""Why a message ends: Anthropic's words and ours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from gateway.dialects.neutral import Finish
from gateway.dialects.unsupported import Unusable

# Their word, ours, and whether theirs says more.
_WORDS: Final[Mapping[str, tuple[str, bool]]] = {
    "end_turn": ("stop", False),
    "stop_sequence": ("stop", True),
    "max_tokens": ("length", False),
    "model_context_window_exceeded": ("length", True),
    "pause_turn": ("length", True),  # the answer goes on once it is sent back
    "tool_use": ("tool_calls", False),
    "refusal": ("content_filter", False),
}
_WRITTEN: Final = {ours: theirs for theirs, (ours, more) in _WORDS.items() if not more}


def finish_of(stop_reason: str, sequence: object = None) -> Finish:
    """Raises Unusable for a word that nobody here knows: it may say that the answer is not what it seems, so it is no
    plain stop."""
    found = _WORDS.get(stop_reason)
    if found is None:
        raise Unusable("unknown_stop_reason")
    ours, more = found
    return Finish(ours, stop_reason if more else "", sequence if isinstance(sequence, str) else "")


def stop_reason(finish: Finish, *, called: bool) -> str:
    """Anthropic's word. `called`: the answer calls a tool, which some hosts end by a plain stop. Raises Unusable for a
    word that Messages has not."""
    if finish.exact in _WORDS:
        return finish.exact
    if finish.reason == "stop" and called:
        return "tool_use"
    if finish.reason not in _WRITTEN:
        raise Unusable("unknown_stop_reason")
    return _WRITTEN[finish.reason]
