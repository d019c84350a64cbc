"""Corrections, statements, redrive and rebuild on DynamoDB Local: to the micro-dollar."""

import csv
import io
import json
import random
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from typing import Any

import pytest
from msgspec.structs import replace

from gateway.billing.counters import counted
from gateway.billing.parked_store import ParkedStore
from gateway.billing.rebuild import Rebuild, Rebuilt, TooOld
from gateway.billing.redrive import redrive
from gateway.billing.reports import Reports
from gateway.billing.statements import Billing
from gateway.billing.store import UsageStore
from gateway.dynamodb.attributes import to_item
from gateway.errors import BadRequest, Conflict, Forbidden, GatewayError, NotFound
from gateway.identity.caller import SCOPES, Caller
from gateway.identity.store import KeyRecord, KeyStore, TeamRecord
from gateway.ledger.rows_store import RowStore, minute_partition
from tests.contract.conftest import Tables
from tests.contract.test_consumer import CREATED, Crashing, consumer, counting, invoke, record, row
from tests.functions.stream_driver import drive

ADMIN = Caller("admin", "enterprise", SCOPES, version=1)
KEY = "A" * 12
DAYS = (date(2026, 11, 23), date(2026, 11, 28))


@dataclass
class Bill:
    """Rows of three days, and the consumer's rollups of them."""

    tables: Tables
    now: float = CREATED / 1e6 + 5 * 86_400

    def __post_init__(self) -> None:
        self.rows = RowStore(self.tables.database, self.tables["request-analytics"])
        self.usage = UsageStore(self.tables.database, self.tables["usage"])
        self.parked = ParkedStore(self.tables.database, self.tables["state"])
        self.counting = counting(self.tables)
        self.keys = KeyStore(self.tables.database, self.tables["api-keys"])
        self.keys.create_team(TeamRecord("blue", "Blue", "2026-11-24T00:00:00.000Z"))
        self.keys.create(KeyRecord(KEY, "0" * 64, "k", "free", ("models",), "2026-11-24T00:00:00.000Z", team_id="blue"))
        self.billing = Billing(self.rows, self.usage, self.keys, lambda: self.now)

    def write(self, values: Mapping[str, Any]) -> None:
        minute = minute_partition(values["created"] // 1_000_000, values["created"] % 4)
        item = to_item({"minute": minute, **values})
        self.tables.database.call("PutItem", {"TableName": self.tables["request-analytics"], "Item": item})

    def traffic(self, seed: int, count: int = 80) -> list[dict[str, Any]]:
        choice = random.Random(seed)
        rows = [row(number, choice) for number in range(count)]
        for values in rows:
            self.write(values)
        records = [record(values, number) for number, values in enumerate(rows)]
        choice.shuffle(records)
        crashing = invoke(consumer(self.tables, Crashing(self.tables.database, choice)))
        for batch in (records, choice.sample(records, 30)):
            assert drive(batch, crashing) == []
        return rows

    def consume_corrections(self) -> None:
        rows = [{**entry, "state": "CORRECTION", "v": 1} for entry in self.rows.corrections("2026-11")]
        for _ in range(2):
            assert drive([record(each, n) for n, each in enumerate(rows)], invoke(consumer(self.tables))) == []

    def consume(self, batch: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        result: dict[str, Any] = invoke(consumer(self.tables))(batch)
        return result

    def cost(self) -> int:
        """Micro-dollars in the usage report."""
        report = Reports(self.usage, lambda: self.now).usage({"from": "2026-11-20", "to": "2026-11-30"})
        return int(report["total"]["cost_micro_usd"])

    def rebuild(self, *, apply: bool = False) -> Rebuilt:
        return Rebuild(self.rows, self.usage, self.counting, lambda: self.now).run(*DAYS, apply=apply)


def test_a_correction_is_an_entry_that_counts_once_and_touches_no_call(tables: Tables) -> None:
    bill = Bill(tables)
    body = {"key": KEY, "amount": -1.25, "reason": "outage", "id": "c-1", "date": "2026-11-25"}
    entry, new = bill.billing.correct(body, ADMIN)
    assert (new, entry["amount_micro_usd"], entry["team"], entry["by"]) == (True, -1_250_000, "blue", "admin")
    assert bill.billing.correct(body, ADMIN) == (entry, False)
    with pytest.raises(Conflict):
        bill.billing.correct(body | {"amount": -2}, ADMIN)
    bill.billing.correct({"key": KEY, "amount": 0.000001, "reason": "=cmd", "date": "2026-11-26"}, ADMIN)
    bill.consume_corrections()
    reports = Reports(bill.usage, lambda: bill.now)
    usage = reports.usage({"group_by": "team", "from": "2026-11-20", "to": "2026-11-30"})
    assert [(line["team"], line["corrections_micro_usd"], line["requests"]) for line in usage["data"]] == [
        ("blue", -1_249_999, 0)
    ]
    listed = bill.billing.corrections({"month": "2026-11"}, 1)
    more = bill.billing.corrections({"month": "2026-11", "cursor": listed["next_cursor"]}, 1)
    assert {entry["reason"] for entry in listed["data"] + more["data"]} == {"outage", "=cmd"}
    assert more["next_cursor"] is None
    assert bill.billing.corrections({"month": "2026-11", "team": "red"}, 10)["data"] == []
    assert "'=cmd" in bill.billing.statement_csv("blue", {"month": "2026-11"}).text


def test_csv_has_numbers_for_amounts_and_no_formula_in_any_text(tables: Tables) -> None:
    bill = Bill(tables)
    odd = ["=1+1", " =1+1", ";=1+1", "x;=1+1", "\t-1", "\uff1d1+1", "\u3000+1", "-1.5"]
    for number, reason in enumerate(odd):
        body = {"key": KEY, "amount": -1.25, "id": f"c{number}", "date": "2026-11-25"}
        if "\t" not in reason:
            bill.billing.correct(body | {"reason": reason}, ADMIN)
        called = row(number, random.Random(1)) | {"key": KEY, "team": "blue", "model": reason, "tags": [reason]}
        assert bill.counting.count([counted(called)]) == []
    bill.consume_corrections()
    statement = list(csv.DictReader(io.StringIO(bill.billing.statement_csv("blue", {"month": "2026-11"}).text)))
    assert {line["usd"] for line in statement if line["kind"] == "correction"} == {"-1.250000"}
    assert {line["micro_usd"] for line in statement if line["kind"] == "correction"} == {"-1250000"}
    assert sum(int(line["micro_usd"]) for line in statement[:-1]) == int(statement[-1]["micro_usd"])
    texts = [line[name] for line in statement for name in ("model", "reason") if line[name]]
    query = {"group_by": "tag", "from": "2026-11-20", "to": "2026-11-30"}
    usage = list(csv.DictReader(io.StringIO(Reports(bill.usage, lambda: bill.now).usage_csv(query).text)))
    assert len(texts) == 2 * len(odd) - 1
    assert all(text == "x;'=1+1" or text.startswith("'") for text in [*texts, *(line["tag"] for line in usage)])
    query["group_by"] = "total"
    (total,) = csv.DictReader(io.StringIO(Reports(bill.usage, lambda: bill.now).usage_csv(query).text))
    assert (total["corrections"], total["corrections_micro_usd"]) == ("-8.750000", "-8750000")


def test_keys_without_a_team_are_named_by_a_dash_everywhere(tables: Tables) -> None:
    bill = Bill(tables)
    rows = bill.traffic(3)
    bill.keys.create(KeyRecord("B" * 12, "0" * 64, "k", "free", ("models",), "2026-11-24T00:00:00.000Z"))
    for key in (KEY, "B" * 12):
        bill.billing.correct({"key": key, "amount": 1, "reason": key, "date": "2026-11-25"}, ADMIN)
    reports, days = Reports(bill.usage, lambda: bill.now), {"from": "2026-11-20", "to": "2026-11-30"}
    for team, of in (("-", ""), ("blue", "blue"), ("nobody", "nobody")):
        right = [values["actual"] for values in rows if values["team"] == of]
        for figures in (reports.usage(days | {"team": team})["total"], reports.metrics(days | {"team": team})):
            assert (figures["requests"], figures["cost_micro_usd"]) == (len(right), sum(right))
    for team, reasons in (("-", ["B" * 12]), ("blue", [KEY])):
        listed = bill.billing.corrections({"month": "2026-11", "team": team}, 10)["data"]
        assert [entry["reason"] for entry in listed] == reasons


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"amount": 0}, "amount"),
        ({"amount": "1_000"}, "amount"),
        ({"amount": True}, "amount"),
        ({"amount": 0.0000001}, "amount"),
        ({"reason": ""}, "reason"),
        ({"date": "2099-01-01"}, "date"),
        ({"key": "nobody"}, "key"),
        ({"extra": 1}, "extra"),
    ],
)
def test_a_wrong_correction(tables: Tables, change: dict[str, Any], param: str) -> None:
    with pytest.raises(GatewayError) as refused:
        Bill(tables).billing.correct({"key": KEY, "amount": 1, "reason": "x"} | change, ADMIN)
    assert refused.value.param == param


def test_an_id_means_one_correction_whenever_it_is_repeated(tables: Tables) -> None:
    bill = Bill(tables)
    body = {"key": KEY, "amount": 1, "reason": "x", "id": "once"}
    first, _ = bill.billing.correct(body, ADMIN)
    bill.now += 40 * 86_400
    assert bill.billing.correct(body, ADMIN) == (first, False)


def test_final_months_and_other_teams_are_left_alone(tables: Tables) -> None:
    bill = Bill(tables)
    body = {"key": KEY, "amount": 1, "reason": "x"}
    with pytest.raises(Conflict) as final:
        bill.billing.correct(body | {"date": "2026-10-31"}, ADMIN)
    assert final.value.code == "month_is_final"
    with pytest.raises(Forbidden):
        bill.billing.correct(body, replace(ADMIN, team_id="red"))
    assert bill.billing.correct(body, replace(ADMIN, team_id="blue"))[1]
    with pytest.raises(NotFound):
        bill.billing.statement("nobody", {"month": "2026-11"})
    for query in ({"mouth": "2026-11"}, {"month": "2026-11", "format": "xml"}):
        with pytest.raises(BadRequest):
            bill.billing.statement("blue", query)


@pytest.mark.parametrize(
    "query", [{"to": "20261124"}, {"limit": "9" * 5_000}, {"cursor": "x" * 3_000}, {"from": "2026-W48-2"}]
)
def test_reports_refuse_what_is_none(tables: Tables, query: dict[str, str]) -> None:
    with pytest.raises(BadRequest):
        Reports(Bill(tables).usage, lambda: CREATED / 1e6).usage(query)


def test_a_correction_for_nobody_s_key(tables: Tables) -> None:
    with pytest.raises(NotFound):
        Bill(tables).billing.correct({"key": "B" * 12, "amount": 1, "reason": "x"}, ADMIN)


@pytest.mark.parametrize("seed", range(3))
def test_statements_are_the_sum_of_the_rows(tables: Tables, seed: int) -> None:
    bill = Bill(tables)
    rows = bill.traffic(seed)
    bill.billing.correct({"key": KEY, "amount": -0.5, "reason": "r", "date": "2026-11-25"}, ADMIN)
    for team in ("blue", "red", "-"):
        statement = bill.billing.statement(team, {"month": "2026-11"})
        wanted = sum(values["actual"] for values in rows if values["team"] == team.strip("-"))
        corrected = -500_000 if team == "blue" else 0
        assert statement["usage_micro_usd"] == wanted
        assert statement["total_micro_usd"] == wanted + corrected
        assert sum(line["requests"] for line in statement["lines"]) == sum(
            values["team"] == team.strip("-") for values in rows
        )
        assert statement["final"] is (bill.now > 1_796_083_200 + 2 * 86_400)
    bill.now += 10 * 86_400
    assert bill.billing.statement("blue", {"month": "2026-11"})["final"] is True
    with pytest.raises(GatewayError):
        bill.billing.statement("blue", {"month": "2026-13"})


def test_rebuilt_from_the_rows_the_rollups_are_the_live_ones(tables: Tables) -> None:
    bill = Bill(tables)
    rows = bill.traffic(11)
    bill.billing.correct({"key": KEY, "amount": 3, "reason": "r", "date": "2026-11-25"}, ADMIN)
    bill.consume_corrections()
    result = bill.rebuild()
    assert (result.rows, result.differences, result.unfit) == (len(rows) + 1, [], {})


def place_key(item: Mapping[str, Any]) -> dict[str, Any]:
    return to_item({"pk": item["pk"], "sk": item["sk"]})


def damage(tables: Tables, item: Mapping[str, Any], by: int) -> None:
    add = {
        "TableName": tables["usage"],
        "Key": place_key(item),
        "UpdateExpression": "ADD #c :by",
        "ExpressionAttributeNames": {"#c": "*|*|cost"},
        "ExpressionAttributeValues": to_item({":by": by}),
    }
    tables.database.call("UpdateItem", add)


def test_what_is_damaged_lost_or_invented_is_found_and_repaired(tables: Tables) -> None:
    bill = Bill(tables)
    bill.traffic(12)
    items = {(item["key"], item["team"]): item for item in bill.usage.between("2026-11-25", "2026-11-25")}
    damaged, lost = list(items.values())[:2]
    damage(tables, damaged, 7)
    tables.database.call("DeleteItem", {"TableName": tables["usage"], "Key": place_key(lost)})
    ghost = {"day": "2026-11-25", "key": "ghost", "team": "", "slot": "0", "*|*|n": 1}
    shard = zlib.crc32(b"ghost") % 4
    item = to_item({"pk": f"2026-11#{shard}", "sk": "2026-11-25#ghost##0", **ghost}) | {"ids": {"BS": ["eHh4"]}}
    tables.database.call("PutItem", {"TableName": tables["usage"], "Item": item})
    found = bill.rebuild()
    assert {(each.key, each.team) for each in found.differences} == {
        (damaged["key"], damaged["team"]),
        (lost["key"], lost["team"]),
        ("ghost", ""),
    }
    assert next(each.cost for each in found.differences if each.key == damaged["key"] and each.counters == 1) == 7
    assert bill.rebuild(apply=True).repaired == 3
    assert bill.rebuild().differences == []


def busy(bill: Bill, count: int = 200) -> list[dict[str, Any]]:
    """Rows of one key, numbered like its calls: enough for three full slots and a part of another one."""
    choice = random.Random(count)
    rows = [
        row(n, choice) | {"key": KEY, "team": "blue", "created": CREATED + n * 1_000_000, "n": n + 1, "tags": []}
        for n in range(count)
    ]
    for values in rows:
        bill.write(values)
    return rows


@pytest.mark.parametrize("slot", ["-", "64", "192"])
def test_a_damaged_sum_slot_or_rest_of_a_busy_day_is_repaired(tables: Tables, slot: str) -> None:
    bill = Bill(tables)
    rows = busy(bill)
    assert bill.counting.count([counted(values) for values in rows]) == []
    damage(tables, next(item for item in bill.usage.items("2026-11-24", "2026-11-24") if item["slot"] == slot), 11)
    wrong = bill.rebuild().differences
    assert [each.cost for each in wrong] == ([] if slot == "64" else [11])  # a merged slot is in no sum
    assert bill.rebuild(apply=True).repaired == len(wrong)
    assert bill.rebuild().differences == []
    assert bill.counting.count([counted(values) for values in rows]) == []
    assert bill.rebuild().differences == []
    ends = [item["slot"] for item in bill.usage.between("2026-11-24", "2026-11-24") if "ttl" in item]
    assert ends == []  # a slot that is in no sum stays


def test_what_a_rebuild_counted_the_stream_counts_no_second_time(tables: Tables) -> None:
    """Whether a row is still in the stream, parked, or lost, the rebuild counts it, also for today."""
    bill = Bill(tables, now=CREATED / 1e6 + 300)
    rows = busy(bill)
    poison = record(rows[3] | {"actual": "free"}, 3)
    assert drive([record(values, n) for n, values in enumerate(rows[:80]) if n != 3] + [poison], bill.consume) == []
    result = bill.rebuild(apply=True)
    assert (len(result.differences), result.repaired) == (1, 1)
    (item,) = bill.parked.waiting()
    mended = json.dumps(record(rows[3], 3))
    put = {"TableName": tables["state"], "Item": to_item(item | {"record": mended})}
    tables.database.call("PutItem", put)
    assert redrive(bill.parked, bill.counting).counted == 1
    assert drive([record(values, n) for n, values in enumerate(rows)], bill.consume) == []
    assert bill.rebuild().differences == []
    assert bill.cost() == sum(values["actual"] for values in rows)


def test_calls_under_way_and_rows_that_can_not_be_read_are_in_no_sum_and_are_named(tables: Tables) -> None:
    bill = Bill(tables)
    rows = bill.traffic(4, 40)
    bill.write(row(91, random.Random(1)) | {"state": "OPEN", "created": CREATED})
    bill.write(row(92, random.Random(1)) | {"v": 9, "created": CREATED})
    for apply in (False, True):
        found = bill.rebuild(apply=apply)
        assert (found.rows, found.open, found.differences) == (40, 1, [])
        assert found.unfit == {"2026-11-24": "1 rows can't be read, and are in no sum"}
    assert bill.cost() == sum(values["actual"] for values in rows)


class Busy:
    """A reader of rows: after each of its reads another row has ended and is counted, as in a busy gateway."""

    def __init__(self, bill: Bill) -> None:
        self.bill, self.added = bill, 0

    def between(self, first: str, last: str) -> Iterator[dict[str, Any]]:
        yield from list(self.bill.rows.between(first, last))
        choice = random.Random(self.added)
        fresh = row(1_000 + self.added, choice) | {"key": KEY, "team": "blue", "created": CREATED, "n": 2, "tags": []}
        self.added += 1
        self.bill.write(fresh)
        assert self.bill.counting.count([counted(fresh)]) == []


def test_what_is_counted_during_a_rebuild_is_never_lost(tables: Tables) -> None:
    bill = Bill(tables)
    rows = busy(bill)
    assert bill.counting.count([counted(values) for values in rows]) == []
    damage(tables, next(item for item in bill.usage.items("2026-11-24", "2026-11-24") if item["slot"] == "0"), 11)
    at_work = Busy(bill)
    result = Rebuild(at_work, bill.usage, bill.counting, lambda: bill.now).run(*DAYS, apply=True)
    assert result.unfit == {"2026-11-24": f"key {KEY} was counted on meanwhile: run it again"}
    total = sum(item.get("*|*|n", 0) for item in bill.usage.between("2026-11-24", "2026-11-24", KEY))
    assert total == 200 + at_work.added
    assert bill.rebuild(apply=True).repaired == 1
    assert bill.rebuild().differences == []


def test_days_whose_rows_may_be_gone_are_not_touched(tables: Tables) -> None:
    bill = Bill(tables)
    rows = busy(bill, 5)
    assert bill.counting.count([counted(values) for values in rows]) == []
    bill.now += 400 * 86_400
    with pytest.raises(TooOld, match="is the first day that is whole"):
        bill.rebuild(apply=True)
    assert bill.cost() == sum(values["actual"] for values in rows)


def test_a_poison_record_that_was_mended_is_redriven_once(tables: Tables) -> None:
    bill = Bill(tables)
    good = row(1, random.Random(1))
    poison = record(good | {"actual": "free"}, 1)
    assert drive([poison], bill.consume) == []
    refused = redrive(bill.parked, bill.counting)
    assert (refused.counted, len(refused.refused)) == (0, 1)
    (item,) = bill.parked.waiting()
    mended = json.loads(item["record"])
    mended["dynamodb"]["NewImage"]["actual"] = {"N": str(good["actual"])}
    put = {"TableName": tables["state"], "Item": to_item(item | {"record": json.dumps(mended)})}
    tables.database.call("PutItem", put)
    assert drive([poison], bill.consume) == []  # the stream delivers it again; the operator's correction stays
    assert redrive(bill.parked, bill.counting).counted == 1
    assert drive([poison], bill.consume) == []
    assert list(bill.parked.waiting()) == []
    tables.database.call("PutItem", put)  # as if another process had read it before
    assert redrive(bill.parked, bill.counting).counted == 1
    assert bill.cost() == good["actual"]


def test_a_parked_record_that_the_stream_brought_again_counts_once_however_late(tables: Tables) -> None:
    """An old version parked it, a new version counted it from a redelivery, and it was redriven a year later."""
    bill = Bill(tables)
    good = row(1, random.Random(1))
    bill.parked.park(json.dumps(record(good, 1)), "old", "p", 1)
    assert drive([record(good, 1)], bill.consume) == []
    bill.now += 390 * 86_400
    assert redrive(bill.parked, bill.counting, lambda: bill.now).counted == 1
    assert bill.cost() == good["actual"]


def test_a_record_can_not_be_corrected_into_another_row(tables: Tables) -> None:
    bill = Bill(tables)
    good = row(1, random.Random(1))
    forged = record(good, 1)
    forged["dynamodb"]["Keys"] = to_item({"minute": "2026-11-24T00:00#0", "rid": "req_other"})
    bill.parked.park(json.dumps(forged), "old", "p", 1)
    assert redrive(bill.parked, bill.counting).refused == [("p", "the row is another one than the record is of")]


def test_a_crash_in_a_redrive_counts_nothing_twice(tables: Tables) -> None:
    bill = Bill(tables)
    for number in range(20):
        parked = json.dumps(record(row(number, random.Random(number)), number))
        bill.parked.park(parked, "old", f"p-{number}", 1)
    choice = random.Random(3)
    for _ in range(40):
        crashing = Crashing(tables.database, choice)
        with suppress(BaseException):  # killed, or reported nothing
            redrive(ParkedStore(crashing, tables["state"]), counting(tables, crashing))
    assert list(bill.parked.waiting()) == []
    reports = Reports(bill.usage, lambda: bill.now)
    assert reports.usage({"from": "2026-11-20", "to": "2026-11-30"})["total"]["requests"] == 20
