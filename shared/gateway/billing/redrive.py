"""Poison records once more: what the consumer put aside is counted as soon as it can be read."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

from gateway.billing.consumer import row_of
from gateway.billing.counters import PoisonRow
from gateway.billing.counting import Counting


class Parked(Protocol):
    def waiting(self) -> Iterator[dict[str, Any]]: ...
    def counted(self, identifier: str, now: int) -> None: ...


@dataclass(slots=True)
class Redriven:
    """`refused`: identifier and reason of what can't be counted still. `days`: UTC days that rows were counted on."""

    counted: int = 0
    refused: list[tuple[str, str]] = field(default_factory=list)
    days: set[str] = field(default_factory=set)


def redrive(parked: Parked, counting: Counting, now: Callable[[], float] = time.time) -> Redriven:
    """Counts what can be read by now. A row that was counted before, by whomever and however long ago, counts no second
    time. Raises StoreUnavailable: what was done stays done."""
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
