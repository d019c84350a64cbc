"""Tags and other names from outside in the bill: their cost, and that no row is charged to another account."""

import json
import os
import random
from collections import Counter
from collections.abc import Mapping
from datetime import date
from typing import Any

import pytest
from msgspec.structs import replace

from gateway.billing.counters import counted
from gateway.billing.parked_store import ParkedStore
from gateway.billing.rebuild import Rebuild, Rebuilt
from gateway.billing.redrive import redrive
from gateway.billing.reports import grouped
from gateway.billing.store import UsageStore
from gateway.dynamodb.attributes import from_item, size_of, to_item
from gateway.identity.caller import KeyLimits
from gateway.ledger.holds import Hold, Outcome
from gateway.ledger.ledger import Ledger
from gateway.ledger.tags import OTHER, ROOM, set_name
from gateway.models.usage import Usage
from tests.contract.conftest import CountingDatabase, MeteredDatabase, Tables
from tests.contract.test_consumer import CREATED, consumer, counting, expected, invoke, record, row, stored
from tests.contract.world import NOW, World
from tests.functions.stream_driver import drive

HOUR = 3_600_000_000
DAY = date(2027, 1, 15)
SUFFICIENT = 16_384  # bytes; no item ever becomes larger, which is far below the 400 KB that DynamoDB allows


def tagged(world: World, ledger: Ledger, *tags: str) -> Hold:
    return ledger.admit(world.caller, world.tiers.__getitem__, replace(world.request(), tags=tags))


def open_world(tables: Tables, key: str = "key1", **more: Any) -> World:
    return World(tables, KeyLimits(max_budget=10**12), tiers={"free": World.open_tier()}, key=key, **more)


def items_of(tables: Tables, name: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    start: dict[str, Any] = {}
    while True:
        reply = tables.database.call("Scan", {"TableName": tables[name], **start})
        items += [from_item(item) for item in reply["Items"]]
        if "LastEvaluatedKey" not in reply:
            return items
        start = {"ExclusiveStartKey": reply["LastEvaluatedKey"]}


def rebuild(tables: Tables, world: World, day: date, *, apply: bool = False) -> Rebuilt:
    usage = UsageStore(tables.database, tables["usage"])
    return Rebuild(world.row_store, usage, counting(tables), lambda: world.now / 1e6).run(day, day, apply=apply)


def by_tag(tables: Tables, day: str) -> dict[str, Counter[str]]:
    return grouped(list(UsageStore(tables.database, tables["usage"]).between(day, day)), "tag")


def of_rows(rows: list[dict[str, Any]]) -> dict[str, tuple[int, int]]:
    sums: dict[str, tuple[int, int]] = {}
    for values in rows:
        for tag in values.get("tags", ()):
            calls, cost = sums.get(tag, (0, 0))
            sums[tag] = (calls + 1, cost + values["actual"])
    return sums


def test_ten_tags_of_their_own_a_call_cost_no_more_and_are_counted_as_the_rows_say(tables: Tables) -> None:
    """Calls of three keys, each with tags that no other call has: the number of requests, the bill, and the result of a
    rebuild."""
    worlds = [open_world(tables, f"key{number}", now=NOW - NOW % (24 * HOUR) + HOUR) for number in range(3)]
    asked, billed = MeteredDatabase(tables.database), MeteredDatabase(tables.database)
    ledgers, rollup = [world.ledger(asked) for world in worlds], consumer(tables, billed)
    choice, rows, calls = random.Random(1), [], 2_000 if os.environ.get("PROVE") else 600
    alone = calls * 3 // 10
    for number in range(calls):
        world, ledger = worlds[number % 3], ledgers[number % 3]
        world.now += 5_000_000
        hold = tagged(world, ledger, *(f"{number}-{each}-of-ten-tags" for each in range(10)))
        ledger.settle(
            hold, Outcome(Usage(input_tokens=900, output_tokens=150), choice.randrange(9_000), 0, "ok", 2_000)
        )
        key = to_item({"minute": hold.row.minute, "rid": hold.row.rid})
        get = {"TableName": tables["request-analytics"], "Key": key, "ConsistentRead": True}
        rows.append(from_item(tables.database.call("GetItem", get)["Item"]))
        if number < alone:
            assert drive([record(rows[-1], number)], invoke(rollup)) == []
        elif (number + 1) % 50 == 0:
            assert drive([record(values, n) for n, values in enumerate(rows[-50:])], invoke(rollup)) == []
        if number + 1 == alone:
            lone = billed.units / alone
    print(
        f"{asked.units / calls:.2f} units in a request, {lone:.2f} for a row alone, {billed.units / calls:.2f} for all"
    )
    assert asked.units / calls <= 4.2
    assert lone <= 6.5
    for each in rows:
        assert 1 <= len(each["tags"]) <= 10
    for world in worlds:
        tags = {tag for values in rows if values["key"] == world.key for tag in values["tags"]}
        assert len(tags) == ROOM + 1
        assert OTHER in tags
        assert size_of(world.item()) < 1_024
    assert {tag: (cells["n"], cells["cost"]) for tag, cells in by_tag(tables, f"{DAY}").items()} == of_rows(rows)
    assert rebuild(tables, worlds[0], DAY).differences == []
    assert all(size_of(item) < SUFFICIENT for item in items_of(tables, "usage"))


def test_a_tag_counts_once_a_call_and_what_finds_no_place_as_other(tables: Tables) -> None:
    world = open_world(tables)
    ledger, name = world.ledger(), set_name(f"{DAY}")
    assert tagged(world, ledger, "a", "b", "a", "b", "a").row.tags == ("a", "b")
    for number in range(ROOM - 4):
        assert tagged(world, ledger, f"t{number}").row.tags == (f"t{number}",)
    long = "l" * 64  # needs three places, of which there are two
    assert tagged(world, ledger, long, "a", long).row.tags == (OTHER, "a")
    assert tagged(world, ledger, "c", "d", "e", "f").row.tags == ("c", "d", OTHER)
    assert tagged(world, ledger, "e", "a", "f").row.tags == (OTHER, "a")
    assert tagged(world, world.ledger(), "f", "b").row.tags == (OTHER, "b")
    assert tagged(world, ledger).row.tags == ()
    assert len(world.item()[name]) == ROOM
    stored_tags = [values.get("tags") for values in world.rows()]
    assert all(tags is None or len(tags) == len(set(tags)) for tags in stored_tags)


def test_a_new_day_has_room_again_and_yesterday_s_tags_are_forgotten(tables: Tables) -> None:
    world = open_world(tables)
    ledger = world.ledger()
    for number in range(ROOM + 3):
        tagged(world, ledger, f"t{number}")
    assert tagged(world, ledger, "fresh").row.tags == (OTHER,)
    world.now += 24 * HOUR
    assert tagged(world, ledger, "fresh").row.tags == ("fresh",)
    assert [name for name in world.item() if name.startswith("g_")] == [set_name("2027-01-16")]
    tagged(world, ledger)
    world.now += 24 * HOUR
    tagged(world, ledger)
    assert [name for name in world.item() if name.startswith("g_")] == []


def test_known_tags_and_a_full_set_cost_nothing_and_what_a_container_does_not_know_one_more_write(
    tables: Tables,
) -> None:
    world = open_world(tables)
    knows, nothing = CountingDatabase(tables.database), CountingDatabase(tables.database)
    ledger = world.ledger(knows)
    for start in range(0, ROOM, 8):
        world.now += 1_000_000
        tagged(world, ledger, *(f"t{number}" for number in range(start, start + 8)))
    for database, container, tags, updates in (
        (knows, ledger, ("t1", "t9"), 1),
        (knows, ledger, ("x", "y"), 1),
        (knows, ledger, (), 1),
        (nothing, world.ledger(nothing), ("x", "t3"), 2),
    ):
        world.now += 1_000_000  # the bucket is idle; a container that has no memory of it decides correctly
        database.calls.clear()
        hold = tagged(world, container, *tags)
        assert database.calls == ["UpdateItem"] * updates + ["PutItem"]
        assert set(hold.row.tags) == {tag if tag.startswith("t") else OTHER for tag in tags}


def test_containers_at_once_never_let_more_tags_in_than_there_is_room(tables: Tables) -> None:
    world = open_world(tables)
    ledgers, choice = [world.ledger() for _ in range(6)], random.Random(4)
    for number in range(120):
        hold = tagged(world, choice.choice(ledgers), *(f"{number}-{each}" for each in range(choice.randrange(4))))
        assert set(hold.row.tags) <= {*(f"{number}-{each}" for each in range(4)), OTHER}
    counted_as = {tag for values in world.rows() for tag in values.get("tags", ())}
    assert len(counted_as - {OTHER}) <= ROOM == len(world.item()[set_name(f"{DAY}")])


def test_a_key_s_item_stays_within_a_write_unit_with_all_its_tags(tables: Tables) -> None:
    """Hour after hour, over midnight, with each limit set and daily windows, reconciled once an hour as on AWS."""
    every = KeyLimits(
        rpm_limit=100, rph_limit=10**6, rpd_limit=10**6, tpm_limit=10**9, tpd_limit=10**10, max_budget=10**12,
        max_parallel_requests=100, budget_duration="daily",
    )  # fmt: skip
    world = World(tables, every, now=NOW - NOW % (24 * HOUR))
    metered = MeteredDatabase(tables.database)
    ledger, calls, largest = world.ledger(metered), 0, 0
    for hour in range(60 if os.environ.get("PROVE") else 27):
        for _ in range(3):
            world.now += HOUR // 4
            hold = ledger.admit(
                world.caller, world.tiers.__getitem__,
                replace(world.request(900_000, 9_000), tags=tuple(f"h{hour}-{each}" for each in range(10))),
            )  # fmt: skip
            ledger.settle(hold, Outcome(Usage(input_tokens=900, output_tokens=150), 80_000, 0, "ok", 2_000))
            calls, largest = calls + 1, max(largest, size_of(world.item()))
        world.now += HOUR // 4 + 400_000_000 * (hour == 0)
        world.reconcile()
    print(f"{metered.units / calls:.2f} units a call, {largest} bytes")
    assert metered.units / calls <= 4.2
    assert largest <= 1_024


ODD: list[dict[str, Any]] = [
    {"actual": 10**19},
    {"actual": True},
    {"settled": 10**18},
    {"settled": -1},
    {"budget": 5, "window": "w" * 3_000},
    {"budget": "x", "window": "total"},
    {"actual": 10**37},
    {"input_tokens": 9 * 10**37},
    {"latency_ms": 10**30},
    {"model": ""},
    {"model": "m" * 300},
    {"model": 7},
    {"provider": "a|b"},
    {"tier": "a|b"},
    {"provider": ""},
    {"tags": [f"{number}" for number in range(2_000)]},
    {"tags": ["t" * 4_000]},
    {"tags": [""]},
    {"tags": "tag"},
    {"tags": {"a": 1}},
    {"tags": [7]},
    {"key": "key1#blue"},
    {"key": ""},
    {"key": "k" * 2_000},
    {"team": "a#b"},
    {"team": 5},
    {"n": 10**30},
    {"created": 10**18},
    {"rid": "r" * 900},
]
NAMES = ["a|b", "|", "*", "*|*|n", "m|x|cost", "é\u202e\U0001f600", " ", "#0", ":0", "ids", "sealed", "a.b", "a" * 255]


def test_rows_that_are_none_are_parked_and_everybody_else_s_bill_is_untouched(tables: Tables) -> None:
    choice = random.Random(5)
    good = [row(number, choice) for number in range(60)]
    records = [record(values, number) for number, values in enumerate(good)]
    odd = [row(100 + number, choice) | {"key": "key1"} | change for number, change in enumerate(ODD)]
    mixed = records + [record(values, 100 + number) for number, values in enumerate(odd)]
    choice.shuffle(mixed)
    for _ in range(2):
        assert drive(mixed, invoke(consumer(tables)), retries=0) == []
    assert stored(tables) == expected(good)
    assert len(list(ParkedStore(tables.database, tables["state"]).waiting())) == len(ODD)


def test_names_of_every_kind_are_counted_under_themselves(tables: Tables) -> None:
    choice = random.Random(6)
    rows = [
        row(number, choice)
        | {"key": "key1", "team": "", "created": CREATED, "n": number, "tags": [name, *NAMES[:3]], "model": name}
        for number, name in enumerate(NAMES * 3)
    ]
    for start in range(0, len(rows), 7):
        batch = [record(values, start + number) for number, values in enumerate(rows[start : start + 7])]
        assert drive(batch, invoke(consumer(tables)), retries=0) == []
    assert stored(tables) == expected(rows)
    assert {tag: (cells["n"], cells["cost"]) for tag, cells in by_tag(tables, "2026-11-24").items()} == {
        **of_rows([values | {"tags": list(dict.fromkeys(values["tags"]))} for values in rows])
    }
    items = list(UsageStore(tables.database, tables["usage"]).between("2026-11-24", "2026-11-24"))
    assert {name: cells["n"] for name, cells in grouped(items, "model").items()} == Counter(
        values["model"] for values in rows
    )


def spoil(tables: Tables, name: str, value: dict[str, Any]) -> None:
    (item,) = [each for each in items_of(tables, "usage") if each["key"] == "key2"]
    tables.database.call(
        "UpdateItem",
        {
            "TableName": tables["usage"],
            "Key": to_item({"pk": item["pk"], "sk": item["sk"]}),
            "UpdateExpression": "SET #c = :v",
            "ExpressionAttributeNames": {"#c": name},
            "ExpressionAttributeValues": {":v": value},
        },
    )


@pytest.mark.parametrize("spoiled", [{"S": "x"}, {"N": "9" * 38 + "0" * 87}])
def test_what_the_table_refuses_for_the_item_itself_is_parked_at_once_and_counted_when_it_is_mended(
    tables: Tables, spoiled: dict[str, Any]
) -> None:
    """An item that can't grow any more: each of its rows is parked, no other row of the batch waits, and nothing is
    delivered again."""
    choice = random.Random(7)
    same: dict[str, Any] = {"team": "", "created": CREATED, "status": "ok", "state": "SETTLED", "actual": 10**14}
    rows = [row(n, choice) | same | {"key": f"key{1 + n % 3}", "n": n + 1} for n in range(12)]
    world = World(tables, now=CREATED + HOUR)
    for values in rows:
        world.tables.database.call(
            "PutItem",
            {"TableName": tables["request-analytics"], "Item": to_item({"minute": "2026-11-24T07:00#0", **values})},
        )
    first, later = rows[:6], rows[6:]
    records = [record(values, number) for number, values in enumerate(rows)]
    assert drive(records[:6], invoke(consumer(tables)), retries=0) == []
    spoil(tables, "*|*|cost", spoiled)
    assert drive(records, invoke(consumer(tables)), retries=0) == []
    others = [values for values in rows if values["key"] != "key2"]
    found = {group: sums for group, sums in stored(tables).items() if group[0] != "key2"}
    assert found == expected(others)
    parked = ParkedStore(tables.database, tables["state"])
    waiting = [json.loads(item["record"])["dynamodb"]["NewImage"]["key"]["S"] for item in parked.waiting()]
    assert waiting == ["key2"] * sum(values["key"] == "key2" for values in later)
    assert redrive(parked, counting(tables)).counted == 0
    assert rebuild(tables, world, date(2026, 11, 24), apply=True).repaired == 1
    assert redrive(parked, counting(tables)).counted == len(waiting)
    assert stored(tables) == expected(rows)
    assert len(first) == len(later)


def test_a_record_too_large_to_keep_is_parked_by_its_name(tables: Tables) -> None:
    choice = random.Random(8)
    good = row(1, choice)
    huge = record(row(2, choice) | {"v": 9, "pad": "x" * 390_000}, 2)
    huge["dynamodb"] |= {"OldImage": huge["dynamodb"]["NewImage"], "Keys": to_item({"minute": "m", "rid": "req_00002"})}
    for _ in range(2):
        assert drive([huge, record(good, 1)], invoke(consumer(tables)), retries=0) == []
    assert stored(tables) == expected([good])
    (item,) = ParkedStore(tables.database, tables["state"]).waiting()
    assert json.loads(item["record"])["dynamodb"]["Keys"]["rid"] == {"S": "req_00002"}
    assert item["reason"].startswith("too large to keep: ")


def wide(count: int, first: int = 1) -> list[dict[str, Any]]:
    """Rows of one key's day, each with a different model with a long name."""
    choice = random.Random(count)
    same: dict[str, Any] = {"key": "key1", "team": "", "created": CREATED, "tags": [], "status": "ok"}
    return [
        row(n, choice) | same | {"state": "SETTLED", "rid": f"req_{n}", "n": n, "model": f"{'long' * 20}-{n}"}
        for n in range(first, first + count)
    ]


def written(tables: Tables, rows: list[Mapping[str, Any]] | list[dict[str, Any]]) -> None:
    for values in rows:
        item = to_item({"minute": f"2026-11-24T07:00#{values['n'] % 4}", **values})
        tables.database.call("PutItem", {"TableName": tables["request-analytics"], "Item": item})


def test_hundreds_of_models_close_slots_by_their_size_and_cost_a_handful_of_units(tables: Tables) -> None:
    rows = wide(400)
    written(tables, rows)
    metered = MeteredDatabase(tables.database)
    busy = counting(tables, metered)
    for values in rows:
        assert busy.count([counted(values)]) == []
    print(f"{metered.units / len(rows):.2f} units a row")
    assert metered.units / len(rows) <= 8
    items = items_of(tables, "usage")
    assert max(map(size_of, items)) < SUFFICIENT
    assert any(item.get("sealed") and "ttl" not in item for item in items)
    assert stored(tables) == expected(rows)
    for again in (busy, counting(tables)):  # of a container that knows which slots are closed, and of one that doesn't
        assert again.count([counted(values) for values in reversed(rows)]) == []
    assert stored(tables) == expected(rows)
    assert rebuild(tables, World(tables, now=CREATED + HOUR), date(2026, 11, 24)).differences == []


@pytest.mark.parametrize("lost", [False, True])
def test_a_rebuild_keeps_slots_small_and_rows_where_they_are(tables: Tables, lost: bool) -> None:
    rows = wide(130)
    written(tables, rows)
    live = counting(tables)
    assert live.count([counted(values) for values in rows[:-20]]) == []
    for item in items_of(tables, "usage"):
        key = {"TableName": tables["usage"], "Key": to_item({"pk": item["pk"], "sk": item["sk"]})}
        if lost and not item.get("sealed"):
            tables.database.call("DeleteItem", key)
        else:
            damage = {"UpdateExpression": "SET #c = :v", "ExpressionAttributeNames": {"#c": "*|*|cost"}}
            tables.database.call("UpdateItem", key | damage | {"ExpressionAttributeValues": to_item({":v": 5})})
    world = World(tables, now=CREATED + HOUR)
    assert rebuild(tables, world, date(2026, 11, 24), apply=True).repaired == 1
    assert stored(tables) == expected(rows)
    for again in (live, counting(tables)):  # it remembers which slots were closed before the rebuild
        assert again.count([counted(values) for values in rows]) == []
    assert stored(tables) == expected(rows)
    assert max(map(size_of, items_of(tables, "usage"))) < SUFFICIENT
    assert rebuild(tables, world, date(2026, 11, 24)).differences == []


def test_a_day_s_sum_takes_no_more_when_it_is_large_and_nothing_ends_that_is_in_none(
    tables: Tables, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.billing.store._SUM_BYTES", 3_000)
    choice = random.Random(9)
    same: dict[str, Any] = {"key": "key1", "team": "", "created": CREATED, "tags": [], "status": "ok"}
    rows = [
        row(n, choice) | same | {"state": "SETTLED", "rid": f"req_{n}", "n": n, "model": f"model-{n // 20}"}
        for n in range(1, 500)
    ]
    for start in range(0, len(rows), 40):
        assert counting(tables).count([counted(values) for values in rows[start : start + 40]]) == []
    assert stored(tables) == expected(rows)
    items = {item["slot"]: item for item in items_of(tables, "usage")}
    assert items["-"]["full"] is True
    assert 0 < len(items["-"]["merged"]) < 5
    assert {slot for slot, item in items.items() if "ttl" in item} == items["-"]["merged"]
    assert size_of(items["-"]) < 8_000
    assert counting(tables).count([counted(values) for values in rows]) == []
    assert stored(tables) == expected(rows)


def test_many_corrections_and_rows_without_a_number_fill_no_item(tables: Tables) -> None:
    choice = random.Random(10)
    rows = [row(n, choice) | {"key": "key1", "team": "", "created": CREATED, "n": 0, "tags": []} for n in range(300)]
    corrections = [
        {
            "v": 1,
            "state": "CORRECTION",
            "rid": f"cor_{n}",
            "key": "key1",
            "day": "2026-11-24",
            "actual": -n,
            "created": 0,
        }
        for n in range(300)
    ]
    for _ in range(2):
        for values in (*rows, *corrections):
            assert counting(tables).count([counted(values)]) == []
    items = items_of(tables, "usage")
    assert max(len(item["ids"]) for item in items) == 64
    assert stored(tables) == expected(rows + corrections)
