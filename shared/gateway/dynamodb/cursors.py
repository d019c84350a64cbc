"""Opaque cursors, which say where the next page of a Query starts. They hold item keys, no secrets, and are checked."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from typing import Any

from gateway.errors import BadRequest

_FORM = re.compile(r"[A-Za-z0-9_-]{1,2000}", re.ASCII)  # no key of ours is longer
_LONGEST = 1_024  # bytes of a sort key
_LISTING = "of"


def encode(key: Mapping[str, Any], listing: str = "") -> str:
    """A cursor of a listing. `listing` is any name for it; no other listing accepts the cursor."""
    marked = dict(key) | ({_LISTING: listing} if listing else {})
    return base64.urlsafe_b64encode(json.dumps(marked, separators=(",", ":")).encode()).decode().rstrip("=")


def decode(cursor: str, form: Mapping[str, type], listing: str = "") -> dict[str, Any]:
    """The key in a cursor, which must have exactly this form and belong to this listing; else raises BadRequest."""
    key = _read(cursor)
    if isinstance(key, dict) and key.pop(_LISTING, "") == listing:
        typed = {name: type(value) for name, value in key.items()} == dict(form)
        if typed and all(_storable(value) for value in key.values()):
            return key
    raise wrong()


def wrong() -> BadRequest:
    """The error for a cursor that is not one of this listing."""
    return BadRequest("cursor: is not a cursor of this listing", param="cursor")


def _read(cursor: str) -> Any:
    if not _FORM.fullmatch(cursor):
        return None
    try:
        return json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (ValueError, RecursionError):
        return None


def _storable(value: Any) -> bool:
    """Whether DynamoDB accepts the value as part of a key."""
    if not isinstance(value, str):
        return not isinstance(value, int) or abs(value) < 10**15
    try:
        return len(value.encode()) <= _LONGEST
    except UnicodeEncodeError:  # half of a surrogate pair
        return False
