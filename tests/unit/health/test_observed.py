"""The facts about traffic that reach health: nothing is lost, and the calls of a quiet gateway don't cost a write
each."""

import random
from collections.abc import Mapping

import pytest

from gateway.billing.counters import counted
from gateway.errors import StoreUnavailable
from gateway.health.observed import Observed
from tests.fakes.database import Clock
from tests.unit.billing.test_counters import ROW


class Facts:
    def __init__(self) -> None:
        self.writes = 0
        self.down = False
        self.facts: dict[str, int] = {}
        self.totals: dict[str, int] = {}

    def observe(self, facts: Mapping[str, int], totals: Mapping[str, int]) -> None:
        if self.down:
            raise StoreUnavailable("down")
        self.writes += 1
        self.facts |= facts
        for name, amount in totals.items():
            self.totals[name] = self.totals.get(name, 0) + amount


def test_first_calls_are_seen_at_once_later_ones_by_and_by_and_none_is_lost() -> None:
    clock, store = Clock(), Facts()
    observed = Observed(store, clock)
    choice = random.Random(1)
    for number in range(500):
        observed.note([counted(ROW | {"rid": f"req_{number}", "latency_ms": choice.randrange(9), "settled": number})])
        if number < 20:
            assert store.totals["requests"] == number + 1
        clock.advance(60)
    assert store.writes <= 20 + 500 * 60 / 600 + 1
    clock.advance(600)
    observed.note([counted(ROW | {"rid": "last", "latency_ms": 77, "status": "upstream_error", "settled": 999})])
    assert store.totals == {"requests": 501, "errors": 1, "tokens": 0}
    assert store.facts["openai|at"] == 0


def test_what_could_not_be_written_waits() -> None:
    clock, store = Clock(), Facts()
    observed = Observed(store, clock)
    store.down = True
    with pytest.raises(StoreUnavailable):
        observed.note([counted(ROW)])
    store.down = False
    clock.advance(600)
    observed.note([counted(ROW | {"rid": "req_2"})])
    assert store.totals["requests"] == 2
