"""The stream consumer: every settled row counts once, whatever the stream delivers twice, late or in pieces."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from gateway import observability
from gateway.billing.counters import Counted, PoisonRow, counted
from gateway.billing.counting import Counting
from gateway.dynamodb.attributes import from_item
from gateway.errors import StoreError, StoreRejected, StoreUnavailable

Record = Mapping[str, Any]
_REASON = 500  # characters of a reason that are kept


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
        rows: dict[str, tuple[Counted, Record]] = {}
        again = []
        for record in records:
            try:
                row = row_of(record)
                rows[row.rid] = (row, record)
            except PoisonRow as error:
                again += [] if self._parked(record, str(error)) else [_number(record)]
        left = {each.row.rid: each.refused for each in self.counting.count([row for row, _ in rows.values()])}
        for rid, refused in left.items():
            record = rows[rid][1]
            again += [] if refused and self._parked(record, refused) else [_number(record)]
        done = [row for row, _ in rows.values() if row.rid not in left]
        observability.count("RowsCounted", len(done))
        self._lag(done)
        for told in self.after:
            try:
                told(done)
            except (StoreUnavailable, StoreError) as error:
                observability.log.warning("not told of a batch", extra={"reason": str(error)})
        return again

    def _parked(self, record: Record, reason: str) -> bool:
        text = json.dumps(record, sort_keys=True, default=str)
        identifier = hashlib.sha256(text.encode()).hexdigest()
        try:
            self._park(text, record, reason, identifier)
        except (StoreUnavailable, StoreError) as error:
            observability.log.error("poison record not parked", extra={"reason": str(error)})
            return False
        observability.log.error("poison record parked", extra={"record": identifier, "reason": reason})
        observability.count("RowsParked")
        return True

    def _park(self, text: str, record: Record, reason: str, identifier: str) -> None:
        try:
            self.parked.park(text, reason[:_REASON], identifier, int(self.now()))
        except StoreRejected:
            # Larger than an item: what it is of is kept, and the row itself stands in its table for 400 days.
            change = record.get("dynamodb", {})
            named = {"dynamodb": {name: change[name] for name in ("Keys", "SequenceNumber") if name in change}}
            self.parked.park(json.dumps(named), f"too large to keep: {reason[:_REASON]}", identifier, int(self.now()))

    def _lag(self, rows: Sequence[Counted]) -> None:
        settled = [row.settled for row in rows if row.provider]  # a correction was never under way
        if settled:
            observability.count("ConsumerLag", max(0.0, self.now() * 1_000 - max(settled) / 1_000))


def _number(record: Record) -> str:
    return str(record.get("dynamodb", {}).get("SequenceNumber", ""))


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
