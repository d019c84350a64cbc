"""Cache marks (Anthropic's `cache_control`), up to which a prompt may be cached. Clients of many gateways send them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from gateway.dialects.conversation import Conversation
from gateway.dialects.neutral import Mark
from gateway.dialects.unsupported import name_unknown, refuse

TTLS: Final = ("5m", "1h")
_MOST: Final = 4  # marks in a request


def marks(given: Mapping[str, Any], where: str, dropped: list[str]) -> tuple[Mark, ...]:
    """The mark on a part, a message or a tool, in Anthropic's form, as clients of many gateways send it. Raises
    Unsupported for a mark of another kind."""
    control = given.get("cache_control")
    if control is None:
        return ()
    where = f"{where}.cache_control" if where else "cache_control"
    if not isinstance(control, Mapping) or control.get("type") != "ephemeral":
        raise refuse(f"{where}.type", 'must be "ephemeral"')
    ttl = control.get("ttl")
    if ttl is not None and ttl not in TTLS:
        raise refuse(f"{where}.ttl", "must be 5m or 1h")
    name_unknown(control, ("type", "ttl"), where, dropped)
    return (Mark(ttl or "", at=where),)


def mark(block: Mark) -> dict[str, Any]:
    """The `cache_control` member for the marked object."""
    return {"cache_control": {"type": "ephemeral", **({"ttl": block.ttl} if block.ttl else {})}}


def mark_talk(talk: Conversation, ttl: str, dropped: list[str]) -> None:
    """Correct the client's marks; if it sent none, place ours for the time `ttl` (5m, 1h; empty for no marks). One mark
    goes behind the tools and the system prompt, which stay the same from one request to the next. One goes behind the
    user's last turn, for the next request to read. One goes behind the user's turn before, where this request reads
    what the last one wrote."""
    homes: list[list[Any]] = [talk.tools, talk.system, *[turn.blocks for turn in talk.turns]]
    if Mark in {type(block) for home in homes for block in home}:
        settle_marks(homes, dropped)
    elif ttl:
        steady = [home for home in (talk.system, talk.tools) if home][:1]
        spoken = [turn.blocks for turn in talk.turns if turn.speaker == "user" and turn.blocks]
        for marked in (*steady, *spoken[-2:]):
            marked.append(Mark("1h" if ttl == "1h" else ""))


def settle_marks(homes: Sequence[list[Any]], dropped: list[str]) -> None:
    """Correct the marks in the tools, the system prompt and the turns, in this order. Of two behind the same block the
    first stays. Of more than four marks the last four stay, which reach furthest. A mark of an hour that follows
    one of a shorter time becomes a shorter one, which costs no more. All changes are named in `dropped`."""
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
