"""Limits in shadow on DynamoDB Local: nobody is refused, and exactly the calls that an enforced limit would refuse are
reported."""

import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from gateway import observability
from gateway.config.document import TierLimits
from gateway.errors import RateLimited, StoreUnavailable
from gateway.identity.caller import KeyLimits
from gateway.ledger.holds import Hold
from tests.contract.conftest import CountingDatabase, DroppingDatabase, Tables
from tests.contract.world import World, at_once, paid

Lines = Callable[[], list[dict[str, Any]]]
RATE = TierLimits(requests_per_minute=100)
LIMITS = {
    "requestsPerMinute": KeyLimits(rpm_limit=10, burst_limit=4),
    "tokensPerMinute": KeyLimits(tpm_limit=100),
    "requestsPerHour": KeyLimits(rph_limit=7),
    "requestsPerDay": KeyLimits(rpd_limit=9),
    "maxParallelRequests": KeyLimits(max_parallel_requests=3),
    "budget": KeyLimits(max_budget=1_000),
}


def would(hold: Hold) -> set[str]:
    return {each.name for admitted in hold.admitted for each in admitted.shadowed}


@pytest.mark.parametrize("limit", ["requestsPerMinute", "tokensPerMinute", "requestsPerHour", "requestsPerDay"])
@pytest.mark.parametrize("owner", ["key", "tier", "team"])
def test_call_by_call_it_reports_what_enforcing_refuses(tables: Tables, limit: str, owner: str) -> None:
    own, shadow = LIMITS[limit], replace(LIMITS[limit], shadow=(limit,))
    tiers = {"free": RATE.model_copy(update={"shadow": (limit,)} if owner == "tier" else {})}
    if owner == "team":
        real = World(tables, team=own, tiers={"free": RATE}, key="real")
        tried = World(tables, team=shadow, tiers=tiers, key="tried")
    else:
        real = World(tables, own, tiers={"free": RATE}, key="real")
        tried = World(tables, shadow if owner == "key" else own, tiers=tiers, key="tried")
    choice, refused = random.Random(7), 0
    ledgers = [tried.ledger() for _ in range(3)]
    for _ in range(40):
        real.now = tried.now = real.now + choice.choice([0, 0, 500_000, 3_000_000, 20_000_000, 1_500_000_000])
        tokens = choice.randrange(0, 120)
        expected = set()
        try:
            real.admit(real.ledger(), tokens=tokens)
        except RateLimited:
            expected, refused = {limit}, refused + 1
        hold = tried.admit(choice.choice(ledgers), tokens=tokens)  # whatever its container remembers
        assert would(hold) == expected
    assert 3 <= refused <= 37
    if limit in ("requestsPerMinute", "tokensPerMinute"):
        name = "tat" if limit == "requestsPerMinute" else "ttat"
        accounts = [world.item(f"team#{world.team_id}" if owner == "team" else world.key) for world in (real, tried)]
        assert accounts[0][name] == accounts[1][name]


@pytest.mark.parametrize(
    ("limit", "most"), [("requestsPerMinute", 4), ("tokensPerMinute", 10), ("requestsPerHour", 7), ("budget", 10)]
)
def test_under_fifty_threads_all_are_admitted_and_all_but_the_limit_reported(
    tables: Tables, limit: str, most: int
) -> None:
    world = World(tables, replace(LIMITS[limit], shadow=(limit,)), tiers={"free": World.open_tier()})
    holds: list[Hold] = []
    busy: list[str | None] = []

    def container() -> None:
        ledger, wanted = world.ledger(), 4
        while wanted:
            try:
                holds.append(world.admit(ledger))
            except RateLimited as error:
                busy.append(error.code)
                if error.code != "contention":
                    return
            else:
                wanted -= 1

    at_once(50, container)
    assert set(busy) <= {"contention"}  # another call was faster four times in a row, as can happen with any key
    assert len(holds) == len(world.rows()) == 200
    assert sum(would(hold) == {limit} for hold in holds) == 200 - most
    assert world.drift() == {}


def test_what_is_under_way_and_what_is_spent(tables: Tables) -> None:
    limits = KeyLimits(max_parallel_requests=2, max_budget=1_000, shadow=("maxParallelRequests", "budget"))
    world = World(tables, limits, tiers={"free": RATE})
    ledger = world.ledger()
    holds = [world.admit(ledger, 300) for _ in range(4)]
    assert [would(hold) for hold in holds] == [set(), set(), {"maxParallelRequests"}, {"maxParallelRequests", "budget"}]
    assert [each.dimension for each in holds[3].admitted[0].shadowed] == ["parallel", "budget_held"]
    for hold in holds:
        ledger.settle(hold, paid(290))
    last = world.admit(ledger, 10)
    assert [(each.dimension, each.limit, each.used) for each in last.admitted[0].shadowed] == [("budget", 1_000, 1_160)]
    assert last.headers()["x-gateway-key-remaining"] == "0.000000"
    more = world.admit(ledger, 1_001)  # more than the whole: if enforced, it would be refused without a write
    assert would(more) == {"budget"}


def test_it_leaves_a_line_and_a_count_and_costs_no_request(tables: Tables, log_lines: Lines) -> None:
    limits = KeyLimits(rph_limit=2, max_budget=500, shadow=("requestsPerHour", "requestsPerMinute"))
    team = KeyLimits(rpm_limit=1, shadow=("requestsPerMinute",))
    world = World(tables, limits, team=team, tiers={"free": RATE.model_copy(update={"shadow": ("budget",)})})
    database = CountingDatabase(tables.database)
    ledger = world.ledger(database)
    ledger.settle(world.admit(ledger), paid(100))
    observability.write(observability.emf("ai-gateway-test", "f"))
    log_lines()
    database.calls.clear()
    for cost in (150, 400):
        ledger.settle(world.admit(ledger, cost), paid(cost))
    assert database.calls == ["UpdateItem", "UpdateItem", "PutItem", "UpdateItem", "UpdateItem", "UpdateItem"] * 2
    observability.write(observability.emf("ai-gateway-test", "f"))
    lines = log_lines()
    told = [
        (line["rid"][-1], line["key_id"], line["scope"], line["tier"], line["shadowed"], line["limit"], line["used"])
        for line in lines
        if line.get("message") == "shadow refusal"
    ]
    assert told == [
        ("2", "key1", "team", "team", "requestsPerMinute", 1, 1),
        ("3", "key1", "key", "free", "requestsPerHour", 2, 2),
        ("3", "key1", "key", "free", "budget", 0.0005, 0.00025),
        ("3", "key1", "team", "team", "requestsPerMinute", 1, 1),
    ]
    counted = [(line["Limit"], line["Tier"], line["ShadowRefusals"]) for line in lines if "ShadowRefusals" in line]
    assert counted == [
        ("requestsPerMinute", "team", [1, 1]),
        ("requestsPerHour", "free", [1]),
        ("budget", "free", [1]),
    ]


def test_a_call_that_is_not_made_is_not_reported(tables: Tables, log_lines: Lines) -> None:
    limits = KeyLimits(rph_limit=1, shadow=("requestsPerHour",))
    world = World(tables, limits, team=KeyLimits(rpd_limit=1), tiers={"free": RATE})
    world.admit(world.ledger())
    log_lines()
    with pytest.raises(RateLimited):  # by the team, after the key had admitted it
        world.admit(world.ledger())
    world.now += 86_400_000_000
    world.admit(world.ledger())
    broken = DroppingDatabase(tables.database, lambda operation, _number: operation == "PutItem")
    with pytest.raises((StoreUnavailable, RateLimited)):
        world.admit(world.ledger(broken))
    assert not [line for line in log_lines() if line.get("message") == "shadow refusal"]


def test_it_may_be_enforced_at_any_moment(tables: Tables) -> None:
    """However long a rate was exceeded in shadow, when it is enforced, callers wait only for the rate, not for the
    past."""
    world = World(tables, tiers={"free": TierLimits(requests_per_minute=10, shadow=("requestsPerMinute",))})
    ledger = world.ledger()
    for _ in range(100):
        world.admit(ledger)
        world.now += 100_000
    world.tiers["free"] = TierLimits(requests_per_minute=10)
    with pytest.raises(RateLimited) as refused:
        world.admit(world.ledger())
    assert refused.value.retry_after is not None
    assert 0 < refused.value.retry_after <= 6
    world.now += int(refused.value.retry_after * 1_000_000)
    world.admit(world.ledger())


def test_a_limit_that_a_key_may_not_lift_is_lifted_by_nobody_else(tables: Tables) -> None:
    """A key's shadow applies only to the key: its team's limits are enforced, and a team's shadow does not change the
    key's limits."""
    both = KeyLimits(rph_limit=1, shadow=("requestsPerHour",))
    world = World(tables, both, team=KeyLimits(rph_limit=2), tiers={"free": RATE})
    for _ in range(2):
        world.admit(world.ledger())
    with pytest.raises(RateLimited) as refused:
        world.admit(world.ledger())
    assert refused.value.details["scope"] == "team"
    other = World(tables, KeyLimits(rph_limit=1), team=both, tiers={"free": RATE}, key="other")
    other.admit(other.ledger())
    with pytest.raises(RateLimited) as refused:
        other.admit(other.ledger())
    assert refused.value.details["scope"] == "key"
