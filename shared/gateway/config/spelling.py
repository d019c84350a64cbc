"""Names that nobody knows, and what was most likely meant. No pydantic here: functions that load none use it too."""

from __future__ import annotations

import re
from collections.abc import Collection

_MOST_KNOWN = 12  # names that are listed where none of them is near
_LONGEST = 64
_OTHERS = re.compile(r"[^a-z0-9]")


def near(name: str, known: Collection[str]) -> str:
    """The name of those known that a misspelt one most likely stands for; empty where none is near."""
    import difflib  # at an error alone: no start pays for it

    spelled = {_OTHERS.sub("", each.lower()): each for each in known}
    asked = _OTHERS.sub("", name[:_LONGEST].lower())
    found = difflib.get_close_matches(asked, spelled, n=1, cutoff=0.7)
    longer = [each for each in spelled if asked and each.startswith(asked)]
    return spelled[(found or longer)[0]] if found or len(longer) == 1 else ""


def unknown(name: str, known: Collection[str], what: str = "field") -> str:
    """Why a name is refused that is none of those known."""
    meant = near(name, known)
    if meant:
        return f"unknown {what}; did you mean {meant}?"
    if 0 < len(known) <= _MOST_KNOWN:
        return f"unknown {what}; known are {', '.join(sorted(known))}"
    return f"unknown {what}"
