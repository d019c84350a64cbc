"""The stream consumer on DynamoDB Local: every row counts once, whatever the stream does."""

import os
import random
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import pytest
from msgspec.structs import replace

from gateway.billing.consumer import Rollup
from gateway.billing.counters import Counted, counted
from gateway.billing.counting import Counting
from gateway.billing.parked_store import ParkedStore
from gateway.billing.reports import Reports
from gateway.billing.store import UsageStore, counters_of
from gateway.dynamodb.attributes import from_item, to_item
from gateway.dynamodb.client import Database
from gateway.errors import StoreUnavailable
from tests.contract.conftest import Tables
from tests.fakes.database import Clock
from tests.functions.stream_driver import drive

SEEDS = range(300 if os.environ.get("PROVE") else 5)
CREATED = 1_795_500_000_000_000  # 2026-11-24, in the small hours UTC


def row(number: int, choice: random.Random) -> dict[str, Any]:
    ok = choice.random() < 0.8
    return {
        "v": 1,
        "state": "SETTLED" if ok else choice.choice(["SETTLED", "EXPIRED"]),
        "rid": f"req_{number:05d}",
        "key": choice.choice(["key1", "key2", "key3"]),
        "tier": "free",
        "model": choice.choice(["gpt-4", "claude|odd#name"]),
        "provider": choice.choice(["openai", "bedrock"]),
        "created": CREATED + choice.randrange(3 * 86_400) * 1_000_000,
        "settled": CREATED + number,
        "status": "ok" if ok else "upstream_error",
        "latency_ms": choice.randrange(30_000),
        "actual": choice.randrange(10_000),
        "input_tokens": choice.randrange(1_000),
        "output_tokens": choice.randrange(1_000),
        "tags": choice.sample(["a", "b"], choice.randrange(3)),
        "team": choice.choice(["", "", "blue", "red"]),
        "n": choice.randrange(1, 150),
    }


def record(values: Mapping[str, Any], number: int) -> dict[str, Any]:
    image = to_item(values)
    return {"eventName": "MODIFY", "dynamodb": {"SequenceNumber": f"{number:08d}", "NewImage": image}}


class Crashing:
    """A database whose function dies sometimes: before a write, or after the write was applied."""

    def __init__(self, database: Database, choice: random.Random) -> None:
        self._database, self._choice = database, choice

    def call(self, operation: str, request: Mapping[str, Any], *, attempts: int = 1) -> dict[str, Any]:
        fate = self._choice.random()
        if fate < 0.1:
            raise KeyboardInterrupt if fate < 0.02 else StoreUnavailable("not reached")
        reply = self._database.call(operation, request, attempts=attempts)
        if fate < 0.2:
            raise RuntimeError("killed after the write") if fate < 0.12 else StoreUnavailable("the reply was lost")
        return reply


def consumer(tables: Tables, database: Database | None = None) -> Rollup:
    used = database or tables.database
    return Rollup(counting(tables, used), ParkedStore(used, tables["state"]), now=lambda: CREATED / 1_000_000)


def counting(tables: Tables, database: Database | None = None) -> Counting:
    store = UsageStore(database or tables.database, tables["usage"])
    return Counting(store, lambda: CREATED / 1_000_000, lambda _seconds: None)


def invoke(rollup: Rollup) -> Any:
    def call(batch: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        try:
            failed = rollup.apply(batch)
        except KeyboardInterrupt:
            raise RuntimeError("killed") from None
        return {"batchItemFailures": [{"itemIdentifier": number} for number in failed]}

    return call


def stored(tables: Tables) -> dict[tuple[str, str, str], dict[str, int]]:
    sums: dict[tuple[str, str, str], Counter[str]] = {}
    store = UsageStore(tables.database, tables["usage"])
    for item in store.between("2026-11-24", "2026-11-28"):
        sums.setdefault((item["key"], item["team"], item["day"]), Counter()).update(counters_of(item))
    return {group: dict(counters) for group, counters in sums.items()}


def expected(rows: Sequence[Mapping[str, Any]]) -> dict[tuple[str, str, str], dict[str, int]]:
    sums: dict[tuple[str, str, str], Counter[str]] = {}
    for values in rows:
        facts = counted(values)
        sums.setdefault((facts.place.key, facts.place.team, facts.place.day), Counter()).update(facts.counters)
    return {group: dict(counters) for group, counters in sums.items()}


@pytest.mark.parametrize("seed", SEEDS)
def test_every_row_counts_once_whatever_happens(tables: Tables, seed: int) -> None:
    choice = random.Random(seed)
    rows = [row(number, choice) for number in range(120)]
    records = [record(values, number) for number, values in enumerate(rows)]
    choice.shuffle(records)  # shards have no common order
    crashing = consumer(tables, Crashing(tables.database, choice))
    while records:
        size = choice.randrange(1, 60)
        batch, records = records[:size], records[size:]
        again = choice.sample(batch, choice.randrange(len(batch)))
        for delivered in (batch + again[:2], again):
            assert drive(delivered, invoke(crashing)) == []
    assert stored(tables) == expected(rows)


def test_a_poison_record_is_parked_whole_and_the_others_count(tables: Tables) -> None:
    choice = random.Random(7)
    rows = [row(number, choice) for number in range(10)]
    records = [record(values, number) for number, values in enumerate(rows)]
    poison = [
        record(row(90, choice) | {"v": 99}, 90),
        record(row(91, choice) | {"actual": "free"}, 91),
        record(row(92, choice) | {"actual": -5}, 92),
        {"dynamodb": {"SequenceNumber": "00000093"}},
    ]
    for _ in range(2):
        assert drive(records[:5] + poison + records[5:], invoke(consumer(tables))) == []
    assert stored(tables) == expected(rows)
    request = {
        "TableName": tables["state"],
        "KeyConditionExpression": "pk = :pk",
        "ExpressionAttributeValues": to_item({":pk": "parked"}),
    }
    parked = tables.database.call("Query", request)["Items"]
    assert len(parked) == 4
    assert all(from_item(item)["record"] for item in parked)


def test_many_keys_models_and_tags_in_one_batch(tables: Tables) -> None:
    choice = random.Random(1)
    rows = [
        row(number, choice) | {"key": f"key{number % 30}", "model": f"model-{number}", "tags": [f"tag-{number}"]}
        for number in range(300)
    ]
    assert drive([record(values, number) for number, values in enumerate(rows)], invoke(consumer(tables))) == []
    assert stored(tables) == expected(rows)


def test_reports_say_what_was_counted(tables: Tables) -> None:
    choice = random.Random(3)
    rows = [row(number, choice) for number in range(60)]
    drive([record(values, number) for number, values in enumerate(rows)], invoke(consumer(tables)))
    reports = Reports(UsageStore(tables.database, tables["usage"]), lambda: CREATED / 1e6 + 3 * 86_400)
    for group in ("key", "model", "provider", "tier", "team", "day", "hour", "total"):
        report = reports.usage({"group_by": group})
        assert report["total"]["cost_micro_usd"] == sum(values["actual"] for values in rows)
        assert sum(line["requests"] for line in report["data"]) == 60
    pages, query = [], {"group_by": "day", "limit": "1"}
    while True:
        page = reports.usage(query)
        pages += page["data"]
        if page["next_cursor"] is None:
            break
        query = query | {"cursor": page["next_cursor"]}
    assert [line["day"] for line in pages] == sorted({line["day"] for line in pages})
    one = reports.usage({"key": "key1"})
    assert one["total"]["requests"] == sum(values["key"] == "key1" for values in rows)
    metrics = reports.metrics({})
    good = sorted(values["latency_ms"] for values in rows if values["status"] == "ok")
    assert metrics["latency_ms"]["p50"] == pytest.approx(good[(len(good) + 1) // 2 - 1], rel=0.2)
    assert metrics["errors"] == sum(values["status"] != "ok" for values in rows)


def numbered(count: int, *, first: int = 1) -> list[Counted]:
    """Rows of one key's day, numbered like its calls."""
    choice = random.Random(count)
    same = {"key": "key1", "team": "", "created": CREATED}
    return [counted(row(n, choice) | same | {"rid": f"req_{n}", "n": n}) for n in range(first, first + count)]


def total(tables: Tables) -> tuple[int, int]:
    """Calls and micro-dollars of key1's day."""
    items = list(UsageStore(tables.database, tables["usage"]).between("2026-11-24", "2026-11-24", "key1"))
    return sum(item.get("*|*|n", 0) for item in items), sum(item.get("*|*|cost", 0) for item in items)


def test_full_slots_are_merged_into_their_day(tables: Tables) -> None:
    rows = numbered(300)
    random.Random(1).shuffle(rows)
    for start in range(0, 300, 7):
        assert counting(tables).count(rows[start : start + 7]) == []
    store = UsageStore(tables.database, tables["usage"])
    assert [item["slot"] for item in store.between("2026-11-24", "2026-11-24", "key1")] == [
        "-",
        "0",
        "16",
        "256",
        "32",
        "48",
    ]
    assert [item["slot"] for item in store.items("2026-11-24", "2026-11-24") if "apart" in item] == ["128", "192", "64"]
    assert total(tables) == (300, sum(row.counters.get("*|*|cost", 0) for row in rows))
    assert counting(tables).count(rows) == []
    assert total(tables)[0] == 300


def test_rows_that_find_their_slot_closed_count_beside_it(tables: Tables) -> None:
    """Clocks that differ at midnight may give two calls the same number."""
    first = numbered(64, first=65)
    twins = [replace(row, rid=f"{row.rid}-twin") for row in first]
    assert counting(tables).count(first) == []
    for each in (twins, first, twins[:10], [*twins, *first]):
        assert counting(tables).count(each) == []
    assert total(tables)[0] == 128
    slots = [item["slot"] for item in UsageStore(tables.database, tables["usage"]).items("2026-11-24", "2026-11-24")]
    assert slots == ["-", "64", "64.1"]


@pytest.mark.parametrize("seed", range(60 if os.environ.get("PROVE") else 4))
def test_slots_that_fill_under_many_consumers_at_once(tables: Tables, seed: int) -> None:
    """Eight consumers each get all rows in a different order and die sometimes. A reader sees no row twice."""
    rows = numbered(150)
    orders, lock = random.Random(seed), threading.Lock()
    most = (0, 0)

    def consume() -> None:
        with lock:
            choice = random.Random(orders.random())
        mine = choice.sample(rows, len(rows))
        waiting = [mine[start : start + 9] for start in range(0, len(mine), 9)]
        while waiting:
            try:
                left = counting(tables, Crashing(tables.database, choice)).count(waiting[-1])
            except (KeyboardInterrupt, RuntimeError):
                continue
            waiting.pop()
            waiting += [[each.row for each in left]] if left else []

    def read() -> None:
        nonlocal most
        for _ in range(30):
            most = max(most, total(tables))

    workers = [threading.Thread(target=consume) for _ in range(8)] + [threading.Thread(target=read)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    right = (150, sum(row.counters.get("*|*|cost", 0) for row in rows))
    assert total(tables) == right
    assert most <= right


def test_a_row_counts_once_however_long_ago_it_was_counted(tables: Tables) -> None:
    rows = numbered(140)
    for later in (0, 3 * 86_400, 390 * 86_400):
        clock = Clock(CREATED / 1_000_000 + later)
        assert Counting(UsageStore(tables.database, tables["usage"]), clock).count(rows) == []
    assert total(tables)[0] == 140


def test_days_are_read_over_months_and_years_by_key_or_all(tables: Tables) -> None:
    choice = random.Random(5)
    days = ["2026-10-31", "2026-11-01", "2026-11-30", "2026-12-31", "2027-01-01"]
    rows = []
    for number, (day, key) in enumerate((day, key) for day in days for key in ("key1", "key2", "key20")):
        created = int(datetime.fromisoformat(f"{day}T12:00:00+00:00").timestamp()) * 1_000_000
        rows.append(counted(row(number, choice) | {"created": created, "key": key, "team": "", "n": 1}))
    assert counting(tables).count(rows) == []
    store = UsageStore(tables.database, tables["usage"])

    def found(first: str, last: str, key: str = "") -> list[tuple[str, str]]:
        return sorted((item["day"], item["key"]) for item in store.between(first, last, key))

    assert found("2026-01-01", "2027-12-31") == sorted((each.place.day, each.key) for each in rows)
    assert found("2026-11-01", "2026-12-30", "key2") == [("2026-11-01", "key2"), ("2026-11-30", "key2")]
    assert found("2026-12-31", "2026-12-31", "key2") == [("2026-12-31", "key2")]
    assert found("2026-12-31", "2027-01-01", "key20") == [("2026-12-31", "key20"), ("2027-01-01", "key20")]
    assert found("2027-01-02", "2027-01-01") == found("2026-12-01", "2026-11-01") == []


def test_as_many_rows_and_counters_as_one_update_takes(tables: Tables) -> None:
    choice = random.Random(2)
    same = {"key": "key1", "team": "", "created": CREATED, "n": 5}
    wide = [
        counted(row(n, choice) | same | {"tags": [f"a-tag-of-a-long-name-{n}-{each}" for each in range(10)]})
        for n in range(40)
    ]
    many = [counted(row(n, choice) | same | {"tags": []}) for n in range(100, 300)]
    assert counting(tables).count(wide + many) == []
    assert counting(tables).count(many + wide) == []
    assert total(tables)[0] == 240
