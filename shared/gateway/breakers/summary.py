"""A summary of a vendor's breakers: what health and operators see first."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from gateway.breakers.breaker import Breaker, State

_WORST: dict[State, int] = {"closed": 0, "half_open": 1, "open": 2}
_FORGOTTEN_MS = 3_600_000  # after so long half open, no calls go there and its state is unknown: shown as closed


class Summary(Struct, frozen=True):
    """`state` is the worst state of all breakers; `reach` is the worst of those that all models of the vendor share.
    `opened` is when the last one opened, in milliseconds; None if all are closed. `open` counts the breakers that are
    not closed."""

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
    """Whether calls look at this breaker. The whole vendor's breaker is an operator's switch, so it counts only while
    forced."""
    return breaker.forced or not breaker.key.is_whole


def _state(breaker: Breaker, now: int) -> State:
    state = breaker.state(now)
    return "closed" if state == "half_open" and now - breaker.until > _FORGOTTEN_MS else state


def _worst(states: Iterable[State]) -> State:
    return max(states, key=_WORST.__getitem__, default="closed")
