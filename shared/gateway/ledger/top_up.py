"""A hold that grows: before an attempt that follows one which may be billed, what both may cost has to have room."""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

from gateway.errors import BudgetExceeded, StoreError, StoreUnavailable
from gateway.ledger.admission import Booking
from gateway.ledger.holds import Hold
from gateway.ledger.rows_store import Row


class Limits(Protocol):
    def top_up(self, account: str, booking: Booking, more: int, most: int | None) -> bool: ...


class Rows(Protocol):
    def raise_est(self, row: Row, more: int) -> bool: ...


def top_up(limits: Limits, rows: Rows, hold: Hold, more: int) -> Hold:
    """Hold so much more, of each account and in the row; the hold as it is then. Items first: a row never promises what
    no item holds. Raises BudgetExceeded, StoreUnavailable; what an item holds more than the row by then, where a reply
    was lost, the reconcile gives back."""
    held: list[tuple[str, Booking]] = []
    row = hold.row
    try:
        for admitted in (hold.key, hold.team) if hold.team else (hold.key,):
            terms, booking = admitted.account.terms, Booking(row.hour, admitted.windows.budget)
            most = terms.budget if terms.enforced("budget") else None
            if not limits.top_up(admitted.account.id, booking, more, most):
                raise BudgetExceeded("The budget has no room for another attempt.")
            held.append((admitted.account.id, booking))
        if not rows.raise_est(row, more):
            raise StoreUnavailable("The call has ended already.")
    except BudgetExceeded:
        for account, booking in held:
            limits.top_up(account, booking, -more, None)
        raise
    except StoreError as error:
        raise StoreUnavailable("The call can't be recorded now; try again.", retry_after=1) from error
    return replace(hold, row=replace(row, est=row.est + more))
