"""Streams that end early, on every pair of dialects: at each piece, with each kind of end, there is one row that is
settled once, and the sums agree with the rows."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, cast

import pytest

from gateway import wiring
from gateway.calls.call import Call
from gateway.calls.completions import Way
from gateway.calls.streaming import Begun, Streaming
from gateway.errors import BudgetExceeded, ClientGone, GatewayError, StoreUnavailable, Unauthorized
from gateway.identity.caller import Caller
from gateway.ledger.admission import bookings_of
from gateway.ledger.closing.reconcile import Reconciler
from gateway.ledger.limits_store import LimitsStore
from gateway.ledger.rows_store import RowStore
from gateway.models.money import micro
from tests.contract.conftest import DroppingDatabase, LossyDatabase
from tests.contract.front import Gateway, Place
from tests.contract.test_endpoints import PRICE, WAYS
from tests.upstream import Steer, messages_judge

HOUR = 3_600_000_000
TEXT = "Hello there, and good day."
BUDGET = 50.0
# If the model can't think, or was not asked to and would need that, the output that was seen is billed.
SEEN = WAYS | {"plain": ("openai/gpt-4o", {}, "/v1/chat/completions")}
PAIRS = [(dialect, name) for dialect in ("chat", "messages") for name in SEEN]
BOUNDED = ("chat", "openai")  # models that may think unseen
ENDED = ("ok", "client_closed_request")


@pytest.fixture(scope="module", autouse=True)
def judge() -> None:
    messages_judge.warm()


@pytest.fixture
def place() -> Place:
    return Place(providers="openai,bedrock,anthropic")


class Key:
    """A key with a budget that calls one target."""

    def __init__(self, gateway: Gateway, name: str, dialect: str = "chat", **fields: Any) -> None:
        target, said, _ = SEEN[name]
        config = {
            "models": {"it": {"target": target} | said},
            "prices": {target: PRICE},
            "circuitBreaker": {"failureThreshold": 10_000},
        }
        reply = gateway.post("/api/v1/admin/config", config)
        assert reply.status == 200, reply.text
        gateway.restart()
        self.gateway, self.dialect = gateway, dialect
        self.text, self.id = gateway.new_key(**{"max_budget": BUDGET, "budget_duration": "total"} | fields)
        self.limits = LimitsStore(gateway.tables.database, gateway.tables["limits"], gateway.tables["api-keys"])

    @property
    def caller(self) -> Caller:
        found = wiring.gateway().identity.verify(self.text)
        assert found is not None
        return found

    def call(self, *, streams: bool = True, caller: Caller | None = None, **body: Any) -> Call:
        asked = {"model": "it", "messages": [{"role": "user", "content": "Hello!"}], "max_tokens": 50} | body
        return wiring.gateway().completions.start(
            caller or self.caller,
            asked | ({"stream": True} if streams else {}),
            correlation_id="c",
            seconds_left=890,
            way=Way(self.dialect, streams=True, wake=0.05),
        )

    def begun(self, gone: Callable[[], bool] = lambda: False, **body: Any) -> Begun:
        return Streaming(self.call(**body), gone).begun()

    def rows(self) -> list[dict[str, Any]]:
        return [row for row in self.gateway.rows() if row["key"] == self.id]

    def item(self) -> dict[str, Any]:
        return self.limits.get(self.id)

    def check(self, calls: int, *, drift: int = 0) -> list[dict[str, Any]]:
        """There is one row for each call, and all have ended. The spent amount is that of the rows, nothing is held,
        and the reconcile finds no drift."""
        rows = self.rows()
        assert [row["state"] for row in rows] == ["SETTLED"] * calls
        spent = sum(row["actual"] for row in rows)
        reconciled = self.reconcile(rows)
        assert reconciled <= drift
        item = self.item()
        assert (item["spent_total"], item["used_total"], item.get("inflight", 0)) == (spent, spent, 0)
        assert all(0 <= row["actual"] <= row["est"] for row in rows)
        return rows

    def reconcile(self, rows: list[dict[str, Any]]) -> int:
        """The drift, in micro-dollars, of the hours that have ended one hour later."""
        item = self.item()
        ends = max([row["created"] for row in rows] + [booking.ends for booking in bookings_of(item)])
        store = RowStore(self.gateway.tables.database, self.gateway.tables["request-analytics"])
        return Reconciler(self.limits, store, lambda: ends + HOUR).reconcile().drift


def read(pieces: Iterator[bytes], taken: int | None = None) -> list[bytes]:
    found: list[bytes] = []
    while taken is None or len(found) < taken:
        try:
            found.append(next(pieces))
        except StopIteration:
            break
    return found


@pytest.mark.parametrize(("dialect", "name"), PAIRS)
def test_a_hang_up_at_every_piece(gateway: Gateway, dialect: str, name: str) -> None:
    gateway.fake.decide = lambda seen: Steer(text=TEXT)
    key = Key(gateway, name, dialect)
    whole = len(read(key.begun(max_tokens=500)))
    for taken in range(whole):
        pieces = key.begun(max_tokens=500)
        read(pieces, taken)
        pieces.close()
        pieces.close()
        assert pieces.charged == key.rows()[-1]["actual"]
    first, *rows = key.check(1 + whole)
    assert {row["status"] for row in rows} <= {*ENDED}
    assert rows[0]["status"] == "client_closed_request"
    # Never less than the output so far, at the price at which the whole answer was billed.
    produced = first["prompt_cost"]
    for row in rows:
        assert row["actual"] >= produced
        told = row.get("usage_source") == "provider"
        if name in BOUNDED and not told:
            assert (row["actual"], row["attempts"][0]["verdict"]) == (row["est"], "unknown")
        elif row["status"] != "ok":
            assert row["attempts"][0]["verdict"] == "cut"
        if told:
            assert row["actual"] == first["actual"]


@pytest.mark.parametrize(("dialect", "name"), PAIRS)
@pytest.mark.parametrize("kind", ["reset", "error"])
def test_an_upstream_that_breaks_off_at_every_event(gateway: Gateway, dialect: str, name: str, kind: str) -> None:
    key = Key(gateway, name, dialect)
    events = 10
    for after in range(events):
        gateway.fake.script(
            Steer(text=TEXT, reset="body", after=after)
            if kind == "reset"
            else Steer(text=TEXT, stream_error="overloaded_error", after=after)
        )
        with suppress(GatewayError):
            read(key.begun())
    rows = key.check(events)
    failed = [row for row in rows if row["status"] != "ok"]
    assert len(failed) > 3
    for row in failed:
        (attempt,) = row["attempts"]
        assert attempt["verdict"] in ("unknown", "cut", "refused")
        assert (row["actual"] == 0) is (attempt["verdict"] == "refused")
    assert {row["attempts"][0]["verdict"] for row in failed if row is not failed[0]} & {"unknown", "cut"}


@pytest.mark.parametrize(("dialect", "name"), PAIRS)
def test_a_client_that_leaves_while_it_waits(gateway: Gateway, dialect: str, name: str) -> None:
    """Nothing of a whole answer has come, so nobody knows how much was produced."""
    key = Key(gateway, name, dialect)
    asked = iter([False, True])
    gateway.fake.decide = lambda seen: Steer(text=TEXT, delay=30)
    for streams in (False, True):
        asked = iter([False, True])

        def gone(asked: Iterator[bool] = asked) -> bool:
            return next(asked)

        call = key.call(streams=streams)
        with pytest.raises(ClientGone) as left:
            Streaming(call, gone).begun() if streams else call.gather(gone)
        assert left.value.charged == call.cost.total > 0
    rows = key.check(2)
    assert [row["status"] for row in rows] == ["client_closed_request"] * 2
    assert [row["actual"] for row in rows] == [row["est"] for row in rows]


def test_gone_at_the_last_event_is_an_answer(gateway: Gateway) -> None:
    gateway.fake.decide = lambda seen: Steer(text=TEXT)
    key = Key(gateway, "plain")
    events = 0

    def counting() -> bool:
        nonlocal events
        events += 1
        return False

    read(key.begun(counting))
    last, asked = events, 0

    def gone() -> bool:
        nonlocal asked
        asked += 1
        return asked == last

    with pytest.raises(ClientGone):
        read(key.begun(gone))
    rows = key.check(2)
    assert [(row["status"], row["actual"]) for row in rows] == [("ok", rows[0]["actual"])] * 2


def test_another_thread_s_close_and_a_reader_s_own_end_settle_once(gateway: Gateway) -> None:
    gateway.fake.decide = lambda seen: Steer(text=TEXT, chunk_delay=0.01)
    key = Key(gateway, "plain")
    for taken in range(6):
        pieces = key.begun()
        read(pieces, taken)
        closer = threading.Thread(target=pieces.close)
        closer.start()
        closer.join()
        pieces.close()
    key.check(6)


@pytest.mark.parametrize("name", ["messages", "invoke"])
def test_a_told_prompt_lowers_the_hold_once(gateway: Gateway, name: str) -> None:
    """And the amount that the row then holds is the most that is charged."""
    key = Key(gateway, name, "messages")
    gateway.fake.decide = lambda seen: Steer(text=TEXT)
    long = [{"role": "user", "content": "x" * 20_000}]
    pieces = key.begun(messages=long)
    (row,) = key.rows()
    assert row["state"] == "OPEN"
    whole = key.call(streams=False, messages=long)
    before = whole.hold.row.est
    whole.gather()
    assert row["est"] * 2 < before
    assert key.item()["used_total"] - key.rows()[-1]["actual"] == row["est"]
    pieces.close()
    rows = key.check(2)
    assert 0 < rows[0]["actual"] <= row["est"]


@pytest.mark.parametrize("dropped", [False, True], ids=["replies", "requests"])
@pytest.mark.parametrize("number", range(1, 6))
def test_whatever_is_lost_between_lowering_and_release(gateway: Gateway, number: int, dropped: bool) -> None:
    key = Key(gateway, "messages", "messages")
    gateway.fake.decide = lambda seen: Steer(text=TEXT)
    ledger = wiring.gateway().completions.ledger
    long = [{"role": "user", "content": "x" * 20_000}]
    call = key.call(messages=long)
    made = 0

    def lose(_operation: str, _number: int) -> bool:
        nonlocal made
        made += 1
        return made == number

    database = gateway.tables.database
    for store in (cast(Any, ledger.limits), cast(Any, ledger.rows)):
        wrapped = DroppingDatabase(database, lose) if dropped else LossyDatabase(database, lose)
        store._database = wrapped
    pieces = Streaming(call).begun()
    read(pieces, 3)
    pieces.close()
    gateway.restart()
    (row,) = key.rows()
    if row["state"] == "OPEN":  # the settlement was lost, so the row is swept with the amount that it holds
        assert dropped
        from gateway.ledger.closing.sweep_store import SweepCursor
        from gateway.ledger.closing.sweeper import Sweeper

        cursor = SweepCursor(database, gateway.tables["state"])
        cursor.write(row["created"] // 60_000_000 - 1, "long")
        later = row["deadline"] * 1_000_000 + HOUR
        rows = RowStore(database, gateway.tables["request-analytics"])
        assert Sweeper(rows, key.limits, cursor, lambda: later).sweep() == 1
        (row,) = key.rows()
        assert (row["state"], row["actual"]) == ("EXPIRED", row["est"])
    key.reconcile([row])
    item = key.item()
    assert (item["spent_total"], item["used_total"], item.get("inflight", 0)) == (row["actual"], row["actual"], 0)


def test_a_budget_that_is_lowered_and_a_key_that_is_revoked_in_mid_stream(gateway: Gateway) -> None:
    gateway.fake.decide = lambda seen: Steer(text=TEXT)
    key = Key(gateway, "plain")
    caller = key.caller
    pieces = key.begun()
    reply = gateway.ask("PATCH", f"/api/v1/admin/keys/{key.id}", {"max_budget": 0.000001})
    assert reply.status == 200, reply.text
    with pytest.raises(BudgetExceeded):
        key.call(caller=caller)
    assert gateway.ask("DELETE", f"/api/v1/admin/keys/{key.id}").status < 300
    with pytest.raises(Unauthorized):
        key.call(caller=caller)
    assert b"[DONE]" in read(pieces)[-1]  # a call that was admitted goes on to its end
    key.check(1)


def test_a_store_that_is_down_at_the_end_takes_no_answer_away(gateway: Gateway) -> None:
    gateway.fake.decide = lambda seen: Steer(text=TEXT)
    key = Key(gateway, "plain")
    call = key.call()
    pieces = Streaming(call).begun()
    ledger = wiring.gateway().completions.ledger

    def down(_operation: str, _number: int) -> bool:
        return True

    for store in (cast(Any, ledger.limits), cast(Any, ledger.rows)):
        store._database = DroppingDatabase(gateway.tables.database, down)
    assert b"[DONE]" in read(pieces)[-1]
    with pytest.raises(StoreUnavailable):
        key.call()
    gateway.restart()
    assert [row["state"] for row in key.rows()] == ["OPEN"]
    assert micro(BUDGET) > key.item()["used_total"] > 0
