"""Tokens a UTC hour on DynamoDB Local: a limit that needs only a line in the table of limits."""

import pytest

from gateway.config.document import TierLimits
from gateway.errors import RateLimited
from gateway.identity.caller import Caller, KeyLimits
from gateway.keys.standing import Standing
from tests.contract.conftest import Tables
from tests.contract.test_tokens_a_day import fifty_containers, used
from tests.contract.world import World

HOUR = 3_600_000_000
LIMIT = KeyLimits(tph_limit=105)


def counted(world: World, account: str | None = None) -> int | None:
    tokens: int | None = world.item(account).get("k_2027-01-15T08")
    return tokens


@pytest.mark.parametrize("owner", ["key", "tier", "team", "user"])
def test_exactly_so_many_under_fifty_threads(tables: Tables, owner: str) -> None:
    tier = World.open_tier().model_copy(update={"tokens_per_hour": 105 if owner == "tier" else 5_000})
    own = LIMIT if owner == "key" else KeyLimits()
    team, user = (LIMIT if owner == each else None for each in ("team", "user"))
    world = World(tables, own, tiers={"free": tier}, team=team, user=user)
    admitted, refused = fifty_containers(world, calls=2)
    assert (len(admitted), len(refused)) == (10, 90)
    assert set(refused) == {("tokens_hour", 105, "2027-01-15T09:00:00.000Z")}
    world.now += HOUR
    world.admit(world.ledger(), tokens=105)


def test_it_is_corrected_to_what_was_used_while_the_hour_lasts(tables: Tables) -> None:
    world = World(tables, KeyLimits(tph_limit=100), tiers={"free": World.open_tier()})
    ledger = world.ledger()
    first, late = world.admit(ledger, tokens=40), world.admit(ledger, tokens=50)
    with pytest.raises(RateLimited, match="limit of 100 tokens per hour is reached"):
        world.admit(ledger, tokens=20)
    ledger.settle(first, used(5))
    assert counted(world) == 55
    world.admit(world.ledger(), tokens=20)
    with pytest.raises(RateLimited) as hopeless:
        world.admit(world.ledger(), tokens=101)
    assert (hopeless.value.details["dimension"], hopeless.value.headers["x-should-retry"]) == ("tokens_hour", "false")
    world.now += HOUR
    ledger.settle(late, used(5))  # its hour is not read any more
    assert (counted(world), world.item()["t_2027-01-15"]) == (75, 30)


def test_it_is_shown_carried_and_reported(tables: Tables) -> None:
    tier = TierLimits(requests_per_minute=1_000, tokens_per_hour=15, shadow=("tokensPerHour",))
    world = World(tables, tiers={"free": tier})
    ledger = world.ledger()
    hold = [world.admit(ledger, tokens=10) for _ in range(2)][1]
    assert [(each.name, each.used) for each in hold.admitted[0].shadowed] == [("tokensPerHour", 10)]
    shown = Standing(world.limits_store, world.keys, lambda: world.now).of(world.caller, world.tiers.__getitem__)
    reset = "2027-01-15T09:00:00.000Z"
    assert shown["limits"]["tokens_per_hour"] == {"limit": 15, "remaining": 0, "reset": reset, "enforced": False}
    caller = Caller("k", "free", ("models",), 1, limits=LIMIT)
    assert caller.to_context()["keyTphLimit"] == "105"
    assert Caller.from_context(caller.to_context()) == caller
