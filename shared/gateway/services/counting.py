"""Rows into their places, each once: for the stream consumer, the redrive and the rebuild alike."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol

from gateway import observability
from gateway.domain.rollup import Counted, Place
from gateway.errors import ConditionFailed, StoreError, StoreUnavailable
from gateway.stores.usage import COUNTERS_AN_UPDATE, ROWS_AN_UPDATE

_TRIES = 5
_PAUSE_SECONDS = 0.05
_AT_ONCE = 8  # writes under way: a batch of a hundred keys is a hundred of them


class Places(Protocol):
    def add(self, place: Place, rows: Sequence[Counted]) -> dict[str, Any]: ...
    def merge(self, place: Place, now: int) -> None: ...


@dataclass(frozen=True, slots=True)
class Counting:
    """`now` gives seconds since the epoch, `pause` waits that many seconds between two tries."""

    store: Places
    now: Callable[[], float] = time.time
    pause: Callable[[float], None] = time.sleep

    def count(self, rows: Sequence[Counted]) -> list[Counted]:
        """Count rows that were not counted before; those of which nobody knows, since the store does not answer.

        Giving a row again is safe at any time: each stands in one item, by what is written in the row alone, and that
        item tells whether it is in there.
        """
        groups = list(_groups(rows))
        if len(groups) < 2:
            done = [self._counted(*group) for group in groups]
        else:
            with ThreadPoolExecutor(min(_AT_ONCE, len(groups))) as pool:
                done = list(pool.map(lambda group: self._counted(*group), groups))
        return [row for (_, members), well in zip(groups, done, strict=True) if not well for row in members]

    def _counted(self, place: Place, rows: list[Counted]) -> bool:
        tries = _TRIES
        while tries:
            try:
                item = self.store.add(place, rows)
            except ConditionFailed as refused:
                there = refused.item or {}
                rows = [row for row in rows if row.mark not in there.get("ids", ())]
                if not rows:
                    return True
                if there.get("sealed"):
                    place = place.following
            except (StoreUnavailable, StoreError) as error:
                # It may have been applied all the same: the item tells at the next try.
                observability.log.warning("rows not counted", extra={"reason": str(error), "rows": len(rows)})
                tries -= 1
                if tries:
                    self.pause(_PAUSE_SECONDS * (_TRIES - tries))
            else:
                if place.full(len(item["ids"])):
                    self._merge(place)
                return True
        return False

    def _merge(self, place: Place) -> None:
        try:
            self.store.merge(place, int(self.now()))
        except (StoreUnavailable, StoreError) as error:  # then it stays an item of its own, and counts as such
            observability.log.warning("a slot was not merged", extra={"slot": place.slot, "reason": str(error)})


def _groups(rows: Sequence[Counted]) -> Iterator[tuple[Place, list[Counted]]]:
    """Rows by place, so many at once and with so many counters as one update can take."""
    places: dict[Place, dict[str, Counted]] = {}
    for row in rows:
        places.setdefault(row.place, {})[row.rid] = row
    for place, members in places.items():
        group: list[Counted] = []
        names: set[str] = set()
        for row in members.values():
            if group and (len(group) == ROWS_AN_UPDATE or len(names | row.counters.keys()) > COUNTERS_AN_UPDATE):
                yield place, group
                group, names = [], set()
            group.append(row)
            names |= row.counters.keys()
        if group:
            yield place, group
