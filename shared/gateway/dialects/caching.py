"""The marks of a whole request by the cache's rules: four at most, and none for an hour behind one for less."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from gateway.dialects.neutral import Mark

_MOST: Final = 4


def settle_marks(homes: Sequence[list[Any]], dropped: list[str]) -> None:
    """Put right the marks in the tools, the system's words and the turns, in this order. Of two behind the same block
    the first stays; of more than four the last, which reach furthest; an hour behind a shorter time becomes a shorter
    one, which costs no more. What is changed is named in `dropped`."""
    marks: list[tuple[list[Any], int]] = []
    for home in homes:
        if any(isinstance(block, Mark) for block in home):
            home[:] = _apart(home, dropped)
            marks += [(home, at) for at, block in enumerate(home) if isinstance(block, Mark)]
    if not marks:
        return
    gone, kept = marks[:-_MOST], marks[-_MOST:]
    short = False
    for home, at in kept:
        mark = home[at]
        if short and mark.ttl == "1h":
            dropped.append(f"{mark.at}.ttl")
            home[at] = Mark("5m", mark.at)
        short = short or home[at].ttl != "1h"
    dropped += [home[at].at for home, at in reversed(gone)]
    lost = {(id(home), at) for home, at in gone}
    for home in homes if lost else ():
        home[:] = [block for at, block in enumerate(home) if (id(home), at) not in lost]


def _apart(home: list[Any], dropped: list[str]) -> list[Any]:
    found: list[Any] = []
    for block in home:
        if isinstance(block, Mark) and found and isinstance(found[-1], Mark):
            if block.ttl != found[-1].ttl:
                dropped.append(f"{block.at}.ttl")
        else:
            found.append(block)
    return found
