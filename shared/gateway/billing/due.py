"""The work left for the stream consumer after a batch. A failure stops no other work, and is tried again with the next
batch."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from gateway.errors import StoreError, StoreUnavailable

K = TypeVar("K")
V = TypeVar("V")
_REMEMBERED = 10_000
_MOST_FAILURES = 3  # in one batch: each may take seconds, and the batch has a minute


def attend(due: dict[K, V], act: Callable[[K], None]) -> None:
    """Call `act` on each entry of `due`; `act` removes what is done. When all entries were tried, or three have failed,
    raises the first StoreUnavailable or StoreError. If there are too many entries, the oldest are dropped."""
    failures: list[StoreUnavailable | StoreError] = []
    for each in list(due):
        if len(failures) < _MOST_FAILURES:
            try:
                act(each)
            except (StoreUnavailable, StoreError) as error:
                failures.append(error)
    while len(due) > _REMEMBERED:
        del due[next(iter(due))]
    if failures:
        raise failures[0]
