"""Whether a model that is told so apart from its effort shall think, and what else has to give way then.

Models whose provider signs reasoning refuse the whole request where it asks for thinking and for what does not go with
it, so this is settled before any dialect writes it.
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
    """The object that tells it, where the model is told by one (`told`). That a request speaks of reasoning at all says
    that the model shall think. It gives way to a tool that must be called, to a cap that leaves it no room, and in a
    loop of tools to an earlier turn that has lost its own; then it is named in `dropped`."""
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
    """What is left to say of the effort where thinking says it."""
    return None if told == "budget" or (told and effort == "none") else effort


def sampled(name: str, value: float | None, thinking: Mapping[str, Any] | None, dropped: list[str]) -> float | None:
    """A temperature or `top_p` that may stand beside thinking."""
    if value is None or thinking is None or thinking.get("type") == "disabled":
        return value
    if value != 1 and (name == "temperature" or value < 0.95):
        dropped.append(name)
    return None


def _lost_its_thoughts(turns: Sequence[Turn]) -> bool:
    """Whether tools were called last, and what was thought before is not there."""
    if not turns or not any(isinstance(block, ToolResult) for block in turns[-1].blocks):
        return False
    last = next((turn for turn in reversed(turns) if turn.speaker == "assistant"), None)
    first = last.blocks[0] if last is not None and last.blocks else None
    return not (isinstance(first, Redacted) or (isinstance(first, Reasoning) and bool(first.signature)))
