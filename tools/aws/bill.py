"""The bill once more: poison records redriven, rollups compared with their rows and rebuilt."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

from gateway import observability
from gateway.services.rebuild import Rebuild
from gateway.services.redrive import redrive
from gateway.stores.rows import RowStore
from gateway.stores.usage import UsageStore
from tools.aws.place import OperatorError, Place


def redriven(place: Place) -> tuple[list[str], bool]:
    """What became of the parked records, as lines, and whether all are counted."""
    observability.configure("redrive", "WARNING")
    result = redrive(_usage(place))
    lines = [f"{result.counted} counted, {result.done} were done already, {len(result.refused)} can't be read still"]
    lines += [f"  {identifier[:16]}: {reason}" for identifier, reason in result.refused]
    return lines, not result.refused


def rebuilt(place: Place, first: str, last: str, *, apply: bool) -> tuple[list[str], bool]:
    """What the rows say of the rollups, as lines, and whether nothing is left that differs. Without dates: the last
    30 days that are over."""
    observability.configure("rebuild", "WARNING")
    yesterday = datetime.now(UTC).date() - timedelta(days=1)
    until = _date("TO", last) or yesterday
    since = _date("FROM", first) or until - timedelta(days=29)
    if since > until:
        raise OperatorError(f"FROM={since} lies after TO={until}.")
    rows = RowStore(place.database(), place.names.table("request-analytics"))
    result = Rebuild(rows, _usage(place), time.time).run(since, until, apply=apply)

    def lines() -> Iterator[str]:
        wrong = len(result.differences)
        yield f"{since} to {until}: {result.rows} rows, {wrong} rollups differ, {result.repaired} repaired"
        for each in result.differences:
            dollars = f"{each.cost / 1_000_000:+.6f} USD"
            yield f"  {each.day} key {each.key} team {each.team or '-'}: {each.counters} counters, {dollars}"
        yield from (f"  {day}: {reason}" for day, reason in result.unfit.items())

    return list(lines()), len(result.differences) == result.repaired and not result.unfit


def _usage(place: Place) -> UsageStore:
    return UsageStore(place.database(), place.names.table("usage"), place.names.table("state"))


def _date(name: str, text: str) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise OperatorError(f"{name} must be a date such as 2026-11-24.") from None
