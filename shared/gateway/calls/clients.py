"""Which kind of program calls, by its User-Agent: a class of a small table, never the caller's own words; and how one
of them names its sessions."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

OTHER = "other"
_DATA = Path(__file__).parent.parent / "data" / "clients.json"


def client_class(user_agent: str) -> str:
    """The class of the client that sends this User-Agent; OTHER for none and for any that is not known."""
    text = user_agent.strip().lower()
    return next((name for beginning, name in classes() if text.startswith(beginning)), OTHER)


def goes_by_end(user_agent: str) -> bool:
    """Whether this client acts on the code that a stream ends in, and on few of them; whatever ends in another way it
    sends again, be it paid for or not."""
    return client_class(user_agent) in _data()["byEnd"]


class Threads(NamedTuple):
    """How an agent names its threads: in which headers, the first that is sent, it names the session, which is a thread
    and all that begin in it; in which the thread, and what kind of subagent has it, by their words the `classes` of
    requests; and in which it says JSON of the turn, whose `request_kind` tells one that compacts."""

    sessions: tuple[str, ...]
    thread: str
    subagent: str
    turn: str
    classes: Mapping[str, str]


@lru_cache(maxsize=1)
def threads() -> Threads:
    said = _data()["threads"]
    return Threads(tuple(said["sessions"]), said["thread"], said["subagent"], said["turn"], said["classes"])


@lru_cache(maxsize=1)
def classes() -> tuple[tuple[str, str], ...]:
    """How headers begin, in small letters, and the class; the first that fits counts."""
    return tuple((beginning, name) for beginning, name in _data()["beginnings"])


@lru_cache(maxsize=1)
def _data() -> Mapping[str, Any]:
    data: dict[str, Any] = json.loads(_DATA.read_bytes())
    return data
