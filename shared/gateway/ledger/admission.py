"""The arithmetic of admission. Times are integer microseconds since the epoch, money integer micro-dollars.

A bucket is one number, the theoretical arrival time (GCRA): each call moves it on by `T`, and a call conforms while it
is at most `tau` ahead of the clock. `slack` lets containers' clocks differ without admitting one call more.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from gateway.identity.caller import KeyLimits, Raise
from gateway.limits import BUCKETS, LIMITS, WINDOWS, Bucket, Limit

if TYPE_CHECKING:  # pydantic: the stream consumer starts without it
    from gateway.config.document import TierLimits

_SECOND = 1_000_000
_HOUR = 3_600 * _SECOND


@dataclass(frozen=True)
class Terms:
    """What holds for one account now: a key's own limits over its tier's, or all that limits a user, a team, or a key
    on one model. `limits` has what is limited, by the field of a tier; a budget in micro-dollars, without what
    `budget_raise` adds to it for a while."""

    limits: Mapping[str, Bucket | int]
    duration: str = "monthly"
    shadow: frozenset[str] = field(default_factory=frozenset)
    typical: bool = False  # whether calls may hold what they cost as a rule, not what they may cost at most
    budget_raise: Raise | None = None

    def enforced(self, name: str) -> bool:
        return name not in self.shadow

    def bucket(self, limit: Limit) -> Bucket | None:
        """Of a limit that is a bucket; None where nothing is limited."""
        held = self.limits.get(limit.field)
        return held if isinstance(held, Bucket) else None

    def most(self, limit: Limit) -> int | None:
        """How much of it may be; of a bucket in a minute."""
        held = self.limits.get(limit.field)
        return held.limit if isinstance(held, Bucket) else held

    @cached_property
    def buckets(self) -> tuple[tuple[Limit, Bucket], ...]:
        """The limits that are buckets, each with its own."""
        held = ((limit, self.bucket(limit)) for limit in BUCKETS)
        return tuple((limit, bucket) for limit, bucket in held if bucket is not None)

    @cached_property
    def wholes(self) -> tuple[tuple[Limit, int], ...]:
        """The enforced limits, each with the most that there ever is of it: of a bucket its burst."""
        whole = ((limit, self.limits.get(limit.field)) for limit in LIMITS if self.enforced(limit.name))
        return tuple(
            (limit, held.burst if isinstance(held, Bucket) else held) for limit, held in whole if held is not None
        )

    @cached_property
    def budget(self) -> int | None:
        held = self.limits.get("max_budget")
        return held if isinstance(held, int) else None

    def budget_at(self, now: int) -> int | None:
        """The budget that holds at this moment, with what it is raised by then."""
        raised = self.raise_at(now)
        return self.budget if self.budget is None or raised is None else self.budget + raised.by

    def raise_at(self, now: int) -> Raise | None:
        """What raises the budget at this moment; None where nothing does, or there is no budget."""
        raised = self.budget_raise
        return raised if raised is not None and self.budget is not None and now < raised.until * _SECOND else None


@lru_cache(maxsize=1_024)
def terms_of(tier: TierLimits, key: KeyLimits) -> Terms:
    """A key's own limits over its tier's. A duration belongs to its budget: the tier's is for the tier's budget."""
    own = key.max_budget is not None or tier.budget is None
    limits = {}
    for each in LIMITS:
        number = getattr(key, each.key_field)
        if each.kind == "money":
            number = key.max_budget if own else tier.budget
        elif number is None:
            number = getattr(tier, each.field)
        if number is not None:
            # A minute's limit brings its own burst, the tier's would be another rate's.
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
    """Of what has no tier: what is not set is not limited."""
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


class Demand(NamedTuple):
    """What one call asks for: money to hold, and tokens, both upper bounds; and tags to count it under. `typical` is
    what it may hold instead where who pays for it says so."""

    est: int
    tokens: int
    tags: tuple[str, ...] = ()
    typical: int | None = None

    def of(self, terms: Iterable[Terms]) -> Demand:
        """What it holds, on the terms of all its accounts: the typical where one says so, and each other one that has a
        budget to pass does too."""
        each = list(terms)
        chosen = any(one.typical for one in each) and all(one.typical or one.budget is None for one in each)
        est = self.typical if chosen and self.typical is not None else self.est
        return Demand(est, self.tokens, self.tags)


class Windows(NamedTuple):
    """The UTC windows that a moment lies in, as attribute names, and when they end (microseconds)."""

    now: int
    hour: str
    day: str
    budget: str
    hour_ends: int
    day_ends: int
    budget_ends: int | None

    @classmethod
    def at(cls, now: int, duration: str = "monthly") -> Windows:
        return cls(now, *_windows(now // _HOUR, duration))

    @property
    def booking(self) -> Booking:
        return booking_of(self.hour, self.budget)

    def attribute(self, limit: Limit) -> str:
        """Where an item counts a limit that is counted."""
        return limit.counter(self.hour) if limit.kind == "window" else limit.attribute

    def ends(self, limit: Limit) -> int | None:
        """When what a limit counts begins anew; None where that is no question of time."""
        return {"hour": self.hour_ends, "day": self.day_ends}.get(limit.window)


@lru_cache(maxsize=16)
def _windows(hour_number: int, duration: str) -> tuple[str, str, str, int, int, int | None]:
    """All but `now` of the windows of an hour, which is numbered from the epoch."""
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


@dataclass(frozen=True)
class Booking:
    """Where a call's money stands on an item: in its hour, and in its budget's window; and its tokens. These are
    attributes' names."""

    hour: str
    window: str

    @cached_property
    def used(self) -> str:
        """Spent and held in the window: what a budget bounds."""
        return f"used_{self.window}"

    @cached_property
    def spent(self) -> str:
        return f"spent_{self.window}"

    @cached_property
    def held(self) -> str:
        """Held by calls of the hour that are under way. Where it is not there, the hour is reconciled."""
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
    """One for all calls of an hour: its names are made once."""
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
