"""When each key was last used: written by the stream consumer, so that no call waits for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from gateway.domain.rollup import Counted
from gateway.errors import StoreError, StoreUnavailable

_EVERY_SECONDS = 30  # what stands is never older than this and the stream's way, together under a minute
_REMEMBERED = 10_000
_MOST_FAILURES = 3  # in one batch: each may take seconds, and the batch has a minute


class Records(Protocol):
    def used(self, key_id: str, moment: int) -> None: ...


@dataclass(slots=True)
class LastUsed:
    """At most one write a key in half a minute and container. What could not be written is due with the next batch."""

    records: Records
    _written: dict[str, int] = field(default_factory=dict)
    _due: dict[str, int] = field(default_factory=dict)

    def note(self, rows: Sequence[Counted]) -> None:
        """Raises StoreUnavailable or StoreError where a key could not be written; the others are, all the same."""
        for row in rows:
            if row.provider:  # a correction is no use
                self._due[row.key] = max(self._due.get(row.key, 0), row.settled // 1_000_000)
        failures: list[StoreUnavailable | StoreError] = []
        for key, moment in list(self._due.items()):
            if moment - self._written.get(key, 0) < _EVERY_SECONDS:
                del self._due[key]
            elif len(failures) < _MOST_FAILURES:
                try:
                    self._write(key, moment)
                except (StoreUnavailable, StoreError) as error:
                    failures.append(error)
        while len(self._due) > _REMEMBERED:
            del self._due[next(iter(self._due))]
        if failures:
            raise failures[0]

    def _write(self, key: str, moment: int) -> None:
        self.records.used(key, moment)
        del self._due[key]
        if len(self._written) >= _REMEMBERED:
            self._written.clear()
        self._written[key] = moment
