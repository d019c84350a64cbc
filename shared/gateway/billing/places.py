"""Where rows are counted: places, the slots in them, and what of a row counts in one. Pure."""

from __future__ import annotations

import base64
import hashlib
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

# Up to which number of a day how many rows share a slot. An item's size is what each write of it costs: the first slots
# stay within a KB, and who calls so often that slots get larger comes in batches, which share that cost.
_SLOTS = ((64, 16), (1 << 17, 64), (1 << 21, 512), (1 << 63, 4096))
_MERGED_FROM = 64  # the few slots before that are cheaper left alone
_LEAST_ROWS = 64  # that a slot takes before it is closed for their number alone: corrections, rows without a number
_SLOT_BYTES = 8_192  # of counters: what each write of a slot costs
_SHARDS = 4  # partitions of a month, by key: what is written at one time can use a thousand units a second of each
SHARDS = range(_SHARDS)
SUM = "-"


@dataclass(frozen=True, slots=True)
class Place:
    """Where rows are counted. `slot` is the first number in it, with `.1` and so on behind it where the one before was
    closed, `c` for corrections; or SUM, where closed slots are added up."""

    day: str
    key: str
    team: str
    slot: str

    @property
    def following(self) -> Place:
        """Where a row goes that finds the slot closed."""
        first, _, again = self.slot.partition(".")
        return replace(self, slot=f"{first}.{int(again or 0) + 1}")

    @property
    def sum(self) -> Place:
        return Place(self.day, self.key, self.team, SUM)

    @property
    def chain(self) -> str:
        """The slot that this one is of, or goes on from."""
        return self.slot.partition(".")[0]

    @property
    def most_rows(self) -> int:
        """As many rows as one item takes, whatever came into it."""
        return max(_LEAST_ROWS, size_of_slot(int(self.chain), _SLOTS) if self.chain.isdigit() else 0)

    @property
    def most_bytes(self) -> int:
        """Counters that are larger close their item."""
        return _SLOT_BYTES

    def full(self, rows: int) -> bool:
        """Whether so many rows are all that will come, as a rule, and the slot is one to merge into its day."""
        whole = self.slot.isdigit() and int(self.slot) >= _MERGED_FROM
        return whole and rows >= size_of_slot(int(self.slot), _SLOTS)

    def open(self, now: float) -> bool:
        """Whether its item, if there ever was one, is still there, so that a row counts once; `now` in seconds since
        the epoch. Always: an item that ends was closed before."""
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
        """What stands in its item beside counters and marks."""
        return {"day": self.day, "key": self.key, "team": self.team, "slot": self.slot}


@dataclass(frozen=True, slots=True)
class Part:
    """What of a row counts in one place."""

    rid: str
    place: Place
    counters: Mapping[str, int]

    @property
    def mark(self) -> str:
        """What an item remembers the row by: 96 bits of a hash of its id, in base64 as DynamoDB sends bytes."""
        return base64.b64encode(hashlib.sha256(self.rid.encode()).digest()[:12]).decode()


def shard_of(key: str) -> int:
    return zlib.crc32(key.encode()) % _SHARDS


def size_of_slot(number: int, sizes: tuple[tuple[int, int], ...]) -> int:
    return next(size for most, size in sizes if number < most)


def slot_of(number: int, sizes: tuple[tuple[int, int], ...] = _SLOTS) -> str:
    """The slot of a day's call, the first of which is number 1; 0 is a row that does not know its number."""
    place = max(number - 1, 0)
    return str(place - place % size_of_slot(place, sizes))
