"""Corrections, statements, redrive and rebuild on DynamoDB Local: to the micro-dollar."""

import json
import random
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import pytest

from gateway.domain.identity import SCOPES, Caller
from gateway.errors import BadRequest, Conflict, Forbidden, GatewayError, NotFound
from gateway.services.billing import Billing
from gateway.services.rebuild import Rebuild, Rebuilt
from gateway.services.redrive import redrive
from gateway.services.reports import Reports
from gateway.stores.attributes import to_item
from gateway.stores.keys import KeyRecord, KeyStore, TeamRecord
from gateway.stores.rows import RowStore, minute_partition
from gateway.stores.usage import UsageStore
from tests.contract.conftest import Tables
from tests.contract.test_consumer import CREATED, Crashing, consumer, invoke, record, row
from tests.functions.stream_driver import drive

ADMIN = Caller("admin", "enterprise", SCOPES, version=1)
KEY = "A" * 12
DAYS = (date(2026, 11, 23), date(2026, 11, 28))


@dataclass
class Bill:
    """Rows of three days, with the consumer's rollups of them."""

    tables: Tables
    now: float = CREATED / 1e6 + 5 * 86_400

    def __post_init__(self) -> None:
        self.rows = RowStore(self.tables.database, self.tables["request-analytics"])
        self.usage = UsageStore(self.tables.database, self.tables["usage"], self.tables["state"])
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

    def rebuild(self, *, apply: bool = False) -> Rebuilt:
        return Rebuild(self.rows, self.usage, lambda: self.now).run(*DAYS, apply=apply)


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


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"amount": 0}, "amount"),
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
    with pytest.raises(GatewayError):
        bill.billing.statement("blue", {"mouth": "2026-11"})


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


def test_a_damaged_rollup_is_found_and_repaired(tables: Tables) -> None:
    bill = Bill(tables)
    bill.traffic(12)
    items = list(bill.usage.day("2026-11-25"))
    damaged, lost = items[0], items[1]
    add = {
        "TableName": tables["usage"],
        "Key": to_item({"pk": damaged["pk"], "sk": damaged["sk"]}),
        "UpdateExpression": "ADD #c :seven",
        "ExpressionAttributeNames": {"#c": "*|*|cost"},
        "ExpressionAttributeValues": to_item({":seven": 7}),
    }
    tables.database.call("UpdateItem", add)
    tables.database.call(
        "DeleteItem", {"TableName": tables["usage"], "Key": to_item({"pk": lost["pk"], "sk": lost["sk"]})}
    )
    invented = {"pk": "key#ghost", "sk": "2026-11-25", "key": "ghost", "day": "2026-11-25", "*|*|n": 1}
    tables.database.call("PutItem", {"TableName": tables["usage"], "Item": to_item(invented)})
    found = bill.rebuild()
    assert {(each.key, each.team) for each in found.differences} == {
        (damaged["key"], damaged["team"]),
        (lost["key"], lost["team"]),
        ("ghost", ""),
    }
    assert next(each.cost for each in found.differences if each.key == damaged["key"] and each.counters == 1) == 7
    early = bill.now
    bill.now = CREATED / 1e6 + 3 * 86_400
    assert bill.rebuild(apply=True).repaired == 0  # something may still be on its way
    bill.now = early
    assert bill.rebuild(apply=True).repaired == 3
    assert bill.rebuild().differences == []


def test_a_day_with_open_rows_is_not_judged(tables: Tables) -> None:
    bill = Bill(tables)
    bill.write(row(1, random.Random(1)) | {"state": "OPEN", "created": CREATED})
    assert list(bill.rebuild().unfit) == ["2026-11-24"]


def test_a_poison_record_that_was_mended_is_redriven_once(tables: Tables) -> None:
    bill = Bill(tables)
    good = row(1, random.Random(1))
    assert drive([record(good | {"actual": "free"}, 1)], invoke(consumer(tables))) == []
    refused = redrive(bill.usage, lambda: bill.now)
    assert (refused.counted, len(refused.refused)) == (0, 1)
    (item,) = bill.usage.parked()
    mended = json.loads(item["record"])
    mended["dynamodb"]["NewImage"]["actual"] = {"N": str(good["actual"])}
    put = {"TableName": tables["state"], "Item": to_item(item | {"record": json.dumps(mended)})}
    tables.database.call("PutItem", put)
    assert redrive(bill.usage, lambda: bill.now).counted == 1
    tables.database.call("PutItem", put)  # as if somebody else had read it before
    assert redrive(bill.usage, lambda: bill.now).done == 1
    reports = Reports(bill.usage, lambda: bill.now)
    assert reports.usage({"from": "2026-11-20", "to": "2026-11-30"})["total"]["cost_micro_usd"] == good["actual"]


def test_a_crash_in_a_redrive_counts_nothing_twice(tables: Tables) -> None:
    bill = Bill(tables)
    for number in range(20):
        parked = json.dumps(record(row(number, random.Random(number)), number))
        bill.usage.park(parked, "old", f"p-{number}", 1)
    choice = random.Random(3)
    for _ in range(40):
        store = UsageStore(Crashing(tables.database, choice), tables["usage"], tables["state"])
        with suppress(BaseException):  # killed, or told nothing
            redrive(store, lambda: bill.now)
    assert list(bill.usage.parked()) == []
    reports = Reports(bill.usage, lambda: bill.now)
    assert reports.usage({"from": "2026-11-20", "to": "2026-11-30"})["total"]["requests"] == 20
