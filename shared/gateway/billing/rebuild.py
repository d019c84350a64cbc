"""Computes the bill again from the rows, compares it with the stored counters, and on request corrects the
differences."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, Protocol

from msgspec import Struct, field

from gateway.billing.counters import Counted, PoisonRow, counted
from gateway.billing.counting import Counting, too_large
from gateway.billing.places import SUM, Place
from gateway.billing.store import counters_of, place_of
from gateway.errors import ConditionFailed, StoreRejected
from gateway.ledger.rows_store import KEPT_SECONDS, OPEN

ROWS_LIVE = timedelta(seconds=KEPT_SECONDS)
Account = tuple[str, str, str]  # day, key, team


class Rows(Protocol):
    def between(self, first: str, last: str) -> Iterator[dict[str, Any]]: ...


class Usage(Protocol):
    def between(self, first: str, last: str, key: str = "") -> Iterator[dict[str, Any]]: ...
    def items(self, first: str, last: str, key: str = "") -> Iterator[dict[str, Any]]: ...
    def replace(
        self, place: Place, counters: Mapping[str, int], marks: Sequence[str], read: Mapping[str, Any]
    ) -> None: ...
    def part(self, place: Place, read: Mapping[str, Any]) -> None: ...


class TooOld(Exception):
    """Rows of the first day may have expired, so that correct counters would look too high. The message names the first
    possible day."""


class Difference(Struct, frozen=True):
    """A day of one key whose counters differ from its rows; `cost` is counted minus right, in micro-dollars."""

    day: str
    key: str
    team: str
    counters: int
    cost: int


class Rebuilt(Struct):
    """`open`: rows of calls that are still running; they are in no sum yet. `unfit`: the days on which something could
    not be counted or repaired, each with the reason."""

    rows: int = 0
    open: int = 0
    differences: list[Difference] = field(default_factory=list)
    repaired: int = 0
    unfit: dict[str, str] = field(default_factory=dict)


class Rebuild(Struct, frozen=True):
    """`now` gives seconds since the epoch.

    The counters are always read before the rows. A row ends before it is counted, so every row that was in a sum when
    the sum was read is also among the rows. A row that is counted later shows as a changed item.
    """

    rows: Rows
    usage: Usage
    counting: Counting
    now: Callable[[], float]

    def run(self, first: date, last: date, *, apply: bool) -> Rebuilt:
        """Compare whole UTC days. With `apply`, correct the differences; counting may go on at the same time.

        A row that ended a moment ago may still be on its way: it shows as a difference until it is counted, and this
        run may count it. Raises TooOld if rows of the first day may have expired.
        """
        oldest = datetime.fromtimestamp(self.now(), UTC).date() - ROWS_LIVE + timedelta(days=1)
        if first < oldest:
            raise TooOld(f"Rows live for {ROWS_LIVE.days} days: {oldest} is the first day that is whole.")
        days = [(first + timedelta(days=number)).isoformat() for number in range((last - first).days + 1)]
        live = _sums(self.usage.between(days[0], days[-1]))
        result = Rebuilt()
        right: dict[Account, Counter[str]] = {}
        for row in self._counted(days, result):
            right.setdefault(_account(row.place), Counter()).update(row.counters)
        result.differences = list(_compared(right, live))
        wrong = {(each.day, each.key, each.team) for each in result.differences}
        if apply and wrong:
            # Count what the stream lost. Rows that are already counted are skipped.
            self.counting.count(list(self._rows_of(wrong, days)))
            self._replace(wrong, days, result)
            result.repaired = len(wrong) - len(self._wrong(wrong, days))
        return result

    def _counted(self, days: Sequence[str], result: Rebuilt) -> Iterator[Counted]:
        """Every row that has ended. The other rows are noted in `result`."""
        unread: Counter[str] = Counter()
        for row in self.rows.between(days[0], days[-1]):
            try:
                if row["state"] == OPEN:
                    result.open += 1
                else:
                    yield counted(row)
                    result.rows += 1
            except PoisonRow:
                unread[row.get("day") or row["minute"][:10]] += 1
        result.unfit |= {day: f"{rows} rows can't be read, and are in no sum" for day, rows in sorted(unread.items())}

    def _rows_of(self, accounts: set[Account], days: Sequence[str]) -> Iterator[Counted]:
        return (row for row in self._counted(days, Rebuilt()) if _account(row.place) in accounts)

    def _wrong(self, accounts: set[Account], days: Sequence[str]) -> set[Account]:
        live: dict[Account, Counter[str]] = {}
        for day, key in sorted({(day, key) for day, key, _ in accounts}):
            live |= _sums(self.usage.between(day, day, key))
        right: dict[Account, Counter[str]] = {account: Counter() for account in accounts}
        for row in self._rows_of(accounts, days):
            right[_account(row.place)].update(row.counters)
        found = _compared(right, {account: live.get(account, Counter()) for account in accounts})
        return {(each.day, each.key, each.team) for each in found}

    def _replace(self, wrong: set[Account], days: Sequence[str], result: Rebuilt) -> None:
        """Accounts that still differ after the missing rows were counted are damaged: rebuild each of their slots from
        its rows."""
        damaged = self._wrong(wrong, days)
        items = {account: self._items(account) for account in damaged}
        rows: dict[Account, list[Counted]] = {account: [] for account in damaged}
        for row in self._rows_of(damaged, days) if damaged else ():
            rows[_account(row.place)].append(row)
        for account in sorted(damaged):
            try:
                self._renew(items[account], rows[account], account)
            except ConditionFailed:
                result.unfit[account[0]] = f"key {account[1]} was counted on meanwhile: run it again"
            except StoreRejected as error:
                result.unfit[account[0]] = f"of key {account[1]} something can't be held: {error}"

    def _items(self, account: Account) -> dict[str, dict[str, Any]]:
        day, key, team = account
        return {
            item["slot"]: item for item in self.usage.items(day, day, key) if (item["key"], item["team"]) == (key, team)
        }

    def _renew(self, live: dict[str, dict[str, Any]], rows: Sequence[Counted], account: Account) -> None:
        """Replace the slots first: while the sum of the day names them, they count only through it. Then delete the
        sum, so that each slot counts by itself. Slots are written without an expiry, because only slots that are in a
        sum may expire."""
        for place, members in sorted(_arranged(live, rows).items(), key=lambda each: each[0].slot):
            read, counters = live.get(place.slot, {}), Counter[str]()
            for row in members:
                counters.update(row.counters)
            marks = {row.mark for row in members}
            right = _nonzero(counters) == _nonzero(counters_of(read)) and marks == read.get("ids", set())
            if not right or "ttl" in read:
                self.usage.replace(place, counters, sorted(marks), read)
        if SUM in live:
            self.usage.part(Place(*account, SUM), live[SUM])


def _arranged(live: Mapping[str, Mapping[str, Any]], rows: Sequence[Counted]) -> dict[Place, list[Counted]]:
    """Which rows belong to which slot. A row that is counted stays where it is, because containers may remember what a
    closed slot holds. The other rows go where counting would put them, so that no slot becomes too large."""
    slots = {place_of(item): item for slot, item in live.items() if slot != SUM}
    found: dict[tuple[str, str], Place] = {}
    for place, item in sorted(slots.items(), key=lambda each: each[0].slot):
        for mark in item.get("ids", ()):
            found.setdefault((place.chain, mark), place)
    wanted: dict[Place, list[Counted]] = {place: [] for place in slots}
    sums: dict[Place, Counter[str]] = {}

    def put(place: Place, row: Counted) -> None:
        wanted.setdefault(place, []).append(row)
        sums.setdefault(place, Counter()).update(row.counters)

    missing = []
    for row in rows:
        home = found.get((row.place.slot, row.mark))
        if home is None:
            missing.append(row)
        else:
            put(home, row)
    for row in missing:
        place = row.place
        while "sealed" in slots.get(place, ()) or too_large(place, sums.get(place, {}), len(wanted.get(place, ()))):
            place = place.following
        put(place, row)
    return wanted


def _account(place: Place) -> Account:
    return place.day, place.key, place.team


def _sums(items: Iterator[dict[str, Any]]) -> dict[Account, Counter[str]]:
    sums: dict[Account, Counter[str]] = {}
    for item in items:
        sums.setdefault((item["day"], item["key"], item["team"]), Counter()).update(counters_of(item))
    return sums


def _nonzero(counters: Mapping[str, int]) -> dict[str, int]:
    return {name: amount for name, amount in counters.items() if amount}


def _compared(
    right: Mapping[Account, Mapping[str, int]], live: Mapping[Account, Mapping[str, int]]
) -> Iterator[Difference]:
    for account in sorted({*right, *live}):
        wanted, stored = _nonzero(right.get(account, {})), _nonzero(live.get(account, {}))
        if wanted != stored:
            names = {name for name in {*wanted, *stored} if wanted.get(name) != stored.get(name)}
            cost = stored.get("*|*|cost", 0) - wanted.get("*|*|cost", 0)
            yield Difference(*account, len(names), cost)
