"""Why a call is refused, or would be by a limit in shadow: plain arithmetic over an item of `limits`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct

from gateway.ledger.admission import Demand, Terms, Windows
from gateway.ledger.moves import Variant
from gateway.limits import BUCKETS, COUNTED, LIMITS, Bucket, Limit

_SECOND = 1_000_000
_MONEY = next(each for each in LIMITS if each.kind == "money")
_BY_DIMENSION = {each.dimension: each for each in LIMITS} | {"budget_held": _MONEY}


class Refusal(Struct, frozen=True):
    """Why a call was not admitted. `wait` is in microseconds, None if waiting does not help. `dimension` is that of a
    limit, or `budget_held`: the rest of the budget is held by calls under way."""

    dimension: str
    limit: int
    used: int
    wait: int | None

    @property
    def limited(self) -> Limit:
        return _BY_DIMENSION[self.dimension]

    @property
    def name(self) -> str:
        """The limit's name in the config, and in `shadow`."""
        return self.limited.name


def refusal_of(item: Mapping[str, Any], terms: Terms, demand: Demand, windows: Windows) -> Refusal | None:
    """Why this item does not admit such a call now; None if it does (the update just had the wrong form)."""
    return next((each for each in _exceeded(item, terms, demand, windows) if terms.enforced(each.name)), None)


def shadow_refusals(
    item: Mapping[str, Any], terms: Terms, demand: Demand, windows: Windows, variant: Variant
) -> tuple[Refusal, ...]:
    """How limits in shadow would have refused a call that was admitted. `item` is as its admission left it."""
    if not terms.shadow:
        return ()
    before = _before(item, terms, demand, windows, variant)
    return tuple(each for each in _exceeded(before, terms, demand, windows) if not terms.enforced(each.name))


def fits(terms: Terms, demand: Demand) -> bool:
    """Whether a call asks for no more than the whole of each enforced limit, so that `hopeless` finds none, whatever
    the item."""
    requests, tokens, money = terms.least
    return requests >= 1 and demand.tokens <= tokens and demand.est <= money


def hopeless(item: Mapping[str, Any], terms: Terms, demand: Demand, windows: Windows) -> Iterator[Refusal]:
    """Every enforced limit whose whole is less than a call asks for, so waiting can't help. `item` may be empty."""
    raised = terms.raise_at(windows.now)
    for limit, held in terms.wholes:
        money = limit.kind == "money"
        asked = demand.est if money else limit.asks(demand.tokens)
        whole = held + raised.by if money and raised else held
        if asked <= whole:
            continue
        bucket, most = terms.bucket(limit), whole
        if bucket is not None:
            most, used = bucket.limit, bucket.burst - bucket.left(item.get(limit.attribute, 0), windows.now)
        else:
            used = item.get(windows.booking.spent if money else windows.attribute(limit), 0)
        yield Refusal(limit.dimension, most, used, None)


def money_refusal(item: Mapping[str, Any], terms: Terms, demand: Demand, windows: Windows) -> Refusal | None:
    """Why the budget has no room for the demand; None if it has."""
    return next(_too_dear(item, terms, demand, windows), None)


def _before(
    item: Mapping[str, Any], terms: Terms, demand: Demand, windows: Windows, variant: Variant
) -> dict[str, Any]:
    """The item as an admission found it. A bucket that was idle appears as empty, which is all that matters."""
    before = dict(item)
    for limit in BUCKETS:
        bucket, move = terms.bucket(limit), variant.of(limit.attribute)
        if bucket is not None and move.form != "over":
            before[limit.attribute] -= bucket.cost(limit.asks(demand.tokens)) + move.extra
    for limit in COUNTED:
        before[windows.attribute(limit)] -= limit.asks(demand.tokens)
    before[windows.booking.used] -= demand.est
    return before


def _exceeded(item: Mapping[str, Any], terms: Terms, demand: Demand, windows: Windows) -> Iterator[Refusal]:
    """Every limit, enforced or not, that such a call would exceed."""
    for limit in LIMITS:
        if limit.kind == "money":
            yield from _too_dear(item, terms, demand, windows)
        elif limit.kind == "bucket":
            yield from _too_fast(limit, terms.bucket(limit), item, demand, windows.now)
        else:
            yield from _too_many(limit, terms.most(limit), item, demand, windows)


def _too_fast(
    limit: Limit, bucket: Bucket | None, item: Mapping[str, Any], demand: Demand, now: int
) -> Iterator[Refusal]:
    arrival, units = item.get(limit.attribute, 0), limit.asks(demand.tokens)
    if bucket is None or bucket.conforms(arrival, units, now):
        return
    wait = None if units > bucket.burst else bucket.wait(arrival, units, now)
    yield Refusal(limit.dimension, bucket.limit, bucket.burst - bucket.left(arrival, now), wait)


def _too_many(
    limit: Limit, most: int | None, item: Mapping[str, Any], demand: Demand, windows: Windows
) -> Iterator[Refusal]:
    asked, used = limit.asks(demand.tokens), item.get(windows.attribute(limit), 0)
    if most is None or used + asked <= most:
        return
    ends = windows.ends(limit)
    wait = _SECOND if ends is None else ends - windows.now
    yield Refusal(limit.dimension, most, used, None if asked > most else wait)


def _too_dear(item: Mapping[str, Any], terms: Terms, demand: Demand, windows: Windows) -> Iterator[Refusal]:
    budget = terms.budget_at(windows.now)
    if budget is None:
        return
    spent, used = item.get(windows.booking.spent, 0), item.get(windows.booking.used, 0)
    if spent + demand.est > budget:
        wait = None if windows.budget_ends is None else windows.budget_ends - windows.now
        yield Refusal(_MONEY.dimension, budget, spent, wait)
    elif used + demand.est > budget:
        yield Refusal("budget_held", budget, spent, 2 * _SECOND)
