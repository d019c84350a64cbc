"""Opaque cursors: where the next page of a Query starts. They carry keys of items, nothing secret, and are checked."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from typing import Any

from gateway.errors import BadRequest


def encode(key: Mapping[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(key, separators=(",", ":")).encode()).decode().rstrip("=")


def decode(cursor: str, form: Mapping[str, type]) -> dict[str, Any]:
    """The key in a cursor, exactly of the given form. Raises BadRequest for anything else."""
    if len(cursor) > 2_000:  # no key of ours is so long
        raise BadRequest("cursor: not a cursor of this listing", param="cursor")
    try:
        key = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (ValueError, binascii.Error):
        key = None
    if not isinstance(key, dict) or {name: type(value) for name, value in key.items()} != dict(form):
        raise BadRequest("cursor: not a cursor of this listing", param="cursor")
    return key
