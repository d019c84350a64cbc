"""Whether a model shall think, if a separate field says that (not its effort), and which fields then give way.

Models whose provider signs reasoning refuse the whole request if it asks for thinking together with incompatible
fields. So this is settled before any dialect writes the request.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from gateway.dialects.neutral import Choice, Reasoning, Redacted, ToolResult, Turn
from gateway.models.vendors import Thinking

_LEAST: Final = 1_024  # tokens of a budget
_BUDGETS: Final[Mapping[str, int]] = {"minimal": 1_024, "low": 2_048, "medium": 8_192, "high": 16_384}
_LARGEST: Final = 32_000
_PATH: Final = "reasoning"


def thinking_of(
    reasoning: Mapping[str, Any],
    told: Thinking,
    *,
    cap: int,
    choice: Choice | None,
    turns: Sequence[Turn],
    dropped: list[str],
) -> dict[str, Any] | None:
    """The `thinking` object, if the model needs one (`told`). The model shall think if the request has a
    `reasoning` at all. Thinking gives way to a tool that must be called, to a cap that leaves it no room, and in a loop
    of tools to an earlier turn that has lost its reasoning; then it is named in `dropped`."""
    effort = reasoning.get("effort")
    if not told or not reasoning:
        return None
    if effort == "none":
        return {"type": "disabled"}
    if choice is not None and choice.kind in ("any", "one"):
        dropped.append(_PATH)
        return None
    if told == "adaptive":
        return {"type": "adaptive", "display": "summarized"}
    budget = min(_BUDGETS.get(effort or "medium", _LARGEST), cap // 2)
    if budget < _LEAST or _lost_its_thoughts(turns):
        dropped.append(_PATH)
        return None
    return {"type": "enabled", "budget_tokens": budget}


def effort_of(effort: str | None, told: Thinking) -> str | None:
    """The effort to send, unless `thinking` already expresses it."""
    return None if told == "budget" or (told and effort == "none") else effort


def sampled(name: str, value: float | None, thinking: Mapping[str, Any] | None, dropped: list[str]) -> float | None:
    """A temperature or `top_p`, if it may be sent together with thinking."""
    if value is None or thinking is None or thinking.get("type") == "disabled":
        return value
    if value != 1 and (name == "temperature" or value < 0.95):
        dropped.append(name)
    return None


def _lost_its_thoughts(turns: Sequence[Turn]) -> bool:
    """Whether the last turn holds tool results, and the reasoning before the calls is missing."""
    if not turns or not any(isinstance(block, ToolResult) for block in turns[-1].blocks):
        return False
    last = next((turn for turn in reversed(turns) if turn.speaker == "assistant"), None)
    first = last.blocks[0] if last is not None and last.blocks else None
    return not (isinstance(first, Redacted) or (isinstance(first, Reasoning) and bool(first.signature)))
