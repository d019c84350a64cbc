"""Hold more money for a call under way, for a further attempt, or less, once its prompt's usage is known.

The order makes a lost step harmless. A top-up takes from the items first, then updates the row; a lowering updates the
row first, then gives back to the items. So items hold at least what rows say, at every moment and after any crash. The
reconcile gives back what they hold beyond that. Nothing is given back twice: a step whose reply was lost is not
repeated.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from msgspec import Struct
from msgspec.structs import replace

from gateway.errors import ConditionFailed, GatewayError, StoreError, StoreUnavailable
from gateway.ledger.admission import Booking, Demand
from gateway.ledger.holds import Admitted, Hold
from gateway.ledger.refusals import money_refusal
from gateway.ledger.rows_store import Row


class Items(Protocol):
    def resize(self, account: str, booking: Booking, more: int, most: int | None = None) -> dict[str, Any]: ...


class Rows(Protocol):
    def set_est(self, minute: str, rid: str, before: int, after: int) -> None: ...


class Resizer(Struct, frozen=True):
    """`lost` is called with a step, a row's id and the error if nobody knows whether the step was applied. `clock`
    gives microseconds since the epoch."""

    limits: Items
    rows: Rows
    lost: Callable[[str, str, Exception], None]
    clock: Callable[[], int]

    def top_up(self, hold: Hold, more: int) -> Hold:
        """See `Ledger.top_up`."""
        row, taken = hold.row, list[Admitted]()
        try:
            for each in hold.admitted:
                taken.append(self._taken(each, row, more))
        except GatewayError:
            self._give_back(taken, row, more)
            raise
        topped = replace(row, est=row.est + more)
        try:
            self.rows.set_est(row.minute, row.rid, row.est, topped.est)
        except ConditionFailed as refused:
            # An attempt whose reply was lost may have updated the row. If somebody has ended it since, they have given
            # that back too.
            if refused.item is not None and refused.item.get("est") == row.est:
                self._give_back(taken, row, more)
            raise _over() from None
        except (StoreUnavailable, StoreError) as error:
            self.lost("top up the row", row.rid, error)
            raise _unavailable() from error
        return replace(hold, row=topped, admitted=tuple(taken), bound=hold.bound + more)

    def lower(self, hold: Hold, est: int) -> Hold:
        """See `Ledger.lower`."""
        row = hold.row
        if not 0 <= est < row.est:
            return hold
        try:
            self.rows.set_est(row.minute, row.rid, row.est, est)
        except ConditionFailed:  # somebody has ended the row
            return hold
        except (StoreUnavailable, StoreError) as error:
            self.lost("lower the row", row.rid, error)
            return hold
        lowered = tuple(self._given_back(each, row, row.est - est) for each in hold.admitted)
        return replace(hold, row=replace(row, est=est), admitted=lowered, bound=est)

    def _taken(self, admitted: Admitted, row: Row, more: int) -> Admitted:
        """Raises BudgetExceeded, RateLimited, or StoreUnavailable, after which the money may have been taken all the
        same."""
        account, booking, terms = admitted.account, admitted.windows.booking, admitted.account.terms
        windows = replace(admitted.windows, now=self.clock())  # the call's own window, and the limits in force now
        budget = terms.budget_at(windows.now)
        most = budget - more if budget is not None and terms.enforced("budget") else None
        try:
            return replace(admitted, item=self.limits.resize(account.id, booking, more, most))
        except ConditionFailed as refused:
            item = refused.item or {}
            demand = Demand(more, 0)
            refusal = money_refusal(item, terms, demand, windows) if booking.held in item else None
            if refusal is None:  # the hour was reconciled, or the item is gone
                raise _over() from None
            raise account.refused(refusal, demand, item, windows) from None
        except (StoreUnavailable, StoreError) as error:
            self.lost("top up", row.rid, error)
            raise _unavailable() from error

    def _give_back(self, taken: list[Admitted], row: Row, more: int) -> None:
        for each in reversed(taken):
            self._given_back(each, row, more)

    def _given_back(self, admitted: Admitted, row: Row, less: int) -> Admitted:
        try:
            return replace(admitted, item=self.limits.resize(admitted.account.id, admitted.windows.booking, -less))
        except ConditionFailed:  # the hour was reconciled, which gave it back
            return admitted
        except (StoreUnavailable, StoreError) as error:
            self.lost("give back", row.rid, error)
            return admitted


def _unavailable() -> StoreUnavailable:
    return StoreUnavailable("The call can't be held now; try again.", retry_after=1)


def _over() -> StoreUnavailable:
    return StoreUnavailable("The call ran out of time; try again.", retry_after=1)
