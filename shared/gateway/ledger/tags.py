"""The tags that a call counts under. They are decided when its row opens and are written in it, so every later count of
the row gives the same result.

A key has as many tags per UTC day as fit into ROOM: a tag takes one place for each 24 characters, rounded up. The key's
item of `limits` remembers the tags as hashes in a set. The admission of a call with a new tag adds to this set. A tag
for which there is no room counts under OTHER, which no client can send.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Collection, Sequence

ROOM = 24  # hashes per day: with more, the item would exceed the KB of one write unit
OTHER = "(other)"
_PIECE = 24  # characters per place: a tag's cost in the bill grows with its length
_HASH_BYTES = 6


def set_name(day: str) -> str:
    """The attribute of a UTC day's tags (2026-11-24) in a key's item."""
    return f"g_{day}"


def new_marks(tags: Sequence[str], known: Collection[str]) -> list[str]:
    """What a call adds to the set in its current state, as far as there is room. In base64, as DynamoDB sends bytes."""
    found: dict[str, None] = {}
    for tag in tags:
        missing = [mark for mark in _marks(tag) if mark not in known and mark not in found]
        if len(known) + len(found) + len(missing) <= ROOM:
            found |= dict.fromkeys(missing)
    return list(found)


def counted_tags(tags: Sequence[str], known: Collection[str]) -> tuple[str, ...]:
    """The tags that a call counts under, each once, by the set as the call's admission left it."""
    return tuple(dict.fromkeys(tag if all(mark in known for mark in _marks(tag)) else OTHER for tag in tags))


def _marks(tag: str) -> list[str]:
    pieces = range(-(-len(tag) // _PIECE))
    digests = (hashlib.sha256(f"{number} {tag}".encode()).digest()[:_HASH_BYTES] for number in pieces)
    return [base64.b64encode(digest).decode() for digest in digests]
