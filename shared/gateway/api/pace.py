"""How often a key may ask for anything at all, paid or not: ten times as often as for paid calls.

Counted in the memory of a container, so that it costs no request to any table. What it promises: one container lets a
key through at most `burst` requests at once, and `limit` a minute after that; N containers N times as many. Paid calls
are bounded by the ledger besides, exactly, whatever the number of containers.
"""

from __future__ import annotations

import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache

from gateway.errors import RateLimited
from gateway.identity.caller import Caller
from gateway.limits import Bucket
from gateway.times import rfc3339

TIMES = 10
MOST_REMEMBERED = 10_000  # keys: 2 MB at most
DIMENSION = "all_requests"
_SECOND = 1_000_000
_LARGEST = 10_000_000_000
_ASKED = Bucket(60, 10)
# A key's calls a minute, and how many of them may come at once; None where nothing limits it.
Rate = Callable[[Caller], "tuple[int, int] | None"]


def _clock() -> int:
    return time.monotonic_ns() // 1_000


@dataclass(slots=True)
class Buckets:
    """The buckets that were drawn from last, by name. Who is forgotten begins with a full one. `clock` gives
    microseconds of a steady clock."""

    clock: Callable[[], int] = _clock
    most: int = MOST_REMEMBERED
    _arrivals: OrderedDict[str, int] = field(default_factory=OrderedDict, init=False, repr=False)
    _turn: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)

    def take(self, name: str, bucket: Bucket, units: int) -> int:
        """Draw so many units; 0, or, where they are not there and nothing is drawn, in how many microseconds they
        are."""
        now = self.clock()
        with self._turn:
            arrival = self._arrivals.pop(name, now - bucket.slack)
            conforms = bucket.conforms(arrival, units, now)
            self._arrivals[name] = max(arrival, now - bucket.slack) + bucket.cost(units) if conforms else arrival
            if len(self._arrivals) > self.most:
                self._arrivals.popitem(last=False)
        return 0 if conforms else max(1, bucket.wait(arrival, units, now))

    def wait(self, name: str, bucket: Bucket) -> int:
        """In how many microseconds a unit is there; 0 where one is. Nothing is drawn."""
        now = self.clock()
        arrival = self._arrivals.get(name, now - bucket.slack)
        return 0 if bucket.conforms(arrival, 1, now) else max(1, bucket.wait(arrival, 1, now))

    def knows(self, name: str) -> bool:
        """Whether a unit was drawn under this name, as far as that is remembered."""
        return name in self._arrivals

    def left(self, name: str, bucket: Bucket) -> int:
        now = self.clock()
        return bucket.left(self._arrivals.get(name, now - bucket.slack), now)


@dataclass(frozen=True, slots=True)
class Pace:
    """Counts every request that comes with a key; `rate` says how often it may make paid calls."""

    rate: Rate
    buckets: Buckets = field(default_factory=Buckets)
    asked: Buckets = field(default_factory=Buckets)

    def count(self, caller: Caller, requests: int = 1) -> None:
        """One request, or one that is as much as several. Raises RateLimited, and counts none of them then."""
        rate = self.rate(caller) if requests > 0 else None
        if rate is None:
            return
        bucket = _bucket(*rate)
        wait = self.buckets.take(caller.key_id, bucket, requests)
        if wait:
            raise self._refused(caller, bucket, requests, wait)

    def may_ask(self, name: str) -> bool:
        """Whether a record may be read for this name's sake: a few times at once, in a flood of refused requests once a
        second."""
        return not self.asked.take(name, _ASKED, 1)

    def _refused(self, caller: Caller, bucket: Bucket, requests: int, wait: int) -> RateLimited:
        left = self.buckets.left(caller.key_id, bucket)
        return RateLimited(
            f"The key's limit of {bucket.limit} requests of any kind per minute is reached.",
            retry_after=wait / _SECOND,
            headers={
                "x-ratelimit-limit-requests": str(bucket.limit),
                "x-ratelimit-remaining-requests": str(left),
                "x-ratelimit-reset-requests": f"{math.ceil((bucket.burst - left) * bucket.step / 1_000)}ms",
            },
            details={
                "scope": "key",
                "dimension": DIMENSION,
                "limit": bucket.limit,
                "used": bucket.burst - left,
                "needed": requests,
                "reset": rfc3339(time.time() + wait / _SECOND),
            },
        )


@lru_cache(maxsize=256)
def _bucket(limit: int, burst: int) -> Bucket:
    return Bucket(min(_LARGEST, TIMES * limit), min(_LARGEST, TIMES * burst))
