"""The stream consumer on DynamoDB Local: every row counts once, whatever the stream does."""

import os
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from gateway.domain.rollup import counted
from gateway.errors import StoreUnavailable
from gateway.services.reports import Reports
from gateway.services.rollup import Rollup
from gateway.stores.attributes import from_item, to_item
from gateway.stores.dynamodb import Database
from gateway.stores.usage import UsageStore
from tests.contract.conftest import Tables
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
    }


def record(values: Mapping[str, Any], number: int) -> dict[str, Any]:
    image = to_item(values)
    return {"eventName": "MODIFY", "dynamodb": {"SequenceNumber": f"{number:08d}", "NewImage": image}}


class Crashing:
    """A database behind which the function dies now and then: before a write, or after it was applied."""

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
    store = UsageStore(database or tables.database, tables["usage"], tables["state"])
    return Rollup(store, now=lambda: CREATED / 1_000_000, pause=lambda _seconds: None)


def invoke(rollup: Rollup) -> Any:
    def call(batch: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        try:
            failed = rollup.apply(batch)
        except KeyboardInterrupt:
            raise RuntimeError("killed") from None
        return {"batchItemFailures": [{"itemIdentifier": number} for number in failed]}

    return call


def stored(tables: Tables) -> dict[tuple[str, str, str], dict[str, int]]:
    reply = tables.database.call("Scan", {"TableName": tables["usage"]})
    items = [from_item(item) for item in reply["Items"]]
    return {
        (item["key"], item["team"], item["day"]): {name: value for name, value in item.items() if "|" in name}
        for item in items
        if "day" in item
    }


def expected(rows: Sequence[Mapping[str, Any]]) -> dict[tuple[str, str, str], dict[str, int]]:
    sums: dict[tuple[str, str, str], Counter[str]] = {}
    for values in rows:
        facts = counted(values)
        sums.setdefault((facts.key, facts.team, facts.day), Counter()).update(facts.counters)
    return {group: dict(counters) for group, counters in sums.items()}


@pytest.mark.parametrize("seed", SEEDS)
def test_every_row_counts_once_whatever_happens(tables: Tables, seed: int) -> None:
    choice = random.Random(seed)
    rows = [row(number, choice) for number in range(120)]
    records = [record(values, number) for number, values in enumerate(rows)]
    choice.shuffle(records)  # shards know no common order
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
    reports = Reports(UsageStore(tables.database, tables["usage"], tables["state"]), lambda: CREATED / 1e6 + 3 * 86_400)
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
