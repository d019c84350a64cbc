"""Money over every surface and kind of endpoint: many callers at once, streamed and not, through both doors' real
functions; providers that fail in any way, clients that hang up anywhere, a server that is killed with calls under way,
and budgets of keys, users and a team that refuse some of them. What rows say is what the fake upstream counted."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pytest

from gateway.ledger.admission import bookings_of
from gateway.ledger.closing.reconcile import Reconciler
from gateway.ledger.closing.sweep_store import SweepCursor
from gateway.ledger.closing.sweeper import Sweeper
from gateway.ledger.rows_store import LENGTHS, RowStore
from tests.contract.front import Gateway, Place
from tests.contract.money.checked import checked
from tests.contract.money.run import Run
from tests.contract.streaming_server import Server
from tests.upstream import messages_judge, responses_judge

PROVE = bool(os.environ.get("PROVE"))
SEEDS, CALLS, DOOMED = (range(20), 200, 12) if PROVE else (range(2), 130, 8)
HOUR = 3_600_000_000


@pytest.fixture(scope="module", autouse=True)
def judges() -> None:
    messages_judge.warm()
    responses_judge.warm()


@pytest.fixture
def place() -> Place:
    return Place(providers="openai,bedrock,anthropic")


@pytest.fixture
def server(gateway: Gateway) -> Iterator[Callable[[], Server]]:
    started: list[Server] = []

    def start() -> Server:
        started.append(Server())
        return started[-1]

    yield start
    for each in started:
        each.process.kill()
        each.process.wait()
        each.close()


@pytest.mark.parametrize("seed", SEEDS)
def test_rows_say_what_the_upstream_counted(gateway: Gateway, server: Callable[[], Server], seed: int) -> None:
    run = Run.of(gateway, seed, CALLS, DOOMED)
    run.make(server(), server())
    assert run.wrong == []
    swept(run)
    account = checked(run)
    print(seed, account)
    print(*account.wrong, sep="|||")
    assert account.wrong == []
    assert account.rows == account.counted + account.waits
    closed(run)


def swept(run: Run) -> None:
    """What died is expired, once its time is over."""
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


def closed(run: Run) -> None:
    """Nothing is held, no account's sums differ from its rows, and no budget is passed."""
    rows, tables = run.gateway.rows(), run.gateway.tables
    items = [run.limits.get(account) for account in run.accounts]
    ends = max([row["created"] for row in rows] + [each.ends for item in items for each in bookings_of(item)])
    store = RowStore(tables.database, tables["request-analytics"])
    assert Reconciler(run.limits, store, lambda: ends + HOUR).reconcile().drift == 0
    for account in run.accounts.values():
        item = run.limits.get(account.id)
        holders = [row for row in rows if account.id in (row["key"], *(each["id"] for each in row["accounts"]))]
        spent = sum(row["actual"] for row in holders)
        assert (item["spent_total"], item["used_total"], item.get("inflight", 0)) == (spent, spent, 0), account
        assert spent <= account.budget
