"""Expires rows whose call died before it was settled: each minute of rows is gone through once, when it is over."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from gateway import observability
from gateway.domain.admission import Booking
from gateway.errors import StoreError
from gateway.stores.limits import Release
from gateway.stores.rows import EXPIRED, accounts_of, settled_facts

# A row's deadline is less than a minute after it was made; a minute more, and nobody can still be working on one.
_BEHIND_MINUTES = 3
_MOST_MINUTES = 60  # in one run: after a long pause it catches up by and by


class OpenRows(Protocol):
    def open_rows(self, minute: int) -> Iterator[dict[str, Any]]: ...
    def close(self, minute: str, rid: str, state: str, facts: Mapping[str, Any]) -> dict[str, Any] | None: ...


class Releases(Protocol):
    def release(self, account: str, release: Release) -> bool: ...


class Cursor(Protocol):
    def read(self) -> int | None: ...
    def write(self, minute: int) -> None: ...


@dataclass(frozen=True, slots=True)
class Sweeper:
    """`clock` gives microseconds since the epoch; minutes are numbered from the epoch."""

    rows: OpenRows
    limits: Releases
    cursor: Cursor
    clock: Callable[[], int]

    def sweep(self) -> int:
        """Expire what is due; how many rows. Raises StoreUnavailable: the next run begins where this one ended."""
        last = self.clock() // 60_000_000 - _BEHIND_MINUTES
        done = self.cursor.read()
        first = last if done is None else done + 1
        expired = 0
        for minute in range(first, min(last, first + _MOST_MINUTES - 1) + 1):
            expired += sum(self._expired(row) for row in list(self.rows.open_rows(minute)))
            self.cursor.write(minute)
        if expired:
            observability.count("RowsExpired", expired)
        return expired

    def _expired(self, row: Mapping[str, Any]) -> bool:
        try:
            return self._expire(row)
        except (StoreError, KeyError, TypeError, ValueError):
            # One row that can't be read or released must not keep all later ones open: its hour waits for an operator,
            # whom the alarm on this count tells.
            observability.count("RowsStuck")
            observability.log.exception("a row can't be expired", extra={"minute": row["minute"], "rid": row["rid"]})
            return False

    def _expire(self, row: Mapping[str, Any]) -> bool:
        # Nobody knows whether the provider was called: what may have been spent is charged, never given away.
        facts = settled_facts(None, row["est"], 0, "expired", 0, self.clock())
        if self.rows.close(row["minute"], row["rid"], EXPIRED, facts) is None:
            return False
        for account, window in accounts_of(row):
            self.limits.release(account, Release(row["est"], row["est"], Booking(row["hour"], window)))
        observability.log.warning("row expired", extra={"rid": row["rid"], "key_id": row["key"]})
        return True
