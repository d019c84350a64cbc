"""Breakers as items of the table `state`: one partition holds them all, together with the other items that health
shows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.breakers.breaker import Breaker, BreakerKey

PARTITION = "health"
PREFIX = "breaker#"
_KNOWN = ("open", "forced", "window", "failures", "successes", "opened", "until", "trips", "probes", "lease")


def key_of(key: BreakerKey) -> dict[str, str]:
    """The primary key of a breaker's item, as plain values."""
    return {"pk": PARTITION, "sk": f"{PREFIX}{key.text}"}


def breaker_of(key: BreakerKey, item: Mapping[str, Any]) -> Breaker:
    """The breaker of a stored item; an attribute that the item lacks has its default."""
    slow = frozenset(map(str, item.get("slow", ())))
    return Breaker(key, **{name: item[name] for name in _KNOWN if name in item}, slow=slow)


def breaker_item(item: Mapping[str, Any]) -> Breaker | None:
    """The breaker of an item of the partition; None for another kind of item."""
    text = str(item["sk"])
    return breaker_of(BreakerKey.parse(text.removeprefix(PREFIX)), item) if text.startswith(PREFIX) else None
