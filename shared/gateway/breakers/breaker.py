"""The circuit breaker as a pure state machine: its state, an event, the next state. Times are milliseconds.

    closed --(enough failures in the window)--> open --(timeout over, a probe may go)--> half-open
    half-open --(a probe succeeded)--> closed        half-open --(a probe failed)--> open, for twice as long

Half-open is not stored as a state: an open breaker whose time is over lets a few leased probes through.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

from msgspec import Struct

State = Literal["closed", "open", "half_open"]
LONGEST_OPEN_MS = 600_000
PROBE_LEASE_MS = 30_000
SLOW_KEYS = 3


class BreakerKey(Struct, frozen=True):
    """What a breaker protects: a model of a vendor in a region; or the vendor's host in that region (no model), which
    all its models share; or the whole vendor (neither), which only an operator opens."""

    vendor: str
    region: str = ""
    model: str = ""

    @staticmethod
    @lru_cache(maxsize=1_024)
    def of_target(vendor: str, model: str, region: str) -> BreakerKey:
        """The key of a call's target. Fine-tuned models of one base model run on the same machines, and there may be
        thousands of them. They share a breaker, so that the items are as few as the models that have a price."""
        base = ":".join(model.split(":")[:2]) if model.startswith("ft:") else model
        return BreakerKey(vendor, region, base)

    @classmethod
    def parse(cls, text: str) -> BreakerKey:
        """Parses `vendor/model@region`, `vendor@region` or `vendor`. A model's name may contain slashes and at
        signs."""
        before, _, region = text.rpartition("@") if "@" in text else (text, "", "")
        vendor, _, model = before.partition("/")
        return cls(vendor, region, model)

    @property
    def text(self) -> str:
        return self.vendor + (f"/{self.model}" if self.model else "") + (f"@{self.region}" if self.region else "")

    @property
    def host(self) -> BreakerKey:
        return BreakerKey(self.vendor, self.region)

    @property
    def whole(self) -> BreakerKey:
        """The key of the whole vendor: an operator's switch for all its hosts and models."""
        return BreakerKey(self.vendor)

    @property
    def is_target(self) -> bool:
        return bool(self.model)

    @property
    def is_whole(self) -> bool:
        return not self.region and not self.model


@lru_cache(maxsize=1_024)
def way_to(key: BreakerKey) -> tuple[BreakerKey, BreakerKey, BreakerKey]:
    """The breakers that a call to this target passes: the whole vendor, its host, and the target."""
    return key.whole, key.host, key


class Breaker(Struct, frozen=True):
    """The state of one breaker, which all functions share.

    `failures` and `successes` count calls in the window that began at `window` (a multiple of the window's length).
    `slow` are the keys whose calls ran into our own deadline in that window. `until` is when an open breaker may be
    probed, and `trips` is how many times in a row it opened. `forced` means that an operator opened it; then only an
    operator closes it. `probes` is the number of probes leased until `lease`.
    """

    key: BreakerKey
    open: bool = False
    forced: bool = False
    window: int = 0
    failures: int = 0
    successes: int = 0
    opened: int = 0
    until: int = 0
    trips: int = 0
    probes: int = 0
    lease: int = 0
    slow: frozenset[str] = frozenset()

    def state(self, now: int) -> State:
        if not self.open:
            return "closed"
        return "half_open" if not self.forced and now >= self.until else "open"

    def retry_after(self, now: int) -> float:
        """Seconds until a refused caller may try again; a minute if an operator opened the breaker."""
        return 60.0 if self.forced else max(self.until - now, 1_000) / 1_000


class BreakerRules(Struct, frozen=True):
    """The config's rules for breakers; see `CircuitBreaker` there."""

    failure_threshold: int
    failure_ratio: float
    window_ms: int
    timeout_ms: int
    half_open_calls: int

    def window(self, now: int) -> int:
        return now - now % self.window_ms

    def trips(self, breaker: Breaker) -> bool:
        """Whether a closed breaker has seen enough to open: enough failures; or calls of three keys that were not
        answered in time, while no call succeeded. A single key's calls may just be long."""
        total = breaker.failures + breaker.successes
        failing = breaker.failures >= self.failure_threshold and breaker.failures >= self.failure_ratio * total
        return failing or (len(breaker.slow) >= SLOW_KEYS and not breaker.successes)

    def open_for(self, trips: int) -> int:
        """How long the next opening lasts: the time doubles with each in a row, up to ten minutes (or the configured
        time, if longer)."""
        return max(self.timeout_ms, min(self.timeout_ms << min(trips, 16), LONGEST_OPEN_MS))
