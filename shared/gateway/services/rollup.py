"""The stream consumer: every settled row counts once, whatever the stream delivers twice, late or in pieces."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from gateway import observability
from gateway.domain.rollup import Counted, PoisonRow, counted
from gateway.errors import StoreError, StoreUnavailable
from gateway.services.counting import Counting
from gateway.stores.attributes import from_item

Record = Mapping[str, Any]


class Parked(Protocol):
    def park(self, record: str, reason: str, identifier: str, now: int) -> None: ...


@dataclass(frozen=True, slots=True)
class Rollup:
    """`now` gives seconds since the epoch. Each of `after` is told the rows of a batch that are counted now; what fails
    there fails no batch."""

    counting: Counting
    parked: Parked
    now: Callable[[], float] = time.time
    after: Sequence[Callable[[Sequence[Counted]], None]] = ()

    def apply(self, records: Sequence[Record]) -> list[str]:
        """Count a batch; the sequence numbers of the records that must come again."""
        rows: dict[str, tuple[Counted, str]] = {}
        again = []
        for record in records:
            number = str(record.get("dynamodb", {}).get("SequenceNumber", ""))
            try:
                row = row_of(record)
                rows[row.rid] = (row, number)
            except PoisonRow as error:
                again += [] if self._parked(record, str(error)) else [number]
        failed = {row.rid for row in self.counting.count([row for row, _ in rows.values()])}
        done = [row for row, _ in rows.values() if row.rid not in failed]
        observability.count("RowsCounted", len(done))
        self._lag(done)
        for told in self.after:
            try:
                told(done)
            except (StoreUnavailable, StoreError) as error:
                observability.log.warning("not told of a batch", extra={"reason": str(error)})
        return again + [number for row, number in rows.values() if row.rid in failed]

    def _parked(self, record: Record, reason: str) -> bool:
        text = json.dumps(record, sort_keys=True, default=str)
        identifier = hashlib.sha256(text.encode()).hexdigest()
        try:
            self.parked.park(text, reason, identifier, int(self.now()))
        except (StoreUnavailable, StoreError) as error:
            observability.log.error("poison record not parked", extra={"reason": str(error)})
            return False
        observability.log.error("poison record parked", extra={"record": identifier, "reason": reason})
        observability.count("RowsParked")
        return True

    def _lag(self, rows: Sequence[Counted]) -> None:
        settled = [row.settled for row in rows if row.provider]  # a correction was never under way
        if settled:
            observability.count("ConsumerLag", max(0.0, self.now() * 1_000 - max(settled) / 1_000))


def row_of(record: Record) -> Counted:
    """The row of a stream's record. Raises PoisonRow: nothing can be told from it, or it names another row than the
    record is of, as a corrected one must not."""
    try:
        row = counted(from_item(record["dynamodb"]["NewImage"]))
        own = from_item(record["dynamodb"].get("Keys", {})).get("rid", row.rid)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise PoisonRow(f"{type(error).__name__}: {error}") from None
    if own != row.rid:
        raise PoisonRow("the row is another one than the record is of")
    return row
