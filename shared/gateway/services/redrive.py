"""Poison records once more: what the consumer put aside is counted as soon as it can be read, and then forgotten."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from gateway.domain.rollup import Counted, PoisonRow, counted
from gateway.errors import TransactionCanceled
from gateway.stores.attributes import from_item


class Parked(Protocol):
    def parked(self) -> Iterator[dict[str, Any]]: ...
    def count(self, rows: Sequence[Counted], now: int, parked: str | None = None) -> None: ...


@dataclass(slots=True)
class Redriven:
    """`refused`: identifier and reason of what can't be read still. `done`: somebody else was first."""

    counted: int = 0
    done: int = 0
    refused: list[tuple[str, str]] = field(default_factory=list)


def redrive(store: Parked, now: Callable[[], float] = time.time) -> Redriven:
    """Counts what can be read by now. A record is counted and forgotten in one transaction, so that it counts once
    however often and by whomever this is run. Raises StoreUnavailable: what was done stays done."""
    result = Redriven()
    for item in list(store.parked()):
        try:
            row = counted(from_item(json.loads(item["record"])["dynamodb"]["NewImage"]))
        except (PoisonRow, KeyError, TypeError, ValueError) as error:
            result.refused.append((item["sk"], f"{type(error).__name__}: {error}"))
            continue
        try:
            store.count([row], int(now()), parked=item["sk"])
            result.counted += 1
        except TransactionCanceled as canceled:
            if "ConditionalCheckFailed" not in canceled.reasons:
                result.refused.append((item["sk"], f"not now: {canceled}"))
            else:
                result.done += 1
    return result
