"""Tokens a UTC day on DynamoDB Local: held at admission, corrected when the call ends, never fewer than were used."""

import dataclasses
import random
import threading
from collections.abc import Mapping
from typing import Any

import pytest
from msgspec.structs import replace

from gateway.config.document import TierLimits
from gateway.dynamodb.attributes import to_item
from gateway.dynamodb.client import Database
from gateway.errors import BudgetExceeded, RateLimited, StoreUnavailable
from gateway.identity.caller import KeyLimits
from gateway.ledger.admission import Windows
from gateway.ledger.holds import Hold, Outcome
from gateway.models.usage import Usage
from tests.contract.conftest import CountingDatabase, DroppingDatabase, MeteredDatabase, Tables
from tests.contract.world import NOW, World, at_once

HOUR, DAY = 3_600_000_000, 86_400_000_000
OPEN_TIER = World.open_tier()


def used(tokens: int, cost: int = 10) -> Outcome:
    return Outcome(Usage(input_tokens=tokens - 1, output_tokens=1), cost, 0, "ok", 5)


def today(world: World, account: str | None = None) -> int | None:
    tokens: int | None = world.item(account).get(f"t_{Windows.at(world.now).day}")
    return tokens


def fifty_containers(world: World, calls: int) -> tuple[list[Hold], list[tuple[Any, ...]]]:
    """This many calls of ten tokens by each of fifty containers at once: the admitted calls, and the limits that
    refused the others."""
    admitted, refused = [], []

    def container() -> None:
        ledger, wanted = world.ledger(), calls
        while wanted:
            try:
                admitted.append(world.admit(ledger, tokens=10))
            except RateLimited as error:
                if error.code == "contention":
                    continue
                refused.append((error.details["dimension"], error.details["limit"], error.details["reset"]))
            wanted -= 1

    at_once(50, container)
    return admitted, refused


@pytest.mark.parametrize("owner", ["key", "tier", "team"])
def test_exactly_so_many_under_fifty_threads(tables: Tables, owner: str) -> None:
    limits = KeyLimits(tpd_limit=105)
    tier = OPEN_TIER.model_copy(update={"tokens_per_day": 105 if owner == "tier" else 5_000})
    team = limits if owner == "team" else None
    world = World(tables, limits if owner == "key" else KeyLimits(), team=team, tiers={"free": tier})
    admitted, refused = fifty_containers(world, calls=4)
    assert (len(admitted), len(refused)) == (10, 190)
    assert set(refused) == {("tokens_day", 105, "2027-01-16T00:00:00.000Z")}
    assert today(world, f"team#{world.team_id}" if owner == "team" else None) == 100
    world.now += DAY
    world.admit(world.ledger(), tokens=105)


def test_while_calls_end_the_day_is_what_rows_used_and_hold(tables: Tables) -> None:
    limits = KeyLimits(tpd_limit=2_000)
    world = World(tables, limits, team=KeyLimits(tpd_limit=1_500), tiers={"free": OPEN_TIER})

    def container() -> None:
        ledger, chance = world.ledger(), random.Random(threading.get_ident())
        for _ in range(10):
            try:
                hold = world.admit(ledger, tokens=100)
            except RateLimited:
                continue
            if chance.random() < 0.8:
                ledger.settle(hold, used(chance.randrange(1, 101)))

    at_once(20, container)
    rows = world.rows()
    tokens = sum(
        row["tokens"] if row["state"] == "OPEN" else row["input_tokens"] + row["output_tokens"] for row in rows
    )
    assert today(world) == today(world, f"team#{world.team_id}") == tokens <= 1_500
    assert tokens > 1_400  # nobody was refused while there was room


@pytest.mark.parametrize(
    ("outcome", "left"),
    [
        (used(30), 30),
        (used(130), 130),  # more than was held: the estimate of a rate is not a promise
        (Outcome(Usage(), 5, 0, "ok", 5), 0),
        (Outcome(None, 0, 0, "not_sent", 0), 0),
        (Outcome(None, 100, 0, "upstream_timeout", 0), 100),  # nobody knows how much it used
    ],
)
def test_an_ended_call_counts_what_it_used(tables: Tables, outcome: Outcome, left: int) -> None:
    world = World(tables, team=KeyLimits(rpd_limit=50), tiers={"free": OPEN_TIER})
    ledger = world.ledger()
    hold = world.admit(ledger, tokens=100)
    assert today(world) == world.rows()[0]["tokens"] == 100
    for _ in range(2):
        ledger.settle(hold, outcome)
    assert (today(world), today(world, f"team#{world.team_id}")) == (left, left)


def test_what_one_call_uses_less_another_may_use(tables: Tables) -> None:
    world = World(tables, KeyLimits(tpd_limit=100), tiers={"free": OPEN_TIER})
    ledger = world.ledger()
    hold = world.admit(ledger, tokens=80)
    with pytest.raises(RateLimited) as refused:
        world.admit(world.ledger(), tokens=30)
    assert (refused.value.details["dimension"], refused.value.details["used"]) == ("tokens_day", 80)
    ledger.settle(hold, used(20))
    world.admit(world.ledger(), tokens=80)
    with pytest.raises(RateLimited) as refused:
        world.admit(world.ledger(), tokens=101)
    assert (refused.value.retry_after, refused.value.headers["x-should-retry"]) == (None, "false")


def test_what_a_team_refuses_or_no_row_records_is_given_back(tables: Tables) -> None:
    world = World(tables, team=KeyLimits(tpd_limit=50), tiers={"free": OPEN_TIER})
    world.admit(world.ledger(), tokens=30)
    with pytest.raises(RateLimited):
        world.admit(world.ledger(), tokens=40)
    assert (today(world), today(world, f"team#{world.team_id}")) == (30, 30)
    first = iter([True])
    broken = DroppingDatabase(tables.database, lambda operation, _: operation == "PutItem" and next(first, False))
    with pytest.raises(StoreUnavailable):
        world.admit(world.ledger(broken), tokens=10)
    assert (today(world), today(world, f"team#{world.team_id}")) == (30, 30)


def test_what_died_or_whose_release_was_lost_stays_held_until_the_day_ends(tables: Tables) -> None:
    world = World(tables, KeyLimits(tpd_limit=100), tiers={"free": OPEN_TIER})
    world.sweeper().sweep()
    ledger = world.ledger()
    world.admit(ledger, tokens=40)  # dies
    lost = world.admit(ledger, tokens=50)
    world.ledger(DroppingDatabase(tables.database, lambda _o, number: number == 2)).settle(lost, used(5))
    world.now += 2 * HOUR
    for _ in range(3):
        world.sweeper().sweep()
    world.reconcile()
    assert (today(world), world.item()["inflight"], world.drift()) == (90, 0, {})
    with pytest.raises(RateLimited):
        world.admit(ledger, tokens=11)
    world.now += DAY
    world.admit(ledger, tokens=100)


def test_a_call_over_midnight_touches_neither_day(tables: Tables) -> None:
    world = World(tables, KeyLimits(tpd_limit=100), tiers={"free": OPEN_TIER})
    world.now = NOW - NOW % DAY + DAY - 1
    ledger, yesterday = world.ledger(), f"t_{Windows.at(world.now).day}"
    holds = [world.admit(ledger, tokens=25) for _ in range(4)]
    world.now += 1
    slow = replace(world.ledger(), clock=lambda: world.now - 1)  # another container, whose clock is behind
    world.admit(ledger, tokens=70)  # this write may remove counters that are over
    ledger.settle(holds[0], used(5))
    slow.settle(holds[1], used(5))
    assert (world.item()[yesterday], today(world), world.item()["inflight"]) == (80, 70, 3)
    world.now += 2 * DAY
    world.admit(ledger, tokens=60)
    assert yesterday not in world.item()
    for hold, container in ((holds[2], ledger), (holds[3], slow)):  # days too late
        container.settle(hold, used(5))
    item = world.item()
    assert (yesterday in item, today(world), item["inflight"]) == (False, 60, 2)
    assert world.drift() == {}


def test_a_release_finds_no_counter_and_makes_none_below_zero(tables: Tables) -> None:
    world = World(tables, tiers={"free": OPEN_TIER})
    ledger = world.ledger()
    hold = world.admit(ledger, tokens=100)
    gone = {
        "TableName": tables["limits"],
        "Key": to_item({"id": "key1"}),
        "UpdateExpression": "REMOVE #t",
        "ExpressionAttributeNames": {"#t": f"t_{Windows.at(NOW).day}"},
    }
    tables.database.call("UpdateItem", gone)
    ledger.settle(hold, used(7))
    assert (today(world), world.item()["inflight"]) == (7, 0)


EVERY = KeyLimits(
    rpm_limit=1_000,
    burst_limit=1_000,
    tpm_limit=100_000,
    tph_limit=500_000,
    tpd_limit=1_000_000,
    rph_limit=1_000,
    rpd_limit=10_000,
    max_parallel_requests=100,
    max_budget=1_000_000,
)


@pytest.mark.parametrize("shadow", [(), ("requestsPerMinute", "tokensPerMinute", "tokensPerDay", "budget")])
def test_with_every_limit_a_call_costs_four_write_units(tables: Tables, shadow: tuple[str, ...]) -> None:
    world = World(tables, dataclasses.replace(EVERY, shadow=shadow), tiers={"free": OPEN_TIER})
    world.ledger().settle(world.admit(world.ledger()), used(3))
    world.now += HOUR  # an hour that is not reconciled yet is in the item too
    metered = MeteredDatabase(tables.database)
    ledger = world.ledger(metered)
    for _ in range(10):
        ledger.settle(world.admit(ledger, tokens=20), used(5))
    assert metered.units / 10 <= 4.2


class Recording:
    """Keeps every request."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.requests: list[Mapping[str, Any]] = []

    def call(self, operation: str, request: Mapping[str, Any], *, attempts: int = 1) -> dict[str, Any]:
        self.requests.append(request)
        return self._database.call(operation, request, attempts=attempts)


def test_all_limits_at_once_stay_four_writes_and_small_expressions(tables: Tables) -> None:
    """DynamoDB allows 4 KB and 300 operators. Here every limit is enforced, buckets are busy, and there are counters to
    remove."""
    world = World(tables, EVERY, tiers={"free": TierLimits(requests_per_minute=1)})
    ledger = world.ledger()
    world.admit(ledger)
    spoiled = {f"h_2026-01-01T{hour:02d}": 1 for hour in range(20)}
    names = {f"#n{number}": name for number, name in enumerate(spoiled)}
    update = {
        "TableName": tables["limits"],
        "Key": to_item({"id": "key1"}),
        "UpdateExpression": "SET " + ", ".join(f"{name} = :one" for name in names),
        "ExpressionAttributeNames": names,
        "ExpressionAttributeValues": to_item({":one": 1}),
    }
    tables.database.call("UpdateItem", update)
    world.admit(ledger)  # learns the limits
    database, recording = CountingDatabase(tables.database), Recording(tables.database)
    busy = replace(world.ledger(recording), memory=ledger.memory)
    tags = tuple(f"tag-{number}" for number in range(10))
    busy.settle(busy.admit(world.caller, world.tiers.__getitem__, replace(world.request(), tags=tags)), used(3))
    request = recording.requests[0]
    expressions = request["UpdateExpression"], request["ConditionExpression"]
    assert "REMOVE" in expressions[0]
    assert "ADD" in expressions[0]
    assert expressions[1].count("BETWEEN") == 2
    operators = sum(each.count(sign) for each in expressions for sign in ("(", " + ", " = ", " < ", " AND ", " OR "))
    assert (max(map(len, expressions)) < 1_000, operators < 70) == (True, True)
    busy = replace(busy, limits=type(world.limits_store)(database, tables["limits"], tables["api-keys"]))
    busy.settle(world.admit(busy), used(3))
    assert database.calls == ["UpdateItem", "UpdateItem"]  # in addition to the two writes of the row
    with pytest.raises((RateLimited, BudgetExceeded)):
        world.admit(ledger, est=2_000_000)
