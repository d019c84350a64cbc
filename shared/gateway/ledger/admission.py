"""The arithmetic of admission. Times are integer microseconds since the epoch, money integer micro-dollars.

A bucket is one number, the theoretical arrival time (GCRA). Each call moves it on by `T`, and a call conforms while it
is at most `tau` ahead of the clock. `slack` allows containers' clocks to differ without admitting an extra call.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from functools import cached_property, lru_cache
from math import inf
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import force_setattr

from gateway.identity.caller import KeyLimits, Raise
from gateway.limits import COUNTED, LIMITS, UNITS, WINDOWS, Bucket, Limit

if TYPE_CHECKING:  # pydantic: the stream consumer starts without it
    from gateway.config.document import TierLimits

_SECOND = 1_000_000
HOUR = 3_600 * _SECOND


class Rate(Struct, frozen=True):
    """A limit that is a bucket, as an admission reads it. `name` is the bucket's attribute in an item. `first`, `last`
    and `moved` are the placeholders of an expression for the earliest and the latest arrival time that conforms, and
    for how far the call moves it. `tokens`: it counts tokens, not calls. `slack` and `step` are the bucket's, in
    microseconds."""

    limit: Limit
    bucket: Bucket
    name: str
    first: str
    last: str
    moved: str
    tokens: bool
    slack: int
    step: int


class Terms(Struct):
    """The limits of one account now: a key's own, which override its tier's, or those of a user, of a team, or of a key
    on one model. `limits` maps a tier's field to its limit. A budget is in micro-dollars, without the temporary
    addition by `budget_raise`.

    It is never changed. The other fields follow from the first five and are made once, since each call of the account
    reads them. `rates` are the limits that are buckets. `counted` are the enforced limits that are counted by adding,
    each with the most that it allows, and `counted_names` are their attributes. Of these, `counted_tokens` has the
    placeholder and the most of each that counts tokens; `before_a_call` has, by placeholder, the most that each that
    counts requests may have counted before a call, as DynamoDB writes a number. `wholes` are the enforced limits, each
    with the most that one call can ever get (for a bucket, its burst). A call that asks for no more than `least`
    (requests, tokens, money, as in UNITS) fits into each of them."""

    limits: Mapping[str, Bucket | int]
    duration: str = "monthly"
    shadow: frozenset[str] = frozenset()
    typical: bool = False  # whether calls may hold what they usually cost, not the most that they may cost
    budget_raise: Raise | None = None
    budget: int | None = None
    rates: tuple[Rate, ...] = ()
    counted: tuple[tuple[Limit, int], ...] = ()
    counted_names: tuple[str, ...] = ()
    counted_tokens: tuple[tuple[str, int], ...] = ()
    before_a_call: Mapping[str, Mapping[str, str]] = MappingProxyType({})
    wholes: tuple[tuple[Limit, int], ...] = ()
    least: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        held = [(each, self.limits[each.field]) for each in LIMITS if each.field in self.limits]
        enforced = [(each, of) for each, of in held if self.enforced(each.name)]
        self.wholes = wholes = tuple([(each, of.burst if isinstance(of, Bucket) else of) for each, of in enforced])
        self.least = tuple([min([most for each, most in wholes if each.unit == unit], default=inf) for unit in UNITS])
        self.rates = tuple([_rate(each, of) for each, of in held if isinstance(of, Bucket)])
        self.counted = counted = tuple([(each, most) for each, most in wholes if each in COUNTED])
        self.counted_names = tuple([each.attribute for each, _ in counted])
        marked = [(f":{each.attribute[0]}", each.unit, most) for each, most in counted]  # by placeholder
        self.counted_tokens = tuple([(mark, most) for mark, unit, most in marked if unit == "tokens"])
        self.before_a_call = {mark: {"N": str(most - 1)} for mark, unit, most in marked if unit == "requests"}
        budget = self.limits.get("max_budget")
        self.budget = budget if isinstance(budget, int) else None

    def enforced(self, name: str) -> bool:
        return name not in self.shadow

    def bucket(self, limit: Limit) -> Bucket | None:
        """The bucket of a limit; None if nothing is limited."""
        held = self.limits.get(limit.field)
        return held if isinstance(held, Bucket) else None

    def most(self, limit: Limit) -> int | None:
        """The most that a limit allows; for a bucket, per minute."""
        held = self.limits.get(limit.field)
        return held.limit if isinstance(held, Bucket) else held

    def budget_at(self, now: int) -> int | None:
        """The budget at this moment, with any raise that is in force then."""
        if self.budget is None or self.budget_raise is None:
            return self.budget
        raised = self.raise_at(now)
        return self.budget if raised is None else self.budget + raised.by

    def raise_at(self, now: int) -> Raise | None:
        """The raise of the budget in force at this moment; None if there is no raise or no budget."""
        raised = self.budget_raise
        return raised if raised is not None and self.budget is not None and now < raised.until * _SECOND else None


@lru_cache(maxsize=1_024)
def terms_of(tier: TierLimits, key: KeyLimits) -> Terms:
    """A key's own limits override its tier's. A duration belongs to its budget: the tier's duration is for the tier's
    budget."""
    own = key.max_budget is not None or tier.budget is None
    limits = {}
    for each in LIMITS:
        number = getattr(key, each.key_field)
        if each.kind == "money":
            number = key.max_budget if own else tier.budget
        elif number is None:
            number = getattr(tier, each.field)
        if number is not None:
            # A key's limit per minute comes with its own burst: the tier's burst belongs to another rate.
            burst = each.burst and (getattr(key, each.burst[1]) or getattr(key, each.key_field))
            limits[each.field] = _held(each, number, burst or (each.burst and getattr(tier, each.burst[0])))
    return Terms(
        limits,
        duration=key.budget_duration if own else tier.budget_duration,
        shadow=frozenset((*tier.shadow, *key.shadow)),
        typical=key.estimate == "typical",
        budget_raise=key.budget_raise,
    )


@lru_cache(maxsize=1_024)
def terms_of_limits(limits: KeyLimits) -> Terms:
    """The terms of an account without a tier: a limit that is not set does not exist."""
    given = dict(limits.given)
    return Terms(
        {
            each.field: _held(each, given[each.key_field], given.get(each.burst[1]) if each.burst else None)
            for each in LIMITS
            if each.key_field in given
        },
        duration=limits.budget_duration,
        shadow=frozenset(limits.shadow),
        typical=limits.estimate == "typical",
        budget_raise=limits.budget_raise,
    )


def _rate(limit: Limit, bucket: Bucket) -> Rate:
    mark, tokens = f":{limit.attribute[:2]}", limit.unit == "tokens"
    placeholders = f"{mark}0", f"{mark}1", f"{mark}c"
    return Rate(limit, bucket, limit.attribute, *placeholders, tokens, bucket.slack, bucket.step)


def _held(limit: Limit, number: int, burst: int | None) -> Bucket | int:
    return Bucket(number, burst or number) if limit.kind == "bucket" else number


class Demand(Struct, frozen=True):
    """What one call asks for: money to hold and tokens, both upper bounds, and tags to count it under. `typical` is
    what it may hold instead if the accounts that pay for it say so."""

    est: int
    tokens: int
    tags: tuple[str, ...] = ()
    typical: int | None = None

    def of(self, terms: Iterable[Terms]) -> Demand:
        """What it holds on the terms of all its accounts: the typical estimate if one says so, and each other account
        that has a budget says so too."""
        said = False
        for one in terms:
            if one.typical:
                said = True
            elif one.budget is not None:
                return self
        return Demand(self.typical, self.tokens, self.tags) if said and self.typical is not None else self


class Windows(Struct, frozen=True):
    """The UTC windows that contain a moment, as attribute names, and when they end (microseconds); and where a call of
    this moment is booked."""

    now: int
    hour: str
    day: str
    budget: str
    hour_ends: int
    day_ends: int
    budget_ends: int | None
    booking: Booking

    @classmethod
    def at(cls, now: int, duration: str = "monthly") -> Windows:
        hour, day, budget, hour_ends, day_ends, budget_ends, booking = _windows(now // HOUR, duration)
        return cls(now, hour, day, budget, hour_ends, day_ends, budget_ends, booking)

    def attribute(self, limit: Limit) -> str:
        """The attribute in which an item counts a limit."""
        return limit.counter(self.hour) if limit.kind == "window" else limit.attribute

    def ends(self, limit: Limit) -> int | None:
        """When a limit's count starts again; None if it does not depend on time."""
        return {"hour": self.hour_ends, "day": self.day_ends}.get(limit.window)


@lru_cache(maxsize=16)
def _windows(hour_number: int, duration: str) -> tuple[str, str, str, int, int, int | None, Booking]:
    """All fields of `Windows` except `now`, for an hour that is numbered from the epoch."""
    hour = datetime.fromtimestamp(hour_number * 3_600, UTC)
    day = hour.replace(hour=0)
    name, ends = _budget_window(day, duration)
    hour_ends, day_ends = hour + timedelta(hours=1), day + timedelta(days=1)
    ended = _micro(ends) if ends else None
    called = f"{hour:%Y-%m-%dT%H}"
    return called, f"{day:%Y-%m-%d}", name, _micro(hour_ends), _micro(day_ends), ended, booking_of(called, name)


class Booking(Struct, frozen=True, dict=True, eq=False):
    """The names of the attributes in which an item books a call's money (by hour and by budget window) and its
    tokens. It is compared by identity, which makes it a cheap key of a cache: `booking_of` gives the same object for
    the same names."""

    hour: str
    window: str
    used: str = ""  # spent and held in the window: this is what a budget limits
    tokens: tuple[str, ...] = ()  # those of the hour's windows, used and held

    def __post_init__(self) -> None:
        force_setattr(self, "used", f"used_{self.window}")
        force_setattr(self, "tokens", tuple([each.counter(self.hour) for each in WINDOWS if each.unit == "tokens"]))

    @cached_property
    def spent(self) -> str:
        return f"spent_{self.window}"

    @cached_property
    def held(self) -> str:
        """Held by calls of the hour that are under way. If it is missing, the hour has been reconciled."""
        return f"o_{self.hour}_{self.window}"

    @cached_property
    def booked(self) -> str:
        """Spent by calls of the hour."""
        return f"s_{self.hour}_{self.window}"

    @cached_property
    def calls(self) -> str:
        """Calls of the hour that are under way."""
        return f"n_{self.hour}_{self.window}"

    @cached_property
    def ends(self) -> int:
        """When the hour is over, in microseconds since the epoch."""
        return _micro(datetime.strptime(self.hour, "%Y-%m-%dT%H").replace(tzinfo=UTC) + timedelta(hours=1))


@lru_cache(maxsize=64)
def booking_of(hour: str, window: str) -> Booking:
    """One object for all calls of an hour, so that its names are made once."""
    return Booking(hour, window)


def bookings_of(item: Mapping[str, Any]) -> list[Booking]:
    """The hours of an item that are not reconciled yet, oldest first."""
    held = [name[2:].partition("_") for name in sorted(item) if name.startswith("o_")]
    return [Booking(hour, window) for hour, _, window in held]


def _budget_window(day: datetime, duration: str) -> tuple[str, datetime | None]:
    match duration:
        case "daily":
            return day.strftime("%Y-%m-%d"), day + timedelta(days=1)
        case "weekly":
            year, week, weekday = day.isocalendar()
            return f"{year}-W{week:02d}", day + timedelta(days=8 - weekday)
        case "monthly":
            return day.strftime("%Y-%m"), (day.replace(day=1) + timedelta(days=32)).replace(day=1)
        case "total":
            return "total", None
        case _:
            raise ValueError(f"no such budget duration: {duration}")


def _micro(moment: datetime) -> int:
    return int(moment.timestamp()) * _SECOND
