"""Requests that cost nothing still count as requests: exactly under threads, with a place among parallel calls while
they run, and without a row."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from gateway.errors import RateLimited, StoreUnavailable, Unauthorized
from gateway.identity.caller import KeyLimits
from gateway.ledger.ledger import Ledger
from tests.contract.conftest import CountingDatabase, LossyDatabase, Tables
from tests.contract.world import World

MODELS = ("openai/gpt-4",)
HOURS = 3_600_000_000


def passed(world: World, ledger: Ledger) -> bool:
    try:
        with ledger.passing(world.caller, world.tiers.__getitem__, MODELS):
            return True
    except RateLimited:
        return False


def test_of_many_at_once_so_many_pass_as_the_limit_says(tables: Tables) -> None:
    world = World(tables, KeyLimits(rpm_limit=7))
    ledgers = [world.ledger() for _ in range(5)]
    with ThreadPoolExecutor(50) as pool:
        verdicts = list(pool.map(lambda number: passed(world, ledgers[number % 5]), range(50)))
    assert sum(verdicts) == 7
    assert world.item()["inflight"] == 0


def test_calls_and_questions_share_the_limits_of_requests(tables: Tables) -> None:
    world = World(tables, KeyLimits(rpm_limit=100, rpd_limit=3, tpd_limit=10, max_budget=100))
    ledger = world.ledger()
    hold = world.admit(ledger, est=100, tokens=10)
    assert passed(world, ledger)  # no money and no tokens are left, and none are needed
    assert passed(world, ledger)
    assert not passed(world, ledger)
    ledger.release(hold)
    item = world.item()
    windows = hold.admitted[0].windows
    day, hour, window = windows.day, windows.hour, windows.budget
    assert item[f"d_{day}"] == 3
    assert (item["inflight"], item[f"n_{hour}_{window}"], item[f"o_{hour}_{window}"]) == (0, 0, 0)
    assert item[f"used_{window}"] == item[f"t_{day}"] == 0
    assert len(world.rows()) == 1


def test_it_has_its_place_while_it_lasts(tables: Tables) -> None:
    world = World(tables, KeyLimits(rpm_limit=100, max_parallel_requests=1))
    ledger = world.ledger()
    with ledger.passing(world.caller, world.tiers.__getitem__, MODELS):
        assert not passed(world, ledger)
    world.now += 2_000_000  # a container remembers a refusal for a second
    assert passed(world, ledger)
    with pytest.raises(KeyError), ledger.passing(world.caller, world.tiers.__getitem__, MODELS):
        raise KeyError("a defect of whoever asks")
    assert world.item()["inflight"] == 0


def test_a_revoked_key_does_not_pass(tables: Tables) -> None:
    world = World(tables)
    ledger = world.ledger()
    assert passed(world, ledger)
    revoked = world.keys.revoke(world.key)
    assert revoked
    world.limits_store.set_state(world.key, "R", world.record.version + 1)
    with pytest.raises(Unauthorized):
        passed(world, ledger)


def test_a_place_that_a_crash_left_taken_is_given_back_with_its_hour(tables: Tables) -> None:
    world = World(tables, KeyLimits(rpm_limit=100, max_parallel_requests=1))
    ledger = world.ledger()
    died = ledger.passing(world.caller, world.tiers.__getitem__, MODELS)
    died.__enter__()
    assert world.item()["inflight"] == 1
    world.now += 2 * HOURS
    assert world.reconcile().drift == 0
    assert world.item()["inflight"] == 0
    assert world.rows() == []
    died.__exit__(None, None, None)  # if it comes after all, it comes late: nothing is given back twice
    assert world.item()["inflight"] == 0


def test_two_writes_an_account_and_a_refused_flood_next_to_none(tables: Tables) -> None:
    world = World(tables, KeyLimits(rpm_limit=2), team=KeyLimits(rpm_limit=1_000))
    counting = CountingDatabase(tables.database)
    ledger = world.ledger(counting)
    assert passed(world, ledger)
    counting.calls.clear()
    assert passed(world, ledger)
    assert counting.calls == ["UpdateItem"] * 4
    assert not passed(world, ledger)
    counting.calls.clear()
    assert not any(passed(world, ledger) for _ in range(20))
    assert counting.calls == []


def test_a_reply_that_is_lost_refuses_and_leaves_the_rest_to_the_reconcile(tables: Tables) -> None:
    world = World(tables, KeyLimits(rpm_limit=100))
    assert passed(world, world.ledger())
    lossy = world.ledger(LossyDatabase(tables.database, lambda operation, number: number == 1))
    with pytest.raises(StoreUnavailable):
        passed(world, lossy)
    world.now += 2 * HOURS
    world.reconcile()
    assert world.item()["inflight"] == 0
