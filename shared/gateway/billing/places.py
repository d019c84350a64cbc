"""Where rows are counted: places, the slots in them, and the part of a row that counts in one place. Pure."""

from __future__ import annotations

import base64
import hashlib
import zlib
from collections.abc import Mapping
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

# Pairs: below this number of a day's calls, a slot is shared by so many rows. Each write costs by the size of its item.
# The first slots stay within 1 KB. Rows of a key with so many calls that its slots get larger arrive in batches, and a
# batch shares that cost.
_SLOTS = ((64, 16), (1 << 17, 64), (1 << 21, 512), (1 << 63, 4096))
_MERGED_FROM = 64  # for the few slots before this, merging costs more than it saves
_LEAST_ROWS = 64  # a slot takes at least so many rows: for corrections, and rows without a number
_SLOT_BYTES = 8_192  # of counters: what each write of a slot costs
_SHARDS = 4  # partitions of a month, by key: each can take a thousand write units a second
SHARDS = range(_SHARDS)
SUM = "-"


class Place(Struct, frozen=True):
    """Where rows are counted. `slot` is the first call number in the slot, followed by `.1` and so on if the slot
    before it was closed; or `c` for corrections; or SUM, where closed slots are added up."""

    day: str
    key: str
    team: str
    slot: str

    @property
    def following(self) -> Place:
        """The place for a row that finds this slot closed."""
        first, _, again = self.slot.partition(".")
        return replace(self, slot=f"{first}.{int(again or 0) + 1}")

    @property
    def sum(self) -> Place:
        return Place(self.day, self.key, self.team, SUM)

    @property
    def chain(self) -> str:
        """The first slot that this one is, or continues."""
        return self.slot.partition(".")[0]

    @property
    def most_rows(self) -> int:
        """The most rows that one item takes, however they arrived."""
        return max(_LEAST_ROWS, size_of_slot(int(self.chain), _SLOTS) if self.chain.isdigit() else 0)

    @property
    def most_bytes(self) -> int:
        """The size of counters above which an item is closed."""
        return _SLOT_BYTES

    def full(self, rows: int) -> bool:
        """Whether a slot with so many rows usually gets no more, and may be merged into the sum of its day."""
        whole = self.slot.isdigit() and int(self.slot) >= _MERGED_FROM
        return whole and rows >= size_of_slot(int(self.slot), _SLOTS)

    def open(self, now: float) -> bool:
        """Whether the item of this place, if it was ever written, still exists, so that a row counts once; `now` is in
        seconds since the epoch. Always true here: a slot is closed before its item expires."""
        return True

    @property
    def item_key(self) -> dict[str, str]:
        """The key of its item in `usage`."""
        return {
            "pk": f"{self.day[:7]}#{shard_of(self.key)}",
            "sk": f"{self.day}#{self.key}#{self.team}#{self.slot}",
        }

    @property
    def facts(self) -> dict[str, Any]:
        """The attributes of its item other than counters and marks."""
        return {"day": self.day, "key": self.key, "team": self.team, "slot": self.slot}


class Part(Struct, frozen=True):
    """The part of a row that counts in one place."""

    rid: str
    place: Place
    counters: Mapping[str, int]

    @property
    def mark(self) -> str:
        """The mark by which an item remembers the row: 96 bits of a hash of its id, in base64 as DynamoDB sends
        bytes."""
        return base64.b64encode(hashlib.sha256(self.rid.encode()).digest()[:12]).decode()


def shard_of(key: str) -> int:
    return zlib.crc32(key.encode()) % _SHARDS


def size_of_slot(number: int, sizes: tuple[tuple[int, int], ...]) -> int:
    return next(size for most, size in sizes if number < most)


def slot_of(number: int, sizes: tuple[tuple[int, int], ...] = _SLOTS) -> str:
    """The slot of a call of the day; the first call has number 1. Number 0 means that the row does not know its
    number."""
    place = max(number - 1, 0)
    return str(place - place % size_of_slot(place, sizes))
