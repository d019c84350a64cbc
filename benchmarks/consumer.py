"""What a thousand records cost the stream consumer in writes, on DynamoDB Local, by batch and by keys in it.

All that it writes is counted: sums, last uses, what health shows. The bar of the design is 3 write units a record:
together with the four of the request no more than seven.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
# A script's own folder stands on the path, not the project's: what is imported from it comes behind this.
sys.path[:0] = [str(ROOT), str(ROOT / "shared")]

from gateway.aws.http import AwsHttp  # noqa: E402
from gateway.aws.sigv4 import Credentials  # noqa: E402
from gateway.billing.consumer import Rollup  # noqa: E402
from gateway.billing.counting import Counting  # noqa: E402
from gateway.billing.last_used import LastUsed  # noqa: E402
from gateway.billing.parked_store import ParkedStore  # noqa: E402
from gateway.billing.store import UsageStore  # noqa: E402
from gateway.dynamodb.attributes import to_item  # noqa: E402
from gateway.dynamodb.client import Database, DynamoDB  # noqa: E402
from gateway.health.observed import Observed  # noqa: E402
from gateway.health.store import HealthStore  # noqa: E402
from gateway.identity.store import KeyRecord, KeyStore  # noqa: E402
from gateway.keys.uses_store import UseStore  # noqa: E402
from tools import dynamodb_local  # noqa: E402
from tools.local.deploy import table_request  # noqa: E402
from tools.manifest import load  # noqa: E402

RECORDS = 1_000
MIDNIGHT = 1_795_478_400
MODELS = [{"model": "gpt-4", "provider": "openai"}, {"model": "claude-3-sonnet", "provider": "bedrock"}]


class Metered:
    """Counts writes, and the units that DynamoDB says they consumed."""

    def __init__(self, database: Database) -> None:
        self.database, self.writes, self.units = database, 0, 0.0

    def call(self, operation: str, request: Mapping[str, Any], *, attempts: int = 1) -> dict[str, Any]:
        reply = self.database.call(operation, {**request, "ReturnConsumedCapacity": "TOTAL"}, attempts=attempts)
        self.writes += 1
        self.units += reply["ConsumedCapacity"]["CapacityUnits"]
        return reply


def records(keys: int) -> list[dict[str, Any]]:
    """The calls of a day, evenly spread over it and over the keys."""
    choice = random.Random(keys)
    changes = []
    for number in range(RECORDS):
        moment = (MIDNIGHT + number * 86_400 // RECORDS) * 1_000_000
        row = {
            "v": 1,
            "state": "SETTLED",
            "rid": f"req_{number}",
            "key": f"key{number % keys:09}",
            "n": number // keys + 1,
            "tier": "free",
            **choice.choice(MODELS),
            "created": moment,
            "settled": moment + 2_000_000,
            "status": "ok",
            "latency_ms": round(choice.lognormvariate(7.6, 0.6)),  # a median of two seconds
            "actual": choice.randrange(90_000),
            "input_tokens": choice.randrange(2_000),
            "output_tokens": choice.randrange(500),
        }
        change = {"SequenceNumber": str(number), "NewImage": to_item(row)}
        changes.append({"eventName": "MODIFY", "dynamodb": change})
    return changes


def consumer(database: Database, prefix: str, clock: list[float]) -> Rollup:
    def now() -> float:
        return clock[0]

    state = f"{prefix}-state"
    after = (LastUsed(UseStore(database, state)).note, Observed(HealthStore(database, state), now).note)
    return Rollup(Counting(UsageStore(database, f"{prefix}-usage"), now), ParkedStore(database, state), now, after)


def main() -> None:
    with dynamodb_local.running() as endpoint:
        database = DynamoDB(AwsHttp("dynamodb", "us-east-1", endpoint, lambda: Credentials("x", "y")), timeout=30)
        print(f"{'batch':>6} {'keys':>5} {'writes':>7} {'units':>7} {'units a record':>15} {'of one by one':>14}")
        single: dict[int, float] = {}
        for keys in (1, 50):
            for batch in (1, 10, 100):
                prefix = f"b{keys}-{batch}"
                for name, table in load(ROOT).tables.items():
                    if name in ("usage", "state", "api-keys"):
                        database.call("CreateTable", table_request(f"{prefix}-{name}", table))
                store = KeyStore(database, f"{prefix}-api-keys")
                for key in range(keys):
                    store.create(
                        KeyRecord(f"key{key:09}", "0" * 64, "k", "free", ("models",), "2026-11-24T00:00:00.000Z")
                    )
                metered, clock = Metered(database), [0.0]
                rollup, changes = consumer(metered, prefix, clock), records(keys)
                for start in range(0, RECORDS, batch):
                    clock[0] = MIDNIGHT + (start + batch) * 86_400 / RECORDS
                    if rollup.apply(changes[start : start + batch]):
                        raise SystemExit("records failed")
                each = metered.units / RECORDS
                ratio = each / single.setdefault(keys, each)
                print(f"{batch:>6} {keys:>5} {metered.writes:>7} {metered.units:>7.0f} {each:>15.2f} {ratio:>14.2f}")


if __name__ == "__main__":
    main()
