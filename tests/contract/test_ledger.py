"""The ledger on DynamoDB Local: limits and budgets are exact with concurrency, lost replies and crashes."""

import gc
import random
import threading
import time
import weakref
from collections import Counter
from datetime import datetime

import pytest
from msgspec.structs import replace

from gateway.config.document import TierLimits
from gateway.dynamodb.attributes import to_item
from gateway.errors import BudgetExceeded, GatewayError, RateLimited, StoreUnavailable, Unauthorized
from gateway.identity.caller import KeyLimits
from gateway.ledger.admission import Windows
from gateway.ledger.holds import Hold
from gateway.ledger.limits_store import LimitsStore
from gateway.limits import Bucket
from tests.contract.conftest import CountingDatabase, LateDatabase, LossyDatabase, Tables
from tests.contract.world import NOW, SEEDS, World, at_once, paid


@pytest.mark.parametrize(("tier", "burst"), [("free", 10), ("basic", 100), ("premium", 100), ("enterprise", 100)])
def test_with_a_frozen_clock_exactly_the_burst_is_admitted(tables: Tables, tier: str, burst: int) -> None:
    world = World(tables, tier=tier)
    admitted, refused = [], []

    def container() -> None:
        ledger = world.ledger()
        for _ in range(20):
            try:
                admitted.append(world.admit(ledger))
            except RateLimited as error:
                while error.code == "contention":  # as a client would: tried again at once
                    try:
                        admitted.append(world.admit(ledger))
                        break
                    except RateLimited as again:
                        error = again
                else:
                    refused.append(error)

    at_once(50, container)
    assert (len(admitted), len(admitted) + len(refused)) == (burst, 1_000)
    assert {error.details["dimension"] for error in refused} == {"requests"}
    assert len(world.rows()) == burst


def test_live_at_most_burst_and_elapsed(tables: Tables) -> None:
    world = World(
        tables, clock=lambda: time.time_ns() // 1_000, tiers={"free": TierLimits(requests_per_minute=600, burst=10)}
    )
    admitted: list[Hold] = []
    started = time.monotonic()

    def container() -> None:
        ledger = world.ledger()
        for _ in range(20):
            try:
                admitted.append(world.admit(ledger))
            except RateLimited:
                continue

    at_once(20, container)
    elapsed = time.monotonic() - started
    assert 10 <= len(admitted) <= 10 + elapsed / 0.1 + 1


def test_the_wait_is_true_to_the_microsecond(tables: Tables) -> None:
    world = World(tables)
    ledger = world.ledger()
    for _ in range(10):
        world.admit(ledger)
    with pytest.raises(RateLimited) as refused:
        world.admit(world.ledger())
    wait = refused.value.retry_after
    assert wait == 6.0
    world.now += int(wait * 1_000_000) - 1
    with pytest.raises(RateLimited):
        world.admit(world.ledger())
    world.now += 1
    world.admit(world.ledger())


def test_no_minute_holds_more_than_limit_and_burst(tables: Tables) -> None:
    world = World(tables)
    ledger, admitted = world.ledger(), []
    for _ in range(360):  # three minutes in steps of half a second, over every edge
        try:
            world.admit(ledger)
            admitted.append(world.now)
        except RateLimited:
            pass
        world.now += 500_000
    for start in admitted:
        assert sum(start <= moment < start + 60_000_000 for moment in admitted) <= 20
    assert len(admitted) >= 10 + 3 * 10 - 1


@pytest.mark.parametrize(
    ("tier", "dimension", "most"),
    [
        (TierLimits(requests_per_minute=100, requests_per_hour=3), "requests_hour", 3),
        (TierLimits(requests_per_minute=100, requests_per_day=4), "requests_day", 4),
        (TierLimits(requests_per_minute=100, max_parallel_requests=2), "parallel", 2),
        (TierLimits(requests_per_minute=100, tokens_per_minute=60), "tokens", 6),
    ],
)
def test_every_other_limit_holds_and_is_named(tables: Tables, tier: TierLimits, dimension: str, most: int) -> None:
    world = World(tables, tiers={"free": tier})
    ledger = world.ledger()
    for _ in range(most):
        world.admit(ledger)
    with pytest.raises(RateLimited) as refused:
        world.admit(ledger)
    assert refused.value.details["dimension"] == dimension
    assert refused.value.retry_after
    world.now += int(refused.value.retry_after * 1_000_000)
    if dimension != "parallel":
        world.admit(ledger)


@pytest.mark.parametrize(
    ("own", "dimension", "most"),
    [
        (KeyLimits(rph_limit=3), "requests_hour", 3),
        (KeyLimits(rpd_limit=4), "requests_day", 4),
        (KeyLimits(burst_limit=5), "requests", 5),
        (KeyLimits(rpm_limit=10, burst_limit=15), "requests", 15),
    ],
)
@pytest.mark.parametrize("scope", ["key", "team"])
def test_own_limits_hold_exactly_under_fifty_threads(
    tables: Tables, scope: str, own: KeyLimits, dimension: str, most: int
) -> None:
    # The tier has other limits. The key's own settings override them; a team has only its own limits.
    tier = TierLimits(requests_per_minute=100, burst=50, requests_per_hour=40, requests_per_day=2)
    if scope == "key":
        own = KeyLimits((("rpd_limit", 1_000), *own.given))
        world = World(tables, own, tiers={"free": tier})
    else:
        team = KeyLimits((("rpm_limit", 100), *own.given))
        world = World(tables, KeyLimits(rpm_limit=1_000, rph_limit=1_000, rpd_limit=1_000), team=team)
    admitted, refused = [], []

    def container() -> None:
        ledger = world.ledger()
        for _ in range(4):
            while True:
                try:
                    admitted.append(world.admit(ledger))
                except RateLimited as error:
                    if error.code == "contention":
                        continue
                    refused.append((error.details["scope"], error.details["dimension"], error.details["limit"]))
                break

    at_once(50, container)
    assert (len(admitted), len(refused)) == (most, 200 - most)
    assert {each[:2] for each in refused} == {(scope, dimension)}
    assert len(world.rows()) == most


def test_a_burst_of_ten_thousand_million_is_exact(tables: Tables) -> None:
    """The largest burst at the slowest rate, of which two calls are left: arrival times are 19,000 years ahead."""
    most = 10_000_000_000
    world = World(tables, KeyLimits(rpm_limit=1, burst_limit=most), tiers={"free": World.open_tier()})
    world.admit(world.ledger())
    full = Bucket(1, most)
    spend = {
        "TableName": tables["limits"],
        "Key": to_item({"id": "key1"}),
        "UpdateExpression": "SET tat = :tat",
        "ExpressionAttributeValues": to_item({":tat": NOW - full.slack + full.cost(most - 2)}),
    }
    tables.database.call("UpdateItem", spend)
    left = [world.admit(world.ledger()).headers()["x-ratelimit-remaining-requests"] for _ in range(2)]
    with pytest.raises(RateLimited) as refused:
        world.admit(world.ledger())
    assert (left, refused.value.retry_after) == (["1", "0"], 60.0)


def test_windows_pass_and_old_counters_go(tables: Tables) -> None:
    world = World(tables, tiers={"free": TierLimits(requests_per_minute=100, requests_per_hour=1, requests_per_day=9)})
    ledger = world.ledger()
    for _ in range(3):
        world.admit(ledger)
        world.now += 3_600_000_000
    names = [name for name in world.item() if name.startswith(("h_", "d_"))]
    last, before = (Windows.at(world.now - hours * 3_600_000_000) for hours in (1, 2))
    assert sorted(names) == [f"d_{last.day}", f"h_{before.hour}", f"h_{last.hour}"]


def test_a_shadow_limit_counts_and_refuses_nobody(tables: Tables) -> None:
    shadow = ("requestsPerMinute", "requestsPerHour", "requestsPerDay", "tokensPerMinute", "maxParallelRequests")
    tier = TierLimits(
        requests_per_minute=1,
        requests_per_hour=1,
        requests_per_day=1,
        tokens_per_minute=10,
        max_parallel_requests=1,
        shadow=shadow,
    )
    world = World(tables, tiers={"free": tier})
    ledger = world.ledger()
    for _ in range(5):
        world.admit(ledger)
    assert world.item()["inflight"] == 5


def test_one_call_too_large_for_a_minute_is_refused_without_a_wait(tables: Tables) -> None:
    world = World(tables, tiers={"free": TierLimits(requests_per_minute=10, tokens_per_minute=100)})
    with pytest.raises(RateLimited) as refused:
        world.admit(world.ledger(), tokens=101)
    assert (refused.value.retry_after, refused.value.headers["x-should-retry"]) == (None, "false")
    world.admit(world.ledger(), tokens=100)


def test_a_revoked_key_is_refused_at_once_whatever_the_caller_believes(tables: Tables) -> None:
    world = World(tables)
    ledger = world.ledger()
    world.admit(ledger)
    revoked = world.keys.revoke("key1")
    assert revoked is not None
    world_limits = LimitsStore(tables.database, tables["limits"], tables["api-keys"])
    world_limits.set_state("key1", "R", revoked.version)
    for container in (ledger, world.ledger()):
        with pytest.raises(Unauthorized):
            world.admit(container)


def test_a_key_revoked_before_its_first_call(tables: Tables) -> None:
    world = World(tables)
    world.keys.revoke("key1")
    with pytest.raises(Unauthorized):
        world.admit(world.ledger())
    assert world.item() == {}


def test_a_changed_key_is_read_again(tables: Tables) -> None:
    world = World(tables)
    ledger = world.ledger()
    world.admit(ledger)
    changed = replace(world.record, version=2, limits=KeyLimits(rpm_limit=600), models=("gpt-4",))
    update = {
        "TableName": tables["api-keys"],
        "Key": to_item({"id": "key1"}),
        "UpdateExpression": "SET #v = :two, #m = :models, #l = :limits",
        "ExpressionAttributeNames": {"#v": "version", "#m": "models", "#l": "limits"},
        "ExpressionAttributeValues": to_item({":two": 2, ":models": ["gpt-4"], ":limits": {"rpm_limit": 600}}),
    }
    tables.database.call("UpdateItem", update)
    LimitsStore(tables.database, tables["limits"], tables["api-keys"]).set_state("key1", "A", 2)
    hold = world.admit(ledger)
    assert hold.caller == changed.caller()
    assert hold.headers()["x-ratelimit-limit-requests"] == "600"


@pytest.mark.parametrize("owner", ["key", "tier"])
@pytest.mark.parametrize("seed", SEEDS)
def test_a_budget_is_never_exceeded_and_the_sums_hold(tables: Tables, seed: int, owner: str) -> None:
    choice = random.Random(seed)
    est = choice.randrange(50, 5_000)
    limit = est * choice.randrange(1, 51) + choice.randrange(est)
    tier, own = TierLimits(requests_per_minute=10_000), KeyLimits(max_budget=limit)
    if owner == "tier":
        tier, own = tier.model_copy(update={"max_budget": limit / 1_000_000}), KeyLimits()
    world = World(tables, own, tiers={"free": tier})
    used = f"used_{Windows.at(NOW).budget}"
    most: list[int] = []

    def container() -> None:
        ledger, chance = world.ledger(), random.Random(f"{seed}-{threading.get_ident()}")
        for _ in range(10):
            try:
                hold = world.admit(ledger, est)
            except (RateLimited, BudgetExceeded):
                continue
            most.append(hold.admitted[0].item[used])  # at every moment, not only at the end
            if chance.random() < 0.8:
                ledger.settle(hold, paid(chance.randrange(est + 1)))

    at_once(20, container)
    rows, item = world.rows(), world.item()
    window = Windows.at(NOW).budget
    spent = sum(row.get("actual", 0) for row in rows)
    held = sum(row["est"] for row in rows if row["state"] == "OPEN")
    assert max(most) <= limit
    assert item[used] == spent + held <= limit
    assert item.get(f"spent_{window}", 0) == spent
    assert item["inflight"] == sum(row["state"] == "OPEN" for row in rows)


def test_a_used_up_budget_and_a_held_one(tables: Tables) -> None:
    world = World(tables, KeyLimits(max_budget=1_000, budget_duration="daily"))
    ledger = world.ledger()
    hold = world.admit(ledger, 600)
    with pytest.raises(RateLimited) as held:
        world.admit(world.ledger(), 600)
    assert (held.value.code, held.value.retry_after) == ("budget_held", 2.0)
    ledger.settle(hold, paid(500))
    with pytest.raises(BudgetExceeded) as used:
        world.admit(world.ledger(), 600)
    assert used.value.details["spent"] == 0.0005
    world.admit(world.ledger(), 500)
    world.now += 86_400_000_000
    assert world.admit(world.ledger(), 1_000).headers()["x-gateway-key-remaining"] == "0.000000"
    with pytest.raises(BudgetExceeded):
        world.admit(world.ledger(), 1_001)


def test_a_tier_s_budget_is_each_of_its_keys_unless_it_has_one(tables: Tables) -> None:
    tier = TierLimits(requests_per_minute=100, max_budget=0.001, budget_duration="daily")
    world = World(tables, tiers={"free": tier})
    ledger = world.ledger()
    hold = world.admit(ledger, 600)
    assert hold.headers()["x-gateway-key-remaining"] == "0.000400"
    row = world.rows()[0]
    assert (row["budget"], row["window"]) == (1_000, "2027-01-15")  # read by the alerts
    with pytest.raises(RateLimited) as held:
        world.admit(world.ledger(), 600)
    assert (held.value.code, held.value.details["limit"]) == ("budget_held", 0.001)
    ledger.settle(hold, paid(600))
    with pytest.raises(BudgetExceeded) as used:
        world.admit(world.ledger(), 600)
    assert used.value.details["reset"] == "2027-01-16T00:00:00.000Z"
    with pytest.raises(BudgetExceeded):  # more than the whole budget: refused without a write
        world.admit(world.ledger(), 1_001)
    world.tiers["free"] = tier.model_copy(update={"max_budget": 0.002})
    world.admit(world.ledger(), 1_400)
    # A key's own budget, with its own window, overrides the tier's, whether it is larger or smaller.
    other = World(tables, KeyLimits(max_budget=50_000), tiers={"free": tier}, key="key2")
    assert other.admit(other.ledger(), 2_000).row.budget == 50_000
    assert other.rows()[0]["window"] == "2027-01"
    none = World(tables, KeyLimits(max_budget=0), tiers={"free": tier}, key="key3")
    with pytest.raises(BudgetExceeded):
        none.admit(none.ledger(), 1)
    world.now += 86_400_000_000
    assert world.admit(world.ledger(), 2_000).headers()["x-gateway-key-remaining"] == "0.000000"


@pytest.mark.parametrize("seed", SEEDS)
def test_lost_replies_never_count_twice(tables: Tables, seed: int) -> None:
    choice, lock = random.Random(seed), threading.Lock()

    def lose(_operation: str, _number: int) -> bool:
        with lock:
            return choice.random() < 0.1

    limit = 100_000
    world = World(tables, KeyLimits(max_budget=limit), tiers={"free": TierLimits(requests_per_minute=10_000)})

    def container() -> None:
        ledger = world.ledger(LossyDatabase(tables.database, lose))
        for _ in range(10):
            try:
                ledger.settle(world.admit(ledger, 100), paid(70))
            except GatewayError:
                continue

    at_once(10, container)
    rows, item = world.rows(), world.item()
    window = Windows.at(NOW).budget
    spent = sum(row.get("actual", 0) for row in rows)
    held = sum(row["est"] for row in rows if row["state"] == "OPEN")
    assert item[f"spent_{window}"] <= spent  # after a lost release too much is held, but nothing is spent twice
    assert item[f"used_{window}"] >= spent + held
    assert item[f"used_{window}"] <= limit


def test_a_row_that_can_not_be_written_gives_the_hold_back(tables: Tables) -> None:
    world = World(tables, KeyLimits(max_budget=1_000))
    world.admit(world.ledger(), 100)
    ledger = world.ledger(LossyDatabase(tables.database, lambda operation, _n: operation == "PutItem"))
    with pytest.raises(StoreUnavailable):
        world.admit(ledger, 100)
    item = world.item()
    assert (item[f"used_{Windows.at(NOW).budget}"], item["inflight"]) == (100, 1)


def test_a_flood_of_refused_calls_costs_next_to_no_write(tables: Tables) -> None:
    world = World(tables)
    ledger = world.ledger()
    for _ in range(10):
        world.admit(ledger)
    database = CountingDatabase(tables.database)
    counting = world.ledger(database)
    for _ in range(200):
        with pytest.raises(RateLimited):
            world.admit(counting)
        world.now += 10_000
    assert len(database.calls) <= 200 * 0.1


def test_an_admitted_call_costs_four_writes_and_no_read(tables: Tables) -> None:
    world = World(tables, KeyLimits(max_budget=1_000_000))
    database = CountingDatabase(tables.database)
    ledger = world.ledger(database)
    ledger.settle(world.admit(ledger), paid(1))
    database.calls.clear()
    for _ in range(5):
        ledger.settle(world.admit(ledger), paid(1))
    assert database.calls == ["UpdateItem", "PutItem", "UpdateItem", "UpdateItem"] * 5


def test_settling_twice_releases_once(tables: Tables) -> None:
    world = World(tables, KeyLimits(max_budget=1_000))
    ledger = world.ledger()
    hold = world.admit(ledger, 100)
    for _ in range(2):
        ledger.settle(hold, paid(40))
    assert world.item()[f"used_{Windows.at(NOW).budget}"] == 40


def test_the_sweeper_expires_what_died_charges_the_hold_and_frees_the_place(tables: Tables) -> None:
    world = World(tables, KeyLimits(max_budget=1_000))
    ledger = world.ledger()
    world.admit(ledger, 100)
    ledger.settle(world.admit(ledger, 100), paid(30))
    sweeper = world.sweeper()
    assert sweeper.sweep() == 0  # their minute is not over
    for _ in range(10):
        world.now += 60_000_000
        late = world.admit(ledger, 100) if world.now == NOW + 300_000_000 else None
        sweeper.sweep()
        assert late is None or late.row.rid in {row["rid"] for row in world.rows() if row["state"] == "OPEN"}
    states = sorted((row["state"], row["actual"], row["status"]) for row in world.rows())
    assert states == [("EXPIRED", 100, "expired"), ("EXPIRED", 100, "expired"), ("SETTLED", 30, "ok")]
    item, window = world.item(), Windows.at(NOW).budget
    assert (item["inflight"], item[f"used_{window}"], item[f"spent_{window}"]) == (0, 230, 230)


def test_a_row_that_can_not_be_read_keeps_no_other_open(tables: Tables) -> None:
    world = World(tables)
    ledger = world.ledger()
    for _ in range(3):
        broken = world.admit(ledger).row
    remove = {
        "TableName": tables["request-analytics"],
        "Key": to_item({"minute": broken.minute, "rid": broken.rid}),
        "UpdateExpression": "REMOVE est",
    }
    tables.database.call("UpdateItem", remove)
    world.now += 60_000_000
    world.admit(ledger)
    sweeper = world.sweeper()
    sweeper.cursor.write(NOW // 60_000_000 - 1)
    world.now += 240_000_000
    sweeper.sweep()
    assert sorted(row["state"] for row in world.rows()) == ["EXPIRED", "EXPIRED", "EXPIRED", "OPEN"]


def test_a_sweep_after_a_pause_misses_no_minute(tables: Tables) -> None:
    world = World(tables)
    sweeper = world.sweeper()
    sweeper.sweep()
    ledger = world.ledger()
    for _ in range(4):
        world.now += 17 * 60_000_000
        world.admit(ledger)
    world.now += 200 * 60_000_000
    assert sum(sweeper.sweep() for _ in range(6)) == 4
    assert sweeper.sweep() == 0


@pytest.mark.parametrize(("tier", "step"), [("free", 6.0), ("basic", 0.6), ("premium", 0.06)])
def test_clocks_that_differ_admit_at_most_their_difference_more(tables: Tables, tier: str, step: float) -> None:
    world = World(tables, tier=tier)
    offsets = [-500_000, -250_000, 0, 250_000, 500_000]
    admitted = []

    def container() -> None:
        with world.lock:
            offset = offsets[len(started) % len(offsets)]
            started.append(offset)
        ledger = replace(World.ledger(world), clock=lambda: NOW + offset)
        for _ in range(20):
            try:
                admitted.append(world.admit(ledger))
            except RateLimited:
                continue

    started: list[int] = []
    at_once(20, container)
    burst = world.tiers[tier].burst or world.tiers[tier].requests_per_minute
    assert burst <= len(admitted) <= burst + 1.0 / step


@pytest.mark.parametrize("edge", ["2027-01-31T23:59:30", "2027-02-07T23:59:30", "2027-02-01T10:59:30"])
def test_no_edge_of_a_window_lets_more_through(tables: Tables, edge: str) -> None:
    start = int(datetime.fromisoformat(edge + "+00:00").timestamp()) * 1_000_000
    tier = TierLimits(requests_per_minute=10, requests_per_hour=30, requests_per_day=40)
    world = World(tables, KeyLimits(max_budget=1_500, budget_duration="daily"), now=start, tiers={"free": tier})
    ledger, admitted = world.ledger(), []
    for _ in range(240):  # two minutes in steps of half a second
        try:
            hold = world.admit(ledger, 100)
            admitted.append(world.now)
            ledger.settle(hold, paid(90))
        except (RateLimited, BudgetExceeded):
            pass
        world.now += 500_000
    for moment in admitted:
        assert sum(moment <= other < moment + 60_000_000 for other in admitted) <= 20
    days = Counter(Windows.at(moment, "daily").budget for moment in admitted)
    assert all(calls * 90 <= 1_500 for calls in days.values())
    assert len(admitted) > 15


def test_a_remembered_refusal_tells_the_true_wait_each_time(tables: Tables) -> None:
    world = World(tables)
    ledger = world.ledger()
    for _ in range(10):
        world.admit(ledger)
    waits = []
    for _ in range(3):
        with pytest.raises(RateLimited) as refused:
            world.admit(ledger)
        waits.append(refused.value.retry_after)
        assert refused.value.details["reset"] == "2027-01-15T08:00:06.000Z"
        world.now += 300_000
    assert waits == [6.0, 5.7, 5.4]


def test_what_refuses_a_large_call_refuses_no_smaller_one_that_fits(tables: Tables) -> None:
    tier = TierLimits(requests_per_minute=100, tokens_per_minute=100)
    world = World(tables, KeyLimits(max_budget=1_000), tiers={"free": tier})
    ledger = world.ledger()
    ledger.settle(world.admit(ledger, 500), paid(500))
    with pytest.raises(BudgetExceeded):
        world.admit(ledger, 501)
    world.admit(ledger, 500, tokens=60)
    world = World(tables, key="key2", tiers={"free": tier})
    world.admit(ledger, tokens=60)
    with pytest.raises(RateLimited):
        world.admit(ledger, tokens=60)
    world.admit(ledger, tokens=30)


def test_a_remembered_refusal_holds_no_request_in_memory(tables: Tables) -> None:
    world = World(tables)
    ledger = world.ledger()
    for _ in range(10):
        world.admit(ledger)

    class Body:
        """An object like a request that a frame of the refused call holds."""

    def call() -> weakref.ref[Body]:
        body = Body()
        try:
            world.admit(ledger)
        except RateLimited:
            return weakref.ref(body)
        raise AssertionError("it was admitted")

    held = [call() for _ in range(5)]
    gc.collect()
    assert [each() for each in held] == [None] * 5


def test_a_clock_that_jumped_back_keeps_no_refusal(tables: Tables) -> None:
    world = World(tables, KeyLimits(max_parallel_requests=1))
    ledger = world.ledger()
    hold = world.admit(ledger)
    with pytest.raises(RateLimited):
        world.admit(ledger)
    world.ledger().settle(hold, paid(1))
    world.now -= 60_000_000
    with pytest.raises(RateLimited) as refused:
        world.admit(ledger)
    assert refused.value.details["dimension"] == "requests"  # the bucket's times, which another clock wrote


def test_a_refusal_names_what_was_hit_and_bears_the_headers(tables: Tables) -> None:
    tier = TierLimits(requests_per_minute=10, tokens_per_minute=100)
    world = World(tables, KeyLimits(max_budget=1_000), tiers={"free": tier})
    ledger = world.ledger()
    ledger.settle(world.admit(ledger, 400, tokens=40), paid(400))
    with pytest.raises(BudgetExceeded) as dear:
        world.admit(ledger, 601)
    assert dear.value.details == {
        "scope": "key",
        "limit": 0.001,
        "spent": 0.0004,
        "needed": 0.000601,
        "reset": "2027-02-01T00:00:00.000Z",
    }
    assert dear.value.headers["x-should-retry"] == "false"
    with pytest.raises(BudgetExceeded) as never:
        world.admit(ledger, 1_001)
    unsaid = {"spent": None, "needed": 0, "reset": None}
    assert never.value.details | unsaid == dear.value.details | unsaid
    assert never.value.details["spent"] is None
    assert never.value.details["reset"] is None  # a new window has no room for it either
    with pytest.raises(RateLimited) as fast:
        world.admit(ledger, tokens=90)
    assert (fast.value.details["used"], fast.value.details["needed"]) == (40, 90)
    for refused in (dear, never, fast):
        assert {name: text for name, text in refused.value.headers.items() if name.startswith("x-rate")} == {
            "x-ratelimit-limit-requests": "10",
            "x-ratelimit-remaining-requests": "9",
            "x-ratelimit-reset-requests": "6000ms",
            "x-ratelimit-limit-tokens": "100",
            "x-ratelimit-remaining-tokens": "60",
            "x-ratelimit-reset-tokens": "24000ms",
        }
    again = world.ledger()
    with pytest.raises(RateLimited) as anew:
        world.admit(again, tokens=90)
    assert anew.value.headers == fast.value.headers
    with pytest.raises(RateLimited) as much:
        world.admit(ledger, tokens=101)
    assert (much.value.details["used"], much.value.details["needed"], much.value.details["reset"]) == (40, 101, None)


def test_what_a_call_that_asks_for_too_much_is_told(tables: Tables) -> None:
    """Such a call is refused without reading the current use, so the error does not report it."""
    world = World(tables, KeyLimits(max_budget=1_000, tpm_limit=100))
    ledger = world.ledger()
    ledger.settle(world.admit(ledger, 400, tokens=40), paid(400))
    elsewhere = world.ledger()
    with pytest.raises(BudgetExceeded) as dear:
        world.admit(elsewhere, 1_001)
    assert dear.value.message == "This call may cost $0.001001, more than the key's whole budget of $0.001."
    with pytest.raises(RateLimited) as much:
        world.admit(elsewhere, tokens=101)
    whole = "This call may take 101 tokens, more than the key's whole limit of 100 tokens per minute: lower max_tokens."
    assert much.value.message == whole
    for refused, name in ((dear.value, "spent"), (much.value, "used")):
        assert refused.details[name] is None
        assert not [header for header in refused.headers if header.startswith("x-ratelimit")]
    with pytest.raises(BudgetExceeded) as rest:
        world.admit(world.ledger(), 601)
    part = "This call may cost $0.000601, and $0.0004 of the key's budget of $0.001 is spent"
    assert rest.value.message == f"{part}; it starts again on 2027-02-01 (UTC)."
    endless = World(tables, KeyLimits(max_budget=1_000, budget_duration="total"), key="key2")
    ledger = endless.ledger()
    ledger.settle(endless.admit(ledger, 400), paid(400))
    with pytest.raises(BudgetExceeded) as never:
        endless.admit(endless.ledger(), 601)
    assert never.value.message == f"{part}."


@pytest.mark.parametrize("kind", ["hour", "day"])
def test_a_call_stamped_before_the_edge_is_counted_in_its_own_window(tables: Tables, kind: str) -> None:
    """It comes late, or from a clock that is slightly behind, after other calls have begun the next window."""
    edge = int(datetime.fromisoformat("2027-01-16T00:00:00+00:00").timestamp()) * 1_000_000
    limit = {"requests_per_hour": 3} if kind == "hour" else {"requests_per_day": 3}
    world = World(tables, now=edge - 100_000, tiers={"free": TierLimits(requests_per_minute=100, **limit)})
    behind = world.ledger()
    for _ in range(3):
        world.admit(behind)
    world.now = edge + 100_000
    ahead = world.ledger()
    for _ in range(2):
        world.admit(ahead)
    world.now = edge - 50_000
    with pytest.raises(RateLimited) as refused:
        world.admit(behind)
    assert refused.value.details["dimension"] == f"requests_{kind}"


def test_a_row_that_arrives_after_it_was_given_up_charges_nobody(tables: Tables) -> None:
    """The write timed out here, and the database applies it a moment later."""
    world = World(tables, KeyLimits(max_budget=1_000, budget_duration="total"))
    late = LateDatabase(tables.database)
    with pytest.raises(StoreUnavailable):
        world.admit(world.ledger(late), 100)
    late.arrive()
    for _ in range(5):
        world.now += 60_000_000
        world.sweeper().sweep()
    item = world.item()
    assert (item["used_total"], item.get("spent_total", 0), item["inflight"]) == (0, 0, 0)
    assert [(row["state"], row["actual"]) for row in world.rows()] == [("SETTLED", 0)]
    assert world.drift() == {}
