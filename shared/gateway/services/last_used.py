"""When each key was last used: written by the stream consumer, so that no call waits for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from gateway.domain.rollup import Counted

_EVERY_SECONDS = 30  # what stands is never older than this and the stream's way, together under a minute
_REMEMBERED = 10_000


class Records(Protocol):
    def used(self, key_id: str, moment: int) -> None: ...


@dataclass(slots=True)
class LastUsed:
    """At most one write a key in half a minute and container."""

    records: Records
    _written: dict[str, int] = field(default_factory=dict)

    def note(self, rows: Sequence[Counted]) -> None:
        """Raises StoreUnavailable; what was written before stays."""
        newest: dict[str, int] = {}
        for row in rows:
            if not row.provider:  # a correction is no use
                continue
            newest[row.key] = max(newest.get(row.key, 0), row.settled // 1_000_000)
        for key, moment in newest.items():
            if moment - self._written.get(key, 0) >= _EVERY_SECONDS:
                self.records.used(key, moment)
                if len(self._written) >= _REMEMBERED:
                    self._written.clear()
                self._written[key] = moment
