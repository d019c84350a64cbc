"""What the stream consumer still has to do after a batch: what fails keeps no other back, and is due with the next."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from gateway.errors import StoreError, StoreUnavailable

K = TypeVar("K")
V = TypeVar("V")
_REMEMBERED = 10_000
_MOST_FAILURES = 3  # in one batch: each may take seconds, and the batch has a minute


def attend(due: dict[K, V], act: Callable[[K], None]) -> None:
    """Act on each that is due; `act` takes out what is done. Raises the first StoreUnavailable or StoreError when all
    were tried, or three failed. What is due longest goes where there is too much of it."""
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
