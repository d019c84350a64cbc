"""Providers and traffic as health shows them, from the rows that the stream consumer counts. They are not exact."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from msgspec import Struct, field

from gateway.billing.counters import Counted

_MOST = 20.0  # writes at once, then one per _EVERY_SECONDS; else each call of a quiet gateway would cost a write
_EVERY_SECONDS = 600


class Facts(Protocol):
    def observe(self, facts: Mapping[str, int], totals: Mapping[str, int]) -> None: ...


class Observed(Struct):
    """`now` gives seconds since the epoch. Facts that are not written yet wait in the container for the next batch."""

    store: Facts
    now: Callable[[], float] = time.time
    _facts: dict[str, int] = field(default_factory=dict)
    _totals: Counter[str] = field(default_factory=Counter)
    _allowed: float = _MOST
    _since: float = 0.0

    def note(self, rows: Sequence[Counted]) -> None:
        """Note the rows. Raises StoreUnavailable, StoreError; facts that were not written wait."""
        for row in sorted((row for row in rows if row.provider), key=lambda row: row.settled):
            self._totals.update({"requests": 1, "errors": int(row.failed), "tokens": row.tokens})
            if row.ok:
                self._facts |= {
                    f"{row.provider}|latency_ms": row.latency_ms,
                    f"{row.provider}|at": row.settled // 1_000,
                }
        if self._totals and self._may_write():
            self.store.observe(self._facts, self._totals)
            self._facts, self._totals = {}, Counter()

    def _may_write(self) -> bool:
        now = self.now()
        self._allowed = min(_MOST, self._allowed + (now - self._since) / _EVERY_SECONDS)
        self._since = now
        if self._allowed < 1:
            return False
        self._allowed -= 1
        return True
