"""Reading what a provider sent: JSON objects and token counts, none of them believed before it is checked."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NoReturn


def json_object(data: bytes) -> dict[str, Any] | None:
    """The JSON object in `data`; None for anything else (no JSON, NaN, bad UTF-8, nested too deep, a list)."""
    try:
        value = json.loads(data, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def mapping(value: object) -> Mapping[str, Any]:
    """`value` where it is an object, else an empty one."""
    return value if isinstance(value, Mapping) else {}


def count(value: object) -> int | None:
    """A token count: a whole number from 0 up, else None. 0 is a count, not "missing"."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")
