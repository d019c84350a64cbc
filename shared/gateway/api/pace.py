"""Limits how often a key may send requests of any kind, paid or not: ten times as often as paid calls.

The count is in the memory of a container, so that it costs no request to any table. The guarantee is this: one
container lets through at most `burst` requests of a key at once, and `limit` a minute after that; N containers let
through N times as many. The ledger also bounds paid calls, exactly, whatever the number of containers.
"""

from __future__ import annotations

import dataclasses
import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from msgspec import Struct, field

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
# A key's calls a minute, and how many of them may come at once; None if nothing limits the key.
Rate = Callable[[Caller], "tuple[int, int] | None"]


def _clock() -> int:
    return time.monotonic_ns() // 1_000


@dataclass(slots=True)
class Buckets:
    """The most recently used buckets, by name. A name that was forgotten starts with a full bucket again. `clock` gives
    microseconds of a steady clock."""

    clock: Callable[[], int] = _clock
    most: int = MOST_REMEMBERED
    _arrivals: OrderedDict[str, int] = dataclasses.field(default_factory=OrderedDict, init=False, repr=False)
    _turn: threading.Lock = dataclasses.field(default_factory=threading.Lock, init=False, repr=False)

    def take(self, name: str, bucket: Bucket, units: int) -> int:
        """Draw `units` and return 0. If too few are left, draw nothing and return the microseconds until they will be
        available."""
        now, arrivals = self.clock(), self._arrivals
        idle = now - bucket.slack
        with self._turn:
            arrival = arrivals.pop(name, None)
            if arrival is None:
                arrival = idle
                if len(arrivals) >= self.most:
                    arrivals.popitem(last=False)
            conforms = bucket.conforms(arrival, units, now)
            later = arrival if arrival > idle else idle
            arrivals[name] = later + units * bucket.step if conforms else arrival
        return 0 if conforms else max(1, bucket.wait(arrival, units, now))

    def wait(self, name: str, bucket: Bucket) -> int:
        """Microseconds until a unit is available; 0 if one is now. Nothing is drawn."""
        now = self.clock()
        arrival = self._arrivals.get(name, now - bucket.slack)
        return 0 if bucket.conforms(arrival, 1, now) else max(1, bucket.wait(arrival, 1, now))

    def knows(self, name: str) -> bool:
        """Whether something was drawn under this name, as far as that is remembered."""
        return name in self._arrivals

    def left(self, name: str, bucket: Bucket) -> int:
        now = self.clock()
        return bucket.left(self._arrivals.get(name, now - bucket.slack), now)


class Pace(Struct, frozen=True):
    """Counts every request that comes with a key. `rate` says how often the key may make paid calls."""

    rate: Rate
    buckets: Buckets = field(default_factory=Buckets)
    asked: Buckets = field(default_factory=Buckets)

    def count(self, caller: Caller, requests: int = 1) -> None:
        """Count one request, or one that weighs as much as several. If it raises RateLimited, it has counted none."""
        rate = self.rate(caller) if requests > 0 else None
        if rate is None:
            return
        limit, burst = rate
        bucket = _bucket(limit, burst)
        wait = self.buckets.take(caller.key_id, bucket, requests)
        if wait:
            raise self._refused(caller, bucket, requests, wait)

    def may_ask(self, name: str) -> bool:
        """Whether a record may be read for this name: a few times at once, and in a flood of refused requests once a
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
