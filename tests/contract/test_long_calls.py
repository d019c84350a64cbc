"""Calls of many minutes: no call is expired before its deadline, no dead call is missed, and no hour with an open call
is closed."""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

import pytest

from gateway.billing.counters import counted
from gateway.billing.counting import Counting
from gateway.billing.rebuild import Rebuild
from gateway.billing.store import UsageStore
from gateway.dynamodb.client import Database
from gateway.errors import StoreUnavailable
from gateway.identity.caller import KeyLimits
from gateway.ledger.admission import Windows
from tests.contract.conftest import Tables
from tests.contract.world import World, paid

MINUTE = 60_000_000
HOUR = 60 * MINUTE
LONG = 15 * 60
# Two minutes before the end of an hour, a day, a month and a year.
EDGES = [
    datetime(2026, 11, 24, 14, 58, tzinfo=UTC),
    datetime(2026, 11, 24, 23, 58, tzinfo=UTC),
    datetime(2026, 11, 30, 23, 58, tzinfo=UTC),
    datetime(2026, 12, 31, 23, 58, tzinfo=UTC),
]


def world_at(tables: Tables, moment: datetime) -> World:
    budget = KeyLimits(max_budget=10_000, budget_duration="daily")
    world = World(tables, budget, team=budget, now=int(moment.timestamp()) * 1_000_000)
    world.sweeper().sweep()
    return world


def minutes_pass(world: World, minutes: int) -> int:
    """Lets this many minutes pass; the sweeper runs in each of them, and the reconcile in some. Returns how many rows
    expired."""
    expired = 0
    for number in range(minutes):
        world.now += MINUTE
        expired += world.sweeper().sweep()
        if number % 7 == minutes % 7:
            world.reconcile()
    return expired


@pytest.mark.parametrize("moment", EDGES, ids=["hour", "day", "month", "year"])
def test_a_long_call_over_an_edge_is_waited_for_and_booked_where_it_began(tables: Tables, moment: datetime) -> None:
    world = world_at(tables, moment)
    ledger, window = world.ledger(), Windows.at(world.now, "daily").budget
    hold = world.admit(ledger, 500, seconds=LONG)
    died = world.admit(ledger, 200)
    assert minutes_pass(world, 14) == 1  # only the short one
    assert {row["rid"]: row["state"] for row in world.rows()} == {hold.row.rid: "OPEN", died.row.rid: "EXPIRED"}
    item = world.item()
    assert (item["inflight"], item[f"used_{window}"], item[f"spent_{window}"]) == (1, 700, 200)
    ledger.settle(hold, paid(30))
    assert minutes_pass(world, 10) == 0
    for account in ("key1", f"team#{world.team_id}"):
        item = world.item(account)
        assert (item["inflight"], item[f"used_{window}"], item[f"spent_{window}"]) == (0, 230, 230)
    assert world.drift() == {}
    assert [name for name in world.item() if name.startswith("n_") and world.item()[name]] == []


@pytest.mark.parametrize("moment", EDGES, ids=["hour", "day", "month", "year"])
def test_a_long_call_that_died_is_expired_when_it_is_due_and_not_before(tables: Tables, moment: datetime) -> None:
    world = world_at(tables, moment)
    hold = world.admit(world.ledger(), 500, seconds=LONG)
    deadline = hold.row.deadline * 1_000_000
    assert minutes_pass(world, (deadline - world.now) // MINUTE - 1) == 0
    assert minutes_pass(world, 8) == 1
    minutes_pass(world, 20)
    assert [(row["state"], row["actual"]) for row in world.rows()] == [("EXPIRED", 500)]
    assert world.drift() == {}
    assert world.item()["inflight"] == 0
    assert {name for name in world.item() if name.startswith("o_")} <= {f"o_{hold.row.hour}_{hold.row.window}"}


def test_a_minute_with_a_row_that_is_not_due_is_not_passed(tables: Tables) -> None:
    """Whatever class its partition is of; here the deadline was moved by hand."""
    world = world_at(tables, EDGES[0])
    held, short = world.admit(world.ledger()), world.admit(world.ledger())
    later = held.row.deadline + 600
    update = {
        "TableName": tables["request-analytics"],
        "Key": {"minute": {"S": held.row.minute}, "rid": {"S": held.row.rid}},
        "UpdateExpression": "SET deadline = :later",
        "ExpressionAttributeValues": {":later": {"N": str(later)}},
    }
    tables.database.call("UpdateItem", update)
    assert minutes_pass(world, 10) == 1
    assert {row["rid"]: row["state"] for row in world.rows()} == {held.row.rid: "OPEN", short.row.rid: "EXPIRED"}
    after = world.admit(world.ledger())
    assert minutes_pass(world, 10) == 2
    assert {row["rid"] for row in world.rows()} == {held.row.rid, short.row.rid, after.row.rid}
    assert {row["state"] for row in world.rows()} == {"EXPIRED"}


def test_the_day_between_is_rebuilt_with_a_long_call_under_way_and_after_it(tables: Tables) -> None:
    world = world_at(tables, EDGES[1])
    ledger = world.ledger()
    hold = world.admit(ledger, 500, seconds=LONG)
    ledger.settle(world.admit(ledger, 100), paid(70))
    minutes_pass(world, 5)
    ledger.settle(world.admit(ledger, 100), paid(40))  # of the next day
    usage = UsageStore(tables.database, tables["usage"])
    counting = Counting(usage, lambda: world.now / 1_000_000)
    rebuild = Rebuild(world.row_store, usage, counting, lambda: world.now / 1_000_000)
    day, following = date(2026, 11, 24), date(2026, 11, 25)
    counting.count([counted(row) for row in world.rows() if row["state"] == "SETTLED"])
    under_way = rebuild.run(day, day, apply=True)
    assert (under_way.open, under_way.rows, under_way.differences) == (1, 1, [])
    ledger.settle(hold, paid(300))
    lost = rebuild.run(day, day, apply=True)
    assert (lost.open, lost.rows, lost.repaired) == (0, 2, 1)
    assert rebuild.run(day, following, apply=False).differences == []
    costs = {item["day"]: item.get("*|*|cost", 0) for item in usage.between("2026-11-24", "2026-11-25")}
    assert costs == {"2026-11-24": 370, "2026-11-25": 40}


class SlowDatabase:
    """Time passes while a row is written."""

    def __init__(self, world: World, seconds: int) -> None:
        self._world, self._seconds = world, seconds

    def call(self, operation: str, request: Mapping[str, Any], *, attempts: int = 1) -> dict[str, Any]:
        reply = self._world.tables.database.call(operation, request, attempts=attempts)
        if operation == "PutItem":
            self._world.now += self._seconds * 1_000_000
        return reply


@pytest.mark.parametrize("seconds", [60, LONG])
def test_a_row_that_comes_when_its_minute_may_be_swept_is_no_call(tables: Tables, seconds: int) -> None:
    world = world_at(tables, EDGES[0])
    slow: Database = SlowDatabase(world, 121)
    with pytest.raises(StoreUnavailable):
        world.admit(world.ledger(slow), 500, seconds=seconds)
    item = world.item()
    assert [row["status"] for row in world.rows()] == ["not_recorded"]
    assert (item["inflight"], item[f"used_{Windows.at(world.now, 'daily').budget}"]) == (0, 0)
    assert world.drift() == {}


def test_a_call_longer_than_any_class_is_refused_before_anything_is_held(tables: Tables) -> None:
    world = world_at(tables, EDGES[0])
    with pytest.raises(ValueError, match="so long"):
        world.admit(world.ledger(), 500, seconds=3_600)
    assert world.item() == {}
