"""Budget alerts: one message each at 50, 80 and 100 % of a budget, to an SNS topic.

After each batch the consumer checks the budgets that its rows counted against. The first function that finds a
threshold crossed claims the alert by a conditional write, publishes it, and notes that it was sent. If the function
dies in between, a later batch finds the claim unsent and publishes the alert again: an alert may then be sent twice,
but is never lost. A budget whose alert was not sent yet is checked again with the next batch, even if that batch has no
rows of the key: a key that has no money left makes no more rows.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from msgspec import Struct, field

from gateway import observability
from gateway.billing.alerts_store import Claim
from gateway.billing.counters import Bounded, Counted
from gateway.billing.due import attend
from gateway.identity.account_ids import named
from gateway.models.money import usd

THRESHOLDS = (50, 80, 100)
_UNSENT_SECONDS = 60  # after this time the claim was abandoned
_REMEMBERED = 10_000


class Items(Protocol):
    def get(self, account: str) -> dict[str, Any]: ...


class Claims(Protocol):
    def claim(self, bounded: Bounded, threshold: int, now: int, retry_before: int) -> Claim: ...
    def sent(self, bounded: Bounded, threshold: int) -> None: ...


class Alerts(Struct):
    """`publish` sends a subject and a text, and raises StoreUnavailable; `now` gives seconds since the epoch."""

    limits: Items
    claims: Claims
    publish: Callable[[str, str], None]
    now: Callable[[], float]
    _done: set[tuple[Bounded, int]] = field(default_factory=set)
    _due: dict[Bounded, None] = field(default_factory=dict)

    def check(self, rows: Sequence[Counted]) -> None:
        """Check the budgets of these rows, and those whose alerts were not sent yet. Raises StoreUnavailable or
        StoreError if one budget could not be checked; the others are still checked, and a later batch continues."""
        self._due |= dict.fromkeys(each for row in rows for each in row.bounded if each.budget > 0)
        attend(self._due, self._look)

    def _look(self, bounded: Bounded) -> None:
        left = [threshold for threshold in THRESHOLDS if (bounded, threshold) not in self._done]
        spent = self.limits.get(bounded.account).get(f"spent_{bounded.window}", 0) if left else 0
        crossed = [threshold for threshold in left if spent * 100 >= bounded.budget * threshold]
        out = [self._warned(bounded, threshold, spent) for threshold in crossed]  # all are tried
        if all(out):
            del self._due[bounded]

    def _warned(self, bounded: Bounded, threshold: int, spent: int) -> bool:
        """Send the alert if this function can claim it. Returns whether it is sent by now, by this function or
        another."""
        now = int(self.now())
        claim = self.claims.claim(bounded, threshold, now, now - _UNSENT_SECONDS)
        if claim == "another_s":
            return False
        if claim == "mine":
            whose = named(bounded.account)
            facts = {
                "scope": whose.scope,
                "id": whose.id,
                "threshold_percent": threshold,
                "window": bounded.window,
                "spent_usd": usd(spent),
                "budget_usd": usd(bounded.budget),
            } | ({"model": whose.model} if whose.model else {})
            observability.log.warning("budget alert", extra=facts)
            observability.count("BudgetAlerts")
            subject = f"key {whose.id} on {whose.model}" if whose.model else f"{whose.scope} {whose.id}"
            self.publish(f"{subject}: {threshold} % of its budget is spent", json.dumps(facts))
            self.claims.sent(bounded, threshold)
        if len(self._done) >= _REMEMBERED:
            self._done.clear()
        self._done.add((bounded, threshold))
        return True
