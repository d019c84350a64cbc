"""Why a call is refused, and what in shadow would have refused it: plain arithmetic over an item of `limits`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from gateway.ledger.admission import Bucket, Demand, Terms, Windows
from gateway.ledger.moves import Variant

_SECOND = 1_000_000
Dimension = Literal[
    "requests", "tokens", "requests_hour", "requests_day", "tokens_day", "parallel", "budget", "budget_held"
]
_NAMES: Mapping[Dimension, str] = {
    "requests": "requestsPerMinute",
    "tokens": "tokensPerMinute",
    "requests_hour": "requestsPerHour",
    "requests_day": "requestsPerDay",
    "tokens_day": "tokensPerDay",
    "parallel": "maxParallelRequests",
    "budget": "budget",
    "budget_held": "budget",
}


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a call was not admitted. `wait` is in microseconds, None where waiting does not help."""

    dimension: Dimension
    limit: int
    used: int
    wait: int | None

    @property
    def name(self) -> str:
        """The limit's name in the config, and in `shadow`."""
        return _NAMES[self.dimension]


def refusal_of(item: Mapping[str, Any], terms: Terms, demand: Demand, windows: Windows) -> Refusal | None:
    """Why this item admits no such call now; None where it does (the update just had the wrong form)."""
    return next((each for each in _exceeded(item, terms, demand, windows) if terms.enforced(each.name)), None)


def shadow_refusals(
    item: Mapping[str, Any], terms: Terms, demand: Demand, windows: Windows, variant: Variant
) -> tuple[Refusal, ...]:
    """What limits in shadow would have refused a call that was admitted. `item` is as its admission left it."""
    if not terms.shadow:
        return ()
    before = _before(item, terms, demand, windows, variant)
    return tuple(each for each in _exceeded(before, terms, demand, windows) if not terms.enforced(each.name))


def money_refusal(item: Mapping[str, Any], terms: Terms, demand: Demand, windows: Windows) -> Refusal | None:
    """Why the budget has no room for so much more; None where it has."""
    return next(_too_dear(item, terms, demand, windows), None)


def _before(
    item: Mapping[str, Any], terms: Terms, demand: Demand, windows: Windows, variant: Variant
) -> dict[str, Any]:
    """The item as an admission found it. Of a bucket that was idle: as far as it matters, that is, empty."""
    before = dict(item)
    for name, bucket, move, units in (
        ("tat", terms.requests, variant.requests, 1),
        ("ttat", terms.tokens, variant.tokens, demand.tokens),
    ):
        if bucket is not None and move.form != "over":
            before[name] -= bucket.cost(units) + move.extra
    for name, added in (
        (f"h_{windows.hour}", 1),
        (f"d_{windows.day}", 1),
        (windows.booking.tokens, demand.tokens),
        ("inflight", 1),
        (windows.booking.used, demand.est),
    ):
        before[name] -= added
    return before


def _exceeded(item: Mapping[str, Any], terms: Terms, demand: Demand, windows: Windows) -> Iterator[Refusal]:
    """Every limit that such a call would exceed, enforced or not."""
    yield from _too_fast("requests", terms.requests, item.get("tat", 0), 1, windows.now)
    yield from _too_fast("tokens", terms.tokens, item.get("ttat", 0), demand.tokens, windows.now)
    yield from _too_many(item, terms, demand, windows)
    yield from _too_dear(item, terms, demand, windows)


def _too_fast(dimension: Dimension, bucket: Bucket | None, arrival: int, units: int, now: int) -> Iterator[Refusal]:
    if bucket is None or bucket.conforms(arrival, units, now):
        return
    wait = None if units > bucket.burst else bucket.wait(arrival, units, now)
    yield Refusal(dimension, bucket.limit, bucket.burst - bucket.left(arrival, now), wait)


def _too_many(item: Mapping[str, Any], terms: Terms, demand: Demand, windows: Windows) -> Iterator[Refusal]:
    hour, day = item.get(f"h_{windows.hour}", 0), item.get(f"d_{windows.day}", 0)
    if terms.per_hour is not None and hour >= terms.per_hour:
        yield Refusal("requests_hour", terms.per_hour, hour, windows.hour_ends - windows.now)
    if terms.per_day is not None and day >= terms.per_day:
        yield Refusal("requests_day", terms.per_day, day, windows.day_ends - windows.now)
    tokens = item.get(windows.booking.tokens, 0)
    if terms.tokens_per_day is not None and tokens + demand.tokens > terms.tokens_per_day:
        wait = None if demand.tokens > terms.tokens_per_day else windows.day_ends - windows.now
        yield Refusal("tokens_day", terms.tokens_per_day, tokens, wait)
    inflight = item.get("inflight", 0)
    if terms.parallel is not None and inflight >= terms.parallel:
        yield Refusal("parallel", terms.parallel, inflight, _SECOND)


def _too_dear(item: Mapping[str, Any], terms: Terms, demand: Demand, windows: Windows) -> Iterator[Refusal]:
    if terms.budget is None:
        return
    spent, used = item.get(windows.booking.spent, 0), item.get(windows.booking.used, 0)
    if spent + demand.est > terms.budget:
        wait = None if windows.budget_ends is None else windows.budget_ends - windows.now
        yield Refusal("budget", terms.budget, spent, wait)
    elif used + demand.est > terms.budget:
        yield Refusal("budget_held", terms.budget, spent, 2 * _SECOND)
