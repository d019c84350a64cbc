"""Tries poison records again: a record that the consumer parked is counted as soon as it can be read."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Any, Protocol

from msgspec import Struct, field

from gateway.billing.consumer import row_of
from gateway.billing.counters import PoisonRow
from gateway.billing.counting import Counting


class Parked(Protocol):
    def waiting(self) -> Iterator[dict[str, Any]]: ...
    def counted(self, identifier: str, now: int) -> None: ...


class Redriven(Struct):
    """`refused`: identifier and reason of each record that still can't be counted. `days`: the UTC days on which rows
    were counted."""

    counted: int = 0
    refused: list[tuple[str, str]] = field(default_factory=list)
    days: set[str] = field(default_factory=set)


def redrive(parked: Parked, counting: Counting, now: Callable[[], float] = time.time) -> Redriven:
    """Count the parked records that can be read now. A row that was counted before, at any time and by any process, is
    not counted again. Raises StoreUnavailable; records that were already counted stay counted."""
    result = Redriven()
    for item in list(parked.waiting()):
        try:
            row = row_of(json.loads(item["record"]))
        except (PoisonRow, TypeError, ValueError) as error:
            result.refused.append((item["sk"], str(error)))
            continue
        left = counting.count([row])
        if left:
            result.refused.append((item["sk"], left[0].refused or "not now: the table does not answer"))
            continue
        parked.counted(item["sk"], int(now()))
        result.counted += 1
        result.days.add(row.place.day)
    return result
