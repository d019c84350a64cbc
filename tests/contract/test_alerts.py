"""Budget alerts on DynamoDB Local: each threshold is reported once, whoever else looks, and never lost."""

import json
from typing import Any

import pytest

from gateway.billing.alerts import Alerts
from gateway.billing.alerts_store import AlertStore
from gateway.billing.counters import Counted, counted
from gateway.billing.last_used import LastUsed
from gateway.config.document import TierLimits
from gateway.errors import StoreUnavailable
from gateway.identity.caller import KeyLimits
from gateway.keys.keys import Keys
from gateway.keys.uses_store import UseStore
from tests.contract.conftest import CountingDatabase, DroppingDatabase, Tables
from tests.contract.test_keys import ADMIN
from tests.contract.world import NOW, World, at_once, paid


class Mail:
    """A topic that keeps the messages that it got, and may be down."""

    def __init__(self, failures: int = 0) -> None:
        self.got: list[dict[str, Any]] = []
        self.failures = failures

    def publish(self, subject: str, text: str) -> None:
        if self.failures:
            self.failures -= 1
            raise StoreUnavailable("down")
        self.got.append(json.loads(text) | {"subject": subject})

    @property
    def thresholds(self) -> list[tuple[str, int]]:
        return sorted((each["scope"], each["threshold_percent"]) for each in self.got)


def alerts(world: World, mail: Mail) -> Alerts:
    store = AlertStore(world.tables.database, world.tables["state"])
    return Alerts(world.limits_store, store, mail.publish, lambda: world.now / 1_000_000)


def spend(world: World, cost: int) -> list[Counted]:
    ledger = world.ledger()
    hold = world.admit(ledger, max(cost, 1))
    ledger.settle(hold, paid(cost))
    return [counted(row) for row in world.rows() if row["rid"] == hold.row.rid]


def test_each_threshold_once_for_key_and_team(tables: Tables) -> None:
    world = World(tables, KeyLimits(max_budget=1_000), team=KeyLimits(max_budget=1_600, budget_duration="total"))
    mail = Mail()
    assert spend(world, 490)
    alerts(world, mail).check(spend(world, 5))
    assert mail.thresholds == []
    rows = spend(world, 10)
    containers = [alerts(world, mail) for _ in range(8)]
    order = iter(containers)
    at_once(8, lambda: next(order).check(rows))
    assert mail.thresholds == [("key", 50)]
    fact = mail.got[0]
    assert (fact["id"], fact["window"], fact["spent_usd"], fact["budget_usd"]) == ("key1", "2027-01", 0.000505, 0.001)
    alerts(world, mail).check(spend(world, 495))
    assert mail.thresholds == [("key", 50), ("key", 80), ("key", 100), ("team", 50)]
    alerts(world, mail).check(rows)
    assert len(mail.got) == 4


def test_a_budget_that_was_raised_warns_anew(tables: Tables) -> None:
    world, mail = World(tables, KeyLimits(max_budget=100)), Mail()
    alerts(world, mail).check(spend(world, 100))
    admin = Keys(world.keys, world.limits_store, world.tiers.__getitem__, lambda: world.now / 1_000_000)
    world.record = admin.change("key1", {"max_budget": 0.0002}, ADMIN)
    alerts(world, mail).check(spend(world, 60))
    assert [(each["threshold_percent"], each["budget_usd"]) for each in mail.got] == [
        (50, 0.0001),
        (80, 0.0001),
        (100, 0.0001),
        (50, 0.0002),
        (80, 0.0002),
    ]


def test_a_tier_s_budget_warns_too(tables: Tables) -> None:
    world, mail = World(tables, tiers={"free": TierLimits(requests_per_minute=100, max_budget=0.0001)}), Mail()
    alerts(world, mail).check(spend(world, 60))
    assert [(each["scope"], each["threshold_percent"], each["budget_usd"]) for each in mail.got] == [
        ("key", 50, 0.0001)
    ]


def test_a_topic_that_is_down_gets_it_later(tables: Tables) -> None:
    world, mail = World(tables, KeyLimits(max_budget=100)), Mail(failures=1)
    rows = spend(world, 60)
    container = alerts(world, mail)
    for _ in range(2):
        try:
            container.check(rows)
        except StoreUnavailable:
            continue
    assert mail.got == []  # claimed a moment ago, so perhaps another container is sending it
    world.now += 61_000_000
    alerts(world, mail).check(rows)
    alerts(world, mail).check(rows)
    assert mail.thresholds == [("key", 50)]


def test_who_claimed_it_and_failed_tries_again_though_its_key_makes_no_more_rows(tables: Tables) -> None:
    world, mail = World(tables, KeyLimits(max_budget=100)), Mail(failures=1)
    container = alerts(world, mail)
    with pytest.raises(StoreUnavailable):
        container.check(spend(world, 60))
    container.check([])  # a moment later: the claim is this container's own, and less than a minute old
    world.now += 61_000_000
    container.check([])
    container.check([])
    assert mail.thresholds == [("key", 50)]


def test_an_alert_that_fails_keeps_no_other_back(tables: Tables) -> None:
    worlds = [World(tables, KeyLimits(max_budget=100), key=name) for name in ("key1", "key2")]
    mail = Mail(failures=1)
    rows = [row for world in worlds for row in spend(world, 60)]
    with pytest.raises(StoreUnavailable):
        alerts(worlds[0], mail).check(rows)
    assert [each["id"] for each in mail.got] == ["key2"]


def test_a_batch_costs_a_read_for_each_budget_and_no_write_once_warned(tables: Tables) -> None:
    world, mail = World(tables, KeyLimits(max_budget=100)), Mail()
    rows = spend(world, 60)
    database = CountingDatabase(tables.database)
    container = Alerts(
        type(world.limits_store)(database, tables["limits"], tables["api-keys"]),
        AlertStore(database, tables["state"]),
        mail.publish,
        lambda: world.now / 1_000_000,
    )
    container.check(rows * 50)
    assert database.calls == ["GetItem", "PutItem", "UpdateItem"]
    database.calls.clear()
    container.check(rows * 50)
    assert database.calls == ["GetItem"]


def test_last_use_is_written_twice_a_minute_at_most(tables: Tables) -> None:
    world = World(tables, KeyLimits())
    database = CountingDatabase(tables.database)
    used = LastUsed(UseStore(database, tables["state"]))
    for _ in range(10):
        used.note(spend(world, 1))
        world.now += 6_000_000
    assert len(database.calls) == 2
    assert world.now / 1_000_000 - UseStore(tables.database, tables["state"]).of(["key1"])["key1"] <= 60


def test_a_key_whose_last_use_could_not_be_written_keeps_none_other_back_and_is_due_again(tables: Tables) -> None:
    worlds = [World(tables, key=name) for name in ("key1", "key2", "key3")]
    rows = [row for world in worlds for row in spend(world, 1)]
    used = LastUsed(UseStore(DroppingDatabase(tables.database, lambda _o, number: number == 1), tables["state"]))
    with pytest.raises(StoreUnavailable):
        used.note(rows)
    uses = UseStore(tables.database, tables["state"])
    assert set(uses.of(["key1", "key2", "key3"])) == {"key2", "key3"}
    used.note([])  # the next batch has other rows
    assert uses.of(["key1"]) == {"key1": NOW // 1_000_000}
