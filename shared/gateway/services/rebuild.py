"""The rollups once more, from the rows: compares, and on request puts right what differs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any, Protocol

from gateway.domain.rollup import PoisonRow, counted
from gateway.errors import ConditionFailed
from gateway.stores.rows import OPEN

# A stream keeps a record for a day, a marker lives for two: after that nothing of a day is on its way any more.
SETTLED_AFTER = timedelta(days=2)
Place = tuple[str, str]  # key, team


class Rows(Protocol):
    def between(self, first: str, last: str) -> Iterator[dict[str, Any]]: ...


class Rollups(Protocol):
    def day(self, day: str) -> Iterator[dict[str, Any]]: ...
    def replace(self, key: str, team: str, day: str, counters: Mapping[str, int], read: Mapping[str, Any]) -> None: ...


@dataclass(frozen=True, slots=True)
class Difference:
    """One rollup that is not what its rows say; `cost` is live minus right, in micro-dollars."""

    day: str
    key: str
    team: str
    counters: int
    cost: int


@dataclass(slots=True)
class Rebuilt:
    """`unfit`: days that could not be judged, each with the reason."""

    rows: int = 0
    differences: list[Difference] = field(default_factory=list)
    repaired: int = 0
    unfit: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Rebuild:
    """`now` gives seconds since the epoch."""

    rows: Rows
    rollups: Rollups
    now: Callable[[], float]

    def run(self, first: date, last: date, *, apply: bool) -> Rebuilt:
        """Compares whole UTC days; with `apply` what differs is replaced, on days that nothing can come to any more."""
        result = Rebuilt()
        right: dict[str, dict[Place, Counter[str]]] = {}
        unread: dict[str, Counter[str]] = {}
        for row in self.rows.between(first.isoformat(), last.isoformat()):
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
            right.setdefault(day, {}).setdefault((facts.key, facts.team), Counter()).update(facts.counters)
        for number in range((last - first).days + 1):
            name = (first + timedelta(days=number)).isoformat()
            if name in unread:
                rows = ", ".join(f"{count} {state}" for state, count in sorted(unread[name].items()))
                result.unfit[name] = f"has rows that are {rows}"
            else:
                self._day(name, right.get(name, {}), result, apply=apply)
        return result

    def _day(self, name: str, right: Mapping[Place, Counter[str]], result: Rebuilt, *, apply: bool) -> None:
        live = {(item["key"], item.get("team", "")): item for item in self.rollups.day(name)}
        wrong = list(_wrong(name, right, live))
        result.differences += [difference for difference, _ in wrong]
        if not (apply and wrong):
            return
        over = datetime.fromisoformat(name).replace(tzinfo=UTC) + timedelta(days=1) + SETTLED_AFTER
        if self.now() < over.timestamp():
            result.unfit[name] = f"not over for long enough: can be repaired after {over:%Y-%m-%dT%H:%MZ}"
            return
        for difference, place in wrong:
            try:
                self.rollups.replace(*place, name, right.get(place, {}), live.get(place, {}))
                result.repaired += 1
            except ConditionFailed:
                result.unfit[name] = f"the rollup of key {difference.key} changed meanwhile: run it again"


def _wrong(
    day: str, right: Mapping[Place, Mapping[str, int]], live: Mapping[Place, Mapping[str, Any]]
) -> Iterator[tuple[Difference, Place]]:
    for place in sorted({*right, *live}):
        wanted = {name: amount for name, amount in right.get(place, {}).items() if amount}
        stored = {name: amount for name, amount in live.get(place, {}).items() if "|" in name and amount}
        if wanted != stored:
            names = {name for name in {*wanted, *stored} if wanted.get(name) != stored.get(name)}
            cost = stored.get("*|*|cost", 0) - wanted.get("*|*|cost", 0)
            yield Difference(day, *place, len(names), cost), place
