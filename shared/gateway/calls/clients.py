"""Which kind of program calls, by its User-Agent: a class from a small table, never the caller's own words. Also how
one of these programs names its sessions."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from msgspec import Struct

OTHER = "other"
_DATA = Path(__file__).parent.parent / "data" / "clients.json"


@lru_cache(maxsize=64)  # a client sends the same text with each call
def client_class(user_agent: str) -> str:
    """The class of the client that sends this User-Agent; OTHER if none was sent or it is unknown."""
    text = user_agent.strip().lower()
    return next((name for beginning, name in classes() if text.startswith(beginning)), OTHER)


@lru_cache(maxsize=64)
def goes_by_end(user_agent: str) -> bool:
    """Whether this client acts on the code at the end of a stream. It knows only a few such codes. After any other end
    it sends the request again, whether the first one was paid for or not."""
    return client_class(user_agent) in _data()["byEnd"]


class Threads(Struct, frozen=True):
    """The headers in which an agent names its threads. `sessions`: the session, which is a thread and all threads that
    begin in it; the first of these headers that is sent counts. `thread`: the thread. `subagent`: the kind of subagent
    that has the thread; `classes` maps this word to a class of requests. `turn`: JSON about the turn, whose
    `request_kind` marks a request that compacts."""

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
    """How User-Agents begin, in lower case, each with its class; the first that fits counts."""
    return tuple((beginning, name) for beginning, name in _data()["beginnings"])


@lru_cache(maxsize=1)
def _data() -> Mapping[str, Any]:
    data: dict[str, Any] = json.loads(_DATA.read_bytes())
    return data
