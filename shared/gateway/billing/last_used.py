"""When each key was last used. The stream consumer writes it, so that no call waits for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct, field

from gateway.billing.counters import Counted
from gateway.billing.due import attend

_EVERY_SECONDS = 30  # the stored time lags by at most this and the stream's delay, together under a minute
_REMEMBERED = 10_000


class Records(Protocol):
    def used(self, key_id: str, moment: int) -> None: ...


class LastUsed(Struct):
    """Each container writes a key at most once in half a minute. A failed write is tried again with the next batch."""

    records: Records
    _written: dict[str, int] = field(default_factory=dict)
    _due: dict[str, int] = field(default_factory=dict)

    def note(self, rows: Sequence[Counted]) -> None:
        """Raises StoreUnavailable or StoreError if a key could not be written; the other keys are still written."""
        for row in rows:
            if row.provider:  # a correction does not use the key
                self._due[row.key] = max(self._due.get(row.key, 0), row.settled // 1_000_000)
        attend(self._due, self._write)

    def _write(self, key: str) -> None:
        moment = self._due[key]
        if moment - self._written.get(key, 0) >= _EVERY_SECONDS:
            self.records.used(key, moment)
            if len(self._written) >= _REMEMBERED:
                self._written.clear()
            self._written[key] = moment
        del self._due[key]
