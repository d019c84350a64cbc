"""Many callers of one key at once: no call is refused because others came in between, and each costs about one
write."""

import json
import os
import random
import threading
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from gateway.aws.http import AwsHttp, HttpReply
from gateway.config.document import TierLimits
from gateway.config.service import defaults
from gateway.dynamodb.attributes import to_item
from gateway.dynamodb.client import Database, DynamoDB
from gateway.errors import ConditionFailed, GatewayError, RateLimited
from gateway.ledger.admission import Demand, Terms, Windows
from gateway.ledger.limits_store import LimitsStore
from gateway.ledger.moves import Move, Variant
from gateway.limits import Bucket
from tests.contract.conftest import Tables
from tests.contract.world import NOW, TIERS, World, at_once
from tests.unit.ledger.test_moves import applied

LATENCY_SECONDS = 0.005
PROVE = bool(os.environ.get("PROVE"))
# No call ends here, so the number of calls in progress does not matter.
PACKAGED = {
    name: TierLimits.model_validate({**limits, "maxParallelRequests": None})
    for name, limits in defaults()["rateLimits"].items()
}


@dataclass
class DistantDatabase:
    """A database some milliseconds away. It counts the updates of the item that admits calls."""

    database: Database
    table: str
    updates: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def call(self, operation: str, request: Mapping[str, Any], *, attempts: int = 1) -> dict[str, Any]:
        if operation == "UpdateItem" and request["TableName"] == self.table:
            with self.lock:
                self.updates += 1
        time.sleep(LATENCY_SECONDS)
        return self.database.call(operation, request, attempts=attempts)


CASES = {
    # 1.0 to 1.4 writes. On a busy machine the clocks of the containers differ, and each call takes two or three.
    "one call each": (PACKAGED, 200, 1, 3.0),
    "twenty callers": (PACKAGED, 20, 40 if PROVE else 20, 1.5),
    "short bursts": (TIERS, 200 if PROVE else 100, 4, 1.5),
} | ({"eight calls each": (PACKAGED, 200, 8, 1.5)} if PROVE else {})


@pytest.mark.parametrize(("tiers", "callers", "calls", "most"), CASES.values(), ids=CASES)
def test_callers_at_once_hinder_nobody(
    tables: Tables, tiers: dict[str, TierLimits], callers: int, calls: int, most: float
) -> None:
    """Each caller has its own container; there is a key of each tier. A refusal always names a limit that is reached,
    and no more calls are admitted than the clock allows. Prints the figures that the documents quote."""
    updates = 0
    for tier, limits in tiers.items():
        world = World(tables, tier=tier, tiers=dict(tiers), clock=lambda: time.time_ns() // 1_000, key=f"key-{tier}")
        database = DistantDatabase(tables.database, tables["limits"])
        began = time.monotonic()
        codes, waits = together(world, database, callers, calls)
        admitted, updates = codes.count("admitted"), updates + database.updates
        print(
            f"{tier}, {callers} callers, {calls} calls of each: {admitted} of {len(codes)} admitted,"
            f" {database.updates / len(codes):.2f} writes a call, the longest took {max(waits):.2f} s"
        )
        assert set(codes) <= {"admitted", "requests", "tokens"}
        rate = limits.requests_per_minute
        assert admitted <= (limits.burst or rate) + (time.monotonic() - began) * rate / 60
    assert updates / (callers * calls * len(tiers)) <= most


def together(world: World, database: Database, callers: int, calls: int) -> tuple[list[str], list[float]]:
    """The outcome of every call, and how many seconds it took."""
    codes: list[str] = []
    waits: list[float] = []
    world.admit(world.ledger())

    def container() -> None:
        ledger = world.ledger(database)
        for _ in range(calls):
            started = time.monotonic()
            try:
                world.admit(ledger, tokens=1_200)
                codes.append("admitted")
            except RateLimited as error:
                codes.append(error.code if error.code == "contention" else error.details["dimension"])
            waits.append(time.monotonic() - started)

    at_once(callers, container)
    return codes, waits


class TransactingHttp:
    """Refuses a write to an item on which a transaction is in progress, as AWS does and DynamoDB Local does not."""

    def __init__(self, http: AwsHttp) -> None:
        self.http, self.lock, self.under_way, self.met = http, threading.Lock(), 0, threading.Event()

    def post(self, path: str, body: bytes, headers: Mapping[str, str], timeout: float) -> HttpReply:
        operation = headers["x-amz-target"].rpartition(".")[2]
        writes = operation in ("UpdateItem", "TransactWriteItems") and b'-limits"' in body
        with self.lock:
            if writes and self.under_way:
                self.met.set()
                return self._refusal(operation)
            self.under_way += writes and operation == "TransactWriteItems"
        try:
            if writes and operation == "TransactWriteItems":
                self.met.wait(10)  # the first one, until another call meets it
            return self.http.post(path, body, headers, timeout)
        finally:
            if writes and operation == "TransactWriteItems":
                with self.lock:
                    self.under_way -= 1

    @staticmethod
    def _refusal(operation: str) -> HttpReply:
        if operation == "UpdateItem":
            return HttpReply(400, {}, b'{"__type": "x#TransactionConflictException"}')
        reasons = [{"Code": "None"}, {"Code": "TransactionConflict"}]
        body = {"__type": "x#TransactionCanceledException", "CancellationReasons": reasons}
        return HttpReply(400, {}, json.dumps(body).encode())


def test_the_first_calls_of_a_key_at_once_are_refused_by_nothing(tables: Tables) -> None:
    """Each call makes the key's item with a transaction if it finds none, and meets the transactions of the others."""
    world = World(tables, tier="enterprise", tiers=dict(PACKAGED), clock=lambda: time.time_ns() // 1_000)
    http = TransactingHttp(tables.http)
    database = DynamoDB(http, timeout=30)
    failed: list[str] = []

    def container() -> None:
        try:
            world.admit(world.ledger(database), tokens=1_200)
        except GatewayError as error:
            failed.append(error.code)

    at_once(30, container)
    assert (failed, len(world.rows())) == ([], 30)
    assert http.met.is_set()


def test_the_store_moves_a_bucket_as_the_model_says(tables: Tables) -> None:
    """Random items, and every move that may be requested, right or wrong: the result is as `applied` of tests/unit
    says."""
    choice, now = random.Random(1), NOW
    demand, windows = Demand(0, 0), Windows.at(now)
    store = LimitsStore(tables.database, tables["limits"], tables["api-keys"])
    happened = Counter[tuple[str, bool]]()
    for number in range(400):
        bucket = Bucket(choice.choice([10, 600, 10_000]), choice.choice([1, 3, 100]))
        near = [now - bucket.slack + choice.randrange(-300_000, 300_000) for _ in range(2)]
        near[1] = choice.choice(near)
        item = {name: value for name, value in zip(("tat", "tat_3"), near, strict=True) if choice.random() < 0.8}
        if "tat" not in item:
            item = {}
        extra = choice.choice([0, 20_000])
        least = now - bucket.slack - extra
        move = choice.choice(
            [Move("idle"), Move("busy", least, extra), Move("busy", least, extra, label=3), Move("either", label=3)]
        )
        identifier = f"key{number}"
        put = {"id": identifier, "st": "A", "kv": 1, "tat_5": 1} | item
        tables.database.call("PutItem", {"TableName": tables["limits"], "Item": to_item(put)})
        expected = applied({**item, "tat_5": 1}, move, bucket, now)
        try:
            terms, variant = Terms({"requests_per_minute": bucket}), Variant({"tat": move})
            after = store.admit(identifier, 1, terms, demand, windows, variant)
        except ConditionFailed:
            after = {}
        arrivals = {name: value for name, value in after.items() if name.startswith("tat")}
        assert arrivals == (expected or {}), (item, move)
        happened[move.form, bool(after)] += 1
    assert len(happened) == 6, happened
