"""The stream consumer: every settled row counts once, whatever the stream delivers twice, late or in pieces."""

from __future__ import annotations

import hashlib
import json
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from gateway import observability
from gateway.domain.rollup import Counted, PoisonRow, counted
from gateway.errors import StoreError, StoreUnavailable, TransactionCanceled
from gateway.stores.attributes import from_item
from gateway.stores.usage import COUNTERS_AN_UPDATE, ROWS_A_TRANSACTION

_TRIES = 5
_PAUSE_SECONDS = 0.05
Record = Mapping[str, Any]


class Rollups(Protocol):
    def count(self, rows: Sequence[Counted], now: int) -> None: ...
    def observe(self, facts: Mapping[str, int], totals: Mapping[str, int]) -> None: ...
    def park(self, record: str, reason: str, identifier: str, now: int) -> None: ...


@dataclass(frozen=True, slots=True)
class Rollup:
    """`now` gives seconds since the epoch, `pause` waits that many seconds between two tries. Each of `after` is told
    the rows of a batch that stand in the rollups now; what fails there fails no batch."""

    store: Rollups
    now: Callable[[], float] = time.time
    pause: Callable[[float], None] = time.sleep
    after: Sequence[Callable[[Sequence[Counted]], None]] = ()

    def apply(self, records: Sequence[Record]) -> list[str]:
        """Count a batch; the sequence numbers of the records that must come again."""
        rows: dict[str, tuple[Counted, str]] = {}
        failed = []
        for record in records:
            number = str(record.get("dynamodb", {}).get("SequenceNumber", ""))
            try:
                row = counted(from_item(record["dynamodb"]["NewImage"]))
                rows[row.rid] = (row, number)
            except (PoisonRow, KeyError, TypeError, ValueError) as error:
                failed += [] if self._parked(record, f"{type(error).__name__}: {error}") else [number]
        done: list[Counted] = []
        for chunk in _chunks([row for row, _ in rows.values()]):
            if self._counted(chunk):
                done += chunk
            else:
                failed += [rows[row.rid][1] for row in chunk]
        self._observe(done)
        for told in self.after:
            try:
                told(done)
            except (StoreUnavailable, StoreError) as error:
                observability.log.warning("not told of a batch", extra={"reason": str(error)})
        return failed

    def _counted(self, rows: list[Counted]) -> bool:
        for attempt in range(_TRIES):
            try:
                self.store.count(rows, int(self.now()))
            except TransactionCanceled as canceled:
                fresh = [
                    row
                    for row, reason in zip(rows, canceled.reasons, strict=False)
                    if reason != "ConditionalCheckFailed"
                ]
                if not fresh:
                    return True
                if len(fresh) == len(rows):  # a conflict or throttling: the same again
                    self.pause(_PAUSE_SECONDS * (attempt + 1))
                rows = fresh
            except (StoreUnavailable, StoreError) as error:
                # It may have been applied all the same: the markers tell at the next try.
                observability.log.warning("rollup not written", extra={"reason": str(error), "rows": len(rows)})
                self.pause(_PAUSE_SECONDS * (attempt + 1))
            else:
                observability.count("RowsCounted", len(rows))
                return True
        return False

    def _parked(self, record: Record, reason: str) -> bool:
        text = json.dumps(record, sort_keys=True, default=str)
        identifier = hashlib.sha256(text.encode()).hexdigest()
        try:
            self.store.park(text, reason, identifier, int(self.now()))
        except (StoreUnavailable, StoreError) as error:
            observability.log.error("poison record not parked", extra={"reason": str(error)})
            return False
        observability.log.error("poison record parked", extra={"record": identifier, "reason": reason})
        observability.count("RowsParked")
        return True

    def _observe(self, rows: Sequence[Counted]) -> None:
        rows = [row for row in rows if row.provider]  # a correction says nothing about health
        if not rows:
            return
        newest = max(row.settled for row in rows)
        observability.count("ConsumerLag", max(0.0, self.now() * 1_000 - newest / 1_000))
        facts: dict[str, int] = {}
        for row in sorted(rows, key=lambda row: row.settled):
            if row.ok:
                facts |= {f"{row.provider}|latency_ms": row.latency_ms, f"{row.provider}|at": row.settled // 1_000}
        totals = {
            "requests": len(rows),
            "errors": sum(not row.ok for row in rows),
            "tokens": sum(row.tokens for row in rows),
        }
        try:
            self.store.observe(facts, totals)
        except (StoreUnavailable, StoreError) as error:  # a hint for health, nothing is billed by it
            observability.log.warning("health facts not written", extra={"reason": str(error)})


def _chunks(rows: Sequence[Counted]) -> Iterator[list[Counted]]:
    """Rows by transaction: so many rows, and so many counters of any one rollup, as a transaction can take."""
    chunk: list[Counted] = []
    counters: Counter[tuple[str, str, str]] = Counter()
    for row in rows:
        group = (row.key, row.team, row.day)
        if chunk and (len(chunk) == ROWS_A_TRANSACTION or counters[group] + len(row.counters) > COUNTERS_AN_UPDATE):
            yield chunk
            chunk, counters = [], Counter()
        chunk.append(row)
        counters[group] += len(row.counters)
    if chunk:
        yield chunk
