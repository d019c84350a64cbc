"""After the reconcile the sums agree with the rows, whatever was lost and whoever died."""

import random
import threading
from typing import Any

import pytest

from gateway.dynamodb.attributes import to_item
from gateway.errors import ConditionFailed, GatewayError, StoreUnavailable, Unauthorized
from gateway.identity.caller import KeyLimits
from gateway.keys.keys import Keys
from gateway.keys.teams import Teams
from gateway.ledger.admission import bookings_of
from gateway.ledger.closing.reconcile import Reconciler
from gateway.ledger.limits_store import LimitsStore
from tests.contract.conftest import CountingDatabase, DroppingDatabase, LossyDatabase, Tables
from tests.contract.test_keys import ADMIN
from tests.contract.world import SEEDS, World, at_once, paid

HOUR = 3_600_000_000


def later(world: World, hours: int = 2) -> None:
    """Time passes, and the sweeper runs every minute."""
    world.now += hours * HOUR
    for _ in range(4):
        world.sweeper().sweep()


@pytest.mark.parametrize("seed", SEEDS)
def test_after_lost_replies_and_calls_that_never_arrived_drift_is_zero(tables: Tables, seed: int) -> None:
    choice, lock = random.Random(seed), threading.Lock()

    def one_in_ten(_operation: str, _number: int) -> bool:
        with lock:
            return choice.random() < 0.1

    budget = KeyLimits(max_budget=100_000, budget_duration="total")
    world = World(tables, budget, team=budget, tiers={"free": World.open_tier()})
    world.sweeper().sweep()

    def container() -> None:
        lossy = LossyDatabase(DroppingDatabase(tables.database, one_in_ten), one_in_ten)
        ledger, chance = world.ledger(lossy), random.Random(f"{seed}-{threading.get_ident()}")
        for _ in range(10):
            try:
                hold = world.admit(ledger, 100)
            except GatewayError:
                continue
            if chance.random() < 0.9:  # the others die
                ledger.settle(hold, paid(chance.randrange(101)))

    at_once(10, container)
    for account in ("key1", f"team#{world.team_id}"):
        spent, held = world.sums()[account]["total"]
        assert world.item(account)["used_total"] >= spent + held
        assert world.item(account)["used_total"] <= 100_000
    later(world)
    done = world.reconcile()
    assert (done.hours, done.waiting) == (2, 0)
    assert done.drift > 0
    assert world.drift() == {}
    for account in ("key1", f"team#{world.team_id}"):
        item = world.item(account)
        assert (item["inflight"], bookings_of(item)) == (0, [])
        assert item["used_total"] == item["spent_total"]
    assert world.reconcile().hours == 0


def a_call_an_hour(world: World, hours: int) -> None:
    for _ in range(hours):
        ledger = world.ledger()
        ledger.settle(world.admit(ledger, 100), paid(10))
        world.now += HOUR


def test_an_hour_waits_for_its_open_calls_and_a_late_release_changes_nothing(tables: Tables) -> None:
    world = World(tables, KeyLimits(max_budget=1_000, budget_duration="total"))
    ledger = world.ledger()
    hold, lost = world.admit(ledger, 100), world.admit(ledger, 200)
    world.ledger(DroppingDatabase(tables.database, lambda _o, number: number == 2)).settle(lost, paid(50))
    world.now += 2 * HOUR
    assert (world.reconcile().hours, world.reconcile().waiting) == (0, 1)  # the sweeper has not run
    ledger.settle(hold, paid(30))
    assert world.item()["used_total"] == 230
    assert world.reconcile().drift == 250
    item = world.item()
    assert (item["used_total"], item["spent_total"], item["inflight"]) == (80, 80, 0)
    ledger.settle(hold, paid(30))
    ledger._release(lost, 50, 3, world.now)  # a release that arrives very late
    assert world.item() == item


def test_a_hold_without_a_row_is_given_back(tables: Tables) -> None:
    world = World(tables, KeyLimits(max_budget=1_000, budget_duration="total"))

    def dies(operation: str, _number: int) -> bool:
        return operation == "PutItem" or (operation == "UpdateItem" and _number > 3)

    with pytest.raises(GatewayError):
        world.admit(world.ledger(DroppingDatabase(tables.database, dies)), 100)
    assert world.item()["used_total"] == 100
    world.now += 2 * HOUR
    world.reconcile()
    assert (world.item()["used_total"], world.item()["inflight"]) == (0, 0)


def test_the_hour_that_runs_is_left_alone(tables: Tables) -> None:
    world = World(tables, KeyLimits(max_budget=1_000, budget_duration="total"))
    ledger = world.ledger()
    lost = world.ledger(DroppingDatabase(tables.database, lambda _operation, number: number == 2))
    lost.settle(world.admit(ledger, 100), paid(10))
    before = world.item()
    world.now += HOUR - world.now % HOUR + 4 * 60_000_000  # four minutes past its end
    assert (world.reconcile().hours, world.item()) == (0, before)
    world.now += 60_000_000
    assert world.reconcile().hours == 1


def test_windows_long_gone_are_forgotten(tables: Tables) -> None:
    world = World(tables, KeyLimits(max_budget=1_000, budget_duration="daily"))
    ledger = world.ledger()
    for _ in range(5):
        ledger.settle(world.admit(ledger, 100), paid(10))
        world.now += 24 * HOUR
    world.reconcile()
    assert sorted(name for name in world.item() if name.startswith("used_")) == [
        f"used_2027-01-{day}" for day in (18, 19)
    ]


def test_hours_that_hold_nothing_are_forgotten_together_and_change_no_sum(tables: Tables) -> None:
    world = World(tables, KeyLimits(max_budget=1_000_000, budget_duration="total"), team=KeyLimits(max_budget=10_000))
    writes: list[int] = []
    for hour in range(1, 13):
        a_call_an_hour(world, 1)  # each in a new container, which remembers nothing
        counting = CountingDatabase(tables.database)
        limits = LimitsStore(counting, tables["limits"], tables["api-keys"])
        Reconciler(limits, world.row_store, lambda: world.now).reconcile()
        writes.append(counting.calls.count("UpdateItem"))
        item = world.item()
        assert (item["used_total"], item["spent_total"], item["inflight"]) == (10 * hour, 10 * hour, 0)
        assert len(bookings_of(item)) <= 6
    assert sum(writes) == 2 * 2  # of the key and the team, five hours at once
    assert sum(name.startswith(("h_", "d_")) for name in world.item()) < 8
    assert world.drift() == {}


def test_a_settled_hour_that_differs_from_its_rows_is_put_right_all_the_same(tables: Tables) -> None:
    world = World(tables, KeyLimits(max_budget=1_000_000, budget_duration="total"))
    a_call_an_hour(world, 5)
    world.now += HOUR
    booking = bookings_of(world.item())[1]
    change = {
        "TableName": tables["limits"],
        "Key": to_item({"id": "key1"}),
        "UpdateExpression": "ADD #s :more, #p :more, #u :more",
        "ExpressionAttributeNames": {"#s": booking.booked, "#p": booking.spent, "#u": booking.used},
        "ExpressionAttributeValues": to_item({":more": 7}),
    }
    tables.database.call("UpdateItem", change)
    done = world.reconcile()
    assert (done.hours, done.drift) == (5, 7)
    assert world.drift() == {}


def test_a_long_backlog_is_forgotten_by_and_by(tables: Tables) -> None:
    world = World(tables, KeyLimits(max_budget=1_000_000, budget_duration="daily"))
    a_call_an_hour(world, 15)
    assert [world.reconcile().hours for _ in range(2)] == [12, 0]
    assert len(bookings_of(world.item())) == 3
    assert world.drift() == {}


def test_a_release_in_between_is_not_lost(tables: Tables) -> None:
    world = World(tables, KeyLimits(max_budget=1_000, budget_duration="total"))
    ledger = world.ledger()
    hold = world.admit(ledger, 100)
    stale: dict[str, Any] = world.item()
    ledger.settle(hold, paid(60))
    store = LimitsStore(tables.database, tables["limits"], tables["api-keys"])
    assert not store.reconcile(stale, bookings_of(stale)[0], 60)
    assert (world.item()["used_total"], world.item()["spent_total"]) == (60, 60)


def test_the_items_of_deleted_keys_and_teams_go_when_nothing_is_left_to_reconcile(tables: Tables) -> None:
    world = World(tables, KeyLimits(max_budget=1_000), team=KeyLimits(max_budget=1_000))
    other = World(tables, KeyLimits(max_budget=1_000), now=world.now, key="key2")
    world.sweeper().sweep()
    ledger, team = world.ledger(), f"team#{world.team_id}"
    late, lost = world.admit(ledger, 100), world.admit(ledger, 200)
    keys, teams = Keys(world.keys, world.limits_store, world.tiers.__getitem__), Teams(world.keys, world.limits_store)
    keys.delete("key1", ADMIN)
    assert world.reconcile().removed == 0  # its hour has not ended, and its calls hold money
    ledger.settle(late, paid(30))
    assert world.item()["used_2027-01"] == 230
    teams.delete(world.team_id, ADMIN)
    other.admit(other.ledger(), 100)
    world.now += 2 * HOUR
    assert (world.reconcile().removed, world.reconcile().waiting) == (0, 3)  # the sweeper has not run: rows are open
    assert world.item()["used_2027-01"] == 230
    later(world, 1)
    done = world.reconcile()
    assert (done.removed, done.waiting) == (0, 0)
    assert world.drift() == {}
    assert world.item()["spent_2027-01"] == 30 + 200  # the call that nobody ended is charged
    assert world.reconcile().removed == 2
    assert (world.item(), world.item(team)) == ({}, {})
    assert other.item() != {}
    for hold in (late, lost):  # a release that arrives very late
        ledger._release(hold, 50, 3, world.now)
    assert (world.item(), world.item(team)) == ({}, {})


def test_nothing_late_brings_back_what_was_removed(tables: Tables) -> None:
    """A call, a change or a repair that is based on the old record, however late it arrives."""
    world = World(tables, KeyLimits(max_budget=1_000), team=KeyLimits(max_budget=1_000))
    knows, team, before = world.ledger(), f"team#{world.team_id}", world.caller
    knows.settle(world.admit(knows, 100), paid(10))
    Keys(world.keys, world.limits_store, world.tiers.__getitem__).delete("key1", ADMIN)
    Teams(world.keys, world.limits_store).delete(world.team_id, ADMIN)
    later(world, 3)
    world.reconcile()
    assert world.reconcile().removed == 2
    for ledger in (knows, world.ledger()):
        for _ in range(2):
            with pytest.raises(Unauthorized):
                ledger.admit(before, world.tiers.__getitem__, world.request())
    for account in ("key1", team):
        for version in (1, 2, 99):
            world.limits_store.set_state(account, "A", version)
        with pytest.raises(ConditionFailed):
            world.limits_store.create(account, 1)
        assert world.item(account) == {}
    assert world.reconcile().removed == 0


def test_a_key_that_is_only_revoked_or_had_a_call_since_it_was_read_keeps_its_item(tables: Tables) -> None:
    world = World(tables, KeyLimits(max_budget=1_000), team=KeyLimits(max_budget=1_000))
    ledger = world.ledger()
    ledger.settle(world.admit(ledger, 100), paid(10))
    active = world.item()
    keys = Keys(world.keys, world.limits_store, world.tiers.__getitem__)
    keys.revoke("key1", ADMIN)
    later(world, 8)
    for _ in range(3):
        assert world.reconcile().removed == 0
    assert not world.limits_store.remove(active)
    assert (world.item()["st"], world.item(f"team#{world.team_id}")["st"]) == ("R", "A")


def test_a_team_s_item_goes_though_its_deletion_did_not_come_to_it(tables: Tables) -> None:
    world = World(tables, KeyLimits(), team=KeyLimits(max_budget=1_000))
    ledger = world.ledger()
    ledger.settle(world.admit(ledger, 100), paid(10))
    Keys(world.keys, world.limits_store, world.tiers.__getitem__).delete("key1", ADMIN)
    dropping = DroppingDatabase(tables.database, lambda _operation, _number: True)
    unreached = LimitsStore(dropping, tables["limits"], tables["api-keys"])
    with pytest.raises(StoreUnavailable):
        Teams(world.keys, unreached).delete(world.team_id, ADMIN)
    assert world.item(f"team#{world.team_id}")["st"] == "A"
    later(world, 3)
    assert [world.reconcile().removed for _ in range(4)] == [0, 1, 1, 0]


def test_hours_are_closed_though_no_record_can_be_read(tables: Tables) -> None:
    world = World(tables, KeyLimits(max_budget=1_000))
    ledger = world.ledger()
    ledger.settle(world.admit(ledger, 100), paid(10))
    Keys(world.keys, world.limits_store, world.tiers.__getitem__).revoke("key1", ADMIN)
    world.now += 8 * HOUR
    a_call_an_hour(World(tables, now=world.now, key="key2"), 6)
    world.now += 8 * HOUR

    def records(operation: str, _number: int) -> bool:
        return operation == "BatchGetItem"

    unread = LimitsStore(DroppingDatabase(tables.database, records), tables["limits"], tables["api-keys"])
    assert Reconciler(unread, world.row_store, lambda: world.now).reconcile().hours == 6


def test_one_record_that_can_t_be_read_keeps_no_other_s_hours_open(tables: Tables) -> None:
    """Whatever happened to the record of a team or user, its own item stays, and everybody's hours are closed."""
    world = World(tables, KeyLimits(), team=KeyLimits(max_budget=1_000), user=KeyLimits(max_budget=1_000))
    ledger = world.ledger()
    hold = world.admit(ledger, 100)
    # The releases are lost.
    world.ledger(DroppingDatabase(tables.database, lambda _o, number: number >= 2)).settle(hold, paid(50))
    world.now += 3 * HOUR
    for account, broken in ((f"team#{world.team_id}", {}), (f"user#{world.user_id}", {"state": "revoked"})):
        item = to_item({"id": account, **broken})
        tables.database.call("PutItem", {"TableName": tables["api-keys"], "Item": item})
    assert (world.reconcile().hours, world.drift()) == (3, {})
    assert all(world.item(account) for account in (f"team#{world.team_id}", f"user#{world.user_id}"))


def test_rows_of_the_code_before_are_their_team_s_too(tables: Tables) -> None:
    """Rows that name their team's window but have no list of accounts: neither their sweep nor a reconcile takes the
    spent amount out of the team's budget."""
    world = World(tables, KeyLimits(), team=KeyLimits(max_budget=1_000))
    ledger, team = world.ledger(), f"team#{world.team_id}"
    world.sweeper().sweep()
    ledger.settle(world.admit(ledger, 100), paid(70))
    world.admit(ledger, 200)  # dies
    for row in world.rows():
        (account,) = row.pop("accounts")
        row |= {"team_window": account["window"], "team_budget": 1_000}
        tables.database.call("PutItem", {"TableName": tables["request-analytics"], "Item": to_item(row)})
    later(world, 3)
    item = world.item(team)
    assert (item["used_2027-01"], item["spent_2027-01"], item["inflight"]) == (270, 270, 0)
    a_call_an_hour(world, 6)
    world.now += 8 * HOUR
    assert world.reconcile().drift == 0
    assert world.item(team)["spent_2027-01"] == 270 + 60
    assert world.drift() == {}
