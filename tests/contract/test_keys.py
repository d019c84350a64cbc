"""The life of keys and teams on DynamoDB Local: every change applies from the next paid call on, whatever is cached."""

from typing import Any

import pytest
from msgspec.structs import replace

from gateway.config.document import TierLimits
from gateway.dynamodb.client import DynamoDB
from gateway.errors import (
    BadRequest,
    BudgetExceeded,
    ConditionFailed,
    Conflict,
    Forbidden,
    GatewayError,
    NotFound,
    PreconditionFailed,
    RateLimited,
    Unauthorized,
)
from gateway.identity import key_text as keys
from gateway.identity.caller import SCOPES, Caller, KeyLimits, Shared
from gateway.identity.store import KeyRecord, KeyStore, TeamRecord, UserRecord
from gateway.identity.verification import Identity
from gateway.keys.keys import Keys
from gateway.keys.limit_fields import shown_limits
from gateway.keys.standing import Standing
from gateway.keys.teams import Teams
from gateway.keys.uses_store import UseStore
from tests.contract.conftest import CountingDatabase, LossyHttp, Tables
from tests.contract.world import World, at_once, paid

ADMIN = Caller("admin", "enterprise", SCOPES, version=1)


def admin(world: World) -> Keys:
    return Keys(world.keys, world.limits_store, world.tiers.__getitem__, lambda: world.now / 1_000_000)


def teams(world: World) -> Teams:
    return Teams(world.keys, world.limits_store, lambda: world.now / 1_000_000)


def cached(world: World, text: str) -> Caller:
    """The answer that an authorizer passes on and caches."""
    caller = Identity(world.keys, lambda: world.now / 1_000_000).verify(text)
    assert caller is not None
    return Caller.from_context(caller.to_context())


def admit(world: World, caller: Caller, est: int = 100) -> Any:
    return world.ledger().admit(caller, world.tiers.__getitem__, world.request(est))


def test_a_change_holds_at_the_next_paid_call(tables: Tables) -> None:
    world = World(tables)
    text, record = admin(world).create({"name": "a", "tier": "basic", "max_budget": 0.0005}, ADMIN)
    before = cached(world, text)
    admit(world, before, 300)
    with pytest.raises(RateLimited):  # held, not spent
        admit(world, before, 300)
    raised = admin(world).change(record.id, {"max_budget": 0.001, "models": ["gpt-4"]}, ADMIN)
    assert admit(world, before, 300).caller == raised.caller()
    admin(world).change(record.id, {"max_budget": 0.0007}, ADMIN)
    with pytest.raises(RateLimited):
        admit(world, before, 300)
    assert admit(world, before, 100).headers()["x-gateway-key-remaining"] == "0.000000"
    free = admin(world).change(record.id, {"max_budget": None, "tier": None}, ADMIN)
    assert (free.limits.max_budget, free.tier, admit(world, before).caller.tier) == (None, "free", "free")


LIMITS = {
    "rpm_limit": 60,
    "tpm_limit": 7_000,
    "tph_limit": 9_000,
    "tpd_limit": 70_000,
    "rph_limit": 100,
    "rpd_limit": 1_000,
    "burst_limit": 5,
    "max_parallel_requests": 50,
    "max_budget": 1.5,
    "budget_raise": {"amount": 0.5, "until": "2027-02-01T00:00:00.000Z"},
    "budget_duration": "weekly",
    "shadow": ["maxParallelRequests", "tokensPerMinute"],
    "estimate": "typical",
}


def test_every_limit_of_a_key_and_a_team_is_kept_changed_and_shown(tables: Tables) -> None:
    world = World(tables)
    team = teams(world).create({"id": "blue", "name": "Blue"} | LIMITS, ADMIN)
    text, record = admin(world).create({"name": "a", "team_id": "blue"} | LIMITS, ADMIN)
    for limits in (record.limits, admin(world).get(record.id).limits, teams(world).get("blue").limits, team.limits):
        assert shown_limits(limits) == LIMITS
    caller = cached(world, text)
    assert caller.team is not None
    assert (caller.limits, caller.team.limits) == (record.limits, team.limits)
    admin(world).change(record.id, {"rph_limit": 2, "burst_limit": None}, ADMIN)
    teams(world).change("blue", {"rpd_limit": None, "rpm_limit": 30}, ADMIN)
    assert shown_limits(admin(world).get(record.id).limits) == LIMITS | {"rph_limit": 2, "burst_limit": None}
    assert shown_limits(teams(world).get("blue").limits) == LIMITS | {"rpd_limit": None, "rpm_limit": 30}
    for _ in range(2):
        admit(world, caller)  # with its cached answer, but on the new terms
    with pytest.raises(RateLimited) as refused:
        admit(world, caller)
    assert refused.value.details["dimension"] == "requests_hour"
    shown = Standing(world.limits_store, world.keys, lambda: world.now).of(caller, world.tiers.__getitem__)
    minute = {"limit": 60, "burst": 60, "remaining": 58, "reset": "2027-01-15T08:00:02.000Z", "enforced": True}
    hour = {"limit": 2, "remaining": 0, "reset": "2027-01-15T09:00:00.000Z", "enforced": True}
    assert (shown["limits"]["requests_per_minute"], shown["limits"]["requests_per_hour"]) == (minute, hour)
    assert shown["limits"]["requests_per_day"]["remaining"] == 998
    tokens = {"limit": 70_000, "remaining": 69_980, "reset": "2027-01-16T00:00:00.000Z", "enforced": True}
    assert shown["limits"]["tokens_per_day"] == tokens
    assert "requests_per_day" not in shown["team"]["limits"]
    assert shown["team"]["limits"]["requests_per_minute"]["burst"] == 5
    assert shown["team"]["limits"]["requests_per_hour"]["remaining"] == 98
    enforced = {name: each["enforced"] for name, each in shown["limits"].items()}
    assert [name for name in enforced if not enforced[name]] == ["tokens_per_minute", "max_parallel_requests"]
    admin(world).change(record.id, {"rph_limit": None}, ADMIN)
    world.now += 1_000_000  # a container remembers a refusal for a second
    admit(world, caller)


@pytest.mark.parametrize("amount", [1e-7, 0.1500001, 2.00000049])
def test_a_budget_that_can_not_be_held_exactly_is_refused_by_name(tables: Tables, amount: float) -> None:
    world = World(tables)
    _, record = admin(world).create({"name": "a", "max_budget": 0.15}, ADMIN)
    assert record.limits.max_budget == 150_000
    for refused in (
        lambda: admin(world).create({"name": "b", "max_budget": amount}, ADMIN),
        lambda: admin(world).change(record.id, {"max_budget": amount}, ADMIN),
        lambda: teams(world).create({"id": "b", "name": "b", "max_budget": amount}, ADMIN),
    ):
        with pytest.raises(BadRequest) as error:
            refused()
        assert error.value.param == "max_budget"


@pytest.mark.parametrize("field", ["rph_limit", "rpd_limit", "tph_limit", "tpd_limit", "burst_limit"])
@pytest.mark.parametrize("value", [0, -1, 1.5, "7", 10_000_000_001, True])
def test_a_limit_is_a_whole_number(tables: Tables, field: str, value: Any) -> None:
    world = World(tables)
    with pytest.raises(BadRequest) as refused:
        admin(world).create({"name": "a", field: value}, ADMIN)
    assert refused.value.param == field
    with pytest.raises(BadRequest) as refused:
        teams(world).create({"id": "t", "name": "T", "rpm_limit": 5, field: value}, ADMIN)
    assert refused.value.param == field


def test_a_team_s_burst_is_a_part_of_its_minute(tables: Tables) -> None:
    world = World(tables)
    teams(world).create({"id": "t", "name": "T", "rpm_limit": 5, "burst_limit": 2}, ADMIN)
    with pytest.raises(BadRequest) as refused:
        teams(world).create({"id": "u", "name": "U", "burst_limit": 2}, ADMIN)
    assert refused.value.param == "burst_limit"
    with pytest.raises(BadRequest) as refused:
        teams(world).change("t", {"rpm_limit": None}, ADMIN)
    assert refused.value.param == "burst_limit"


class CountingKeys:
    """The records, with a count of the reads of each one."""

    def __init__(self, world: World) -> None:
        self._keys, self.reads = world.keys, 0

    def get(self, key_id: str) -> KeyRecord | None:
        self.reads += 1
        return self._keys.get(key_id)

    def team(self, team_id: str) -> TeamRecord | None:
        self.reads += 1
        return self._keys.team(team_id)

    def user(self, user_id: str) -> UserRecord | None:
        self.reads += 1
        return self._keys.user(user_id)


def test_what_was_too_much_for_the_whole_limit_before_a_change(tables: Tables) -> None:
    """A call above the whole of an old budget is refused without a write, but not because of an authorizer's cached
    answer."""
    world = World(tables, team=KeyLimits(max_budget=100))
    own = {"name": "a", "tier": "basic", "team_id": world.team_id}
    text, record = admin(world).create(own | {"max_budget": 0.0001, "tpm_limit": 20}, ADMIN)
    before = cached(world, text)
    admit(world, before, 50)
    database, records = CountingDatabase(tables.database), CountingKeys(world)
    ledger = world.ledger(database, records)

    def refuse(tokens: int = 10) -> GatewayError:
        request = replace(world.request(300), tokens=tokens)
        with pytest.raises(GatewayError) as refused:
            ledger.admit(before, world.tiers.__getitem__, request)
        return refused.value

    for _ in range(100):  # a flood costs one read a second
        assert refuse().details["scope"] == "team"
        world.now += 10_000
    assert (database.calls, records.reads) == ([], 1)
    teams(world).change(world.team_id, {"max_budget": 0.001}, ADMIN)
    world.now += 1_000_000
    assert refuse().details["scope"] == "key"
    admin(world).change(record.id, {"max_budget": 0.001}, ADMIN)
    world.now += 1_000_000
    assert refuse(30).details["dimension"] == "tokens"
    hold = ledger.admit(before, world.tiers.__getitem__, world.request(300))
    assert hold.row.budget == 1_000
    admin(world).change(record.id, {"max_budget": 0.0002}, ADMIN)
    assert isinstance(refuse(), BudgetExceeded)


def test_a_budget_set_in_mid_window_counts_what_was_spent(tables: Tables) -> None:
    world = World(tables)
    text, record = admin(world).create({"name": "a"}, ADMIN)
    hold = admit(world, cached(world, text), 400)
    world.ledger().settle(hold, paid(400))
    admin(world).change(record.id, {"max_budget": 0.0005}, ADMIN)
    with pytest.raises(BudgetExceeded):
        admit(world, cached(world, text), 101)
    admit(world, cached(world, text), 100)


def test_a_change_that_was_not_told_is_found_at_the_next_call_that_knows_of_it(tables: Tables) -> None:
    world = World(tables)
    text, record = admin(world).create({"name": "a"}, ADMIN)
    admit(world, cached(world, text))
    changed = replace(record, tier="basic", version=2)
    world.keys.replace(changed, version=1)  # here the admin function died
    assert admit(world, cached(world, text)).caller.version == 2
    assert world.item(record.id)["kv"] == 2
    world.limits_store.set_state(record.id, "R", 1)  # an old change that arrives late
    assert admit(world, cached(world, text)).caller.version == 2


def test_rotation_keeps_both_secrets_for_the_overlap(tables: Tables) -> None:
    world = World(tables)
    first, record = admin(world).create({"name": "a", "tier": "enterprise"}, ADMIN)
    old = cached(world, first)
    admit(world, old)
    second, rotated = admin(world).rotate(record.id, {"overlap_hours": 2}, ADMIN)
    assert keys.key_id(second) == record.id
    assert (rotated.version, rotated.generation) == (2, 2)
    assert admit(world, old).caller.generation == 1  # with its cached answer
    assert admit(world, cached(world, first)).caller.expires == rotated.previous_until
    assert admit(world, cached(world, second)).caller.expires == 0
    third, _ = admin(world).rotate(record.id, {"overlap_hours": 72}, ADMIN)
    with pytest.raises(Unauthorized):  # two rotations ago
        admit(world, old)
    admit(world, cached(world, second))
    dying = cached(world, second)
    world.now += 72 * 3_600_000_000
    assert Identity(world.keys, lambda: world.now / 1_000_000).verify(second) is None
    assert dying.expires == world.now // 1_000_000
    admit(world, cached(world, third))


def test_rotation_without_overlap_ends_the_old_secret_at_its_next_call(tables: Tables) -> None:
    world = World(tables)
    text, record = admin(world).create({"name": "a", "tier": "enterprise"}, ADMIN)
    old = cached(world, text)
    admit(world, old)
    newer, _ = admin(world).rotate(record.id, {"overlap_hours": 0}, ADMIN)
    with pytest.raises(Unauthorized):
        admit(world, old)
    admit(world, cached(world, newer))
    with pytest.raises(GatewayError) as refused:
        admin(world).rotate(record.id, {"overlap_hours": 73}, ADMIN)
    assert refused.value.param == "overlap_hours"


def test_a_deleted_key_is_refused_and_forgotten(tables: Tables) -> None:
    world = World(tables)
    text, record = admin(world).create({"name": "a"}, ADMIN)
    before = cached(world, text)
    admit(world, before)
    admin(world).delete(record.id, ADMIN)
    with pytest.raises(Unauthorized):
        admit(world, before)
    assert world.keys.get(record.id) is None
    for gone in (admin(world).delete, admin(world).revoke):
        with pytest.raises(NotFound):
            gone(record.id, ADMIN)
    with pytest.raises(ConditionFailed):
        world.keys.delete("key1")  # active


def test_changes_at_once_lose_nothing_and_if_match_guards(tables: Tables) -> None:
    world = World(tables)
    _, record = admin(world).create({"name": "a"}, ADMIN)
    wanted = iter(["user_id", "name", "rpm_limit"])
    values = {"user_id": "u", "name": "b", "rpm_limit": 7}

    def change() -> None:
        field = next(wanted)
        admin(world).change(record.id, {field: values[field]}, ADMIN)

    at_once(3, change)
    changed = admin(world).get(record.id)
    assert (changed.user_id, changed.name, changed.limits.rpm_limit, changed.version) == ("u", "b", 7, 4)
    with pytest.raises(PreconditionFailed):
        admin(world).change(record.id, {"name": "c"}, ADMIN, if_match=3)
    admin(world).revoke(record.id, ADMIN)
    with pytest.raises(Conflict):
        admin(world).change(record.id, {"name": "c"}, ADMIN)


@pytest.mark.parametrize(
    ("issuer", "field", "body"),
    [
        ({"scopes": ("admin", "models")}, "scopes", {"scopes": ["completions"]}),
        ({"tier": "basic"}, "tier", {"tier": "premium"}),
        ({"models": ("gpt-4",)}, "models", {}),
        ({"models": ("gpt-4",)}, "models", {"models": ["gpt-4", "other"]}),
        ({"expires": 2_000_000_000}, "expires", {}),
        ({"limits": KeyLimits(rpm_limit=5)}, "rpm_limit", {"rpm_limit": 6}),
        ({"limits": KeyLimits(rpd_limit=5)}, "rpd_limit", {}),
        ({"limits": KeyLimits(max_budget=5_000_000)}, "max_budget", {"max_budget": 5.5}),
        ({"limits": KeyLimits(max_budget=5_000_000)}, "budget_duration", {"max_budget": 1, "budget_duration": "daily"}),
        ({"team_id": "blue"}, "team_id", {}),
    ],
)
def test_no_key_grants_more_than_it_has(
    tables: Tables, issuer: dict[str, Any], field: str, body: dict[str, Any]
) -> None:
    world = World(tables)
    with pytest.raises(Forbidden) as refused:
        admin(world).create({"name": "a", "scopes": ["models"]} | body, replace(ADMIN, **issuer))
    assert refused.value.param == field
    with pytest.raises(Forbidden):  # and not by changing or rotating another key either
        admin(world).rotate("key1", {}, replace(ADMIN, scopes=("admin", "models")))


def test_last_use_only_moves_on(tables: Tables) -> None:
    uses = UseStore(tables.database, tables["state"])
    for moment in (50, 70, 60):
        uses.used("key1", moment)
    uses.used("key2", 5)
    assert uses.of(["key1", "nobody", "key2"]) == {"key1": 70, "key2": 5}
    assert uses.of([]) == {}


def test_what_is_noted_of_a_key_changes_no_record(tables: Tables) -> None:
    world = World(tables)
    before = world.keys.get("key1")
    UseStore(tables.database, tables["state"]).used("key1", 70)
    assert world.keys.get("key1") == before


def test_teams_are_listed_changed_and_deleted_without_keys(tables: Tables) -> None:
    world = World(tables)
    for number in range(3):
        teams(world).create({"id": f"t{number}", "name": "T", "max_budget": 2}, ADMIN)
    with pytest.raises(Conflict):
        teams(world).create({"id": "t1", "name": "T"}, ADMIN)
    with pytest.raises(Forbidden):
        teams(world).create({"id": "t9", "name": "T"}, replace(ADMIN, team_id="t1"))
    page, cursor = teams(world).listed(ADMIN, 2, None)
    rest, _ = teams(world).listed(ADMIN, 2, cursor)
    assert len({record.id for record in page + rest}) == 3
    assert teams(world).change("t1", {"metadata": {"a": "b"}}, ADMIN, if_match=1).version == 2
    with pytest.raises(PreconditionFailed):
        teams(world).change("t1", {"name": "x"}, ADMIN, if_match=1)
    _, record = admin(world).create({"name": "a", "team_id": "t1"}, ADMIN)
    with pytest.raises(Conflict):
        teams(world).delete("t1", ADMIN)
    admin(world).change(record.id, {"team_id": None}, ADMIN)
    teams(world).delete("t1", ADMIN)
    with pytest.raises(NotFound):
        teams(world).get("t1")
    with pytest.raises(GatewayError) as refused:
        admin(world).create({"name": "a", "team_id": "t1"}, ADMIN)
    assert refused.value.param == "team_id"
    with pytest.raises(Conflict):  # an id is in bills, so it is never used again
        teams(world).create({"id": "t1", "name": "T"}, ADMIN)


def test_key_and_team_must_both_pass_and_the_key_gets_back_what_the_team_refuses(tables: Tables) -> None:
    world = World(tables, KeyLimits(max_budget=1_000), team=KeyLimits(max_budget=500, budget_duration="total"))
    hold = world.admit(world.ledger(), 400)
    assert hold.headers()["x-gateway-team-remaining"] == "0.000100"
    with pytest.raises(RateLimited) as held:
        world.admit(world.ledger(), 200)
    assert (held.value.code, held.value.details["scope"]) == ("budget_held", "team")
    assert (world.item()["used_2027-01"], world.item()["inflight"]) == (400, 1)
    world.ledger().settle(hold, paid(350))
    with pytest.raises(BudgetExceeded) as used:
        world.admit(world.ledger(), 200)
    details = {"scope": "team", "limit": 0.0005, "spent": 0.00035, "needed": 0.0002, "reset": None}
    assert used.value.details == details
    world.admit(world.ledger(), 150)
    assert world.drift() == {}
    assert len(world.rows()) == 2


def test_a_team_s_budget_holds_over_all_its_keys(tables: Tables) -> None:
    world = World(tables, team=KeyLimits(max_budget=10_000), tiers={"free": World.open_tier()})
    callers = [world.caller]
    for number in range(4):
        record = replace(world.record, id=f"other{number}")
        world.keys.create(record)
        callers.append(record.caller(world.caller_team))
    order = iter(callers * 4)

    def container() -> None:
        ledger, caller = world.ledger(), next(order)
        for _ in range(15):
            try:
                hold = ledger.admit(caller, world.tiers.__getitem__, world.request(300))
            except (RateLimited, BudgetExceeded):
                continue
            ledger.settle(hold, paid(120))

    at_once(20, container)
    item = world.item(f"team#{world.team_id}")
    assert item["spent_2027-01"] == item["used_2027-01"] <= 10_000
    assert item["spent_2027-01"] > 10_000 - 300
    assert item["inflight"] == 0
    spent = sum(world.item(caller.key_id)["spent_2027-01"] for caller in callers)
    assert spent == item["spent_2027-01"]


def test_a_budgeted_team_costs_two_more_writes_and_a_refused_flood_none(tables: Tables) -> None:
    world = World(tables, team=KeyLimits(max_budget=1_000), tiers={"free": World.open_tier()})
    database = CountingDatabase(tables.database)
    ledger = world.ledger(database)
    ledger.settle(world.admit(ledger, 10), paid(1))
    database.calls.clear()
    ledger.settle(world.admit(ledger, 10), paid(1))
    assert database.calls == ["UpdateItem", "UpdateItem", "PutItem", "UpdateItem", "UpdateItem", "UpdateItem"]
    with pytest.raises(BudgetExceeded):
        world.admit(ledger, 999)
    database.calls.clear()
    for _ in range(200):
        with pytest.raises(BudgetExceeded):
            world.admit(ledger, 999)
        world.now += 10_000
    assert len(database.calls) <= 200 * 0.1


def test_limits_given_to_a_team_hold_at_the_next_call_of_its_keys(tables: Tables) -> None:
    world = World(tables, team=KeyLimits())
    before = world.caller
    assert before.team is None
    ledger = world.ledger()
    ledger.admit(before, world.tiers.__getitem__, world.request(100))
    teams(world).change(world.team_id, {"max_budget": 0.0002}, ADMIN)
    ledger.admit(before, world.tiers.__getitem__, world.request(200))
    with pytest.raises(RateLimited):
        ledger.admit(before, world.tiers.__getitem__, world.request(200))
    teams(world).change(world.team_id, {"max_budget": 0.0004}, ADMIN)
    world.now += 1_000_000  # a container remembers a refusal for a second
    ledger.admit(before, world.tiers.__getitem__, world.request(200))
    teams(world).change(world.team_id, {"max_budget": None}, ADMIN)
    world.now += 1_000_000
    hold = ledger.admit(before, world.tiers.__getitem__, world.request(900))
    assert [each.account.scope for each in hold.admitted] == ["key"]


def test_what_is_left_is_shown_as_it_is_now(tables: Tables) -> None:
    limits = KeyLimits(max_budget=1_000_000, budget_duration="daily")
    world = World(tables, limits, team=KeyLimits(max_budget=5_000_000, rpm_limit=60))
    ledger = world.ledger()
    ledger.settle(world.admit(ledger, 500_000), paid(100_000))
    world.admit(ledger, 200_000)
    standing = Standing(world.limits_store, world.keys, lambda: world.now)
    shown = standing.of(world.caller, world.tiers.__getitem__)
    assert shown["limits"]["requests_per_minute"]["remaining"] == 8
    budget = {"limit": 1.0, "spent": 0.1, "held": 0.2, "remaining": 0.7, "duration": "daily", "currency": "USD"}
    assert shown["budget"] == budget | {"reset": "2027-01-16T00:00:00.000Z", "enforced": True, "raised": None}
    assert (shown["team"]["budget"]["remaining"], shown["team"]["limits"]["requests_per_minute"]["limit"]) == (4.7, 60)
    world.keys.revoke("key1")
    with pytest.raises(Unauthorized):
        standing.of(world.caller, world.tiers.__getitem__)


def test_the_budget_that_is_shown_is_the_one_that_holds(tables: Tables) -> None:
    tier = TierLimits(requests_per_minute=100, max_budget=2, budget_duration="weekly")
    world = World(tables, tiers={"free": tier})
    standing = Standing(world.limits_store, world.keys, lambda: world.now)
    world.ledger().settle(world.admit(world.ledger(), 500_000), paid(500_000))
    shown = standing.of(world.caller, world.tiers.__getitem__)["budget"]
    assert (shown["limit"], shown["spent"], shown["remaining"]) == (2.0, 0.5, 1.5)
    assert (shown["duration"], shown["reset"]) == ("weekly", "2027-01-18T00:00:00.000Z")
    world.tiers["free"] = TierLimits(requests_per_minute=100)
    shown = standing.of(world.caller, world.tiers.__getitem__)["budget"]
    assert (shown["limit"], shown["remaining"], shown["duration"]) == (None, None, "monthly")


def test_a_team_that_is_gone_refuses_its_keys(tables: Tables) -> None:
    world = World(tables, team=KeyLimits(max_budget=1_000))
    world.admit(world.ledger())
    gone = replace(world.caller_team, state="revoked", version=2)
    world.keys.replace_team(gone, version=1)
    world.limits_store.set_state(f"team#{world.team_id}", "R", 2)
    with pytest.raises(Unauthorized):
        world.admit(world.ledger())
    assert world.item()["used_2027-01"] == 100


@pytest.mark.parametrize("gone", [False, True])
def test_no_key_is_moved_to_a_team_that_is_not_there(tables: Tables, gone: bool) -> None:
    world = World(tables)
    if gone:
        teams(world).create({"id": "blue", "name": "Blue"}, ADMIN)
        teams(world).delete("blue", ADMIN)
    with pytest.raises(GatewayError) as refused:
        admin(world).change("key1", {"team_id": "blue"}, ADMIN)
    assert (refused.value.status, refused.value.param) == (400, "team_id")
    world.admit(world.ledger())


@pytest.mark.parametrize("team", ["", "blue"])
def test_a_rotation_whose_reply_is_lost_is_one_rotation(tables: Tables, team: str) -> None:
    """If the rotation were repeated with another secret, the secret that its owner has would be two rotations old and
    invalid."""
    world = World(tables)
    if team:
        teams(world).create({"id": team, "name": "T"}, ADMIN)
    first, record = admin(world).create({"name": "a", "team_id": team}, ADMIN)
    lost: list[bytes] = []

    def lose(body: bytes) -> bool:
        lose_it = b"digest" in body and b"UpdateExpression" in body and not lost
        lost.extend([body] * lose_it)
        return lose_it

    store = KeyStore(DynamoDB(LossyHttp(tables.http, lose), timeout=30), tables["api-keys"])
    second, rotated = Keys(store, world.limits_store, world.tiers.__getitem__, lambda: world.now / 1_000_000).rotate(
        record.id, {}, ADMIN
    )
    assert (len(lost), rotated.generation, rotated.version) == (1, 2, 2)
    for text in (first, second):
        admit(world, cached(world, text))


@pytest.mark.parametrize(
    ("issuer", "field", "body"),
    [
        ("free", "rpm_limit", {"rpm_limit": 11}),
        ("basic", "tpm_limit", {"tier": "basic", "tpm_limit": 50_001}),
        ("basic", "max_parallel_requests", {"tier": "basic", "max_parallel_requests": 3}),
        ("basic", "rpd_limit", {"tier": "basic", "rpd_limit": 501}),
        ("basic", "max_budget", {"tier": "basic", "max_budget": 3, "budget_duration": "daily"}),
    ],
)
def test_what_an_issuer_has_by_its_tier_bounds_what_it_grants(
    tables: Tables, issuer: str, field: str, body: dict[str, Any]
) -> None:
    world = World(tables)
    tier = TierLimits(
        requests_per_minute=100,
        tokens_per_minute=50_000,
        max_parallel_requests=2,
        requests_per_day=500,
        max_budget=2.0,
        budget_duration="daily",
    )
    tiers = {"free": world.tiers["free"], "basic": tier}
    keys_of = Keys(world.keys, world.limits_store, tiers.__getitem__, lambda: world.now / 1_000_000)
    teams(world).create({"id": "blue", "name": "Blue", "max_budget": 9}, ADMIN)
    by = replace(ADMIN, tier=issuer, team_id="blue", team=Shared(1, KeyLimits(max_budget=9_000_000)))
    wanted = {"name": "a", "team_id": "blue", **body}
    with pytest.raises(Forbidden) as refused:
        keys_of.create(wanted, by)
    assert refused.value.param == field
    keys_of.create(wanted | {field: body[field] - 1}, by)
