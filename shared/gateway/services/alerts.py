"""Budget alerts: at 50, 80 and 100 % of a budget one message each, to a topic of SNS.

The consumer looks after each batch at the budgets that its rows counted against. Who finds a threshold crossed first
claims it by a conditional write, publishes, and notes that it is sent. Where the function dies in between, the claim is
found unsent by a later batch and published again: at least once then, never not at all.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from gateway import observability
from gateway.domain.money import usd
from gateway.domain.rollup import Bounded, Counted

THRESHOLDS = (50, 80, 100)
_UNSENT_SECONDS = 60  # after so long who claimed it is not on its way any more
_REMEMBERED = 10_000


class Items(Protocol):
    def get(self, account: str) -> dict[str, Any]: ...


class Claims(Protocol):
    def claim(self, bounded: Bounded, threshold: int, now: int, retry_before: int) -> bool: ...
    def sent(self, bounded: Bounded, threshold: int) -> None: ...


@dataclass(slots=True)
class Alerts:
    """`publish` sends a subject and a text, and raises StoreUnavailable; `now` gives seconds since the epoch."""

    limits: Items
    claims: Claims
    publish: Callable[[str, str], None]
    now: Callable[[], float]
    _done: set[tuple[Bounded, int]] = field(default_factory=set)

    def check(self, rows: Sequence[Counted]) -> None:
        """Look at the budgets of these rows. Raises StoreUnavailable: a later batch goes on."""
        for bounded in dict.fromkeys(each for row in rows for each in row.bounded):
            if bounded.budget > 0 and (bounded, THRESHOLDS[-1]) not in self._done:
                self._look(bounded)

    def _look(self, bounded: Bounded) -> None:
        spent = self.limits.get(bounded.account).get(f"spent_{bounded.window}", 0)
        for threshold in THRESHOLDS:
            crossed = spent * 100 >= bounded.budget * threshold
            if crossed and (bounded, threshold) not in self._done:
                self._warn(bounded, threshold, spent)

    def _warn(self, bounded: Bounded, threshold: int, spent: int) -> None:
        now = int(self.now())
        if self.claims.claim(bounded, threshold, now, now - _UNSENT_SECONDS):
            kind, _, name = bounded.account.rpartition("#")
            facts = {
                "scope": "team" if kind else "key",
                "id": name,
                "threshold_percent": threshold,
                "window": bounded.window,
                "spent_usd": usd(spent),
                "budget_usd": usd(bounded.budget),
            }
            observability.log.warning("budget alert", extra=facts)
            observability.count("BudgetAlerts")
            self.publish(f"{facts['scope']} {name}: {threshold} % of its budget is spent", json.dumps(facts))
            self.claims.sent(bounded, threshold)
        if len(self._done) >= _REMEMBERED:
            self._done.clear()
        self._done.add((bounded, threshold))
