"""Everything that can be limited, in one table with a limit per line. The table determines the fields of tiers, keys,
teams and users, the authorizer's context, an account's terms and admission expression, refusals, headers and displays.

This module is below the packages that read it: config and identity take their fields from here, the ledger its
arithmetic.
"""

from __future__ import annotations

from functools import cached_property, lru_cache
from typing import Final, Literal

from msgspec import Struct

Kind = Literal["bucket", "window", "gauge", "money"]
Unit = Literal["requests", "tokens", "money"]
MINUTE: Final = 60_000_000
_SLACK: Final = 250_000
_CATCH_UP: Final = 50_000


class Limit(Struct, frozen=True):
    """One limit. `field` is the tier's field (camelCase in JSON). `key_field` is the field of a key, a team, a user, or
    a key on one model.

    `attribute` is where an item counts it. For a bucket it holds the arrival time. For a window it is two characters,
    the first of which is unique, before the name of the UTC hour or day (`window`) that is counted. For a gauge it
    holds what is under way. `unit` is what a call adds, and names a bucket's headers, which are OpenAI's. `dimension`
    and `words` name the limit in a refusal. `burst` is a tier's and a key's field for how much may come at once, if
    that may be chosen.
    """

    field: str
    key_field: str
    kind: Kind
    unit: Unit
    dimension: str
    words: str
    attribute: str = ""
    window: Literal["", "hour", "day"] = ""
    burst: tuple[str, str] | None = None

    @property
    def name(self) -> str:
        """Its name in `shadow`, metrics and logs."""
        return "budget" if self.kind == "money" else _camel_case(self.field)

    def asks(self, tokens: int) -> int:
        """How much of the limit a call takes that may use this many tokens."""
        return tokens if self.unit == "tokens" else 1

    def counter(self, hour: str) -> str:
        """The attribute that counts the window of this UTC hour (2026-11-24T05)."""
        return f"{self.attribute}{hour if self.window == 'hour' else hour[:10]}"


@lru_cache(maxsize=32)
def _camel_case(field: str) -> str:
    first, *more = field.split("_")
    return first + "".join(map(str.title, more))


# In the order in which refusals name them.
LIMITS = (
    Limit(
        "requests_per_minute",
        "rpm_limit",
        "bucket",
        "requests",
        "requests",
        "requests per minute",
        "tat",
        burst=("burst", "burst_limit"),
    ),
    Limit("tokens_per_minute", "tpm_limit", "bucket", "tokens", "tokens", "tokens per minute", "ttat"),
    Limit("requests_per_hour", "rph_limit", "window", "requests", "requests_hour", "requests per hour", "h_", "hour"),
    Limit("requests_per_day", "rpd_limit", "window", "requests", "requests_day", "requests per day", "d_", "day"),
    Limit("tokens_per_hour", "tph_limit", "window", "tokens", "tokens_hour", "tokens per hour", "k_", "hour"),
    Limit("tokens_per_day", "tpd_limit", "window", "tokens", "tokens_day", "tokens per day", "t_", "day"),
    Limit(
        "max_parallel_requests",
        "max_parallel_requests",
        "gauge",
        "requests",
        "parallel",
        "parallel requests",
        "inflight",
    ),
    Limit("max_budget", "max_budget", "money", "money", "budget", "budget"),
)
BUCKETS = tuple(each for each in LIMITS if each.kind == "bucket")
UNITS: Final[tuple[Unit, ...]] = ("requests", "tokens", "money")
WINDOWS = tuple(each for each in LIMITS if each.kind == "window")
COUNTED = tuple(each for each in LIMITS if each.kind in ("window", "gauge"))  # counted by adding what a call asks for
NAMES = tuple(each.name for each in LIMITS)
NUMBERS = tuple(
    field for each in LIMITS for field in ((each.key_field, each.burst[1]) if each.burst else (each.key_field,))
)
"""Fields of a key that hold a number, a burst behind its rate."""


class Bucket(Struct, frozen=True, dict=True):
    """A leaky bucket of `limit` units a minute, of which `burst` may come at once."""

    limit: int
    burst: int

    @cached_property
    def slack(self) -> int:
        return min(_SLACK, self.cost(self.burst) // 2)

    @cached_property
    def step(self) -> int:
        """T: how far one unit advances the bucket, rounded up to the microsecond, so that no unit too many conforms."""
        return -(-MINUTE // self.limit)

    def cost(self, units: int) -> int:
        """How far this many units advance the bucket."""
        return units * self.step

    def tau(self, units: int) -> int:
        """How far ahead the bucket may be if this many units are to conform."""
        return (self.burst - units) * self.step - self.slack

    def idle(self, arrival: int, now: int) -> bool:
        return arrival < now - self.slack

    def conforms(self, arrival: int, units: int, now: int) -> bool:
        """Whether this many units may come now. If not, they would not at any later arrival time either."""
        # Both the arrival and now - slack must be at most now + tau. For the latter this means: units <= burst.
        return units <= self.burst and arrival <= now + (self.burst - units) * self.step - self.slack

    def wait(self, arrival: int, units: int, now: int) -> int:
        """Microseconds until this many units conform; 0 or less if they do now."""
        return arrival - self.tau(units) - now

    def left(self, arrival: int, now: int) -> int:
        """How many units would still conform now."""
        return self.standing(arrival, now)[0]

    def refill(self, arrival: int, now: int) -> int:
        """Microseconds until the bucket is full again."""
        return self.standing(arrival, now)[1]

    def standing(self, arrival: int, now: int) -> tuple[int, int]:
        """How many units would still conform now, and the microseconds until the bucket is full again."""
        refill = arrival - (now - self.slack)
        if refill <= 0:
            return self.burst, 0
        left = (self.burst * self.step - refill) // self.step
        return (left if left > 0 else 0), refill

    def catch_up(self, refusals: int) -> int:
        """How far a call that other calls have hindered this often may advance the bucket beyond its own step: at most
        50 ms, and at most four steps or a hundredth of the bucket, whichever is more; twice that each further time."""
        whole = self.cost(self.burst)
        return min(whole, min(_CATCH_UP, max(4 * self.step, whole // 100)) << (refusals - 1))
