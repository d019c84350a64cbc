"""Repairs the bill: redrives poison records, compares the sums with their rows, and corrects them."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta

from gateway import observability
from gateway.billing.counting import Counting
from gateway.billing.parked_store import ParkedStore
from gateway.billing.rebuild import Rebuild, TooOld
from gateway.billing.redrive import redrive
from gateway.billing.statements import is_final
from gateway.billing.store import UsageStore
from gateway.ledger.rows_store import RowStore
from tools.aws.place import OperatorError, Place


def redriven(place: Place) -> tuple[list[str], bool]:
    """Redrive the parked records. Returns the result as lines, and whether all are counted now."""
    observability.configure("redrive", "WARNING")
    parked = ParkedStore(place.database(), place.names.table("state"))
    result = redrive(parked, Counting(_usage(place)))
    lines = [f"{result.counted} counted, {len(result.refused)} can't be counted still"]
    lines += [f"  {identifier[:16]}: {reason}" for identifier, reason in result.refused]
    return [*lines, *_changed(result.days)], not result.refused


def rebuilt(place: Place, first: str, last: str, *, apply: bool) -> tuple[list[str], bool]:
    """Compare the sums with their rows. Returns the result as lines, and whether no difference remains. Without dates,
    it covers the last 30 complete days."""
    observability.configure("rebuild", "WARNING")
    yesterday = datetime.now(UTC).date() - timedelta(days=1)
    until = _date("TO", last) or yesterday
    since = _date("FROM", first) or until - timedelta(days=29)
    if since > until:
        raise OperatorError(f"FROM={since} lies after TO={until}.")
    rows = RowStore(place.database(), place.names.table("request-analytics"))
    usage = _usage(place)
    try:
        result = Rebuild(rows, usage, Counting(usage), time.time).run(since, until, apply=apply)
    except TooOld as error:
        raise OperatorError(f"FROM={since}: {error}") from None

    def lines() -> Iterator[str]:
        wrong = len(result.differences)
        under_way = f" and {result.open} under way" if result.open else ""
        yield f"{since} to {until}: {result.rows} rows{under_way}, {wrong} sums differ, {result.repaired} repaired"
        for each in result.differences:
            dollars = f"{each.cost / 1_000_000:+.6f} USD"
            yield f"  {each.day} key {each.key} team {each.team or '-'}: {each.counters} counters, {dollars}"
        yield from (f"  {day}: {reason}" for day, reason in result.unfit.items())
        if result.repaired:
            yield from _changed({each.day for each in result.differences})

    return list(lines()), len(result.differences) == result.repaired and not result.unfit


def _usage(place: Place) -> UsageStore:
    return UsageStore(place.database(), place.names.table("usage"))


def _changed(days: Iterable[str]) -> Iterator[str]:
    """Lines on changed statements that may already have been sent."""
    for month in sorted({day[:7] for day in days}):
        if is_final(month, time.time()):
            yield f"  the statements of {month} were final and are others now: send them again"


def _date(name: str, text: str) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise OperatorError(f"{name} must be a date such as 2026-11-24.") from None
