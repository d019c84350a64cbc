"""Tells keys that a shared limit begins or ends: their next paid call then reads their records."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from msgspec.structs import replace

from gateway.errors import ConditionFailed, Conflict
from gateway.identity.caller import Caller
from gateway.identity.records import SharedRecord
from gateway.identity.store import ACTIVE, KeyRecord, NoSuchTeam

_TRIES = 4
Page = tuple[list[KeyRecord], str | None]


class Records(Protocol):
    def get(self, key_id: str) -> KeyRecord | None: ...


class Touches(Protocol):
    def touch(self, by: Caller, record: KeyRecord) -> KeyRecord: ...


class PaidCalls(Protocol):
    def set_state(self, account: str, state: str, version: int) -> None: ...


def to_be_told(before: SharedRecord, after: SharedRecord) -> bool:
    """Whether a change of shared limits has to reach the keys' items, which is when the limits begin or end. A change
    without an effect counts as a repetition, because some keys may have missed the first one."""
    return limiting(before) != limiting(after) or (limiting(after) and replace(before, version=after.version) == after)


def limiting(record: SharedRecord) -> bool:
    """Whether a record limits anybody."""
    return record.state == ACTIVE and record.terms() is not None


def tell_keys(
    records: Records, writes: Touches, limits: PaidCalls, by: Caller, page: Callable[[str | None], Page]
) -> None:
    """Give each key of these pages a new version and change nothing else. Without shared limits, no second item is
    checked for a key's calls; the change begins or ends that check. If it raises Conflict, repeat the change."""
    cursor: str | None = None
    while True:
        listed, cursor = page(cursor)
        for each in listed:
            _touch(records, writes, limits, by, each.id)
        if cursor is None:
            return


def _touch(records: Records, writes: Touches, limits: PaidCalls, by: Caller, key_id: str) -> None:
    for _ in range(_TRIES):
        record = records.get(key_id)
        if record is None or record.state != ACTIVE:  # it admits no calls; a damaged record must stay as it is
            return
        try:
            touched = writes.touch(by, record)
        except NoSuchTeam:  # deleted meanwhile, or the key was moved: its next call finds out
            return
        except ConditionFailed:
            continue
        limits.set_state(key_id, "A", touched.version)
        return
    raise Conflict("A key is being changed by others; repeat the change.")
