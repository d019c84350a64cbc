"""The cost of a call in write units on DynamoDB Local: everything that the function and the consumer write for it."""

import random
from collections.abc import Callable

import pytest
from msgspec.structs import replace

from gateway.billing.alerts import Alerts
from gateway.billing.alerts_store import AlertStore
from gateway.billing.consumer import Rollup
from gateway.billing.counting import Counting
from gateway.billing.last_used import LastUsed
from gateway.billing.parked_store import ParkedStore
from gateway.billing.store import UsageStore
from gateway.config.document import TierLimits
from gateway.dynamodb.attributes import to_item
from gateway.dynamodb.client import Database
from gateway.health.observed import Observed
from gateway.health.store import HealthStore
from gateway.identity.caller import KeyLimits
from gateway.keys.uses_store import UseStore
from gateway.ledger.closing.reconcile import Reconciler
from gateway.ledger.holds import Outcome
from gateway.ledger.limits_store import LimitsStore
from gateway.models.usage import Usage
from tests.contract.conftest import MeteredDatabase, Tables
from tests.contract.world import NOW, World, paid
from tests.fakes.database import Clock


def the_consumer(tables: Tables, database: Database, now: Callable[[], float]) -> Rollup:
    """The consumer as wiring makes it, with everything that it writes in addition to the bill."""
    state = tables["state"]
    limits = LimitsStore(database, tables["limits"], tables["api-keys"])
    alerts = Alerts(limits, AlertStore(database, state), lambda _subject, _text: None, now)
    after = (LastUsed(UseStore(database, state)).note, Observed(HealthStore(database, state), now).note, alerts.check)
    counting = Counting(UsageStore(database, tables["usage"]), now)
    return Rollup(counting, ParkedStore(database, state), now, after)


@pytest.mark.parametrize(
    ("keys", "every", "calls", "batch", "tags", "most"),
    [
        (20, 4_320, 10, 1, 0, 7),
        (4, 600, 50, 1, 0, 7),
        (1, 86, 200, 1, 0, 7),
        (1, 10, 200, 1, 0, 7),
        (1, 1, 200, 10, 0, 7),
        (1, 86, 200, 1, 10, 10),  # of the 24 tags that a key has, each of 24 characters: as many as a day has room for
    ],
)
def test_a_call_costs_four_write_units_and_seven_with_its_bill(
    tables: Tables, keys: int, every: int, calls: int, batch: int, tags: int, most: int
) -> None:
    """All writes of the function, the consumer and the reconcile, for keys that call every few seconds, one after the
    other. Their rows come one by one, or in tens."""
    tier = TierLimits(requests_per_minute=100, requests_per_hour=10_000, requests_per_day=100_000)
    midnight = NOW - NOW % 86_400_000_000
    budget = KeyLimits(max_budget=1_000_000_000)
    worlds = [World(tables, budget, now=midnight, tiers={"free": tier}, key=f"key{n:09}") for n in range(keys)]
    for world in worlds:  # the first call of a key makes its item
        world.ledger().settle(world.admit(world.ledger()), paid(1))
    clock, choice = Clock(midnight / 1_000_000), random.Random(every)
    asked, billed = MeteredDatabase(tables.database), MeteredDatabase(tables.database)
    limits = LimitsStore(billed, tables["limits"], tables["api-keys"])
    reconciler = Reconciler(limits, worlds[0].row_store, lambda: int(clock.now * 1_000_000))
    consumer = the_consumer(tables, billed, clock)
    waiting = []
    for number in range(keys * calls):
        hour = clock.now // 3_600
        clock.advance(every / keys)
        if clock.now // 3_600 > hour:
            reconciler.reconcile()
        world = worlds[number % keys]
        world.now = int(clock.now * 1_000_000)
        ledger = world.ledger(asked)
        used = tuple(f"a-team-or-a-customer-{each:03}" for each in choice.sample(range(24), tags))
        hold = ledger.admit(world.caller, world.tiers.__getitem__, replace(world.request(100_000), tags=used))
        assert hold.row.tags == used
        latency = round(choice.lognormvariate(7.6, 0.6))  # a median of two seconds
        outcome = Outcome(Usage(input_tokens=900, output_tokens=150), choice.randrange(500, 90_000), 0, "ok", latency)
        ledger.settle(hold, outcome)
        get = {"TableName": tables["request-analytics"], "ConsistentRead": True}
        row = tables.database.call("GetItem", get | {"Key": to_item({"minute": hold.row.minute, "rid": hold.row.rid})})
        change = {"SequenceNumber": str(number), "NewImage": row["Item"]}
        waiting.append({"eventName": "MODIFY", "dynamodb": change})
        if len(waiting) == batch:
            assert consumer.apply(waiting) == []
            waiting = []
    first, later = asked.units / (keys * calls), billed.units / (keys * calls)
    figures = f"{first:.2f} + {later:.2f} = {first + later:.2f}"
    print(f"{keys} keys, every {every} s, {batch} a batch, {tags} tags: {figures} units a call")
    assert first <= 4.2
    assert first + later <= most
