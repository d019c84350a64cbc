"""The stream consumer: every settled row counts once, even if the stream delivers it twice, late or in another
batch."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from msgspec import Struct

from gateway import observability
from gateway.billing.counters import Counted, PoisonRow, counted
from gateway.billing.counting import Counting
from gateway.dynamodb.attributes import from_item
from gateway.errors import StoreError, StoreRejected, StoreUnavailable

Record = Mapping[str, Any]
_REASON = 500  # characters that are kept of a reason


class Parked(Protocol):
    def park(self, record: str, reason: str, identifier: str, now: int) -> None: ...


class Rollup(Struct, frozen=True):
    """`now` gives seconds since the epoch. Each function of `after` gets the rows of a batch that are now counted; an
    error in one of them does not fail the batch."""

    counting: Counting
    parked: Parked
    now: Callable[[], float] = time.time
    after: Sequence[Callable[[Sequence[Counted]], None]] = ()

    def apply(self, records: Sequence[Record]) -> list[str]:
        """Count a batch. Returns the sequence numbers of the records that must be delivered again."""
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
            # The record is larger than an item can be. Keep its keys; the row itself stays in its table for 400 days.
            change = record.get("dynamodb", {})
            named = {"dynamodb": {name: change[name] for name in ("Keys", "SequenceNumber") if name in change}}
            self.parked.park(json.dumps(named), f"too large to keep: {reason[:_REASON]}", identifier, int(self.now()))

    def _lag(self, rows: Sequence[Counted]) -> None:
        settled = [row.settled for row in rows if row.provider]  # a correction was never a running call
        if settled:
            observability.count("ConsumerLag", max(0.0, self.now() * 1_000 - max(settled) / 1_000))


def _number(record: Record) -> str:
    return str(record.get("dynamodb", {}).get("SequenceNumber", ""))


def row_of(record: Record) -> Counted:
    """The row of a stream record. Raises PoisonRow if the record can't be read, or if its row has another id than the
    record's key. An operator's correction of a parked record must not change the id."""
    try:
        row = counted(from_item(record["dynamodb"]["NewImage"]))
        own = from_item(record["dynamodb"].get("Keys", {})).get("rid", row.rid)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise PoisonRow(f"{type(error).__name__}: {error}") from None
    if own != row.rid:
        raise PoisonRow("the row is another one than the record is of")
    return row
