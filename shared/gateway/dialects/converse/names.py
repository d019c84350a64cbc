"""Names and ids that Converse takes, for those that it doesn't: the same for the same history, and each its own."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from typing import Final

FITTING: Final = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_ODD = re.compile(r"[^a-zA-Z0-9_-]")
_KEPT = 40  # characters of an odd name that stay readable


class Names:
    """Tools' names. Those that fit stay as they are; all are known before the first is asked for."""

    def __init__(self, names: Iterable[str]) -> None:
        known = list(dict.fromkeys(names))
        taken = {name for name in known if FITTING.fullmatch(name)}
        self._aliases: dict[str, str] = {}
        for name in known:
            if name not in taken:
                alias, _ = _alias(name, taken)
                taken.add(alias)
                self._aliases[name] = alias

    def of(self, name: str) -> str:
        return self._aliases.get(name, name)

    @property
    def originals(self) -> Mapping[str, str]:
        """By their aliases, the names that have one."""
        return {alias: name for name, alias in self._aliases.items()}


class Ids:
    """Ids of tool calls, in the order of the history: one that comes again is another call's, and gets its own."""

    def __init__(self) -> None:
        self._taken: set[str] = set()
        self._tried: dict[str, int] = {}  # aliases of an id that are taken: a history may have one id for all its calls

    def next(self, given: str) -> str:
        chosen = given
        if not FITTING.fullmatch(given) or given in self._taken:
            chosen, self._tried[given] = _alias(given, self._taken, self._tried.get(given, 0))
        self._taken.add(chosen)
        return chosen


def _alias(name: str, taken: set[str], number: int = 0) -> tuple[str, int]:
    """The first alias that is free, from this number on, and the number after it."""
    while True:
        digest = hashlib.sha256(f"{number}:{name}".encode(errors="surrogatepass")).hexdigest()[:20]
        alias = f"{_ODD.sub('_', name[:_KEPT])}_{digest}"
        number += 1
        if alias not in taken:
            return alias, number
