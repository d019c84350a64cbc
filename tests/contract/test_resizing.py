"""A hold that grows before a further attempt and shrinks when the prompt's usage is known, on DynamoDB Local. Whatever
is lost or dies between its steps, items never hold less than the rows say, no budget is exceeded, and no drift is
left."""

import random
import threading
from collections.abc import Callable, Mapping
from typing import Any, Literal

import pytest

from gateway.dynamodb.client import Database
from gateway.errors import BudgetExceeded, GatewayError, RateLimited, StoreUnavailable
from gateway.identity.caller import KeyLimits, ModelLimits
from gateway.ledger.closing.sweep_store import SweepCursor
from gateway.ledger.holds import Hold
from gateway.ledger.ledger import Ledger
from tests.contract.conftest import CountingDatabase, Tables
from tests.contract.world import NOW, SEEDS, World, at_once, paid

MINUTE, HOUR = 60_000_000, 3_600_000_000
LIMIT = KeyLimits(max_budget=1_000, budget_duration="daily")
DAY = "2027-01-15"
Fate = Literal["drop", "lose", "die before", "die after"]
FATES: tuple[Fate, ...] = ("drop", "lose", "die before", "die after")


class Died(BaseException):
    """The function is gone; none of its code runs any more."""


class Struck:
    """A database in which one of the calls fails in some way."""

    def __init__(
        self, database: Database, at: int, fate: Fate | None, meanwhile: Callable[[], None] | None = None
    ) -> None:
        self._database, self._at, self._fate, self._meanwhile, self._number = database, at, fate, meanwhile, 0

    def call(self, operation: str, request: Mapping[str, Any], *, attempts: int = 1) -> dict[str, Any]:
        self._number += 1
        if self._number != self._at:
            return self._database.call(operation, request, attempts=attempts)
        if self._meanwhile:
            self._meanwhile()
        if self._fate == "drop":
            raise StoreUnavailable("not reached")
        if self._fate == "die before":
            raise Died
        reply = self._database.call(operation, request, attempts=attempts)
        if self._fate == "lose":
            raise StoreUnavailable("the reply was lost")
        if self._fate == "die after":
            raise Died
        return reply


def world_of(tables: Tables, key: KeyLimits = LIMIT, **more: Any) -> World:
    models = (ModelLimits("gpt", "openai/gpt-4", LIMIT),)
    tiers = {"free": World.open_tier()}
    fields: dict[str, Any] = {"user": LIMIT, "team": LIMIT, "model_limits": models} | more
    return World(tables, key, tiers=tiers, **fields)


def top_up(ledger: Ledger, hold: Hold) -> Hold:
    return ledger.top_up(hold, 300)


def lower(ledger: Ledger, hold: Hold) -> Hold:
    return ledger.lower(hold, 60)


def covered(world: World) -> None:
    """Items hold at least as much as open rows say, and no budget is exceeded."""
    for account, windows in world.sums().items():
        item, most = world.item(account), (world.limits.max_budget if account == world.key else 1_000) or 0
        for window, (spent, held) in windows.items():
            assert spent + held <= item[f"used_{window}"] <= most
        assert all(value >= 0 for name, value in item.items() if name[:2] in ("o_", "n_"))


def ended(world: World, tables: Tables, *, swept: bool) -> None:
    """The sweeper and the reconcile end everything that is open. Afterwards the sums agree with the rows."""
    if swept:
        SweepCursor(tables.database, tables["state"]).write(NOW // MINUTE - 1)
        world.now += 5 * MINUTE
        world.sweeper().sweep()
        covered(world)
    world.now += 2 * HOUR
    assert world.reconcile().waiting == 0
    assert world.drift() == {}
    for account in world.sums():
        item = world.item(account)
        assert (item[f"used_{DAY}"], item["inflight"]) == (item[f"spent_{DAY}"], 0)


@pytest.mark.parametrize("limited", [True, False])
def test_a_call_under_way_holds_more_and_settles_all_of_it(tables: Tables, limited: bool) -> None:
    world = world_of(tables) if limited else World(tables, tiers={"free": World.open_tier()})
    database = CountingDatabase(tables.database)
    ledger = world.ledger(database)
    hold = world.admit(ledger, 200)
    database.calls.clear()
    accounts = len(hold.admitted)
    topped = ledger.top_up(hold, 300)
    assert database.calls == ["UpdateItem"] * (accounts + 1)
    assert (topped.row.est, world.rows()[0]["est"], accounts) == (500, 500, 4 if limited else 1)
    assert {world.item(account)[f"used_{window}"] for account, window in topped.row.holders} == {500}
    if limited:
        assert topped.headers()["x-gateway-team-remaining"] == "0.000500"
    assert world.drift() == {}
    ledger.settle(topped, paid(450))
    assert {world.item(account)[f"used_{window}"] for account, window in topped.row.holders} == {450}
    assert world.drift() == {}
    assert ledger.top_up(topped, 0) is topped
    with pytest.raises(ValueError, match="takes nothing away"):
        ledger.top_up(topped, -1)


def test_a_call_under_way_holds_less_once_its_prompt_is_known(tables: Tables) -> None:
    world = world_of(tables)
    database = CountingDatabase(tables.database)
    ledger = world.ledger(database)
    hold = world.admit(ledger, 900)
    with pytest.raises(RateLimited):
        world.admit(world.ledger(), 200)
    database.calls.clear()
    lowered = ledger.lower(hold, 60)
    assert database.calls == ["UpdateItem"] * 5
    assert (lowered.row.est, world.rows()[0]["est"]) == (60, 60)
    assert {world.item(account)[f"used_{DAY}"] for account in world.accounts.values()} == {60}
    assert {world.item(account)["inflight"] for account in world.accounts.values()} == {1}
    world.admit(world.ledger(), 900)
    ledger.settle(lowered, paid(55))
    assert world.drift() == {}
    for unchanged in (60, 61, -1):
        assert ledger.lower(lowered, unchanged) is lowered


def test_it_is_worth_its_writes_where_a_budget_gets_more_than_half_back(tables: Tables) -> None:
    world = world_of(tables)
    rich = world.admit(world.ledger(), 100)
    assert [rich.worth_lowering(est) for est in (0, 49, 50, 99, 100)] == [True, True, False, False, False]
    free = World(tables, tiers={"free": World.open_tier()}, key="free")
    assert not free.admit(free.ledger(), 100).worth_lowering(0)
    own = World(tables, tiers={"free": World.open_tier()}, team=LIMIT, key="own")
    assert own.admit(own.ledger(), 100).worth_lowering(0)


@pytest.mark.parametrize("swept", [True, False])
@pytest.mark.parametrize("fate", FATES)
@pytest.mark.parametrize("at", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("operation", [top_up, lower])
def test_whatever_is_lost_or_dies_between_the_steps(
    tables: Tables, operation: Callable[[Ledger, Hold], Hold], at: int, fate: Fate, swept: bool
) -> None:
    """Then the call is settled by its function, unless that died, or by the sweeper."""
    world = world_of(tables)
    hold = world.admit(world.ledger(), 200)
    ledger = world.ledger(Struck(tables.database, at, fate))
    died = False
    try:
        hold = operation(ledger, hold)
        assert operation is lower  # a lowering reports no error; an incomplete top-up raises
    except StoreUnavailable:
        assert operation is top_up
    except Died:
        died = True
    covered(world)
    if not died and not swept:
        world.ledger().settle(hold, paid(50))
        covered(world)
    ended(world, tables, swept=died or swept)


@pytest.mark.parametrize("at", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("reconciled", [True, False])
@pytest.mark.parametrize("operation", [top_up, lower])
def test_the_sweeper_and_the_reconcile_come_in_between(
    tables: Tables, operation: Callable[[Ledger, Hold], Hold], at: int, reconciled: bool
) -> None:
    """A call whose function slept: its row is expired, and perhaps its hour closed, before the n-th step."""
    world = world_of(tables)
    hold = world.admit(world.ledger(), 200)

    def meanwhile() -> None:
        SweepCursor(tables.database, tables["state"]).write(NOW // MINUTE - 1)
        world.now += 5 * MINUTE
        assert world.sweeper().sweep() == 1
        if reconciled:
            world.now += 2 * HOUR
            assert world.reconcile().waiting == 0

    ledger = world.ledger(Struck(tables.database, at, None, meanwhile))
    if operation is top_up:
        with pytest.raises(StoreUnavailable):
            ledger.top_up(hold, 300)
    else:
        ledger.lower(hold, 60)
    covered(world)
    (row,) = world.rows()
    assert (row["state"], row["actual"], row["prompt_cost"]) == ("EXPIRED", row["est"], row["est"])
    assert row["est"] == (60 if operation is lower and at > 1 else 200)
    ended(world, tables, swept=False)


def test_a_row_that_was_told_and_swept_before_its_reply_is_given_back_once(tables: Tables) -> None:
    """The client repeats a write whose reply was lost. In between, the sweeper gave back the amount that the row then
    held."""
    world = world_of(tables)
    hold = world.admit(world.ledger(), 200)

    class Repeats:
        def call(self, operation: str, request: Mapping[str, Any], *, attempts: int = 1) -> dict[str, Any]:
            reply = tables.database.call(operation, request)
            if attempts == 1:
                return reply
            SweepCursor(tables.database, tables["state"]).write(NOW // MINUTE - 1)
            world.now += 5 * MINUTE
            assert world.sweeper().sweep() == 1
            return tables.database.call(operation, request)

    with pytest.raises(StoreUnavailable):
        world.ledger(Repeats()).top_up(hold, 300)
    assert world.drift() == {}
    assert world.rows()[0]["actual"] == 500
    covered(world)
    ended(world, tables, swept=False)


@pytest.mark.parametrize("scope", ["key", "model", "user", "team"])
def test_no_room_no_further_attempt(tables: Tables, scope: str) -> None:
    """Whichever account has no room, the accounts before it get back what they gave, and the call goes on with its old
    hold."""
    tight = KeyLimits(max_budget=400, budget_duration="daily")
    models = (ModelLimits("gpt", "openai/gpt-4", tight if scope == "model" else LIMIT),)
    shared = {each: tight if each == scope else LIMIT for each in ("user", "team")}
    world = world_of(tables, tight if scope == "key" else LIMIT, model_limits=models, **shared)
    ledger = world.ledger()
    hold, other = world.admit(ledger, 100), world.admit(ledger, 100)
    with pytest.raises(RateLimited) as held:
        ledger.top_up(hold, 201)
    assert (held.value.code, held.value.details["scope"]) == ("budget_held", scope)
    ledger.settle(other, paid(100))
    with pytest.raises(BudgetExceeded) as spent:
        ledger.top_up(hold, 301)
    assert (spent.value.details["scope"], spent.value.details["needed"]) == (scope, 0.000301)
    assert world.drift() == {}
    assert ledger.top_up(hold, 200).row.est == 300
    assert world.drift() == {}


def test_the_terms_are_those_of_the_admission(tables: Tables) -> None:
    """If a budget was lowered or a key revoked in the meantime, only the next call is affected. Shadow limits refuse
    nobody."""
    shadow = KeyLimits(max_budget=100, budget_duration="daily", shadow=("budget",))
    world = World(tables, shadow, tiers={"free": World.open_tier()})
    ledger = world.ledger()
    hold = world.admit(ledger, 100)
    world.limits_store.set_state(world.key, "R", 9)
    topped = ledger.top_up(hold, 300)
    assert topped.row.est == 400
    ledger.settle(topped, paid(400))
    assert world.drift() == {}


@pytest.mark.parametrize("seed", SEEDS)
def test_no_budget_is_passed_by_calls_that_grow_and_fall(tables: Tables, seed: int) -> None:
    """Twenty callers at once, some of whose steps are lost, with a reconcile at the end."""
    world = world_of(tables, KeyLimits(max_budget=2_000, budget_duration="daily"))
    most: list[int] = []

    def container() -> None:
        chance = random.Random(f"{seed}-{threading.get_ident()}")
        for _ in range(5):
            lossy = Struck(tables.database, chance.randrange(5, 40), chance.choice(["drop", "lose"]))
            ledger = world.ledger(lossy)
            try:
                hold = world.admit(ledger, chance.randrange(1, 200))
                if chance.random() < 0.6:
                    hold = ledger.top_up(hold, chance.randrange(1, 300))
                if chance.random() < 0.5:
                    hold = ledger.lower(hold, chance.randrange(1, 100))
            except GatewayError:
                continue
            most.extend(each.item[f"used_{DAY}"] for each in hold.admitted[1:])
            if chance.random() < 0.8:
                ledger.settle(hold, paid(chance.randrange(hold.row.est + 1)))

    at_once(20, container)
    assert 500 < max(most) <= 1_000
    covered(world)
    ended(world, tables, swept=True)
