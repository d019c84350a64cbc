"""The streaming server in its own process: clients that leave, many at once, kill -9 in the middle of a stream, an
Idempotency-Key that is sent twice. Each call ends in one row, and the sums agree with the rows."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import threading
from collections.abc import Callable

import pytest

from gateway.ledger.closing.sweep_store import SweepCursor
from gateway.ledger.closing.sweeper import Sweeper
from gateway.ledger.rows_store import LENGTHS, RowStore
from tests.contract.front import Gateway, Place
from tests.contract.streaming_server import CHAT, Server, until
from tests.contract.test_interrupted import HOUR, Key
from tests.upstream import Steer, messages_judge


@pytest.fixture(scope="module", autouse=True)
def judge() -> None:
    messages_judge.warm()


@pytest.fixture
def place() -> Place:
    return Place(providers="openai,bedrock,anthropic")


def leave(response: http.client.HTTPResponse) -> None:
    """As a client that is gone: its socket is closed while more data is coming."""
    assert response.fp is not None
    response.fp.raw._sock.shutdown(socket.SHUT_RDWR)  # type: ignore[attr-defined]
    response.close()


def test_two_hundred_streams_of_which_every_other_client_leaves(gateway: Gateway, server: Callable[[], Server]) -> None:
    gateway.fake.decide = lambda seen: Steer(text="word " * 40, chunk_delay=0.1)
    key = Key(gateway, "plain", max_budget=500.0)
    served = server()
    assert b"[DONE]" in served.post(key.text).read()
    threads, sockets = served.threads, served.sockets
    outcomes: list[bool] = []

    def stream(leaves: bool) -> None:
        response = served.post(key.text)
        assert response.status == 200
        if leaves:
            response.read(50)
            leave(response)
        else:
            assert response.read().endswith(b"data: [DONE]\n\n")
        outcomes.append(leaves)

    clients = [threading.Thread(target=stream, args=(number % 2 == 0,)) for number in range(200)]
    for each in clients:
        each.start()
    for each in clients:
        each.join()
    assert sorted(outcomes) == [False] * 100 + [True] * 100
    until(lambda: {row["state"] for row in key.rows()} == {"SETTLED"}, "every row ends")
    rows = key.check(201)
    ends = [row["status"] for row in rows]
    # A client that left may have been answered before the server noticed.
    assert ends.count("ok") + ends.count("client_closed_request") == 201
    assert ends.count("client_closed_request") > 50
    # Idle connections are kept for the next calls, to the provider and to the tables: 64 of each.
    until(lambda: served.sockets <= sockets + 128, "its sockets are closed")
    assert served.threads == threads
    assert served.told == "", "a hang-up is no defect"


def test_kill_9_in_mid_stream_charges_the_hold_as_it_was_lowered(
    gateway: Gateway, server: Callable[[], Server]
) -> None:
    gateway.fake.decide = lambda seen: Steer(text="word " * 40, chunk_delay=0.2)
    key = Key(gateway, "messages")
    served = server()
    body = CHAT | {"messages": [{"role": "user", "content": "x" * 20_000}]}
    response = served.post(key.text, "/v1/messages", body, anthropic_version="2023-06-01")
    assert response.status == 200
    assert b"message_start" in response.read(60)
    before = key.call(streams=False, messages=body["messages"]).hold.row  # another call like it, which dies too
    row = next(row for row in key.rows() if row["rid"] != before.rid)
    assert (row["state"], row["est"] * 2 < before.est) == ("OPEN", True)
    os.kill(served.process.pid, signal.SIGKILL)
    served.process.wait()
    cursor = SweepCursor(gateway.tables.database, gateway.tables["state"])
    cursor.write(row["created"] // 60_000_000 - 1, "long")
    store = RowStore(gateway.tables.database, gateway.tables["request-analytics"])
    after = before.created // 1_000_000 + LENGTHS["long"] + 120
    for later, swept in ((row["deadline"] - 1, 0), (after, 2)):
        sweeper = Sweeper(store, key.limits, cursor, lambda later=later: later * 1_000_000)  # type: ignore[misc]
        assert sweeper.sweep() == swept
    rows = key.rows()
    assert [each["state"] for each in rows] == ["EXPIRED"] * 2
    assert {each["actual"] for each in rows} == {row["est"], before.est}
    assert key.reconcile(rows) == 0
    item = key.item()
    assert (item["spent_total"], item["used_total"], item["inflight"]) == (row["est"] + before.est,) * 2 + (0,)
    assert row["deadline"] * 1_000_000 - row["created"] < HOUR


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages"])
def test_a_stream_s_idempotency_key(gateway: Gateway, server: Callable[[], Server], path: str) -> None:
    gateway.fake.decide = lambda seen: Steer(text="word " * 20, chunk_delay=0.05)
    key = Key(gateway, "messages")
    served = server()
    first = served.post(key.text, path, idempotency_key="a")
    rid = first.headers["x-gateway-request-id"]
    under_way = served.post(key.text, path, idempotency_key="a")
    assert (under_way.status, under_way.headers["x-gateway-request-id"]) == (409, rid)
    assert "idempotency_in_progress" in under_way.read().decode() or path == "/v1/messages"
    assert len(first.read()) > 100
    until(lambda: key.rows()[0]["state"] == "SETTLED", "it ends")
    again = served.post(key.text, path, idempotency_key="a")
    assert (again.status, again.headers["x-gateway-request-id"]) == (409, rid)
    assert rid in again.read().decode()
    other = served.post(key.text, path, {**CHAT, "stream": False}, idempotency_key="a")
    assert other.status == 422
    whole = [served.post(key.text, path, {**CHAT, "stream": False}, idempotency_key="b") for _ in range(2)]
    texts = [each.read() for each in whole]
    assert [each.status for each in whole] == [200, 200]
    assert texts[0] == texts[1]
    assert whole[1].headers["idempotency-replayed"] == "true"
    key.check(2)
