"""Counts rows in their places, each row once. The stream consumer, the redrive and the rebuild all use it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

from msgspec import Struct, field

from gateway import observability
from gateway.billing.counters import Counted
from gateway.billing.places import Part, Place
from gateway.billing.store import COUNTERS_AN_UPDATE, ROWS_AN_UPDATE, counters_of
from gateway.context import carried
from gateway.dynamodb.attributes import size_of
from gateway.errors import ConditionFailed, StoreError, StoreRejected, StoreUnavailable

_TRIES = 5
_PAUSE_SECONDS = 0.05
_MARKS_REMEMBERED = 100_000
_AT_ONCE = 8  # writes at the same time: a batch with rows of a hundred keys needs a hundred


class Places(Protocol):
    def add(self, place: Place, rows: Sequence[Part]) -> dict[str, Any]: ...
    def seal(self, place: Place) -> dict[str, Any]: ...
    def merge(self, place: Place, now: int) -> None: ...


class Uncounted(Struct, frozen=True):
    """A row that is not counted in at least one of its places. `refused` says why the store will never take it. It is
    empty if the store did not answer, so that the result is unknown."""

    row: Counted
    refused: str = ""


class _Left(Struct, frozen=True):
    """Like `Uncounted`, for one place."""

    part: Part
    refused: str = ""


class _Closed(Struct):
    """Closed slots with the marks of their rows. A closed slot never changes, so a container need not find out again,
    by a refused write that costs money, which of a row's slots is open. Several threads use it."""

    _marks: dict[Place, frozenset[str]] = field(default_factory=dict)
    _size: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def get(self, place: Place) -> frozenset[str] | None:
        return self._marks.get(place)

    def note(self, place: Place, marks: frozenset[str]) -> None:
        with self._lock:
            if place not in self._marks:
                self._marks[place] = marks
                self._size += len(marks)
            while self._size > _MARKS_REMEMBERED:
                self._size -= len(self._marks.pop(next(iter(self._marks))))


class Counting(Struct, frozen=True):
    """`now` gives seconds since the epoch, `pause` waits that many seconds between two tries."""

    store: Places
    now: Callable[[], float] = time.time
    pause: Callable[[float], None] = time.sleep
    _closed: _Closed = field(default_factory=_Closed)

    def count(self, rows: Sequence[Counted]) -> list[Uncounted]:
        """Count the rows that were not counted before. Returns those that could not be counted.

        It is safe to give a row again at any time: the row's own fields decide its one item, and that item says
        whether it contains the row. A row that the store refuses does not delay any other. Rows of a session count in
        its bill in the same way while the item may exist; later they are in no session's bill.
        """
        places: dict[Place, dict[str, Part]] = {}
        now = self.now()
        for row in rows:
            places.setdefault(row.place, {})[row.rid] = row
            if row.session is not None and row.session.place.open(now):
                places.setdefault(row.session.place, {})[row.rid] = row.session
        if len(places) < 2:
            left = [self._of_place(*each) for each in places.items()]
        else:
            with ThreadPoolExecutor(min(_AT_ONCE, len(places))) as pool:
                left = list(pool.map(carried(self._of_place), places, places.values()))
        reasons: dict[str, set[str]] = {}
        for each in (each for group in left for each in group):
            reasons.setdefault(each.part.rid, set()).add(each.refused)
        # A row whose result is unknown must come again, even if the other place refuses it.
        return [
            Uncounted(row, min(reasons[row.rid]))
            for row in {row.rid: row for row in rows}.values()
            if row.rid in reasons
        ]

    def _of_place(self, place: Place, rows: Mapping[str, Part]) -> list[_Left]:
        # One group after another: only when the earlier rows are written is it known whether the slot is closed.
        return [left for group in _groups(rows.values(), place) for left in self._counted(place, group)]

    def _counted(self, place: Place, rows: list[Part]) -> list[_Left]:
        tries = _TRIES
        while tries:
            while rows and (marks := self._closed.get(place)) is not None:
                rows = [row for row in rows if row.mark not in marks]
                place = place.following
            if not rows:
                return []
            try:
                item = self.store.add(place, rows)
            except ConditionFailed as refused:
                there = refused.item or {}
                marks = frozenset(there.get("ids", ()))
                if there.get("sealed"):
                    self._closed.note(place, marks)
                    rows, place = [row for row in rows if row.mark not in marks], place.following
                else:
                    rows = [row for row in rows if row.mark not in marks]
            except StoreRejected as error:
                if len(rows) == 1:
                    return [_Left(rows[0], str(error))]
                return [left for row in rows for left in self._counted(place, [row])]
            except (StoreUnavailable, StoreError) as error:
                # The write may have been applied anyway: the next try finds out from the item.
                observability.log.warning("rows not counted", extra={"reason": str(error), "rows": len(rows)})
                tries -= 1
                if tries:
                    self.pause(_PAUSE_SECONDS * (_TRIES - tries))
            else:
                self._close(place, item)
                return []
        return [_Left(row) for row in rows]

    def _close(self, place: Place, item: dict[str, Any]) -> None:
        """Merge a full slot; close a slot that would become so large that each write of it is expensive."""
        rows = len(item["ids"])
        try:
            if place.full(rows):
                self.store.merge(place, int(self.now()))
            elif too_large(place, counters_of(item), rows):
                self.store.seal(place)
        except (StoreUnavailable, StoreError) as error:  # then it stays a separate item, and counts as one
            observability.log.warning("a slot was not closed", extra={"slot": place.slot, "reason": str(error)})


def too_large(place: Place, counters: Mapping[str, int], rows: int) -> bool:
    """Whether a place that holds so many counters and rows takes no more rows."""
    return rows >= place.most_rows or size_of(counters) > place.most_bytes


def _groups(rows: Iterable[Part], place: Place) -> Iterator[list[Part]]:
    """Splits rows of one place into groups that are small enough for one update and one slot."""
    group: list[Part] = []
    names: dict[str, int] = {}
    most = min(ROWS_AN_UPDATE, place.most_rows)
    for row in rows:
        both = names | dict(row.counters)
        if group and (len(group) == most or len(both) > COUNTERS_AN_UPDATE or size_of(both) > place.most_bytes):
            yield group
            group, both = [], dict(row.counters)
        group.append(row)
        names = both
    if group:
        yield group
