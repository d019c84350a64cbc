"""Expires rows whose call died before it was settled. It goes through each minute of rows once, when all its rows are
due. No row is expired before its deadline, and no minute is passed while it has an open row that is not due."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

from msgspec import Struct

from gateway import observability
from gateway.errors import StoreError
from gateway.ledger.admission import Booking
from gateway.ledger.limits_store import Release
from gateway.ledger.resizing.row_estimates import settled_facts
from gateway.ledger.rows_store import LENGTHS, accounts_of

_MOST_MINUTES = 60  # in one run: after a long pause it catches up over several runs
_SECOND = 1_000_000


class OpenRows(Protocol):
    def open_rows(self, minute: int, length: str) -> Iterator[dict[str, Any]]: ...
    def expire(self, minute: str, rid: str, facts: Mapping[str, Any]) -> dict[str, Any] | None: ...


class Releases(Protocol):
    def release(self, account: str, release: Release) -> bool: ...


class Cursor(Protocol):
    def read(self, length: str = ...) -> int | None: ...
    def write(self, minute: int, length: str = ...) -> None: ...


class Sweeper(Struct, frozen=True):
    """`clock` gives microseconds since the epoch; minutes are numbered from the epoch."""

    rows: OpenRows
    limits: Releases
    cursor: Cursor
    clock: Callable[[], int]

    def sweep(self) -> int:
        """Expire the rows that are due, and return their number. Raises StoreUnavailable; the next run begins where
        this one ended."""
        expired = sum(self._sweep(length, seconds) for length, seconds in LENGTHS.items())
        if expired:
            observability.count("RowsExpired", expired)
        return expired

    def _sweep(self, length: str, seconds: int) -> int:
        # The last minute that was over so many seconds ago.
        last = (self.clock() // _SECOND - seconds) // 60 - 1
        done = self.cursor.read(length)
        first = last if done is None else done + 1
        expired, passed = 0, True
        for minute in range(first, min(last, first + _MOST_MINUTES - 1) + 1):
            for row in list(self.rows.open_rows(minute, length)):
                if self._due(row):
                    expired += self._expired(row)
                else:
                    passed = False
            if passed:
                self.cursor.write(minute, length)
        return expired

    def _due(self, row: Mapping[str, Any]) -> bool:
        deadline = row.get("deadline")
        # The sweeper does not wait for a row that can't be read: `_expired` reports it.
        return not isinstance(deadline, int) or deadline * _SECOND <= self.clock()

    def _expired(self, row: Mapping[str, Any]) -> bool:
        try:
            return self._expire(row)
        except (StoreError, KeyError, TypeError, ValueError):
            # One row that can't be read or released must not keep all later ones open. Its hour waits for an operator,
            # who gets the alarm on this count.
            observability.count("RowsStuck")
            observability.log.exception("a row can't be expired", extra={"minute": row["minute"], "rid": row["rid"]})
            return False

    def _expire(self, row: Mapping[str, Any]) -> bool:
        # Nobody knows whether the provider was called, so the amount that may have been spent is charged.
        facts = settled_facts(None, 0, 0, "expired", 0, self.clock())
        booked_by_what_it_holds = ("actual", "prompt_cost")
        others = {name: fact for name, fact in facts.items() if name not in booked_by_what_it_holds}
        expired = self.rows.expire(row["minute"], row["rid"], others)
        if expired is None:
            return False
        est = expired["est"]
        for account, window in accounts_of(expired):
            self.limits.release(account, Release(est, est, Booking(expired["hour"], window)))
        observability.log.warning("row expired", extra={"rid": row["rid"], "key_id": row["key"]})
        return True
