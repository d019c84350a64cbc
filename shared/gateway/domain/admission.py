"""The arithmetic of admission. Times are integer microseconds since the epoch, money integer micro-dollars.

A bucket is one number, the theoretical arrival time (GCRA): each call moves it on by `T`, and a call conforms while it
is at most `tau` ahead of the clock. `slack` lets containers' clocks differ without admitting one call more.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from gateway.domain.config import TierLimits
from gateway.domain.identity import KeyLimits

MINUTE = 60_000_000
_SLACK = 250_000
_SECOND = 1_000_000
Dimension = Literal["requests", "tokens", "requests_hour", "requests_day", "parallel", "budget", "budget_held"]


@dataclass(frozen=True, slots=True)
class Bucket:
    """A leaky bucket of `limit` units a minute, of which `burst` may come at once."""

    limit: int
    burst: int

    @property
    def slack(self) -> int:
        return min(_SLACK, self.cost(self.burst) // 2)

    @property
    def step(self) -> int:
        """T: how far one unit moves the bucket on, rounded up to the microsecond, so never a unit too many."""
        return -(-MINUTE // self.limit)

    def cost(self, units: int) -> int:
        """How far so many units move the bucket on."""
        return units * self.step

    def tau(self, units: int) -> int:
        """How far ahead the bucket may be for so many units to conform."""
        return self.cost(self.burst) - self.cost(units) - self.slack

    def idle(self, arrival: int, now: int) -> bool:
        return arrival < now - self.slack

    def wait(self, arrival: int, units: int, now: int) -> int:
        """Microseconds until so many units conform; 0 or less where they do now."""
        return arrival - self.tau(units) - now

    def left(self, arrival: int, now: int) -> int:
        """How many units would still conform now."""
        ahead = max(arrival, now - self.slack) - (now - self.slack)
        return max(0, (self.cost(self.burst) - ahead) // self.step)

    def refill(self, arrival: int, now: int) -> int:
        """Microseconds until the bucket is full again."""
        return max(0, arrival - (now - self.slack))


@dataclass(frozen=True, slots=True)
class Terms:
    """What holds for one key now: its own limits over its tier's. None means no limit of that kind."""

    requests: Bucket
    tokens: Bucket | None = None
    per_hour: int | None = None
    per_day: int | None = None
    parallel: int | None = None
    budget: int | None = None
    duration: str = "monthly"
    shadow: frozenset[str] = field(default_factory=frozenset)

    def enforced(self, name: str) -> bool:
        return name not in self.shadow


def terms_of(tier: TierLimits, key: KeyLimits) -> Terms:
    """A key's own minute limit brings its own burst: the tier's would be another rate's."""
    rpm = key.rpm_limit or tier.requests_per_minute
    burst = rpm if key.rpm_limit or not tier.burst else tier.burst
    tpm = key.tpm_limit or tier.tokens_per_minute
    return Terms(
        requests=Bucket(rpm, burst),
        tokens=Bucket(tpm, tpm) if tpm else None,
        per_hour=tier.requests_per_hour,
        per_day=tier.requests_per_day,
        parallel=key.max_parallel_requests or tier.max_parallel_requests,
        budget=key.max_budget,
        duration=key.budget_duration,
        shadow=frozenset(tier.shadow),
    )


@dataclass(frozen=True, slots=True)
class Demand:
    """What one call asks for: money to hold, and tokens, both upper bounds."""

    est: int
    tokens: int


@dataclass(frozen=True, slots=True)
class Windows:
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
        moment = datetime.fromtimestamp(now // _SECOND, UTC)
        hour = moment.replace(minute=0, second=0)
        day = hour.replace(hour=0)
        name, ends = _budget_window(day, duration)
        return cls(
            now=now,
            hour=hour.strftime("%Y-%m-%dT%H"),
            day=day.strftime("%Y-%m-%d"),
            budget=name,
            hour_ends=_micro(hour + timedelta(hours=1)),
            day_ends=_micro(day + timedelta(days=1)),
            budget_ends=_micro(ends) if ends else None,
        )


@dataclass(frozen=True, slots=True)
class Variant:
    """Which form a bucket's update takes: an idle one starts anew from the clock, a busy one moves on."""

    requests_idle: bool = True
    tokens_idle: bool = True


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a call was not admitted. `wait` is in microseconds, None where waiting does not help."""

    dimension: Dimension
    limit: int
    used: int
    wait: int | None


def variant_of(item: Mapping[str, Any], terms: Terms, now: int) -> Variant:
    """The form that fits an item as it stands."""
    return Variant(
        requests_idle=terms.requests.idle(item.get("tat", 0), now),
        tokens_idle=terms.tokens is None or terms.tokens.idle(item.get("ttat", 0), now),
    )


def refusal_of(item: Mapping[str, Any], terms: Terms, demand: Demand, windows: Windows) -> Refusal | None:
    """Why this item admits no such call now; None where it does (the update just had the wrong form)."""
    return (
        _too_fast(item, terms, demand, windows)
        or _too_many(item, terms, windows)
        or _too_dear(item, terms, demand, windows)
    )


def _too_fast(item: Mapping[str, Any], terms: Terms, demand: Demand, windows: Windows) -> Refusal | None:
    now = windows.now
    requests, tokens = terms.requests, terms.tokens
    wait = requests.wait(item.get("tat", 0), 1, now)
    if terms.enforced("requestsPerMinute") and wait > 0:
        return Refusal("requests", requests.limit, requests.burst - requests.left(item.get("tat", 0), now), wait)
    if tokens is None or not terms.enforced("tokensPerMinute"):
        return None
    if demand.tokens > tokens.burst:
        return Refusal("tokens", tokens.limit, demand.tokens, None)
    wait = tokens.wait(item.get("ttat", 0), demand.tokens, now)
    used = tokens.burst - tokens.left(item.get("ttat", 0), now)
    return Refusal("tokens", tokens.limit, used, wait) if wait > 0 else None


def _too_many(item: Mapping[str, Any], terms: Terms, windows: Windows) -> Refusal | None:
    hour, day = item.get(f"h_{windows.hour}", 0), item.get(f"d_{windows.day}", 0)
    if terms.per_hour is not None and terms.enforced("requestsPerHour") and hour >= terms.per_hour:
        return Refusal("requests_hour", terms.per_hour, hour, windows.hour_ends - windows.now)
    if terms.per_day is not None and terms.enforced("requestsPerDay") and day >= terms.per_day:
        return Refusal("requests_day", terms.per_day, day, windows.day_ends - windows.now)
    inflight = item.get("inflight", 0)
    if terms.parallel is not None and terms.enforced("maxParallelRequests") and inflight >= terms.parallel:
        return Refusal("parallel", terms.parallel, inflight, _SECOND)
    return None


def _too_dear(item: Mapping[str, Any], terms: Terms, demand: Demand, windows: Windows) -> Refusal | None:
    if terms.budget is None or not terms.enforced("budget"):
        return None
    spent = item.get(f"spent_{windows.budget}", 0)
    if spent + demand.est > terms.budget:
        wait = None if windows.budget_ends is None else windows.budget_ends - windows.now
        return Refusal("budget", terms.budget, spent, wait)
    left = item.get(f"rem_{windows.budget}", terms.budget)
    return Refusal("budget_held", terms.budget, spent, 2 * _SECOND) if left < demand.est else None


def stale_names(item: Mapping[str, Any], windows: Windows) -> list[str]:
    """Counters of hours and days gone by, which the next admission may remove."""
    current = (f"h_{windows.hour}", f"d_{windows.day}")
    return sorted(name for name in item if name[:2] in ("h_", "d_") and name not in current)[:20]


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
