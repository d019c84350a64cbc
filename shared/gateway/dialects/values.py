"""Reads values that others sent (objects, counts) and checks each before it is used."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, Final, NoReturn

from gateway.json_text import is_shallow, is_shallow_text, read

MOST_TOKENS: Final = 100_000_000  # no model reads or writes as many; a larger count is not believed


def json_object(data: bytes | str) -> dict[str, Any] | None:
    """The JSON object in `data`; None for anything else (not JSON, NaN or infinity, bad UTF-8, nested too deep)."""
    value, sound = read_json(data)
    return value if sound else None


def mapping(value: object) -> Mapping[str, Any]:
    """`value` if it is an object, else an empty one."""
    if type(value) is dict:  # an instance check of an abstract class costs ten times as much
        return value
    return value if value is not None and isinstance(value, Mapping) else {}


def objects(value: object) -> list[Mapping[str, Any]]:
    """The objects in a list; empty if `value` is not a list."""
    return [each for each in value if isinstance(each, Mapping)] if isinstance(value, list) else []


def count(value: object) -> int | None:
    """A token count: a whole number from 0 up, however it is written (12.0), else None. 0 is a count, not "missing"."""
    if type(value) is int:
        return value if 0 <= value <= MOST_TOKENS else None
    if value is None or isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    whole = isinstance(value, int) or value.is_integer()
    return int(value) if whole and 0 <= value <= MOST_TOKENS else None


def read_json(data: bytes | str) -> tuple[dict[str, Any] | None, bool]:
    """The JSON object in `data`, and whether all of it is sound. NaN and infinity are read as null, so that the rest
    (the usage) can still be read."""
    found, sound = read(data), True
    if found is None:
        try:
            text = data if isinstance(data, str) else data.decode(json.detect_encoding(data), "surrogatepass")
            try:
                value = _SOUND.decode(text)
            except _Unsound:
                value, sound = _ANY.decode(text), False
        except (ValueError, RecursionError):
            return None, False
        found = value, is_shallow_text(text)
    value, shallow = found
    if not isinstance(value, dict) or not (shallow or is_shallow(value)):
        return None, False
    return value, sound


class _Unsound(Exception):
    """A number that is NaN or infinite."""


def _refuse(_text: str) -> NoReturn:
    raise _Unsound


def _none(_text: str) -> None:
    return None


def _finite(text: str) -> float:
    number = float(text)
    return number if math.isfinite(number) else _refuse(text)


def _finite_or_none(text: str) -> float | None:
    number = float(text)
    return number if math.isfinite(number) else None


# Made once: json.loads would make a decoder at each call.
_SOUND: Final = json.JSONDecoder(parse_constant=_refuse, parse_float=_finite)
_ANY: Final = json.JSONDecoder(parse_constant=_none, parse_float=_finite_or_none)
