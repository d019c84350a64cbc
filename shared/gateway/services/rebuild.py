"""The bill once more, from the rows: compares what is counted with them, and on request puts right what differs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any, Protocol

from gateway.domain.rollup import SUM, Counted, Place, PoisonRow, counted
from gateway.errors import ConditionFailed
from gateway.services.counting import Counting
from gateway.stores.rows import KEPT_SECONDS, OPEN
from gateway.stores.usage import counters_of, place_of

ROWS_LIVE = timedelta(seconds=KEPT_SECONDS)
Account = tuple[str, str, str]  # day, key, team


class Rows(Protocol):
    def between(self, first: str, last: str) -> Iterator[dict[str, Any]]: ...


class Usage(Protocol):
    def day(self, day: str, key: str = "") -> Iterator[dict[str, Any]]: ...
    def items(self, day: str, key: str = "") -> Iterator[dict[str, Any]]: ...
    def replace(
        self, place: Place, counters: Mapping[str, int], marks: Sequence[str], read: Mapping[str, Any]
    ) -> None: ...
    def part(self, place: Place, read: Mapping[str, Any]) -> None: ...


class TooOld(Exception):
    """Rows of the first day may be gone: what they came to would look like too much. The message says since when."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A day of one key that does not come to what its rows say; `cost` is counted minus right, in micro-dollars."""

    day: str
    key: str
    team: str
    counters: int
    cost: int


@dataclass(slots=True)
class Rebuilt:
    """`unfit`: days that could not be judged or repaired, each with the reason."""

    rows: int = 0
    differences: list[Difference] = field(default_factory=list)
    repaired: int = 0
    unfit: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Rebuild:
    """`now` gives seconds since the epoch."""

    rows: Rows
    usage: Usage
    counting: Counting
    now: Callable[[], float]

    def run(self, first: date, last: date, *, apply: bool) -> Rebuilt:
        """Compares whole UTC days; with `apply` what differs is put right, whatever is counted meanwhile.

        Raises TooOld where rows of the first day may have expired.
        """
        oldest = datetime.fromtimestamp(self.now(), UTC).date() - ROWS_LIVE + timedelta(days=1)
        if first < oldest:
            raise TooOld(f"Rows live for {ROWS_LIVE.days} days: {oldest} is the first day that is whole.")
        result = Rebuilt()
        days = [(first + timedelta(days=number)).isoformat() for number in range((last - first).days + 1)]
        result.differences = self._differences(days, result)
        if apply and result.differences:
            wrong = {(each.day, each.key, each.team) for each in result.differences}
            rows = self._rows_of(wrong, days)
            # What the stream lost; a row that is counted already is passed over.
            self.counting.count([row for members in rows.values() for row in members])
            for account in sorted(wrong):
                if not self._right(account, rows[account]):
                    self._replace(account, rows[account], result)
            result.repaired = sum(self._right(account, rows[account]) for account in wrong)
        return result

    def _differences(self, days: Sequence[str], result: Rebuilt) -> list[Difference]:
        right: dict[Account, Counter[str]] = {}
        unread: dict[str, Counter[str]] = {}
        for row in self.rows.between(days[0], days[-1]):
            day = row.get("day") or row["minute"][:10]
            try:
                if row["state"] == OPEN:
                    unread.setdefault(day, Counter())["OPEN"] += 1
                    continue
                facts = counted(row)
            except PoisonRow:
                unread.setdefault(day, Counter())["not readable"] += 1
                continue
            result.rows += 1
            right.setdefault(_account(facts.place), Counter()).update(facts.counters)
        found: list[Difference] = []
        for day in days:
            if day in unread:
                rows = ", ".join(f"{count} {state}" for state, count in sorted(unread[day].items()))
                result.unfit[day] = f"has rows that are {rows}"
            else:
                found += _compared(day, right, _sums(self.usage.day(day)))
        return found

    def _rows_of(self, wrong: set[Account], days: Sequence[str]) -> dict[Account, list[Counted]]:
        rows: dict[Account, list[Counted]] = {account: [] for account in wrong}
        for row in self.rows.between(days[0], days[-1]):
            try:
                facts = None if row["state"] == OPEN else counted(row)
            except PoisonRow:
                continue
            if facts is not None and _account(facts.place) in rows:
                rows[_account(facts.place)].append(facts)
        return rows

    def _right(self, account: Account, rows: Sequence[Counted]) -> bool:
        day, key, _ = account
        wanted: Counter[str] = Counter()
        for row in rows:
            wanted.update(row.counters)
        live = _sums(self.usage.day(day, key)).get(account, Counter())
        return _nonzero(wanted) == _nonzero(live)

    def _replace(self, account: Account, rows: Sequence[Counted], result: Rebuilt) -> None:
        """Every slot anew from its rows. The day's sum goes first: then each slot counts by itself, and only once."""
        day, key, team = account
        live = {item["slot"]: item for item in self.usage.items(day, key) if (item["key"], item["team"]) == (key, team)}
        wanted: dict[Place, list[Counted]] = {}
        for row in rows:
            wanted.setdefault(row.place, []).append(row)
        try:
            if SUM in live:
                self.usage.part(Place(*account, SUM), live.pop(SUM))
            for place in sorted({*map(place_of, live.values()), *wanted}, key=lambda place: place.slot):
                read, members = live.get(place.slot, {}), wanted.get(place, [])
                counters: Counter[str] = Counter()
                for row in members:
                    counters.update(row.counters)
                if _nonzero(counters) != _nonzero(counters_of(read)) or {row.mark for row in members} != read.get(
                    "ids"
                ):
                    self.usage.replace(place, counters, [row.mark for row in members], read)
        except ConditionFailed:
            result.unfit[day] = f"key {key} was counted on meanwhile: run it again"


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
    day: str, right: Mapping[Account, Mapping[str, int]], live: Mapping[Account, Mapping[str, int]]
) -> Iterator[Difference]:
    for account in sorted({*(each for each in right if each[0] == day), *live}):
        wanted, stored = _nonzero(right.get(account, {})), _nonzero(live.get(account, {}))
        if wanted != stored:
            names = {name for name in {*wanted, *stored} if wanted.get(name) != stored.get(name)}
            cost = stored.get("*|*|cost", 0) - wanted.get("*|*|cost", 0)
            yield Difference(*account, len(names), cost)
