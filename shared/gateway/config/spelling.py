"""Unknown names, and the known name that was most likely meant, for every surface and document. This module uses no
pydantic, because functions that do not load it use it too."""

from __future__ import annotations

import re
from collections.abc import Collection

_MOST_KNOWN = 12  # known names that are listed if none is near
_LONGEST = 64
_OTHERS = re.compile(r"[^a-z0-9]")


def near(name: str, known: Collection[str]) -> str:
    """The known name that a misspelt one most likely means; empty if none is near."""
    import difflib  # imported only on an error, so that it does not slow the start

    spelled = {_OTHERS.sub("", each.lower()): each for each in known}
    asked = _OTHERS.sub("", name[:_LONGEST].lower())
    found = difflib.get_close_matches(asked, spelled, n=1, cutoff=0.7)
    longer = [each for each in spelled if asked and each.startswith(asked)]
    return spelled[(found or longer)[0]] if found or len(longer) == 1 else ""


def hint(name: str, known: Collection[str]) -> str:
    """The end of the reason why a name is refused: `; did you mean NAME?`. Empty if it is known, or no known name is
    near."""
    meant = "" if name in known else near(name, known)
    return f"; did you mean {meant}?" if meant else ""


def unknown(name: str, known: Collection[str], what: str = "field") -> str:
    """The reason why an unknown name is refused, if there is no more to say about it."""
    if meant := hint(name, known):
        return f"unknown {what}{meant}"
    if 0 < len(known) <= _MOST_KNOWN:
        return f"unknown {what}; known are {', '.join(sorted(known))}"
    return f"unknown {what}"
