"""A call's accounts on DynamoDB Local: its key, its key on one model, its user, its team. Either all of them admit the
call or none."""

from typing import Any

import pytest
from msgspec.structs import replace

from gateway.billing.alerts import Alerts
from gateway.billing.alerts_store import AlertStore
from gateway.billing.counters import counted
from gateway.dynamodb.attributes import to_item
from gateway.dynamodb.client import Database
from gateway.errors import BudgetExceeded, Conflict, GatewayError, NotFound, RateLimited, StoreUnavailable, Unauthorized
from gateway.identity.account_ids import model_item, user_item
from gateway.identity.caller import Caller, KeyLimits, ModelLimits
from gateway.identity.store import KeyStore
from gateway.identity.verification import caller_of
from gateway.keys.keys import Keys
from gateway.keys.standing import Standing
from gateway.keys.teams import Teams
from gateway.keys.users import Users
from gateway.ledger.closing.sweep_store import SweepCursor
from gateway.ledger.holds import Hold
from gateway.ledger.ledger import Ledger
from tests.contract.conftest import CountingDatabase, DroppingDatabase, LossyDatabase, Tables
from tests.contract.test_keys import ADMIN
from tests.contract.world import NOW, World, at_once, paid

MINUTE, HOUR = 60_000_000, 3_600_000_000
OPUS, SONNET = "bedrock/anthropic.opus", "bedrock/anthropic.sonnet"
FREE = {"free": World.open_tier(), "enterprise": World.open_tier()}
LIMIT = KeyLimits(max_budget=1_000, budget_duration="daily")
SCOPES = ["key", "model", "user", "team"]


def on_opus(limits: KeyLimits = LIMIT) -> tuple[ModelLimits, ...]:
    return (ModelLimits("opus", OPUS, limits),)


def world_of(tables: Tables, scope: str, limits: KeyLimits = LIMIT) -> World:
    """A key that is limited in one way."""
    own = limits if scope == "key" else KeyLimits()
    models = on_opus(limits) if scope == "model" else ()
    shared = {scope: limits} if scope in ("user", "team") else {}
    return World(tables, own, model_limits=models, tiers=dict(FREE), **shared)  # type: ignore[arg-type]


def ask(ledger: Ledger, world: World, est: int = 100, *models: str, caller: Caller | None = None) -> Hold:
    request = replace(world.request(est), models=models or (OPUS,))
    return ledger.admit(caller or world.caller, world.tiers.__getitem__, request)


def refuse(ledger: Ledger, world: World, est: int, *models: str) -> GatewayError:
    with pytest.raises(GatewayError) as refused:
        ask(ledger, world, est, *models)
    return refused.value


def keys_of(world: World) -> Keys:
    return Keys(
        world.keys,
        world.limits_store,
        world.tiers.__getitem__,
        lambda: world.now / 1_000_000,
        lambda name: world.aliases.get(name) or (name if "/" in name else None),
    )


def users_of(world: World) -> Users:
    return Users(world.keys, world.limits_store, lambda: world.now / 1_000_000)


@pytest.mark.parametrize("scope", SCOPES)
def test_a_budget_holds_under_fifty_threads(tables: Tables, scope: str) -> None:
    world = world_of(tables, scope)
    admitted, refusals = [], []

    def container() -> None:
        ledger, wanted = world.ledger(), 2
        while wanted:
            try:
                hold = ask(ledger, world, 90)
                admitted.append(hold)
                ledger.settle(hold, paid(70))
            except (RateLimited, BudgetExceeded) as error:
                if error.code == "contention":
                    continue
                refusals.append((error.details["scope"], error.details["limit"]))
            wanted -= 1

    at_once(50, container)
    spent = 70 * len(admitted)
    assert 450 < spent <= 1_000
    assert set(refusals) == {(scope, 0.001)}
    item = world.item(world.accounts[scope])
    assert item["used_2027-01-15"] == item["spent_2027-01-15"] == spent
    assert world.drift() == {}


@pytest.mark.parametrize("scope", SCOPES)
def test_a_refusal_says_whose_limit_it_is(tables: Tables, scope: str) -> None:
    world = world_of(tables, scope)
    ledger = world.ledger()
    hold = ask(ledger, world, 900)
    assert hold.headers()[f"x-gateway-{scope}-remaining"] == "0.000100"
    model = {"model": "opus"} if scope == "model" else {}
    held = refuse(ledger, world, 200)
    assert (held.code, held.details) == (
        "budget_held",
        {"scope": scope, **model, "limit": 0.001, "spent": 0.0, "needed": 0.0002},
    )
    ledger.settle(hold, paid(900))
    world.now += 1_000_000
    spent = refuse(ledger, world, 200)
    assert isinstance(spent, BudgetExceeded)
    assert spent.details["scope"] == scope
    assert spent.details.get("model") == model.get("model")
    owner = {"model": "key's budget of $0.001 for the model 'opus'"}.get(scope, f"{scope}'s budget of $0.001")
    assert f"and $0.0009 of the {owner} is spent" in str(spent)
    hopeless = refuse(ledger, world, 2_000)
    assert "whole budget of $0.001" in str(hopeless)
    assert hopeless.details["spent"] is None  # the remembered state is older than calls that have ended since


@pytest.mark.parametrize("scope", SCOPES)
def test_every_limit_of_calls_holds_for_every_account(tables: Tables, scope: str) -> None:
    world = world_of(tables, scope, KeyLimits(rpm_limit=60, rph_limit=4, tpd_limit=35))
    ledger = world.ledger()
    for _ in range(3):
        ask(ledger, world)
    refused = refuse(ledger, world, 1)
    assert (refused.details["scope"], refused.details["dimension"]) == (scope, "tokens_day")


def test_who_refuses_takes_nothing_and_leaves_nothing_held(tables: Tables) -> None:
    """Each of the four accounts refuses once. The accounts before it get back what they took, and those after it are
    never asked."""
    for number, scope in enumerate(SCOPES):
        tight = KeyLimits(max_budget=150, budget_duration="daily")
        limits = {each: tight if each == scope else LIMIT for each in SCOPES}
        world = World(
            tables,
            limits["key"],
            model_limits=on_opus(limits["model"]),
            user=limits["user"],
            team=limits["team"],
            tiers=dict(FREE),
            key=f"key{number}",
        )
        database = CountingDatabase(tables.database)
        ledger = world.ledger(database)
        ask(ledger, world, 100)
        before = {each: world.item(account) for each, account in world.accounts.items()}
        database.calls.clear()
        refused = refuse(ledger, world, 100)
        assert refused.details["scope"] == scope
        # Writes of accounts before it: an admission and a release. Its own: the refused write. Of accounts after it:
        # none.
        assert len(database.calls) == 2 * number + 1
        for each, account in world.accounts.items():
            item = world.item(account)
            assert item["used_2027-01-15"] == before[each]["used_2027-01-15"] == 100
            assert item["inflight"] == 1
            assert item["t_2027-01-15"] == 10
        assert world.drift() == {}


def test_two_writes_more_for_each_account_that_limits_the_call(tables: Tables) -> None:
    def writes(world: World, *models: str) -> int:
        database = CountingDatabase(tables.database)
        ledger = world.ledger(database)
        ask(ledger, world, 1, *models)  # makes the items, which the ledger then knows
        database.calls.clear()
        ledger.settle(ask(ledger, world, 1, *models), paid(1))
        assert set(database.calls) <= {"UpdateItem", "PutItem"}
        return len(database.calls)

    assert writes(World(tables, tiers=dict(FREE), key="alone")) == 4
    models = (*on_opus(), ModelLimits("sonnet", SONNET, LIMIT))
    world = World(tables, model_limits=models, tiers=dict(FREE), key="models")
    assert [writes(world, OPUS), writes(world, SONNET), writes(world, OPUS, SONNET)] == [6, 6, 8]
    assert writes(world, "bedrock/amazon.nova") == 4
    assert writes(World(tables, user=LIMIT, tiers=dict(FREE), key="user")) == 6
    everything = World(tables, LIMIT, user=LIMIT, team=LIMIT, model_limits=on_opus(), tiers=dict(FREE), key="all")
    assert writes(everything) == 10


def test_a_user_s_budget_holds_over_all_keys_whatever_their_team(tables: Tables) -> None:
    world = World(tables, tiers=dict(FREE))
    users, admin = users_of(world), keys_of(world)
    Teams(world.keys, world.limits_store).create({"id": "blue", "name": "Blue"}, ADMIN)
    made = [admin.create({"name": "k", "user_id": "ann@x.org"} | team, ADMIN)[1] for team in ({}, {"team_id": "blue"})]
    users.put("ann@x.org", {"max_budget": 0.001, "budget_duration": "daily"}, ADMIN)
    record = world.keys.user("ann@x.org")
    ledger = world.ledger()
    for key in made:
        ask(ledger, world, 450, caller=replace(key, version=key.version + 1).caller(user=record))
    refused = [
        refuse_by(ledger, world, replace(key, version=key.version + 1).caller(user=record)).details["scope"]
        for key in made
    ]
    assert refused == ["user", "user"]
    assert world.item("user#ann@x.org")["used_2027-01-15"] == 900


def refuse_by(ledger: Ledger, world: World, caller: Caller) -> GatewayError:
    with pytest.raises(GatewayError) as refused:
        ask(ledger, world, 200, caller=caller)
    return refused.value


def test_a_user_s_limits_hold_and_end_at_the_next_paid_call(tables: Tables) -> None:
    """Limits are set, lowered, removed and set again while the authorizer's older answer is still cached."""
    world = World(tables, tiers=dict(FREE))
    users, admin = users_of(world), keys_of(world)
    _, key = admin.create({"name": "k", "user_id": "ann"}, ADMIN)
    before, ledger = key.caller(), world.ledger()

    def call(est: int = 100) -> list[str]:
        world.now += 1_100_000
        return [each.account.scope for each in ask(ledger, world, est, caller=before).admitted]

    assert call() == ["key"]
    first = users.put("ann", {"max_budget": 0.0003, "budget_duration": "daily"}, ADMIN)
    assert (first.version, call(), call()) == (1, ["key", "user"], ["key", "user"])
    users.put("ann", {"max_budget": 0.0002, "budget_duration": "daily", "name": "Ann"}, ADMIN, if_match=1)
    with pytest.raises(RateLimited):
        call()
    users.remove("ann", ADMIN)
    assert (world.keys.user("ann"), call()) == (None, ["key"])
    again = users.put("ann", {"max_budget": 0.0005, "budget_duration": "daily"}, ADMIN)
    assert (again.version, call()) == (4, ["key", "user"])
    users.put("ann", {}, ADMIN)  # nothing is limited, so there is no write for it
    assert call() == ["key"]


@pytest.mark.parametrize("scope", ["user", "team"])
def test_limits_hold_for_every_key_when_a_change_that_was_cut_off_is_repeated(tables: Tables, scope: str) -> None:
    """The record was written, but some keys did not get the change. The same change again reaches them."""
    world = World(tables, tiers=dict(FREE))
    Teams(world.keys, world.limits_store).create({"id": "blue", "name": "Blue"}, ADMIN)
    admin = keys_of(world)
    before = [
        admin.create({"name": "k", "user_id": "ann", "team_id": "blue"}, ADMIN)[1].caller(
            world.keys.team("blue"), user=world.keys.user("ann")
        )
        for _ in range(3)
    ]

    def limit(database: Database) -> None:
        keys = KeyStore(database, tables["api-keys"])
        limits = {"max_budget": 0.001, "budget_duration": "daily"}
        if scope == "user":
            Users(keys, world.limits_store).put("ann", limits, ADMIN)
        else:
            Teams(keys, world.limits_store).change("blue", limits, ADMIN)

    touched = 0

    def cut_off(operation: str, _number: int) -> bool:
        nonlocal touched
        touched += operation == "TransactWriteItems"
        return touched > 1

    with pytest.raises(StoreUnavailable):
        limit(DroppingDatabase(tables.database, cut_off))
    limit(tables.database)
    for caller in before:  # as authorizers have them cached
        assert [each.account.scope for each in ask(world.ledger(), world, caller=caller).admitted] == ["key", scope]


def test_a_user_whose_record_can_t_be_read_is_not_without_limits(tables: Tables) -> None:
    """It is the same as with a team: nobody knows the limits of its keys, so they may not call, and no key becomes
    unlimited."""
    world = World(tables, user=LIMIT, tiers=dict(FREE))
    ledger = world.ledger()
    ask(ledger, world)
    stored = {"id": user_item(world.user_id), "kind": "user", "user": world.user_id, "version": 2, "state": "active"}
    tables.database.call("PutItem", {"TableName": tables["api-keys"], "Item": to_item(stored)})
    assert caller_of(world.record, world.keys) is None
    world.limits_store.set_state(user_item(world.user_id), "A", 2)
    with pytest.raises(Unauthorized):  # with an older answer of the authorizer
        ask(ledger, world)
    assert world.drift() == {}
    with pytest.raises(NotFound):
        users_of(world).get(world.user_id)
    limits = {"max_budget": 0.001, "budget_duration": "daily"}
    # sets its limits again, so its keys may call again
    users_of(world).put(world.user_id, limits, ADMIN)
    assert [each.account.scope for each in ask(ledger, world).admitted] == ["key", "user"]
    tables.database.call("PutItem", {"TableName": tables["api-keys"], "Item": to_item(stored | {"version": "x"})})
    with pytest.raises(Conflict):  # a record that is created again would be older than its item of limits
        users_of(world).put(world.user_id, limits, ADMIN)


def test_a_removal_is_met_between_the_key_and_its_user(tables: Tables) -> None:
    """The user's item is changed first, its keys afterwards. A call in between is not refused because of that."""
    world = World(tables, user=LIMIT, tiers=dict(FREE))
    ledger = world.ledger()
    ask(ledger, world)
    stored = world.keys.user_record(world.user_id)
    assert stored is not None
    world.keys.replace_user(replace(stored, state="revoked", version=2), version=1)
    world.limits_store.set_state(user_item(world.user_id), "R", 2)
    assert [each.account.scope for each in ask(ledger, world).admitted] == ["key"]


def test_a_key_s_limit_on_a_model_is_set_changed_and_removed(tables: Tables) -> None:
    world = World(tables, tiers=dict(FREE), aliases={"opus": OPUS})
    admin, ledger = keys_of(world), world.ledger()
    _, key = admin.create(
        {"name": "k", "model_limits": {"opus": {"max_budget": 0.0003, "budget_duration": "daily"}}}, ADMIN
    )
    caller = Caller.from_context(key.caller().to_context())
    assert caller == key.caller()

    def call(*models: str) -> list[str]:
        world.now += 1_100_000
        return [each.account.id for each in ask(ledger, world, 100, *models, caller=caller).admitted]

    mine = model_item(key.id, "opus")
    assert call(OPUS) == call(SONNET, OPUS) == [key.id, mine]
    assert call(SONNET) == [key.id]
    admin.change(key.id, {"model_limits": {"opus": {"max_budget": 0.0002}}}, ADMIN)
    with pytest.raises(RateLimited) as refused:
        call(OPUS)
    assert (refused.value.details["scope"], refused.value.details["model"]) == ("model", "opus")
    assert call(SONNET) == [key.id]
    admin.change(key.id, {"model_limits": {"opus": {"max_budget": 0.0003}}}, ADMIN)
    assert call(OPUS) == [key.id, mine]
    changed = admin.change(key.id, {"model_limits": {"opus": None}}, ADMIN)
    assert (changed.model_limits, call(OPUS)) == ((), [key.id])


@pytest.mark.parametrize("limited", [OPUS, "bedrock/apac.anthropic.opus"])
@pytest.mark.parametrize("asked", ["eu.anthropic.opus", "us.anthropic.opus", "global.anthropic.opus"])
def test_a_limit_on_a_model_holds_wherever_it_runs(tables: Tables, asked: str, limited: str) -> None:
    """The profiles of all geographies and the model's own id count as one model, whichever of them the limit names."""
    world = World(tables, model_limits=(ModelLimits("opus", limited, LIMIT),), tiers=dict(FREE))
    ledger = world.ledger()
    ledger.settle(ask(ledger, world, 900, OPUS), paid(900))
    refused = refuse(ledger, world, 200, f"bedrock/{asked}")
    assert (refused.code, refused.details["scope"]) == ("budget_exceeded", "model")
    ask(ledger, world, 200, SONNET)


@pytest.mark.parametrize(
    ("limited", "asked"),
    [
        ("openai/gpt-4o", "openai/gpt-4o-2024-08-06"),
        ("openai/gpt-4o-2024-08-06", "openai/gpt-4o"),
        ("openai/ft:gpt-4o-2024-08-06", "openai/ft:gpt-4o-2024-08-06:acme::abc123"),
    ],
)
def test_a_limit_on_a_model_is_not_left_by_another_name_of_it(tables: Tables, limited: str, asked: str) -> None:
    world = World(tables, model_limits=(ModelLimits("smart", limited, LIMIT),), tiers=dict(FREE))
    ledger = world.ledger()
    ledger.settle(ask(ledger, world, 900, limited), paid(900))
    assert refuse(ledger, world, 200, asked).details["scope"] == "model"
    ask(ledger, world, 200, "openai/gpt-4o-mini-2024-07-18")


def test_a_limit_on_a_model_outlives_the_alias_that_it_was_given_by(tables: Tables) -> None:
    """It applies to the model that the name meant and to the one that it means now, with one sum. Of several names,
    each applies."""
    world = World(tables, tiers=dict(FREE), aliases={"opus": OPUS})
    admin, ledger = keys_of(world), world.ledger()
    limit = {"max_budget": 0.001, "budget_duration": "daily"}
    _, key = admin.create({"name": "k", "model_limits": {"opus": limit, OPUS: limit | {"max_budget": 0.0003}}}, ADMIN)

    def names(*models: str) -> list[str]:
        hold = ask(ledger, world, 100, *models, caller=key.caller())
        return [each.account.model for each in hold.admitted if each.account.scope == "model"]

    assert names(OPUS) == [OPUS, "opus"]
    world.aliases["opus"] = "bedrock/anthropic.opus-next"
    assert names("bedrock/anthropic.opus-next") == ["opus"]
    assert names(OPUS) == [OPUS, "opus"]
    del world.aliases["opus"]
    assert names(OPUS) == [OPUS, "opus"]
    assert world.item(model_item(key.id, "opus"))["used_2027-01-15"] == 400
    refused = refuse_by(ledger, world, key.caller())
    assert (refused.details["model"], refused.details["limit"]) == (OPUS, 0.0003)  # the stricter of the two limits
    with pytest.raises(GatewayError) as unknown:
        admin.change(key.id, {"model_limits": {"opsu": limit}}, ADMIN)
    assert unknown.value.param == "model_limits.opsu"
    renamed = admin.change(key.id, {"name": "still"}, ADMIN)  # although the alias does not exist any more
    assert [each.target for each in renamed.model_limits] == [OPUS, OPUS]


def test_what_is_left_of_each_account_is_shown(tables: Tables) -> None:
    world = World(tables, LIMIT, user=LIMIT, team=LIMIT, model_limits=on_opus(), tiers=dict(FREE))
    ledger = world.ledger()
    ledger.settle(ask(ledger, world, 300), paid(200))
    ask(ledger, world, 300)
    shown = Standing(world.limits_store, world.keys, lambda: world.now).of(world.caller, world.tiers.__getitem__)
    budgets = [each["budget"] for each in (shown, shown["model_limits"]["opus"], shown["user"], shown["team"])]
    assert [(each["spent"], each["held"], each["remaining"]) for each in budgets] == [(0.0002, 0.0003, 0.0005)] * 4


def test_each_account_warns_for_itself(tables: Tables) -> None:
    world = World(tables, LIMIT, user=LIMIT, team=LIMIT, model_limits=on_opus(), tiers=dict(FREE))
    ledger = world.ledger()
    ledger.settle(ask(ledger, world, 600), paid(600))
    sent: list[str] = []
    claims = AlertStore(tables.database, tables["state"])
    alerts = Alerts(world.limits_store, claims, lambda subject, _text: sent.append(subject), lambda: 1_800_000_000)
    alerts.check([counted(row) for row in world.rows()])
    alerts.check([counted(row) for row in world.rows()])
    assert sent == [
        "key key1: 50 % of its budget is spent",
        "key key1 on opus: 50 % of its budget is spent",
        "user user-of-key1: 50 % of its budget is spent",
        "team team-of-key1: 50 % of its budget is spent",
    ]


@pytest.mark.parametrize("lost", [1, 2, 3, 4, 5])
def test_what_is_lost_at_any_account_the_reconcile_puts_right(tables: Tables, lost: int) -> None:
    """A reply of one of settlement's five writes is lost, or the sweeper comes first. Afterwards no drift is left."""
    world = World(tables, LIMIT, user=LIMIT, team=LIMIT, model_limits=on_opus(), tiers=dict(FREE))
    hold, died = ask(world.ledger(), world, 300), ask(world.ledger(), world, 200)
    world.ledger(LossyDatabase(tables.database, lambda _operation, number: number == lost)).settle(hold, paid(100))
    SweepCursor(tables.database, tables["state"]).write(NOW // MINUTE - 1)
    world.now += 5 * MINUTE
    world.sweeper().sweep()
    world.now += 2 * HOUR
    assert world.reconcile().waiting == 0
    assert world.drift() == {}
    for account in world.accounts.values():
        item = world.item(account)
        assert item["spent_2027-01-15"] == item["used_2027-01-15"] == 300
        assert item["inflight"] == 0
    assert died.row.holders == [(account, "2027-01-15") for account in world.accounts.values()]


def test_items_of_a_deleted_key_s_models_and_of_removed_users_go(tables: Tables) -> None:
    world = World(tables, user=LIMIT, model_limits=on_opus(), tiers=dict(FREE))
    ledger = world.ledger()
    ledger.settle(ask(ledger, world, 100), paid(50))
    users_of(world).remove(world.user_id, ADMIN)
    keys_of(world).delete(world.key, ADMIN)
    accounts = [account for scope, account in world.accounts.items() if scope != "team"]
    world.now += 2 * HOUR
    removed = [world.reconcile().removed for _ in range(3)]
    assert sum(removed) == 3
    assert [world.item(account) for account in accounts] == [{}, {}, {}]
    with pytest.raises(GatewayError):
        ask(world.ledger(), world)
    assert [world.item(account) for account in accounts] == [{}, {}, {}]


def test_a_row_of_a_key_alone_stays_as_it_was(tables: Tables) -> None:
    alone, rich = World(tables, tiers=dict(FREE), key="alone"), world_of(tables, "user")
    for world in (alone, rich):
        ask(world.ledger(), world)
    (plain,), (row,) = alone.rows(), rich.rows()
    assert "accounts" not in plain
    assert row["accounts"] == [{"id": "user#user-of-key1", "window": "2027-01-15", "budget": 1_000}]
    assert set(row) - set(plain) == {"accounts"}


def test_an_answer_of_the_authorizer_carries_all_accounts() -> None:
    def context(**fields: Any) -> Caller:
        caller = Caller("k", "free", ("completions",), 3, user_id="ann", **fields)
        sent = caller.to_context()
        assert all(type(value) is str for value in sent.values())
        assert Caller.from_context(sent) == caller
        return caller

    context()
    context(
        model_limits=(ModelLimits("opus", OPUS, KeyLimits(rpm_limit=3, shadow=("requestsPerMinute",))), *on_opus()[:0])
    )
