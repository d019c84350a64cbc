"""The circuit breaker as a pure state machine: what is known, what happened, what follows. Times are milliseconds.

    closed --(enough failures in the window)--> open --(timeout over, a probe may go)--> half-open
    half-open --(a probe succeeded)--> closed        half-open --(a probe failed)--> open, for twice as long

Half-open is no state of its own in storage: an open breaker whose time is over lets a few leased probes through.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["closed", "open", "half_open"]
LONGEST_OPEN_MS = 600_000
PROBE_LEASE_MS = 30_000
SLOW_KEYS = 3


@dataclass(frozen=True, slots=True)
class Breaker:
    """What all functions share about one provider.

    `failures` and `successes` count the window that began at `window` (a multiple of the window's length); `slow` are
    the keys whose calls ran into our own deadline in it.
    `until` is when an open breaker may be probed; `trips` how often it opened in a row; `forced` that an
    operator opened it: then only an operator closes it. `probes` are out until `lease`.
    """

    provider: str
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
        """Seconds until a refused caller may try again; a minute where only an operator knows."""
        return 60.0 if self.forced else max(self.until - now, 1_000) / 1_000


@dataclass(frozen=True, slots=True)
class BreakerRules:
    """From the config; see `CircuitBreaker` there."""

    failure_threshold: int
    failure_ratio: float
    window_ms: int
    timeout_ms: int
    half_open_calls: int

    def window(self, now: int) -> int:
        return now - now % self.window_ms

    def trips(self, breaker: Breaker) -> bool:
        """Whether a closed breaker has seen enough to open: enough failures, or calls of three keys that were not
        answered in time while no call was. One key's may just be long."""
        total = breaker.failures + breaker.successes
        failing = breaker.failures >= self.failure_threshold and breaker.failures >= self.failure_ratio * total
        return failing or (len(breaker.slow) >= SLOW_KEYS and not breaker.successes)

    def open_for(self, trips: int) -> int:
        """How long the next opening lasts: doubled with each in a row, ten minutes at most (or what is configured)."""
        return max(self.timeout_ms, min(self.timeout_ms << min(trips, 16), LONGEST_OPEN_MS))
