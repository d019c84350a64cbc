"""Runs for which no caller waits: a successful run emits a heartbeat, a failed one does not, and failures are
counted."""

import json
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from functions.analytics.handler import handler as analytics
from functions.reconciler.handler import handler as reconciler
from functions.sweeper.handler import handler as sweeper
from gateway import wiring
from gateway.dynamodb.attributes import to_item
from gateway.errors import StoreUnavailable
from tests.fakes.database import DownDatabase, Handler
from tests.fakes.wired import wired
from tools.local.emulator import ROOT

CONTEXT = SimpleNamespace(aws_request_id="aws-1", get_remaining_time_in_millis=lambda: 29_000)
Lines = Callable[[], list[dict[str, Any]]]


@pytest.fixture(autouse=True)
def fresh(gateway_environment: None) -> Iterator[None]:
    wiring.reset()
    yield
    wiring.reset()


def counted(lines: list[dict[str, Any]], metric: str) -> int:
    return sum(sum(line[metric]) for line in lines if "_aws" in line and metric in line)


class Tables:
    """Tables that contain only the sweeper's cursor and perhaps an OPEN row that can't be read."""

    def __init__(self, *rows: dict[str, Any]) -> None:
        self.rows = list(rows)

    def call(self, operation: str, _request: Any, *, attempts: int = 1) -> dict[str, Any]:
        if operation == "GetItem":
            return {"Item": to_item({"done": int(time.time()) // 60 - 4})}
        if operation in ("Query", "Scan"):
            items, self.rows = self.rows, []
            return {"Items": [to_item(row) for row in items]}
        return {}


@pytest.mark.parametrize(("job", "event"), [(sweeper, {}), (reconciler, {}), (analytics, {"Records": []})])
def test_a_run_that_ends_well_leaves_a_heartbeat(job: Handler, event: dict[str, Any], log_lines: Lines) -> None:
    wired(database=Tables())
    job(event, CONTEXT)
    lines = log_lines()
    assert (counted(lines, "Heartbeat"), counted(lines, "Errors")) == (1, 0)


@pytest.mark.parametrize("job", [sweeper, reconciler])
def test_a_job_that_fails_raises_and_leaves_none(job: Handler, log_lines: Lines) -> None:
    wired(database=DownDatabase())
    with pytest.raises(StoreUnavailable):
        job({}, CONTEXT)
    lines = log_lines()
    assert (counted(lines, "Heartbeat"), counted(lines, "Errors")) == (0, 1)


def test_a_batch_that_must_come_again_leaves_none(log_lines: Lines) -> None:
    wired(database=DownDatabase())
    record = {"eventName": "MODIFY", "dynamodb": {"SequenceNumber": "1", "NewImage": {"rid": {"S": "r"}}}}
    answer = analytics({"Records": [record]}, CONTEXT)
    assert answer == {"batchItemFailures": [{"itemIdentifier": "1"}]}
    lines = log_lines()
    assert (counted(lines, "Heartbeat"), counted(lines, "Errors")) == (0, 1)


def test_a_row_that_cant_be_expired_is_counted(log_lines: Lines) -> None:
    tables = Tables({"minute": "2026-11-24T09:00#0", "rid": "r-1", "key": "k", "state": "OPEN"})
    wired(database=tables)
    assert sweeper({}, CONTEXT) == {"expired": 0}
    assert counted(log_lines(), "RowsStuck") == 1


def test_each_scheduled_or_streamed_function_is_such_a_job() -> None:
    """Nobody would notice that a new function of this kind does not run, so it must be in the list."""
    for path in sorted((ROOT / "functions").glob("*/function.json")):
        if "event" in json.loads(path.read_text(encoding="utf-8")):
            code = (path.parent / "handler.py").read_text(encoding="utf-8")
            assert f'with job("{path.parent.name}"' in code, path.parent.name
