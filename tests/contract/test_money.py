"""Money over every surface and kind of endpoint, through the real functions of both doors. Many callers call at once,
streamed and not. Providers fail in any way, clients hang up anywhere, and a server is killed during calls. Budgets
of keys, users and a team refuse some calls. The rows must have the counts of the fake upstream."""

from __future__ import annotations

import math
import os
import random
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from gateway.billing.store import UsageStore, counters_of
from gateway.ledger.admission import bookings_of
from gateway.ledger.closing.reconcile import Reconciler
from gateway.ledger.closing.sweep_store import SweepCursor
from gateway.ledger.closing.sweeper import Sweeper
from gateway.ledger.rows_store import LENGTHS, RowStore
from tests.contract.front import Gateway, Place
from tests.contract.money.checked import checked
from tests.contract.money.run import Run, held_by
from tests.contract.streaming_server import Server
from tests.contract.test_consumer import consumer, invoke, record
from tests.functions.stream_driver import drive
from tests.upstream import messages_judge, responses_judge

PROVE = bool(os.environ.get("PROVE"))
SEEDS, CALLS, DOOMED = (range(20), 200, 12) if PROVE else (range(2), 110, 6)
HOUR = 3_600_000_000


@pytest.fixture(scope="module", autouse=True)
def judges() -> None:
    messages_judge.warm()
    responses_judge.warm()


@pytest.fixture
def place() -> Place:
    return Place(providers="openai,bedrock,anthropic")


@pytest.mark.parametrize("seed", SEEDS)
def test_rows_say_what_the_upstream_counted(gateway: Gateway, server: Callable[[], Server], seed: int) -> None:
    run = Run.of(gateway, seed, CALLS, DOOMED)
    run.make(server(), server())
    assert run.wrong == [], "an account was beyond its budget while it ran"
    swept(run)
    account = checked(run)
    assert account.wrong == []
    # The additional cost of streams that paused is shown separately: it depends on seconds, which nobody else counted.
    assert account.rows == account.counted + account.waits
    assert account.killed > 0
    assert overrun(run) == []
    closed(run)
    billed(run)
    if PROVE:
        account.tell(f"seed {seed}, {run.looks} looks at accounts")


def swept(run: Run) -> None:
    """Calls whose server died are expired after their time is over."""
    tables = run.gateway.tables
    rows = run.gateway.rows()
    dead = [row for row in rows if row["state"] == "OPEN"]
    first = min(row["created"] for row in rows)
    later = max(row["deadline"] for row in rows) * 1_000_000 + HOUR
    cursor = SweepCursor(tables.database, tables["state"])
    store = RowStore(tables.database, tables["request-analytics"])
    for length in LENGTHS:
        cursor.write(first // 60_000_000 - 1, length)
    assert Sweeper(store, run.limits, cursor, lambda: later).sweep() == len(dead) > 0
    assert {row["state"] for row in run.gateway.rows()} == {"SETTLED", "EXPIRED"}


def closed(run: Run) -> None:
    """Nothing is held, no account's sums differ from its rows, and no budget is exceeded."""
    rows, tables = run.gateway.rows(), run.gateway.tables
    items = [run.limits.get(account) for account in run.accounts]
    ends = max([row["created"] for row in rows] + [each.ends for item in items for each in bookings_of(item)])
    store = RowStore(tables.database, tables["request-analytics"])
    assert Reconciler(run.limits, store, lambda: ends + HOUR).reconcile().drift == 0
    for account in run.accounts.values():
        item, spent = run.limits.get(account.id), sum(row["actual"] for row in held_by(account, rows))
        assert (item["spent_total"], item["used_total"], item.get("inflight", 0)) == (spent, spent, 0), account
        assert spent <= account.budget


def billed(run: Run) -> None:
    """The consumer gets every row, some of them twice and in any order, and counts each once."""
    tables, rows, chance = run.gateway.tables, run.gateway.rows(), random.Random(run.seed)
    records = [record(row, number) for number, row in enumerate([*rows, *chance.sample(rows, len(rows) // 3)])]
    chance.shuffle(records)
    assert drive(records, invoke(consumer(tables))) == []
    days = sorted({f"{datetime.fromtimestamp(row['created'] / 1e6, UTC):%Y-%m-%d}" for row in rows})
    found: dict[str, Counter[str]] = {}
    for item in UsageStore(tables.database, tables["usage"]).between(days[0], days[-1]):
        found.setdefault(item["key"], Counter()).update(counters_of(item))
    for _, key in run.keys:
        mine = [row for row in rows if row["key"] == key]
        sums = found.get(key, Counter())
        assert sums["*|*|n"] == len(mine)
        assert sums["*|*|cost"] == sum(row["actual"] for row in mine)


def overrun(run: Run) -> list[str]:
    """Whether any budget was exceeded at any moment, by the rows and by the fake's own clock. A call holds at least its
    smallest estimate from the arrival of its request until the last of its answer was written, or its client left.
    From then on it holds at least its cost."""
    spans, wrong = list[tuple[float, float, int, dict[str, Any]]](), list[str]()
    rows = {row["correlation"]: row for row in run.gateway.rows()}
    for call in run.calls:
        row, sent = rows.get(call.mark), run.deliveries(call.mark)
        if row is None or not sent:
            continue
        left = [read.left for read in run.reads[call.number] if read.left is not None]
        ends = math.inf if row["state"] == "EXPIRED" else min([sent[-1].last, *left])
        spans.append((sent[0].began, ends, min(row["est"], call.asked.hold), row))
    for account in run.accounts.values():
        mine = [each for each in spans if each[3] in held_by(account, [each[3]])]
        for at, *_ in mine:
            used = sum(est if began <= at < ends else row["actual"] for began, ends, est, row in mine if began <= at)
            if used > account.budget:
                wrong.append(f"{account.id}: {used} of {account.budget}")
    return wrong
