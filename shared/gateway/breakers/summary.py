"""A vendor's breakers as one: what health and operators see first."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from gateway.breakers.breaker import Breaker, State

_WORST: dict[State, int] = {"closed": 0, "half_open": 1, "open": 2}
_FORGOTTEN_MS = 3_600_000  # half open for so long: nobody calls it, and nobody knows


@dataclass(frozen=True, slots=True)
class Summary:
    """`state` is the worst of all, `reach` the worst of what all models of the vendor share; `opened` (milliseconds,
    None where all are closed) is when the last one opened. `open` counts breakers that are not closed."""

    state: State = "closed"
    reach: State = "closed"
    open: int = 0
    failures: int = 0
    opened: int | None = None


def summary_of(vendor: str, breakers: Iterable[Breaker], now: int) -> Summary:
    own = [breaker for breaker in breakers if breaker.key.vendor == vendor and counts(breaker)]
    states = [_state(breaker, now) for breaker in own]
    shared = [state for breaker, state in zip(own, states, strict=True) if not breaker.key.is_target]
    return Summary(
        state=_worst(states),
        reach=_worst(shared),
        open=sum(state != "closed" for state in states),
        failures=sum(breaker.failures for breaker in own),
        opened=max((breaker.opened for breaker in own if breaker.open), default=None),
    )


def counts(breaker: Breaker) -> bool:
    """Whether a breaker is one that calls look at: a vendor's own is an operator's switch, and nothing else."""
    return breaker.forced or not breaker.key.is_whole


def _state(breaker: Breaker, now: int) -> State:
    state = breaker.state(now)
    return "closed" if state == "half_open" and now - breaker.until > _FORGOTTEN_MS else state


def _worst(states: Iterable[State]) -> State:
    return max(states, key=_WORST.__getitem__, default="closed")
