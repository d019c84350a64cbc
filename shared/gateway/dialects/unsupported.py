"""What can't be expressed in another dialect: it is refused by its path, or left out and named."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final

UNSUPPORTED: Final = "not supported by this model"
_ODD = re.compile(r"[^A-Za-z0-9_.\[\]-]")
_MOST_NAMED, _LONGEST = 20, 96


class Unsupported(Exception):
    """This request can't be expressed; `param` names the field, the message is in our own words."""

    def __init__(self, param: str, message: str) -> None:
        super().__init__(message)
        self.param = param


class Unusable(Exception):
    """This answer can't be expressed; `reason` is a word for logs."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def refuse(where: str, why: str) -> Unsupported:
    """The refusal of the field at `where`."""
    where = where[:128]
    return Unsupported(where, f"{where}: {why}")


def name_unknown(given: Mapping[str, Any], known: Collection[str], where: str, dropped: list[str]) -> None:
    """Name in `dropped` each member of `given` that is not `known` and not empty."""
    for name, value in given.items():
        if name not in known and value is not None and value != [] and value != {}:
            dropped.append(f"{where}.{name}" if where else name)


def named(paths: Iterable[str]) -> tuple[str, ...]:
    """Paths fit for a header: each once, of bounded length and number, without characters that a header may not have,
    since names in them are the client's. Those beyond the number are counted: `+7`."""
    safe = list(dict.fromkeys(_ODD.sub("?", path[:_LONGEST]) for path in paths))
    more = len(safe) - _MOST_NAMED
    return (*safe[:_MOST_NAMED], f"+{more}") if more > 0 else tuple(safe)
