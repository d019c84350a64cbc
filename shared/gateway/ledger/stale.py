"""What has expired in an item of `limits`: the counters of past windows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from gateway.identity.caller import DURATIONS
from gateway.ledger.admission import HOUR, Windows, bookings_of
from gateway.limits import WINDOWS

_DAY = 24 * HOUR


@lru_cache(maxsize=256)  # items have the same names for an hour, most keys' all the same
def stale_names(names: tuple[str, ...], hour_number: int) -> Sequence[str]:
    """Of the attributes of an item with these names, the counters of past hours and days, which the next admission may
    remove. The current hour is numbered from the epoch. Those of the previous hour stay: otherwise a call that comes
    late, or by a clock that is slightly behind, would find its own window empty. Yesterday's tokens stay too: a call of
    yesterday may still end and correct them. Only the current day's tags stay: they matter only when a row opens. A
    window that a clock slightly ahead has begun never counts as past."""
    oldest = _oldest(hour_number)
    return tuple(sorted(name for name in names if name[:2] in oldest and name[2:] < oldest[name[:2]])[:20])


@lru_cache(maxsize=16)
def _oldest(hour_number: int) -> Mapping[str, str]:
    """The first window whose counters stay, by the first two characters of the counters' names."""
    before, yesterday = Windows.at((hour_number - 1) * HOUR), Windows.at((hour_number - 24) * HOUR)
    oldest = {"g_": Windows.at(hour_number * HOUR).day}
    for each in WINDOWS:
        ended = yesterday if each.unit == "tokens" and each.window == "day" else before
        oldest[each.attribute] = each.counter(ended.hour)[2:]
    return oldest


def stale_windows(item: Mapping[str, Any], now: int) -> list[str]:
    """Names of the counters of budget windows that ended more than two days ago and have no hour left to reconcile."""
    current = {Windows.at(now - days * _DAY, each).budget for days in range(3) for each in DURATIONS}
    kept = current | {booking.window for booking in bookings_of(item)}
    return sorted(name for name in item if name.startswith(("used_", "spent_")) and name.partition("_")[2] not in kept)
