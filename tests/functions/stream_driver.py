"""The real rules of stream batches, which the emulator does not keep: partial failures, bisecting, retries, redelivery.

Source: "Using Lambda to process records from DynamoDB Streams", AWS Lambda Developer Guide.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

Record = Mapping[str, Any]
Invoke = Callable[[Sequence[Record]], Mapping[str, Any]]


def drive(records: Sequence[Record], invoke: Invoke, *, retries: int = 20) -> list[Record]:
    """Delivers a batch until it is done. Returns the records that were given up after this many retries of one batch.

    An exception halves the batch. A partial failure is retried from the lowest failed record on. That includes the
    records after it, whether they succeeded or not.
    """
    given_up: list[Record] = []
    waiting = [(list(records), retries)]
    while waiting:
        batch, left = waiting.pop(0)
        try:
            failed = {failure["itemIdentifier"] for failure in invoke(batch).get("batchItemFailures", [])}
        except Exception:  # noqa: BLE001  as Lambda does: whatever the function raised
            if len(batch) > 1:
                half = len(batch) // 2
                waiting[:0] = [(batch[:half], left), (batch[half:], left)]
            elif left:
                waiting.insert(0, (batch, left - 1))
            else:
                given_up += batch
            continue
        lowest = next((n for n, record in enumerate(batch) if number(record) in failed), None)
        if lowest is None:
            continue
        if left:
            waiting.insert(0, (batch[lowest:], left - 1))
        else:
            given_up += batch[lowest:]
    return given_up


def number(record: Record) -> str:
    return str(record["dynamodb"]["SequenceNumber"])
