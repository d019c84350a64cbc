"""The tags that a call counts under. They are decided when its row opens and written in it, so whoever counts the row,
whenever, counts the same.

A key has so many tags a UTC day as ROOM takes: each begun 24 characters of a tag take one place. Its item of `limits`
remembers them by hashes in a set, which a call with a tag that is not in it adds to by its admission. A tag that found
no place counts under OTHER, which no client can send.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Collection, Sequence

ROOM = 24  # hashes of a day: more, and the item would pass the KB that a write unit holds
OTHER = "(other)"
_PIECE = 24  # characters to a place: what a tag costs in the bill grows with its length
_HASH_BYTES = 6


def set_name(day: str) -> str:
    """The attribute of a UTC day's tags (2026-11-24) in a key's item."""
    return f"g_{day}"


def new_marks(tags: Sequence[str], known: Collection[str]) -> list[str]:
    """What a call adds to a set as it stands, as far as there is room. Base64, as DynamoDB sends bytes."""
    found: dict[str, None] = {}
    for tag in tags:
        missing = [mark for mark in _marks(tag) if mark not in known and mark not in found]
        if len(known) + len(found) + len(missing) <= ROOM:
            found |= dict.fromkeys(missing)
    return list(found)


def counted_tags(tags: Sequence[str], known: Collection[str]) -> tuple[str, ...]:
    """Which tags a call counts under, by the set as its admission left it: each once."""
    return tuple(dict.fromkeys(tag if all(mark in known for mark in _marks(tag)) else OTHER for tag in tags))


def _marks(tag: str) -> list[str]:
    pieces = range(-(-len(tag) // _PIECE))
    digests = (hashlib.sha256(f"{number} {tag}".encode()).digest()[:_HASH_BYTES] for number in pieces)
    return [base64.b64encode(digest).decode() for digest in digests]
