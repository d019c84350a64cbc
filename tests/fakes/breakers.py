"""Breakers in memory that follow the rules of the breakers' store."""

from collections.abc import Iterator, Sequence

from msgspec.structs import replace

from gateway.breakers.breaker import PROBE_LEASE_MS, Breaker, BreakerKey, BreakerRules
from gateway.errors import StoreUnavailable


class MemoryState:
    def __init__(self) -> None:
        self.items: dict[BreakerKey, Breaker] = {}
        self.reads = self.writes = 0
        self.down = False

    def _touch(self) -> None:
        if self.down:
            raise StoreUnavailable("down")

    def __getitem__(self, key: BreakerKey) -> Breaker:
        return self.items.get(key, Breaker(key))

    def read(self, keys: Sequence[BreakerKey]) -> dict[BreakerKey, Breaker]:
        self._touch()
        self.reads += 1
        return {key: self.items[key] for key in keys if key in self.items}

    def all(self, vendor: str = "") -> Iterator[Breaker]:
        return (breaker for breaker in list(self.items.values()) if vendor in ("", breaker.key.vendor))

    def report(
        self, key: BreakerKey, failures: int, successes: int, now: int, rules: BreakerRules, slow: str = ""
    ) -> Breaker:
        self._touch()
        self.writes += 1
        item, window = self[key], rules.window(now)
        if item.open:
            return item
        if item.window != window:
            item = replace(item, window=window, failures=0, successes=0, slow=frozenset())
        item = replace(item, failures=item.failures + failures, successes=item.successes + successes)
        item = replace(item, slow=item.slow | ({slow} if slow else set()))
        self.items[key] = item
        return item

    def trip(self, breaker: Breaker, now: int, rules: BreakerRules) -> bool:
        self._touch()
        self.writes += 1
        item = self[breaker.key]
        if (item.open, item.opened) != (breaker.open, breaker.opened):
            return False
        until = now + rules.open_for(breaker.trips)
        self.items[breaker.key] = replace(
            item, open=True, opened=now, until=until, trips=breaker.trips + 1, probes=0, lease=0
        )
        return True

    def lease_probe(self, key: BreakerKey, now: int, rules: BreakerRules) -> Breaker | None:
        self._touch()
        self.writes += 1
        item = self[key]
        if item.state(now) != "half_open":
            return None
        out = item.probes if item.lease > now else 0
        if out >= rules.half_open_calls:
            return None
        self.items[key] = replace(item, probes=out + 1, lease=now + PROBE_LEASE_MS)
        return self.items[key]

    def return_probe(self, key: BreakerKey, now: int) -> None:
        self._touch()
        self.writes += 1
        item = self[key]
        if item.open and item.probes > 0 and item.lease > now:
            self.items[key] = replace(item, probes=item.probes - 1)

    def close(self, key: BreakerKey, now: int) -> None:
        self._touch()
        self.writes += 1
        self.items[key] = Breaker(key, opened=now)

    def force_open(self, key: BreakerKey, now: int) -> None:
        self.items[key] = Breaker(key, open=True, forced=True, opened=now, until=now)
