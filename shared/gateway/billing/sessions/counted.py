"""The part of a row that counts in the bill of the call's session. Pure.

Counters are named `<dimension>|<measure>`. `*` (all) has `n` requests, `err`, `cost` micro-dollars, and tokens: `fresh`
input, `read` from a cache, `w5m` and `w1h` written to the cache for five minutes and for an hour, `out`. `m|<model>`
has `n` and `cost`; each attempt counts there as in the key's day.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from gateway.billing.places import Part, Place, slot_of
from gateway.billing.sessions.places import HOUR, SLOTS, SessionPlace

# A random id as it was sent, or a mark: gateway.calls.sessions.facts writes nothing else.
ID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[A-Za-z0-9_-]{16}"
_ID = re.compile(ID, re.ASCII)
_CLASS = re.compile(r"[a-z]{1,16}", re.ASCII)
_TOKENS = {
    "fresh": "input_tokens",
    "read": "cached_tokens",
    "w5m": "cache_write_tokens",
    "w1h": "cache_write_1h_tokens",
    "out": "output_tokens",
}


def session_part(row: Mapping[str, Any], place: Place, counters: Mapping[str, int]) -> Part | None:
    """None if the row names no session, or names it in a form that no gateway writes: that is no reason to refuse a row
    that can be billed. `place` and `counters` are those of the row in its key's day."""
    named = row.get("session")
    if not isinstance(named, Mapping):
        return None
    session, agent, kind, user = (named.get(name, "") for name in ("id", "agent", "class", "user"))
    if not (_is(_ID, session) and _empty_or(_ID, agent) and _empty_or(_CLASS, kind) and _empty_or(_ID, user)):
        return None
    where = SessionPlace(
        day=place.day,
        key=place.key,
        team=place.team,
        slot=slot_of(row.get("n", 0), SLOTS),
        session=session,
        hour=f"{datetime.fromtimestamp(row['created'] // 1_000_000, UTC):{HOUR}}",
        agent=agent,
        request_class=kind,
        user=user,
    )
    own = {f"*|{measure}": counters.get(f"*|*|{measure}", 0) for measure in ("n", "err", "cost")}
    own |= {f"*|{measure}": row.get(name, 0) for measure, name in _TOKENS.items()}
    own |= {
        name: amount
        for name, amount in counters.items()
        if name.startswith("m|") and name.rpartition("|")[2] in ("n", "cost")
    }
    return Part(str(row["rid"]), where, {name: amount for name, amount in own.items() if amount})


def _is(form: re.Pattern[str], value: Any) -> bool:
    return isinstance(value, str) and form.fullmatch(value) is not None


def _empty_or(form: re.Pattern[str], value: Any) -> bool:
    return value == "" or _is(form, value)
