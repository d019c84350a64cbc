"""Replaces names and ids that a dialect does not accept. The same history gives the same aliases, all distinct."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from typing import Final

LONGEST: Final = 64  # of a name or an id, for Converse and for OpenAI
FITTING: Final = re.compile(r"[a-zA-Z0-9_-]+")
_ODD = re.compile(r"[^a-zA-Z0-9_-]")
_KEPT, _DIGEST = 40, 20  # characters kept of an odd name, and of its hash


class Names:
    """Tools' names. Those that fit stay as they are. All names are known before the first is asked for. `originals` are
    the original names by their aliases; only names that have one."""

    def __init__(self, names: Iterable[str], longest: int = LONGEST) -> None:
        known = list(dict.fromkeys(names))
        taken = {name for name in known if len(name) <= longest and FITTING.fullmatch(name)}
        self._aliases: dict[str, str] = {}
        for name in known:
            if name not in taken:
                alias, _ = _alias(name, taken)
                taken.add(alias)
                self._aliases[name] = alias
        self.originals: Mapping[str, str] = {alias: name for name, alias in self._aliases.items()}

    def of(self, name: str) -> str:
        return self._aliases.get(name, name)


class Ids:
    """Ids of tool calls, in the order of the history. A repeated id is that of another call, and gets an alias."""

    def __init__(self, longest: int = LONGEST) -> None:
        self._longest = longest
        self._taken: set[str] = set()
        self._tried: dict[str, int] = {}  # an id's next alias: a history may use one id for all its calls

    def next(self, given: str) -> str:
        chosen = given
        if len(given) > self._longest or not FITTING.fullmatch(given) or given in self._taken:
            kept = min(_KEPT, self._longest - _DIGEST - 1)
            chosen, self._tried[given] = _alias(given, self._taken, self._tried.get(given, 0), kept)
        self._taken.add(chosen)
        return chosen


def told_names(names: Mapping[str, str], called: Mapping[str, str]) -> dict[str, str]:
    """The names to give to the client, by the tools' names as the answer will have them."""
    aliased = set(names.values())
    plain = {name: told for name, told in called.items() if name not in aliased}
    return plain | {alias: called.get(name, name) for alias, name in names.items()}


def _alias(name: str, taken: set[str], number: int = 0, kept: int = _KEPT) -> tuple[str, int]:
    """The first free alias from this number on, and the number that follows."""
    while True:
        digest = hashlib.sha256(f"{number}:{name}".encode(errors="surrogatepass")).hexdigest()[:_DIGEST]
        alias = f"{_ODD.sub('_', name[:kept])}_{digest}"
        number += 1
        if alias not in taken:
            return alias, number
