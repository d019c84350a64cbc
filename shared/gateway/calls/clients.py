"""Which kind of program calls, by its User-Agent: a class of a small table, never the caller's own words."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path

OTHER = "other"
_DATA = Path(__file__).parent.parent / "data" / "clients.json"


def client_class(user_agent: str) -> str:
    """The class of the client that sends this User-Agent; OTHER for none and for any that is not known."""
    text = user_agent.strip().lower()
    return next((name for beginning, name in classes() if text.startswith(beginning)), OTHER)


@lru_cache(maxsize=1)
def classes() -> tuple[tuple[str, str], ...]:
    """How headers begin, in small letters, and the class; the first that fits counts."""
    return tuple((beginning, name) for beginning, name in json.loads(_DATA.read_bytes())["beginnings"])
