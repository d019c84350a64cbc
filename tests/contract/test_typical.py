"""Holds of the typical amount, on DynamoDB Local: to which budgets they apply, and by how much a budget may be
exceeded."""

import dataclasses
import random
import threading

import pytest
from msgspec.structs import replace

from gateway.errors import BudgetExceeded, RateLimited
from gateway.identity.caller import Caller, KeyLimits, ModelLimits
from gateway.ledger.admission import Demand
from gateway.ledger.holds import Hold, Outcome
from gateway.ledger.ledger import Ledger
from gateway.models.money import cost_of
from tests.contract.conftest import Tables
from tests.contract.test_keys import ADMIN
from tests.contract.test_keys import admin as keys_of
from tests.contract.world import SEEDS, World, at_once, paid
from tests.unit.calls.test_fit import WINDOWS, fit, price_of, usage_of

BOUND = KeyLimits(max_budget=1_000, budget_duration="daily")
TYPICAL = dataclasses.replace(BOUND, estimate="typical")
OPEN = {"free": World.open_tier(), "enterprise": World.open_tier()}
DAY = "2027-01-15"


def ask(ledger: Ledger, world: World, est: int = 600, typical: int = 200, caller: Caller | None = None) -> Hold:
    request = replace(world.request(est), typical=typical)
    return ledger.admit(caller or world.caller, world.tiers.__getitem__, request)


@pytest.mark.parametrize(
    ("key", "user", "team", "model", "held"),
    [
        (KeyLimits(), None, None, None, 600),
        (BOUND, None, None, None, 600),
        (TYPICAL, None, None, None, 200),
        (KeyLimits(), None, TYPICAL, None, 200),  # a key without a budget has none to exceed
        (KeyLimits(estimate="typical"), None, BOUND, None, 600),  # the key may not exceed the team's budget
        (BOUND, None, TYPICAL, None, 600),
        (TYPICAL, TYPICAL, TYPICAL, TYPICAL, 200),
        (TYPICAL, TYPICAL, TYPICAL, BOUND, 600),
        (TYPICAL, None, KeyLimits(rpd_limit=50), None, 200),
    ],
)
def test_typical_is_held_where_each_budget_that_it_may_pass_says_so(
    tables: Tables,
    key: KeyLimits,
    user: KeyLimits | None,
    team: KeyLimits | None,
    model: KeyLimits | None,
    held: int,
) -> None:
    models = (ModelLimits("gpt", "openai/gpt-4", model),) if model else ()
    world = World(tables, key, user=user, team=team, model_limits=models, tiers=dict(OPEN))
    hold = ask(world.ledger(), world)
    assert (hold.row.est, hold.bound, world.rows()[0]["est"]) == (held, 600, held)
    assert {world.item(account)[f"used_{window}"] for account, window in hold.row.holders} == {held}
    assert world.drift() == {}


def test_a_tier_s_budget_is_the_key_s_to_pass(tables: Tables) -> None:
    tier = World.open_tier().model_copy(update={"max_budget": 0.001, "budget_duration": "daily"})
    plain = World(tables, team=TYPICAL, tiers={"free": tier}, key="plain")
    assert ask(plain.ledger(), plain).row.est == 600
    own = World(tables, KeyLimits(estimate="typical"), team=TYPICAL, tiers={"free": tier}, key="own")
    assert ask(own.ledger(), own).row.est == 200


def test_the_choice_is_the_record_s_not_a_cached_answer_s(tables: Tables) -> None:
    """If a key may no longer hold the typical amount, its next call holds the upper bound. Nothing else stays held."""
    world = World(tables, TYPICAL, team=TYPICAL, tiers=dict(OPEN))
    before, ledger = world.caller, world.ledger()
    assert ask(ledger, world, 600, 100, before).row.est == 100
    keys_of(world).change(world.key, {"estimate": "bound"}, ADMIN)
    assert ask(ledger, world, 600, 100, before).row.est == 600
    assert world.drift() == {}
    assert world.item()["inflight"] == 2
    with pytest.raises(RateLimited):
        ask(ledger, world, 600, 100, before)
    assert world.drift() == {}


def test_what_is_known_to_be_refused_is_so_by_what_would_be_held(tables: Tables) -> None:
    world = World(tables, TYPICAL, tiers=dict(OPEN))
    ledger = world.ledger()
    for _ in range(5):
        ask(ledger, world, 2_000, 200)
    with pytest.raises(RateLimited):
        ask(ledger, world, 2_000, 200)
    with pytest.raises(RateLimited):
        ledger.check(world.caller, world.tiers.__getitem__, Demand(2_000, 10, typical=200))
    fresh = World(tables, TYPICAL, tiers=dict(OPEN), key="fresh")
    fresh.ledger().check(fresh.caller, fresh.tiers.__getitem__, Demand(2_000, 10, typical=200))


@pytest.mark.parametrize("seed", SEEDS)
def test_a_budget_is_passed_by_what_calls_under_way_hold_too_little_at_most(tables: Tables, seed: int) -> None:
    """The most is the sum, over the calls that were in progress when the last one was admitted, of the upper bound less
    the hold. Calls that ended before were counted in full, and an exceeded budget admits nobody."""
    world = World(tables, TYPICAL, tiers=dict(OPEN))
    running: list[tuple[Hold, int]] = []
    lock, over = threading.Lock(), [0]

    def container() -> None:
        ledger, chance = world.ledger(), random.Random(f"{seed}-{threading.get_ident()}")
        for _ in range(6):
            typical = chance.randrange(20, 80)
            bound = typical + chance.randrange(100)
            with lock:  # the test needs to know the order of admissions and ends
                try:
                    hold = ask(ledger, world, bound, typical)
                except (RateLimited, BudgetExceeded):
                    continue
                running.append((hold, bound))
                over[0] = sum(most - each.row.est for each, most in running)
                if chance.random() < 0.6:
                    ended, most = running.pop(chance.randrange(len(running)))
                    ledger.settle(ended, paid(most))

    at_once(10, container)
    for hold, most in running:
        world.ledger().settle(hold, paid(most))
    spent = world.item()[f"spent_{DAY}"]
    assert 1_000 < spent <= 1_000 + over[0]
    assert world.drift() == {}


@pytest.mark.parametrize("target", WINDOWS)
def test_four_turns_of_400_kb_run_at_once_on_five_dollars(tables: Tables, target: str) -> None:
    """With their upper bounds they do not fit. After the provider has counted the prompt, each holds exactly its price
    and the price of the cap."""
    five = KeyLimits(max_budget=5_000_000, budget_duration="daily")
    world = World(tables, dataclasses.replace(five, estimate="typical"), tiers=dict(OPEN), key="typical")
    ledger, est = world.ledger(), fit(400, target)
    holds = [ask(ledger, world, est.cost, est.typical) for _ in range(4)]
    strict = World(tables, five, tiers=dict(OPEN), key="strict")
    with pytest.raises(RateLimited):
        [ask(strict.ledger(), strict, est.cost, est.typical) for _ in range(4)]
    told = est.once_told(usage_of(400, output=0))
    lowered = [ledger.lower(hold, told) for hold in holds]
    assert {hold.row.est for hold in lowered} == {told}
    assert world.item()[f"used_{DAY}"] == 4 * told
    cost = cost_of(usage_of(400), price_of(target))
    for hold in lowered:
        ledger.settle(hold, Outcome(usage_of(400), cost.prompt, cost.completion, "ok", 5))
    assert world.item()[f"used_{DAY}"] == 4 * cost.total
    assert world.drift() == {}


def test_more_than_was_typical_is_no_overrun_but_more_than_the_bound_is(
    tables: Tables, caplog: pytest.LogCaptureFixture
) -> None:
    world = World(tables, TYPICAL, tiers=dict(OPEN))
    ledger = world.ledger()
    ledger.settle(ask(ledger, world, 300, 100), paid(300))
    assert "overrun" not in caplog.text
    ledger.settle(ask(ledger, world, 300, 100), paid(301))
    assert "overrun" in caplog.text


def test_a_hold_that_grew_or_fell_has_its_bound_with_it(tables: Tables) -> None:
    world = World(tables, TYPICAL, tiers=dict(OPEN))
    ledger = world.ledger()
    topped = ledger.top_up(ask(ledger, world, 300, 100), 50)
    assert (topped.row.est, topped.bound) == (150, 350)
    lowered = ledger.lower(topped, 40)
    assert (lowered.row.est, lowered.bound) == (40, 40)
