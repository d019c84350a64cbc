"""The hourly reconcile: makes the sums of every closed hour agree with its rows.

A call's money is held, then released. A release whose reply was lost is not repeated, so money may stay held although
its call has ended. When an hour is closed and all its rows have ended, the rows are the truth: any further held money
is given back, and any spending that was not booked is booked. Afterwards the drift of that hour is 0.

In an hour in which nothing is held any more, every call was released. The hour agrees with its rows, and waits for more
such hours: they are compared and forgotten together, by one write.

The item of an account whose record was deleted is removed when it has no hours left.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from msgspec import Struct

from gateway import observability
from gateway.dynamodb.attributes import size_of
from gateway.errors import StoreError, StoreUnavailable
from gateway.identity.account_ids import named
from gateway.ledger.admission import HOUR, Booking, bookings_of
from gateway.ledger.rows_store import Sum
from gateway.ledger.stale import stale_names, stale_windows

# This is later than the last moment at which a row of the hour may be written. An hour waits for each row that is still
# open, however long its call may take.
_CLOSED_AFTER = 5 * 60_000_000
# The most hours without a hold in an item, and the most bytes of the item (with its tags). With more, an admission
# might cost a second write unit before the next run.
_SETTLED_HOURS, _MOST_BYTES = 5, 830
_MOST_HOURS, _MOST_STALE = 12, 60  # in one run and write: an expression holds 4 KB and 300 operators


class Items(Protocol):
    def items(self) -> Iterator[dict[str, Any]]: ...
    def reconcile(self, item: Mapping[str, Any], booking: Booking, spent: int, stale: Sequence[str] = ()) -> bool: ...
    def forget(self, account: str, bookings: Sequence[Booking], stale: Sequence[str]) -> bool: ...
    def gone(self, accounts: Sequence[str]) -> dict[str, int]: ...
    def remove(self, item: Mapping[str, Any]) -> bool: ...
    def set_state(self, account: str, state: str, version: int) -> None: ...


class Rows(Protocol):
    def sums(self, hour_ends: int) -> dict[tuple[str, str], Sum]: ...


class Reconciled(Struct):
    """`hours`: accounts' hours that were closed. `waiting`: hours with calls that have not ended, or that changed
    meanwhile. `drift`: micro-dollars that were held or missing, in total. `removed`: items whose record is deleted."""

    hours: int = 0
    waiting: int = 0
    drift: int = 0
    removed: int = 0


class Reconciler(Struct, frozen=True):
    """`clock` gives microseconds since the epoch."""

    limits: Items
    rows: Rows
    clock: Callable[[], int]

    def reconcile(self) -> Reconciled:
        """Close every hour that is over, however old. Raises StoreUnavailable; the next run continues."""
        now, done = self.clock(), Reconciled()
        hours: dict[int, list[tuple[dict[str, Any], Booking]]] = {}
        settled: dict[str, tuple[dict[str, Any], list[Booking]]] = {}
        for item, whole in self._items(done):
            over = [booking for booking in bookings_of(item) if booking.ends + _CLOSED_AFTER <= now]
            due = (
                over[:_MOST_HOURS]
                if whole or len(over) >= _SETTLED_HOURS or size_of(item) > _MOST_BYTES
                else [booking for booking in over if _holds(item, booking)]
            )
            for booking in due:
                hours.setdefault(booking.ends, []).append((item, booking))
        for ends in sorted(hours):
            sums = self.rows.sums(ends)
            for item, booking in hours[ends]:
                rows = sums.get((item["id"], booking.window), Sum())
                if _holds(item, booking) or rows.open or rows.actual != item.get(booking.booked, 0):
                    self._close(item, booking, rows, now, done)
                else:
                    settled.setdefault(item["id"], (item, []))[1].append(booking)
        for item, bookings in settled.values():
            done.hours += self._forget(item, bookings, now)
        if done.hours:
            observability.count("HoursReconciled", done.hours)
            observability.count("LedgerDrift", done.drift / 1_000_000)
        return done

    def _items(self, done: Reconciled) -> Iterator[tuple[dict[str, Any], bool]]:
        """Every item, and whether all its past hours are due because its record is deleted."""
        ended = []
        for item in self.limits.items():
            if item.get("st") == "R" or named(item["id"]).scope != "key":  # a key's deletion is written to its item
                ended.append(item)
            else:
                yield item, False
        try:
            gone = self.limits.gone([item["id"] for item in ended])
        except (StoreUnavailable, StoreError) as error:  # hours are closed all the same; the next run removes the items
            observability.log.warning("records can't be read", extra={"reason": str(error)})
            gone = {}
        for item in ended:
            identifier = item["id"]
            if identifier not in gone or bookings_of(item):
                yield item, identifier in gone
            elif item.get("st") == "R":
                done.removed += self.limits.remove(item)
            else:  # the deletion never reached the item: the next run removes it
                self.limits.set_state(identifier, "R", gone[identifier] or item.get("kv", 0) + 1)

    def _forget(self, item: dict[str, Any], bookings: list[Booking], now: int) -> int:
        for booking in bookings:
            _take(item, booking)
        stale = [*stale_names(tuple(item), now // HOUR), *stale_windows(item, now)]
        return len(bookings) if self.limits.forget(item["id"], bookings, stale[:_MOST_STALE]) else 0

    def _close(self, item: dict[str, Any], booking: Booking, rows: Sum, now: int, done: Reconciled) -> None:
        stale = [name for name in stale_windows(item, now) if name not in (booking.used, booking.spent)]
        if rows.open or not self.limits.reconcile(item, booking, rows.actual, stale):
            done.waiting += 1
            return
        drift = abs(item[booking.held]) + abs(rows.actual - item.get(booking.booked, 0))
        done.hours += 1
        done.drift += drift
        if drift or item.get(booking.calls, 0):
            observability.log.warning(
                "reconciled",
                extra={
                    "account": item["id"],
                    "hour": booking.hour,
                    "drift": drift,
                    "calls": item.get(booking.calls, 0),
                },
            )
        _take(item, booking, *stale)


def _holds(item: Mapping[str, Any], booking: Booking) -> bool:
    """Whether an hour of an item has calls that are under way, or whose release was lost."""
    return bool(item[booking.held] or item.get(booking.calls, 0))


def _take(item: dict[str, Any], booking: Booking, *more: str) -> None:
    """Remove these from the item in memory, as they were removed from the stored one."""
    for name in (booking.held, booking.booked, booking.calls, *more):
        item.pop(name, None)
