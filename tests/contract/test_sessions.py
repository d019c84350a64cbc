"""Sessions' bills: every call counts once whatever the stream does, a named session costs one more write unit, bills
expire in time and can be erased."""

import io
import json
import os
import random
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from msgspec.structs import replace

from functions.stream.handler import app as stream_app
from gateway.billing.counting import Counting
from gateway.billing.parked_store import ParkedStore
from gateway.billing.redrive import redrive
from gateway.billing.sessions.bills import SessionBills
from gateway.billing.sessions.places import KEPT_SECONDS
from gateway.billing.sessions.store import SessionStore
from gateway.billing.store import UsageStore
from gateway.calls.sessions.facts import AGENT, CLASS, SESSION
from gateway.calls.sessions.marks import Marks
from gateway.calls.sessions.secrets_store import MarkSecrets
from gateway.dynamodb.attributes import from_item, size_of, to_item
from gateway.dynamodb.client import Database
from gateway.errors import BadRequest, NotFound, StoreError, StoreUnavailable
from gateway.identity.caller import KeyLimits
from gateway.identity.store import KeyRecord, KeyStore
from gateway.ledger.closing.reconcile import Reconciler
from gateway.ledger.holds import Outcome
from gateway.models.usage import Usage
from gateway.settings import settings
from gateway.wiring import gateway as wired
from tests.contract.conftest import LossyDatabase, MeteredDatabase, Tables
from tests.contract.front import Gateway
from tests.contract.test_billing import Bill
from tests.contract.test_consumer import CREATED, Crashing, consumer, invoke, record, row
from tests.contract.test_costs import the_consumer
from tests.contract.test_tags import items_of
from tests.contract.world import NOW, World, at_once
from tests.fakes.database import Clock
from tests.functions.stream_driver import drive
from tests.upstream import messages_judge

SEEDS = range(100 if os.environ.get("PROVE") else 4)
SESSIONS = [f"0f8fad5b-d9cb-469f-a165-70867728950{n}" for n in range(3)]
MARK = "AAAAbbbb-_-_1234"
NOW_SECONDS = CREATED / 1e6


def of_session(number: int, choice: random.Random) -> dict[str, Any]:
    """A row that names a session, unless the test says otherwise."""
    session = {"id": choice.choice([*SESSIONS, MARK]), "agent": choice.choice(["", "", MARK, SESSIONS[0]])}
    session |= {"class": choice.choice(["", "main", "subagent"]), "user": choice.choice(["", MARK])}
    values = row(number, choice) | {
        "cached_tokens": choice.randrange(1_000),
        "cache_write_tokens": choice.randrange(1_000),
        "cache_write_1h_tokens": choice.choice([0, choice.randrange(1_000)]),
    }
    named = {name: value for name, value in session.items() if value}
    return values | ({"session": named} if choice.random() < 0.8 else {})


def bills(tables: Tables, database: Database | None = None, now: float = NOW_SECONDS) -> SessionBills:
    used = database or tables.database
    secrets = MarkSecrets(used, tables["state"])
    items = SessionStore(used, tables["usage"], lambda: now)
    return SessionBills(items, KeyStore(used, tables["api-keys"]), Marks(secrets, lambda: now))


def figures(rows: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    def total(name: str) -> int:
        return sum(values.get(name, 0) for values in rows)

    return {
        "requests": len(rows),
        "errors": sum(values["status"] != "ok" for values in rows),
        "fresh_input_tokens": total("input_tokens"),
        "cache_read_tokens": total("cached_tokens"),
        "cache_write_5m_tokens": total("cache_write_tokens"),
        "cache_write_1h_tokens": total("cache_write_1h_tokens"),
        "output_tokens": total("output_tokens"),
        "cost_micro_usd": total("actual"),
    }


def told(shown: Mapping[str, Any]) -> dict[str, int]:
    return {name: shown[name] for name in figures([])}


def every(tables: Tables, key: str, limit: int = 1_000, **query: str) -> list[dict[str, Any]]:
    """All pages of a key's sessions."""
    found: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    while True:
        page = bills(tables).listed({"key": key, **query, **cursor}, limit)
        assert len(page["data"]) <= limit
        found += page["data"]
        if page["next_cursor"] is None:
            return found
        cursor = {"cursor": page["next_cursor"]}


def check(tables: Tables, rows: Sequence[Mapping[str, Any]]) -> None:
    """Checks that every session's bill agrees with its rows, in total and by each part."""
    for key in ("key1", "key2", "key3"):
        mine = [values for values in rows if values["key"] == key and "session" in values]
        sessions = {values["session"]["id"] for values in mine}
        for limit in (1, 1_000):
            assert [each["session"] for each in every(tables, key, limit)] == sorted(sessions)
        for shown in every(tables, key):
            of = [values for values in mine if values["session"]["id"] == shown["session"]]
            assert told(shown) == figures(of)
            whole = bills(tables).one(shown["session"], {"key": key})
            assert told(whole) == figures(of)
            assert {**shown, "object": "session"}.items() - {"key": key}.items() <= {
                name: value for name, value in whole.items() if not name.startswith("by_")
            }.items()
            assert told(whole["by_key"][key]) == figures(of)
            for part in ("agent", "class", "user"):
                named = {values["session"].get(part, "-") for values in of}
                assert {value: told(cells) for value, cells in whole[f"by_{part}"].items()} == {
                    value: figures([values for values in of if values["session"].get(part, "-") == value])
                    for value in named
                }
            models = Counter(values["model"] for values in of)
            assert {model: cells["requests"] for model, cells in whole["by_model"].items()} == models


@pytest.mark.parametrize("seed", SEEDS)
def test_every_call_of_a_session_counts_once_whatever_happens(tables: Tables, seed: int) -> None:
    choice = random.Random(seed)
    rows = [of_session(number, choice) for number in range(120)]
    records = [record(values, number) for number, values in enumerate(rows)]
    choice.shuffle(records)
    crashing = consumer(tables, Crashing(tables.database, choice))
    waiting = list(records)
    while waiting:
        size = choice.randrange(1, 60)
        batch, waiting = waiting[:size], waiting[size:]
        for delivered in (batch + choice.sample(batch, len(batch) // 3), choice.sample(batch, len(batch) // 2)):
            assert drive(delivered, invoke(crashing)) == []
    check(tables, rows)
    assert drive(choice.sample(records, len(records)), invoke(consumer(tables))) == []
    check(tables, rows)


def test_consumers_at_once_and_a_reader_that_sees_no_call_twice(tables: Tables) -> None:
    choice = random.Random(5)
    same = {"key": "key1", "session": {"id": SESSIONS[0]}, "team": "", "created": CREATED}
    rows = [of_session(number, choice) | same | {"n": number + 1} for number in range(150)]
    records = [record(values, number) for number, values in enumerate(rows)]
    most = 0
    orders = iter(choice.sample(range(1_000), 4))

    def consume() -> None:
        mine = random.Random(next(orders)).sample(records, len(records))
        for start in range(0, len(mine), 9):
            assert drive(mine[start : start + 9], invoke(consumer(tables))) == []

    def read() -> None:
        nonlocal most
        for _ in range(20):
            most = max(most, *(each["requests"] for each in every(tables, "key1")), 0)

    reader = threading.Thread(target=read)
    reader.start()
    at_once(4, consume)
    reader.join()
    assert most <= 150
    check(tables, rows)


def test_an_item_closes_by_its_size_and_another_takes_what_follows(tables: Tables) -> None:
    choice = random.Random(2)
    same = {"key": "key1", "session": {"id": SESSIONS[0]}, "team": "", "created": CREATED, "n": 1}
    rows = [of_session(n, choice) | same | {"model": f"{'a' * 60}{n % 9}"} for n in range(60)]
    for number, values in enumerate(rows):
        assert drive([record(values, number)], invoke(consumer(tables))) == []
    check(tables, rows)
    assert drive([record(values, n) for n, values in enumerate(rows)], invoke(consumer(tables))) == []
    check(tables, rows)
    items = [item for item in items_of(tables, "usage") if item["pk"] == "session#key1"]
    assert len(items) > 4
    assert all("sealed" in item for item in items[:-1])
    assert max(map(size_of, items)) < 1_300


class MeteredApart:
    """Like `MeteredDatabase`, with a separate sum for sessions' items."""

    def __init__(self, database: Database) -> None:
        self.sessions, self.others = MeteredDatabase(database), MeteredDatabase(database)

    def call(self, operation: str, request: Mapping[str, Any], *, attempts: int = 1) -> dict[str, Any]:
        of_session = request.get("Key", {}).get("pk", {}).get("S", "").startswith("session#")
        return (self.sessions if of_session else self.others).call(operation, request, attempts=attempts)


@pytest.mark.parametrize(
    ("keys", "every_seconds", "batch", "most"), [(1, 86, 1, 1.0), (1, 10, 1, 1.0), (4, 600, 1, 1.0), (1, 1, 10, 0.4)]
)
def test_a_session_costs_a_write_unit_a_call_and_only_where_it_is_named(
    tables: Tables, keys: int, every_seconds: int, batch: int, most: float
) -> None:
    """Every other call names a session, with every field that there can be. All writes of the function and the consumer
    are counted."""
    midnight, calls = NOW - NOW % 86_400_000_000, 240
    budget, tiers = KeyLimits(max_budget=10**12), {"free": World.open_tier()}
    worlds = [World(tables, budget, now=midnight, tiers=tiers, key=f"key{n:09}") for n in range(keys)]
    for world in worlds:  # the first call of a key makes its item
        world.ledger().settle(world.admit(world.ledger()), Outcome(Usage(), 1, 0, "ok", 5))
    clock = Clock(midnight / 1e6)
    reconciler = Reconciler(worlds[0].limits_store, worlds[0].row_store, lambda: int(clock.now * 1e6))
    asked = {named: MeteredDatabase(tables.database) for named in (False, True)}
    billed = MeteredApart(tables.database)
    rollup, waiting = the_consumer(tables, billed, clock), []
    for number in range(calls):
        hour, named = clock.now // 3_600, number // keys % 2 == 1
        clock.advance(every_seconds / keys)
        if clock.now // 3_600 > hour:  # as every hour: hours that stay make items larger
            reconciler.reconcile()
        world = worlds[number % keys]
        world.now = int(clock.now * 1e6)
        session = {"id": SESSIONS[number % keys % 3], "agent": MARK, "class": "subagent", "user": MARK}
        asking = replace(world.request(100_000), facts={"session": session} if named else {})
        ledger = world.ledger(asked[named])
        hold = ledger.admit(world.caller, world.tiers.__getitem__, asking)
        ledger.settle(hold, Outcome(Usage(90, 8_000, 700, 300, 150), 12_345, 0, "ok", 2_000))
        get = {"TableName": tables["request-analytics"], "ConsistentRead": True}
        key = to_item({"minute": hold.row.minute, "rid": hold.row.rid})
        image = tables.database.call("GetItem", get | {"Key": key})["Item"]
        waiting.append({"eventName": "MODIFY", "dynamodb": {"SequenceNumber": str(number), "NewImage": image}})
        if len(waiting) == batch:
            before = billed.sessions.units
            assert rollup.apply(waiting) == []
            if batch == 1:  # not one more write, and no larger one
                assert billed.sessions.units == before + named
            waiting = []
    requests = {named: meter.units / calls * 2 for named, meter in asked.items()}
    session_s, other = billed.sessions.units / calls * 2, billed.others.units / calls
    print(
        f"{keys} keys, every {every_seconds} s, {batch} a batch: requests {requests[False]:.2f}, of a session "
        f"{requests[True]:.2f}; the bill {other:.2f}, of a session {session_s:.2f} more"
    )
    assert requests[True] == requests[False] <= 4.2
    assert session_s <= most
    sizes = [size_of(item) for item in items_of(tables, "usage") if item["pk"].startswith("session#")]
    print(f"the largest item has {max(sizes)} bytes, by a bound that takes marks for text")
    assert max(sizes) <= 1_024


def test_what_is_over_is_counted_no_more_and_shown_no_more(tables: Tables) -> None:
    choice = random.Random(3)
    values = of_session(1, choice) | {"key": "key1", "session": {"id": SESSIONS[0]}}
    parked = ParkedStore(tables.database, tables["state"])
    parked.park(json.dumps(record(values, 1)), "a defect", "one", 0)

    def counting_at(moment: float) -> Counting:
        return Counting(UsageStore(tables.database, tables["usage"]), lambda: moment, lambda _seconds: None)

    began = values["created"] // 1_000_000 // 3_600 * 3_600
    late = redrive(parked, counting_at(began + KEPT_SECONDS), lambda: began + KEPT_SECONDS)
    assert (late.counted, late.refused) == (1, [])
    assert every(tables, "key1") == []
    parked.park(json.dumps(record(values, 1)), "a defect", "again", 0)
    assert redrive(parked, counting_at(began + 60), lambda: 0.0).counted == 1
    parked.park(json.dumps(record(values, 1)), "a defect", "once more", 0)
    assert redrive(parked, counting_at(began + 60), lambda: 0.0).counted == 1
    assert [told(each) for each in every(tables, "key1")] == [figures([values])]
    (item,) = [item for item in items_of(tables, "usage") if item["pk"] == "session#key1"]
    assert item["ttl"] == began + KEPT_SECONDS
    assert bills(tables, now=item["ttl"] - 1).listed({"key": "key1"}, 9)["data"] != []
    assert bills(tables, now=item["ttl"]).listed({"key": "key1"}, 9)["data"] == []  # although the item still exists


def test_a_rebuild_counts_in_sessions_what_was_lost_and_nothing_twice(tables: Tables) -> None:
    bill, choice = Bill(tables), random.Random(11)
    rows = [of_session(number, choice) for number in range(80)]
    for values in rows:
        bill.write(values)
    lost = set(choice.sample(range(80), 20))
    delivered = [record(values, n) for n, values in enumerate(rows) if n not in lost]
    assert drive(delivered, invoke(consumer(tables))) == []
    for _ in range(2):
        bill.rebuild(apply=True)
        check(tables, rows)
    assert bill.rebuild().differences == []


@pytest.mark.parametrize("by", ["key", "user_id", "session", "user"])
def test_what_is_erased_is_gone_and_comes_back_by_nothing(tables: Tables, by: str) -> None:
    choice, bill = random.Random(8), Bill(tables)
    keys = KeyStore(tables.database, tables["api-keys"])
    keys.create(KeyRecord("key1", "0" * 64, "k", "free", ("models",), "2026-11-24T00:00:00.000Z", user_id="anne"))
    marks = Marks(MarkSecrets(tables.database, tables["state"]), lambda: NOW_SECONDS)
    anne = marks.facts("key1", {SESSION: SESSIONS[0]}, {"user": "anne@example.com"})["session"]["user"]
    rows = [of_session(number, choice) for number in range(90)]
    for values in rows:
        if values["key"] == "key1" and "session" in values and choice.random() < 0.5:
            values["session"]["user"] = anne
        bill.write(values)
    records = [record(values, number) for number, values in enumerate(rows)]
    assert drive(records, invoke(consumer(tables))) == []
    query, named = {
        "key": ({"key": "key1"}, {}),
        "user_id": ({"user_id": "anne"}, {}),
        "session": ({"key": "key1", "session": SESSIONS[1]}, {"id": SESSIONS[1]}),
        "user": ({"key": "key1", "user": "anne@example.com"}, {"user": anne}),
    }[by]
    erased = bills(tables).erase(query)
    assert erased["complete"]
    assert erased["erased"] > 0
    gone = [values for values in rows if values["key"] == "key1" and named.items() <= values.get("session", {}).items()]
    left = [values for values in rows if values not in gone]
    assert len(left) < len(rows)
    check(tables, left)
    cost = bill.cost()
    for _ in range(2):  # the stream again, a rebuild, and the key's bill as before
        assert drive(records, invoke(consumer(tables))) == []
        bill.rebuild(apply=True)
    check(tables, left)
    assert bill.cost() == cost == sum(values["actual"] for values in rows)
    assert bills(tables).erase(query) == {"erased": 0, "complete": True}
    later = of_session(200, choice) | {"key": "key1", "session": {"id": SESSIONS[1], "user": anne}}
    assert drive([record(later, 200)], invoke(consumer(tables))) == []
    check(tables, [*left, later])


def test_what_is_counted_while_it_is_erased_is_not_lost_and_said(tables: Tables) -> None:
    choice = random.Random(9)
    same = {"key": "key1", "session": {"id": SESSIONS[0]}, "team": "", "created": CREATED, "n": 1}
    rows = [of_session(number, choice) | same for number in range(2)]
    assert drive([record(rows[0], 0)], invoke(consumer(tables))) == []

    class Meanwhile:
        """A row is counted just before the first write."""

        def __init__(self) -> None:
            self.left = [record(rows[1], 1)]

        def call(self, operation: str, request: Mapping[str, Any], *, attempts: int = 1) -> dict[str, Any]:
            if operation == "PutItem" and self.left:
                assert drive([self.left.pop()], invoke(consumer(tables))) == []
            return tables.database.call(operation, request, attempts=attempts)

    assert bills(tables, Meanwhile()).erase({"key": "key1"}) == {"erased": 0, "complete": False}
    check(tables, rows)
    assert bills(tables).erase({"key": "key1"}) == {"erased": 1, "complete": True}
    assert drive([record(values, n) for n, values in enumerate(rows)], invoke(consumer(tables))) == []
    check(tables, [])


def test_a_user_s_sessions_are_listed_over_all_of_their_keys(tables: Tables) -> None:
    choice, keys = random.Random(4), KeyStore(tables.database, tables["api-keys"])
    for key in ("key1", "key2"):
        keys.create(KeyRecord(key, "0" * 64, "k", "free", ("models",), "2026-11-24T00:00:00.000Z", user_id="anne"))
    rows = [of_session(number, choice) | {"session": {"id": choice.choice(SESSIONS)}} for number in range(60)]
    assert drive([record(values, n) for n, values in enumerate(rows)], invoke(consumer(tables))) == []
    found: list[dict[str, Any]] = []
    query = {"user_id": "anne"}
    while True:
        page = bills(tables).listed(query, 2)
        found += page["data"]
        if page["next_cursor"] is None:
            break
        query = {"user_id": "anne", "cursor": page["next_cursor"]}
    assert [(each["key"], each["session"]) for each in found] == [
        (key, session) for key in ("key1", "key2") for session in SESSIONS
    ]
    one = bills(tables).one(SESSIONS[0], {"user_id": "anne"})
    mine = [values for values in rows if values["session"]["id"] == SESSIONS[0] and values["key"] != "key3"]
    assert told(one) == figures(mine)
    assert set(one["by_key"]) == {"key1", "key2"}
    blue = [values for values in mine if values["team"] == "blue"]
    assert told(bills(tables).one(SESSIONS[0], {"user_id": "anne", "team": "blue"})) == figures(blue)
    for wrong in ({}, {"key": "key1", "user_id": "anne"}, {"key": "a#b"}, {"key": "key1", "cursor": "x"}, {"day": "x"}):
        with pytest.raises(BadRequest):
            bills(tables).listed(wrong, 10)
    with pytest.raises(NotFound):
        bills(tables).one(MARK, {"key": "key1"})


def test_a_month_has_one_secret_whoever_makes_it(tables: Tables) -> None:
    made: list[bytes] = []
    lossy = LossyDatabase(tables.database, lambda operation, _number: operation == "PutItem")
    with pytest.raises(StoreUnavailable):
        MarkSecrets(lossy, tables["state"]).make("2026-12")
    made.append(MarkSecrets(tables.database, tables["state"]).make("2026-12"))
    at_once(8, lambda: made.append(MarkSecrets(tables.database, tables["state"]).make("2026-12")))
    assert len(set(made)) == 1
    assert len(made[0]) == 32
    store = MarkSecrets(tables.database, tables["state"])
    assert store.get("2027-01") is None
    assert store.make("2027-01") != made[0]
    request = {"TableName": tables["state"], "Key": to_item({"pk": "session-secrets", "sk": "2026-12"})}
    item = from_item(tables.database.call("GetItem", request)["Item"])
    assert item["ttl"] == 1_801_440_000  # 1 February: a month after January began
    damaged = to_item({"pk": "session-secrets", "sk": "2027-02", "secret": "no hex"})
    tables.database.call("PutItem", {"TableName": tables["state"], "Item": damaged})
    with pytest.raises(StoreError):
        store.make("2027-02")


def consume(gateway: Gateway) -> None:
    """The stream's records of all rows that have ended, for the gateway's own consumer."""
    done = [values for values in gateway.rows() if values["state"] != "OPEN"]
    assert wired().rollup.apply([record(values, n) for n, values in enumerate(done)]) == []


@pytest.mark.parametrize("door", ["/v1/chat/completions", "/api/v1/completions"])
def test_a_session_s_bill_from_the_call_to_the_admin(gateway: Gateway, door: str) -> None:
    key, key_id = gateway.new_key(user_id="anne")
    named = {SESSION.replace("-", "_"): SESSIONS[0].upper(), CLASS.replace("-", "_"): "main"}
    agent = {AGENT.replace("-", "_"): "reviewer@team", CLASS.replace("-", "_"): "subagent"}
    costs: list[float] = []

    def call(words: str = "", model: str = "anthropic/claude-sonnet-4-5", **headers: str) -> None:
        body = {"model": model, "messages": [{"role": "user", "content": f"hello {words}"}], "user": "anne@example.com"}
        reply = gateway.ask("POST", door, body, key=key, **headers)
        assert reply.status == 200, reply.text
        costs.append(float(reply.headers["x-gateway-cost"]))

    call(
        "[[fake cached=900 cache-write=70 cache-write-1h=30]]",
        "bedrock/anthropic.claude-sonnet-4-5-20250929-v1:0",
        **named,
    )
    call("[[fake cached=100]]", "gpt-4", **named | agent)
    call("", "gpt-4")
    rows = gateway.rows()
    assert [(values["cache_write_tokens"], values["cache_write_1h_tokens"]) for values in rows] == [
        (70, 30),
        (0, 0),
        (0, 0),
    ]
    assert [values.get("session", {}).get("id") for values in rows] == [SESSIONS[0], SESSIONS[0], None]
    assert not any(word in json.dumps(rows) for word in ("anne@", "reviewer"))
    consume(gateway)
    listed = gateway.ask("GET", f"/api/v1/admin/usage/sessions?key={key_id}")
    assert listed.status == 200, listed.text
    (session,) = listed.body["data"]
    assert (session["session"], session["requests"]) == (SESSIONS[0], 2)
    assert session["cost"] == pytest.approx(sum(costs[:2]))
    assert (session["cache_write_5m_tokens"], session["cache_write_1h_tokens"]) == (70, 30)
    prompt = session["fresh_input_tokens"] + 1_000 + 100
    assert session["cache_hit_rate"] == round(1_000 / prompt, 4)
    one = gateway.ask("GET", f"/api/v1/admin/usage/sessions/{SESSIONS[0]}?user_id=anne").body
    assert {name: cells["requests"] for name, cells in one["by_class"].items()} == {"main": 1, "subagent": 1}
    assert one["by_key"][key_id]["requests"] == 2
    assert len(one["by_user"]) == 1
    usage = gateway.ask("GET", f"/api/v1/admin/usage?key={key_id}").body["data"]
    cached = sum(values.get("cached_tokens", 0) for values in rows)
    assert usage[0]["cache_hit_rate"] == round(cached / usage[0]["input_tokens"], 4)
    stored = json.dumps([str(item) for name in ("usage", "state") for item in items_of(gateway.tables, name)])
    assert not any(word in stored for word in ("anne@", "reviewer"))
    wrong = gateway.ask("DELETE", f"/api/v1/admin/usage/sessions?key={key_id}&user=bob")
    assert wrong.body == {"erased": 0, "complete": True}
    erased = gateway.ask("DELETE", f"/api/v1/admin/usage/sessions?key={key_id}&user=anne@example.com")
    assert erased.body == {"erased": 2, "complete": True}
    assert gateway.ask("GET", "/api/v1/admin/usage/sessions?user_id=anne").body["data"] == []
    assert gateway.ask("GET", f"/api/v1/admin/usage/sessions/{SESSIONS[0]}?key={key_id}").status == 404
    consume(gateway)
    assert gateway.ask("GET", f"/api/v1/admin/usage/sessions?key={key_id}").body["data"] == []
    assert gateway.ask("GET", f"/api/v1/admin/usage?key={key_id}").body["total"]["requests"] == 3


def test_a_team_s_admin_sees_its_team_s_sessions_and_erases_none(gateway: Gateway) -> None:
    for team in ("blue", "red"):
        assert gateway.post("/api/v1/admin/teams", {"id": team, "name": team}).status == 201
    blue, blue_id = gateway.new_key(team_id="blue", scopes=["completions", "admin"], user_id="anne")
    red, red_id = gateway.new_key(team_id="red")
    body = {"model": "gpt-4", "messages": [{"role": "user", "content": "hello"}]}
    for key in (blue, red):
        assert (
            gateway.ask("POST", "/v1/chat/completions", body, key=key, x_claude_code_session_id=SESSIONS[0]).status
            == 200
        )
    consume(gateway)

    def seen(query: str, path: str = "") -> Any:
        return gateway.ask("GET", f"/api/v1/admin/usage/sessions{path}?{query}", key=blue)

    assert [each["key"] for each in seen(f"key={blue_id}").body["data"]] == [blue_id]
    assert seen(f"key={red_id}").body["data"] == []
    assert seen(f"key={red_id}", f"/{SESSIONS[0]}").status == 404
    assert seen(f"key={red_id}&team=red").status == 403
    assert seen("user_id=bob").status == 403
    assert len(seen("user_id=anne").body["data"]) == 1
    assert gateway.ask("DELETE", f"/api/v1/admin/usage/sessions?key={blue_id}", key=blue).status == 403
    assert gateway.ask("GET", "/api/v1/admin/usage/sessions").body["error"]["param"] == "key"
    assert gateway.ask("GET", f"/api/v1/admin/usage/sessions/nothing?key={blue_id}").status == 404


def at_the_streaming_door(path: str, key: str, body: Any, **headers: str) -> str:
    """The whole answer of the streaming door, with headers in WSGI's names."""
    told: list[str] = []
    sent = json.dumps(body).encode()
    environ = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": path,
        "REQUEST_URI": path,
        "QUERY_STRING": "",
        "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": str(len(sent)),
        "HTTP_AUTHORIZATION": f"Bearer {key}",
        "wsgi.input": io.BytesIO(sent),
        **headers,
    }
    pieces = stream_app(settings(), threading.Event())(environ, lambda status, _headers: told.append(status))
    text = b"".join(pieces).decode()
    assert told[0].startswith("200"), text
    return text


@pytest.mark.parametrize("streamed", [True, False])
def test_a_session_at_the_streaming_door_in_both_dialects(gateway: Gateway, streamed: bool) -> None:
    messages_judge.warm()
    key, key_id = gateway.new_key()
    words = "[[fake cached=900 cache-write=70 cache-write-1h=30]]"
    body = {
        "model": "bedrock/anthropic.claude-sonnet-4-5-20250929-v1:0",
        "messages": [{"role": "user", "content": f"hello {words}"}],
        "max_tokens": 50,
        "stream": streamed,
    }
    headers = {"HTTP_X_CLAUDE_CODE_SESSION_ID": SESSIONS[0], "HTTP_X_CLAUDE_CODE_REQUEST_CLASS": "main"}
    user = {"metadata": {"user_id": f"user_ab12_account__session_{SESSIONS[0]}"}}
    at_the_streaming_door("/v1/messages", key, body | user, **headers)
    at_the_streaming_door("/v1/chat/completions", key, body | {"user": "user_ab12_account_"}, **headers)
    consume(gateway)
    one = gateway.ask("GET", f"/api/v1/admin/usage/sessions/{SESSIONS[0]}?key={key_id}").body
    assert (one["requests"], one["errors"], one["cache_read_tokens"]) == (2, 0, 1_800)
    assert (one["cache_write_5m_tokens"], one["cache_write_1h_tokens"]) == (140, 60)
    assert len(one["by_user"]) == 1  # the same person, by either field
    assert one["cost_micro_usd"] == sum(values["actual"] for values in gateway.rows())
