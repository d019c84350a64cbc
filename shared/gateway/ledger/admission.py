"""The arithmetic of admission. Times are integer microseconds since the epoch, money integer micro-dollars.

A bucket is one number, the theoretical arrival time (GCRA). Each call moves it on by `T`, and a call conforms while it
is at most `tau` ahead of the clock. `slack` allows containers' clocks to differ without admitting an extra call.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from functools import cached_property, lru_cache
from math import inf
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from gateway.identity.caller import KeyLimits, Raise
from gateway.limits import BUCKETS, COUNTED, LIMITS, UNITS, WINDOWS, Bucket, Limit, Unit

if TYPE_CHECKING:  # pydantic: the stream consumer starts without it
    from gateway.config.document import TierLimits

_SECOND = 1_000_000
HOUR = 3_600 * _SECOND


class Terms(Struct, frozen=True, dict=True):
    """The limits of one account now: a key's own, which override its tier's, or those of a user, of a team, or of a key
    on one model. `limits` maps a tier's field to its limit. A budget is in micro-dollars, without the temporary
    addition by `budget_raise`."""

    limits: Mapping[str, Bucket | int]
    duration: str = "monthly"
    shadow: frozenset[str] = frozenset()
    typical: bool = False  # whether calls may hold what they usually cost, not the most that they may cost
    budget_raise: Raise | None = None

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

    @cached_property
    def buckets(self) -> tuple[tuple[Limit, Bucket], ...]:
        """The limits that are buckets, each with its bucket."""
        held = ((limit, self.bucket(limit)) for limit in BUCKETS)
        return tuple((limit, bucket) for limit, bucket in held if bucket is not None)

    @cached_property
    def counted(self) -> tuple[tuple[Limit, int], ...]:
        """The enforced limits that are counted by adding, each with the most that it allows."""
        most = ((limit, self.most(limit)) for limit in COUNTED if self.enforced(limit.name))
        return tuple((limit, number) for limit, number in most if number is not None)

    @cached_property
    def counted_names(self) -> tuple[str, ...]:
        """The attributes of `counted`."""
        return tuple(limit.attribute for limit, _ in self.counted)

    @cached_property
    def counted_tokens(self) -> tuple[tuple[Limit, int], ...]:
        """Those of `counted` that count tokens."""
        return tuple((limit, most) for limit, most in self.counted if limit.unit == "tokens")

    @cached_property
    def before_a_call(self) -> Mapping[str, Mapping[str, str]]:
        """The most that an item may have counted before a call, of those of `counted` that count calls: what an
        admission's expression compares with, by placeholder, as DynamoDB writes a number."""
        return {f":{each.attribute[0]}": {"N": str(most - 1)} for each, most in self.counted if each.unit == "requests"}

    @cached_property
    def wholes(self) -> tuple[tuple[Limit, int], ...]:
        """The enforced limits, each with the most that one call can ever get: for a bucket, its burst."""
        whole = ((limit, self.limits.get(limit.field)) for limit in LIMITS if self.enforced(limit.name))
        return tuple(
            (limit, held.burst if isinstance(held, Bucket) else held) for limit, held in whole if held is not None
        )

    @cached_property
    def least(self) -> Mapping[Unit, float]:
        """The least of the wholes by their unit: what asks for no more than this fits into each of them."""
        return {unit: min([most for limit, most in self.wholes if limit.unit == unit], default=inf) for unit in UNITS}

    @cached_property
    def budget(self) -> int | None:
        held = self.limits.get("max_budget")
        return held if isinstance(held, int) else None

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
    """The UTC windows that contain a moment, as attribute names, and when they end (microseconds)."""

    now: int
    hour: str
    day: str
    budget: str
    hour_ends: int
    day_ends: int
    budget_ends: int | None

    @classmethod
    def at(cls, now: int, duration: str = "monthly") -> Windows:
        return cls(now, *_windows(now // HOUR, duration))

    @property
    def booking(self) -> Booking:
        return booking_of(self.hour, self.budget)

    def attribute(self, limit: Limit) -> str:
        """The attribute in which an item counts a limit."""
        return limit.counter(self.hour) if limit.kind == "window" else limit.attribute

    def ends(self, limit: Limit) -> int | None:
        """When a limit's count starts again; None if it does not depend on time."""
        return {"hour": self.hour_ends, "day": self.day_ends}.get(limit.window)


@lru_cache(maxsize=16)
def _windows(hour_number: int, duration: str) -> tuple[str, str, str, int, int, int | None]:
    """All fields of `Windows` except `now`, for an hour that is numbered from the epoch."""
    hour = datetime.fromtimestamp(hour_number * 3_600, UTC)
    day = hour.replace(hour=0)
    name, ends = _budget_window(day, duration)
    hour_ends, day_ends = hour + timedelta(hours=1), day + timedelta(days=1)
    return (
        f"{hour:%Y-%m-%dT%H}",
        f"{day:%Y-%m-%d}",
        name,
        _micro(hour_ends),
        _micro(day_ends),
        _micro(ends) if ends else None,
    )


class Booking(Struct, frozen=True, dict=True):
    """The names of the attributes in which an item books a call's money (by hour and by budget window) and its
    tokens."""

    hour: str
    window: str

    @cached_property
    def used(self) -> str:
        """Spent and held in the window: this is what a budget limits."""
        return f"used_{self.window}"

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
    def tokens(self) -> tuple[str, ...]:
        """Tokens of the hour's windows, used and held."""
        return tuple(each.counter(self.hour) for each in WINDOWS if each.unit == "tokens")

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
    return [Booking(*name[2:].split("_", 1)) for name in sorted(item) if name.startswith("o_")]


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
