"""A budget that is raised for a while, on DynamoDB Local: the raise is part of the admission's own condition, ends
exactly in time, and is never exceeded by any number of calls at once."""

import logging
from contextlib import suppress
from typing import Any

import pytest
from msgspec.structs import replace

from gateway.errors import BadRequest, BudgetExceeded, GatewayError, RateLimited
from gateway.identity.caller import KeyLimits, Raise
from gateway.identity.verification import Identity
from gateway.keys.standing import Standing
from gateway.keys.users import Users
from gateway.times import rfc3339
from tests.contract.conftest import CountingDatabase, Tables
from tests.contract.test_keys import ADMIN, admin, cached, teams
from tests.contract.world import NOW, World, at_once, paid

SECOND = 1_000_000
END = NOW // SECOND + 3_600
RAISED = KeyLimits(max_budget=1_000, budget_duration="daily", budget_raise=Raise(500, END))
PLAIN = KeyLimits(max_budget=1_000, budget_duration="daily")
WHOSE: dict[str, dict[str, Any]] = {
    "key": {"limits": RAISED},
    "user": {"limits": KeyLimits(), "user": RAISED},
    "team": {"limits": KeyLimits(), "team": RAISED},
}


def of(tables: Tables, whose: str = "key") -> World:
    return World(tables, tiers={"free": World.open_tier()}, **WHOSE[whose])


def code(world: World, est: int) -> str | None:
    try:
        world.admit(world.ledger(), est)
    except GatewayError as error:
        return error.code
    return None


@pytest.mark.parametrize("whose", WHOSE)
def test_a_raise_holds_up_to_its_very_end(tables: Tables, whose: str) -> None:
    world = of(tables, whose)
    world.now = END * SECOND - 1
    ledger = world.ledger()
    held = world.admit(ledger, 1_400)
    assert held.headers()[f"x-gateway-{whose}-raised-until"] == rfc3339(END)
    assert held.headers()[f"x-gateway-{whose}-remaining"] == "0.000100"
    ledger.settle(held, paid(900))
    assert code(world, 600) is None  # 900 spent, 600 held: all of it
    world.now += 1
    assert code(world, 100) == "budget_held"
    later = world.ledger()
    with pytest.raises(BudgetExceeded) as caught:
        world.admit(later, 101)
    assert (caught.value.details["limit"], caught.value.details["spent"]) == (0.001, 0.0009)
    with pytest.raises(BudgetExceeded):  # more than the whole, which is the unraised budget again
        world.admit(later, 1_001)


@pytest.mark.parametrize("whose", WHOSE)
def test_calls_at_once_never_pass_it(tables: Tables, whose: str) -> None:
    world = of(tables, whose)
    ledgers, admitted = [world.ledger() for _ in range(3)], []

    def call() -> None:
        for ledger in ledgers:
            with suppress(RateLimited, BudgetExceeded):
                admitted.append(world.admit(ledger, 100))

    at_once(12, call)
    assert len(admitted) == 15
    item = world.item(world.accounts[whose])
    assert item[f"used_{admitted[0].admitted[-1].windows.budget}"] == 1_500
    world.now = END * SECOND
    admitted.clear()
    at_once(4, call)
    assert not admitted


def test_a_call_under_way_is_topped_up_by_what_holds_by_then(tables: Tables) -> None:
    world = of(tables)
    ledger = world.ledger()
    hold = ledger.top_up(world.admit(ledger, 900), 200)
    world.now = END * SECOND
    with pytest.raises(RateLimited):
        ledger.top_up(hold, 1)
    assert world.item()["used_2027-01-15"] == 1_100
    assert ledger.lower(hold, 800).row.est == 800
    assert ledger.top_up(replace(hold, row=replace(hold.row, est=800)), 200).row.est == 1_000
    assert world.drift() == {}


def test_it_is_given_and_taken_at_the_next_paid_call_and_told_in_the_log(
    tables: Tables, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    world = World(tables, tiers={"free": World.open_tier(), "enterprise": World.open_tier()})
    teams(world).create({"id": "blue", "name": "Blue", "max_budget": 0.001}, ADMIN)
    users = Users(world.keys, world.limits_store, lambda: world.now / SECOND)
    users.put("ann", {"max_budget": 0.001}, ADMIN)
    fields = {"name": "a", "max_budget": 0.001, "team_id": "blue", "user_id": "ann"}
    text, record = admin(world).create(fields, ADMIN)
    before = cached(world, text)
    database = CountingDatabase(tables.database)

    def admitted(est: int) -> bool:
        try:
            world.ledger(database).admit(before, world.tiers.__getitem__, world.request(est))
        except (BudgetExceeded, RateLimited):
            return False
        return True

    assert not admitted(1_100)
    more = {"budget_raise": {"amount": 0.0005, "until": rfc3339(END)}}
    changed = admin(world).change(record.id, more, ADMIN)
    assert not admitted(1_100)
    teams(world).change("blue", more, ADMIN)
    assert not admitted(1_100)
    users.put("ann", {"max_budget": 0.001} | more, ADMIN)
    assert admitted(1_100)
    standing = Standing(world.limits_store, world.keys, lambda: world.now)
    told = standing.of(before, world.tiers.__getitem__)
    for budget in (told["budget"], told["team"]["budget"], told["user"]["budget"]):
        assert (budget["limit"], budget["remaining"]) == (0.0015, 0.0004)
        assert budget["raised"] == {"amount": 0.0005, "until": rfc3339(END)}
    assert Identity(world.keys, lambda: world.now / SECOND).fresh(before).limits == changed.limits
    admin(world).change(record.id, {"budget_raise": None}, ADMIN)
    assert not admitted(401)
    lines = [(r.getMessage(), vars(r)) for r in caplog.records if "raise" in r.getMessage()]
    assert [(text, facts["scope"], facts["by"], facts.get("until")) for text, facts in lines] == [
        ("budget raised", "key", "admin", rfc3339(END)),
        ("budget raised", "team", "admin", rfc3339(END)),
        ("budget raised", "user", "admin", rfc3339(END)),
        ("budget raise taken away", "key", "admin", None),
    ]


def test_a_raise_costs_an_admission_nothing(tables: Tables) -> None:
    plain, raised = (World(tables, each, tiers={"free": World.open_tier()}, key=key) for each, key in PAIRS)
    asked = []
    for world in (plain, raised):
        database = CountingDatabase(tables.database)
        ledger = world.ledger(database)
        world.admit(ledger)
        database.calls.clear()
        ledger.settle(world.admit(ledger), paid(10))
        asked.append(list(database.calls))
    assert asked[0] == asked[1] == ["UpdateItem", "PutItem", "UpdateItem", "UpdateItem"]


PAIRS = ((PLAIN, "plain"), (RAISED, "raised"))


@pytest.mark.parametrize(
    ("sent", "param"),
    [
        ({"amount": 0, "until": "2030-01-01T00:00:00Z"}, "budget_raise.amount"),
        ({"amount": 1}, "budget_raise.until"),
        ({"amount": 1, "until": "2030-01-01T00:00:00"}, "budget_raise.until"),
        ({"amount": 1, "until": "2026-01-01T00:00:00Z"}, "budget_raise.until"),
        ({"amount": 0.0000001, "until": "2030-01-01T00:00:00Z"}, "budget_raise.amount"),
    ],
)
def test_what_is_no_raise_is_refused_by_its_path(tables: Tables, sent: dict[str, Any], param: str) -> None:
    world = World(tables, PLAIN, tiers={"free": World.open_tier(), "enterprise": World.open_tier()})
    for change in (
        lambda body: admin(world).change(world.key, body, ADMIN),
        lambda body: admin(world).create({"name": "a", "max_budget": 1} | body, ADMIN),
        lambda body: teams(world).create({"id": "red", "name": "Red", "max_budget": 1} | body, ADMIN),
    ):
        with pytest.raises(BadRequest) as caught:
            change({"budget_raise": sent})
        assert caught.value.param == param
    with pytest.raises(BadRequest) as caught:
        teams(world).create({"id": "red", "name": "Red", "budget_raise": {"amount": 1, "until": rfc3339(END)}}, ADMIN)
    assert caught.value.param == "budget_raise"


def test_a_raise_that_is_over_hinders_no_other_change(tables: Tables) -> None:
    world = World(tables, RAISED, tiers={"free": World.open_tier(), "enterprise": World.open_tier()})
    world.now = END * SECOND
    assert admin(world).change(world.key, {"name": "b"}, ADMIN).limits == RAISED
    assert code(world, 1_001) == "budget_exceeded"
