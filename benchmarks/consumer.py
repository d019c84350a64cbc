"""What a thousand records cost the stream consumer in writes, on DynamoDB Local, by batch and by keys in it.

The bar of the design is 3 write units a record: together with the four of the request no more than seven.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "shared")]

from gateway.aws.http import AwsHttp  # noqa: E402
from gateway.aws.sigv4 import Credentials  # noqa: E402
from gateway.domain.rollup import counted  # noqa: E402
from gateway.stores.dynamodb import Database, DynamoDB  # noqa: E402
from gateway.stores.usage import ROWS_A_TRANSACTION, UsageStore  # noqa: E402
from tools import dynamodb_local  # noqa: E402
from tools.local.deploy import table_request  # noqa: E402
from tools.manifest import load  # noqa: E402

RECORDS = 1_000


class Metered:
    """Counts transactions, and the write units that DynamoDB says they consumed."""

    def __init__(self, database: Database) -> None:
        self.database, self.calls, self.units = database, 0, 0.0

    def call(self, operation: str, request: Mapping[str, Any], *, attempts: int = 1) -> dict[str, Any]:
        reply = self.database.call(operation, {**request, "ReturnConsumedCapacity": "TOTAL"}, attempts=attempts)
        self.calls += 1
        self.units += sum(each["CapacityUnits"] for each in reply["ConsumedCapacity"])
        return reply


def rows(keys: int, number: int) -> list[Any]:
    choice = random.Random(number)
    return [
        counted(
            {
                "v": 1,
                "state": "SETTLED",
                "rid": f"req_{number}_{each}",
                "key": f"key{each % keys}",
                "tier": "free",
                **choice.choice(
                    [{"model": "gpt-4", "provider": "openai"}, {"model": "claude-3-sonnet", "provider": "bedrock"}]
                ),
                "created": 1_795_500_000_000_000,
                "settled": 1_795_500_001_000_000,
                "status": "ok",
                "latency_ms": round(choice.lognormvariate(7.6, 0.6)),  # a median of two seconds
                "actual": choice.randrange(10_000),
                "input_tokens": 100,
                "output_tokens": 50,
            }
        )
        for each in range(RECORDS)
    ]


def main() -> None:
    with dynamodb_local.running() as endpoint:
        database = DynamoDB(AwsHttp("dynamodb", "us-east-1", endpoint, lambda: Credentials("x", "y")), timeout=30)
        print(
            f"{'batch':>6} {'keys':>5} {'transactions':>13} {'units':>8} {'units a record':>15} {'of one by one':>14}"
        )
        single: dict[int, float] = {}
        number = 0
        for keys in (1, 50):
            for batch in (1, 10, 40):
                number += 1
                prefix = f"b{number}"
                for name, table in load(ROOT).tables.items():
                    if name in ("usage", "state"):
                        database.call("CreateTable", table_request(f"{prefix}-{name}", table))
                metered = Metered(database)
                store = UsageStore(metered, f"{prefix}-usage", f"{prefix}-state")
                records = rows(keys, number)
                size = min(batch, ROWS_A_TRANSACTION)
                for start in range(0, RECORDS, size):
                    store.count(records[start : start + size], 1_795_500_100)
                each = metered.units / RECORDS
                single.setdefault(keys, each)
                ratio = each / single[keys]
                print(f"{batch:>6} {keys:>5} {metered.calls:>13} {metered.units:>8.0f} {each:>15.2f} {ratio:>14.2f}")


if __name__ == "__main__":
    main()
