"""Turns a settled row into counters, and names the counters that reports read. Pure: this module does not know where
they are stored.

A row has one place, which is computed from the row itself: the UTC day, the key, the team, and the slot for its number
among the key's calls of that day. The counters of a place and the marks of its rows are in one item, so one write
counts a row and also tells whether it was counted before.

An item holds flat counters named `<dimension>|<value>|<measure>`. They are flat so that an addition needs no parent.
Dimensions: `*` (all), `m` model, `p` provider, `t` tier, `g` tag, `h` hour (HH). Measures: `n` requests, `err`, `in`,
`cached`, `out` tokens, `cost` micro-dollars, `adj` micro-dollars of corrections (only for all). There is one histogram
of latencies for provider, tier and model together, `x|<provider>|<tier>|<model>|l<bucket>`, because the histogram is
most of an item, and each write is priced by the size of the item.

A call may have made several attempts. The tokens and cost of each attempt count under its own provider and model, so
they add up to the call's. The call itself counts once, as a request and as an error, under the attempt that delivered
the answer, or else the last one.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from msgspec import Struct

from gateway.billing.places import Part, Place, slot_of
from gateway.billing.sessions.counted import session_part

DIMENSIONS = {"model": "m", "provider": "p", "tier": "t", "tag": "g", "hour": "h"}
GROWTH = 1.3  # from one bucket's middle to the next: percentiles are accurate to 14 %
_SCHEMAS = (1,)
_CORRECTIONS = "c"
# The limits of a row. This gateway never writes more. A larger row would cost other calls too, because the names and
# numbers of all rows of a place are in one item.
_LONGEST_NAME = 256  # bytes
_MOST_TAGS = 20
_MOST_ATTEMPTS = 32
_LARGEST = 10**18  # tokens, micro-dollars, milliseconds: sums of them stay far within DynamoDB's 38 digits
_NO_ERRORS = ("ok", "client_closed_request")  # outcomes that are nobody's fault


class PoisonRow(Exception):
    """A row that no version of this code can have written; the message says what is wrong with it."""


class Counted(Part, frozen=True):
    """A row as counters of its place. `settled` is in microseconds; a correction has no provider. `ok`: the call was
    answered completely. `failed`: it ended in an error; a client that hangs up is not an error. `session` is what
    counts in the bill of the call's session, if the row names one."""

    provider: str
    ok: bool
    latency_ms: int
    tokens: int
    settled: int
    bounded: tuple[Bounded, ...] = ()
    failed: bool = False
    session: Part | None = None

    @property
    def key(self) -> str:
        return self.place.key


class Bounded(Struct, frozen=True):
    """A budget that a row counts against: its account (an item of `limits`), its window, and its amount in
    micro-dollars."""

    account: str
    window: str
    budget: int


def counted(row: Mapping[str, Any]) -> Counted:
    """The counters of a SETTLED or EXPIRED row, or of a CORRECTION. The day is taken from the row, not from the time of
    counting. Raises PoisonRow."""
    try:
        if row["v"] in _SCHEMAS and row["state"] == "CORRECTION":
            return _correction(row)
        if row["v"] not in _SCHEMAS or row["state"] not in ("SETTLED", "EXPIRED"):
            raise PoisonRow(f"version {row['v']!r}, state {row['state']!r}")
        moment = datetime.fromtimestamp(row["created"] // 1_000_000, UTC)
        measures = _measures(row)
        tags, latency = _tags(row), _whole(row, "latency_ms", None)
        model, provider, tier = _name(row["model"]), _name(row["provider"], "|"), _name(row["tier"], "|")
        values = [("*", "*"), ("t", tier), ("h", f"{moment:%H}"), *(("g", tag) for tag in tags)]
        counters: Counter[str] = Counter()
        for dimension, value in values:
            counters.update({f"{dimension}|{value}|{measure}": amount for measure, amount in measures.items()})
        for vendor, name, used in _by_attempt(row, provider, model, measures):
            for mark in (f"m|{name}", f"p|{vendor}"):
                counters.update({f"{mark}|{measure}": amount for measure, amount in used.items()})
        if row["status"] == "ok":
            counters[f"x|{provider}|{tier}|{model}|l{bucket(latency)}"] += 1
        place = _place(row, f"{moment:%Y-%m-%d}", slot_of(_whole(row, "n")))
        return Counted(
            rid=_name(row["rid"]),
            place=place,
            counters={name: amount for name, amount in counters.items() if amount},
            provider=provider,
            ok=row["status"] == "ok",
            failed=bool(measures["err"]),
            latency_ms=latency,
            tokens=measures["in"] + measures["out"],
            settled=_settled(row),
            bounded=tuple(_bounded(row)),
            session=session_part(row, place, counters),
        )
    except (AttributeError, KeyError, TypeError, ValueError, OverflowError, OSError) as error:
        raise PoisonRow(f"{type(error).__name__}: {error}") from None


def _place(row: Mapping[str, Any], day: str, slot: str) -> Place:
    # A place's name joins both, so neither may contain the separator: two different places could get the same name.
    return Place(day, _name(row["key"], "#"), _name(row["team"], "#") if row.get("team") else "", slot)


def _name(value: Any, without: str = "") -> str:
    if not isinstance(value, str) or not 0 < len(value.encode()) <= _LONGEST_NAME or (without and without in value):
        raise PoisonRow(f"{str(value)[:_LONGEST_NAME]!r} is no name")
    return value


def _tags(row: Mapping[str, Any]) -> list[str]:
    tags = row.get("tags", [])
    if not isinstance(tags, list) or len(tags) > _MOST_TAGS:
        raise PoisonRow(f"tags are no list of {_MOST_TAGS} at most")
    return list(dict.fromkeys(map(_name, tags)))


def _whole(row: Mapping[str, Any], name: str, missing: int | None = 0) -> int:
    """A whole number of a row. If `missing` is None, the row must have it."""
    value = row.get(name, missing)
    if type(value) is not int or not 0 <= value <= _LARGEST:
        raise PoisonRow(f"{name} is {str(value)[:40]}")
    return value


def _measures(row: Mapping[str, Any]) -> dict[str, int]:
    cached = _whole(row, "cached_tokens")
    written = _whole(row, "cache_write_tokens") + _whole(row, "cache_write_1h_tokens")
    return {
        "n": 1,
        "err": 0 if row["status"] in _NO_ERRORS else 1,
        "in": _whole(row, "input_tokens") + cached + written,
        "cached": cached,
        "out": _whole(row, "output_tokens"),
        "cost": _whole(row, "actual", None),
    }


def _by_attempt(
    row: Mapping[str, Any], provider: str, model: str, measures: Mapping[str, int]
) -> Iterator[tuple[str, str, Mapping[str, int]]]:
    """Vendor, model and measures of each attempt. If a row does not list its attempts, the row's own values."""
    attempts = row.get("attempts")
    if attempts is None:
        yield provider, model, measures
        return
    if not isinstance(attempts, list) or not 0 < len(attempts) <= _MOST_ATTEMPTS:
        raise PoisonRow(f"attempts are no list of {_MOST_ATTEMPTS} at most")
    sums: Counter[str] = Counter()
    for attempt in attempts:
        used = {"in": _whole(attempt, "input"), "cached": _whole(attempt, "cached"), "out": _whole(attempt, "output")}
        used["cost"] = _whole(attempt, "cost", None)
        sums.update(used)
        yield _name(attempt["vendor"], "|"), _name(attempt["model"]), used
    if any(sums[measure] != measures[measure] for measure in ("in", "cached", "out", "cost")):
        raise PoisonRow("the attempts do not come to what the row says")
    yield provider, model, {"n": measures["n"], "err": measures["err"]}


def _settled(row: Mapping[str, Any]) -> int:
    settled = _whole(row, "settled", None)
    datetime.fromtimestamp(settled // 1_000_000, UTC)  # must be a valid time: a key's last use is set from it
    return settled


def _correction(row: Mapping[str, Any]) -> Counted:
    amount = row["actual"]
    if type(amount) is not int or abs(amount) > _LARGEST:
        raise PoisonRow(f"actual is {str(amount)[:40]}")
    day, created = datetime.strptime(row["day"], "%Y-%m-%d").replace(tzinfo=UTC), int(row["created"])
    return Counted(
        rid=_name(row["rid"]),
        place=_place(row, f"{day:%Y-%m-%d}", _CORRECTIONS),
        counters={"*|*|adj": amount},
        provider="",
        ok=True,
        latency_ms=0,
        tokens=0,
        settled=created,
    )


def _bounded(row: Mapping[str, Any]) -> Iterator[Bounded]:
    if "budget" in row:
        yield Bounded(_name(row["key"]), _name(row["window"]), _whole(row, "budget"))
    for each in row.get("accounts", ()):
        if "budget" in each:
            yield Bounded(_name(each["id"]), _name(each["window"]), _whole(each, "budget"))


def bucket(latency_ms: int) -> int:
    """The histogram bucket of a latency: logarithmic, from 1 ms."""
    return round(math.log(max(latency_ms, 1), GROWTH))
