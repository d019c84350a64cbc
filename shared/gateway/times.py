"""Points in time as text, and how long an exchange waits."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache

from msgspec import Struct

CONNECT_SECONDS = 3.0


class Waits(Struct, frozen=True):
    """How long an exchange waits, in seconds, besides its deadline. `connect` is for a connection to each address,
    `first_byte` for the first byte of an answer, `idle` for the next byte; None means until the deadline. After each
    `wake` seconds of silence the waiting caller gets Silence; None means never."""

    connect: float = CONNECT_SECONDS
    first_byte: float | None = None
    idle: float | None = None
    wake: float | None = None


NO_WAITS = Waits()


def utc_date(seconds: float) -> str:
    """The UTC day of a time in seconds since the epoch: 2026-11-24."""
    return _day(int(seconds // 86_400))


@lru_cache(maxsize=8)
def _day(number: int) -> str:
    return datetime.fromtimestamp(number * 86_400, UTC).date().isoformat()


def rfc3339(seconds: float) -> str:
    """Seconds since the epoch as RFC 3339 in UTC with milliseconds: 2026-11-24T04:20:00.000Z."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
