"""How a settled row becomes counters, and counters a report. Pure: who stores them is not known here.

A row has one place, by what stands in it alone: the UTC day, key, team, and the slot that its number among the key's
calls of that day falls into. The counters of a place and the marks of the rows in it are one item, so a row is counted
by one write that also tells whether it was counted before.

An item holds flat counters named `<dimension>|<value>|<measure>`: flat, so that adding needs no parent.
Dimensions: `*` (all), `m` model, `p` provider, `t` tier, `g` tag, `h` hour (HH). Measures: `n` requests, `err`, `in`,
`cached`, `out` tokens, `cost` micro-dollars, `adj` micro-dollars of corrections (of all alone). A histogram of
latencies stands once for provider, tier and model together, `x|<provider>|<tier>|<model>|l<bucket>`: most of an item is
this, and an item's size is what each write of it costs.

A call may have made several attempts: tokens and cost of each count under its own provider and model, so that these
add up to the call's; as a request, and as an error, the call counts once, under the one that delivered or was tried
last.
"""

from __future__ import annotations

import base64
import hashlib
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

DIMENSIONS = {"model": "m", "provider": "p", "tier": "t", "tag": "g", "hour": "h"}
_GROWTH = 1.3  # from one bucket's middle to the next: percentiles are right to 14 %
_SCHEMAS = (1,)
# Up to which number of a day how many rows share a slot. An item's size is what each write of it costs: the first slots
# stay within a KB, and who calls so often that slots get larger comes in batches, which share that cost.
_SLOTS = ((64, 16), (1 << 17, 64), (1 << 21, 512), (1 << 63, 4096))
_MERGED_FROM = 64  # the few slots before that are cheaper left alone
_LEAST_ROWS = 64  # that a slot takes before it is closed for their number alone: corrections, rows without a number
_CORRECTIONS = "c"
# What a row may hold. More was never written by this gateway, and would be others' to pay: names and numbers of all
# rows of a place stand in one item.
_LONGEST_NAME = 256  # bytes
_MOST_TAGS = 20
_MOST_ATTEMPTS = 32
_LARGEST = 10**18  # tokens, micro-dollars, milliseconds: sums of them stay far within DynamoDB's 38 digits
SUM = "-"
_NO_ERRORS = ("ok", "client_closed_request")  # how a call may end by nobody's fault


@dataclass(frozen=True, slots=True)
class Place:
    """Where rows are counted. `slot` is the first number in it, with `.1` and so on behind it where the one before was
    closed, `c` for corrections; or SUM, where closed slots are added up."""

    day: str
    key: str
    team: str
    slot: str

    @property
    def following(self) -> Place:
        """Where a row goes that finds the slot closed."""
        first, _, again = self.slot.partition(".")
        return Place(self.day, self.key, self.team, f"{first}.{int(again or 0) + 1}")

    @property
    def sum(self) -> Place:
        return Place(self.day, self.key, self.team, SUM)

    @property
    def chain(self) -> str:
        """The slot that this one is of, or goes on from."""
        return self.slot.partition(".")[0]

    @property
    def most_rows(self) -> int:
        """As many rows as one item takes, whatever came into it."""
        return max(_LEAST_ROWS, _size(int(self.chain)) if self.chain.isdigit() else 0)

    def full(self, rows: int) -> bool:
        """Whether so many rows are all that will come, as a rule, and the slot is one to merge into its day."""
        return self.slot.isdigit() and int(self.slot) >= _MERGED_FROM and rows >= _size(int(self.slot))


def _size(number: int) -> int:
    return next(size for most, size in _SLOTS if number < most)


def slot_of(number: int) -> str:
    """The slot of a day's call, the first of which is number 1; 0 is a row that does not know its number."""
    place = max(number - 1, 0)
    return str(place - place % _size(place))


class PoisonRow(Exception):
    """A row that no version of this code can have written; the message says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Counted:
    """A row as counters of its place. `settled` is in microseconds; a correction has no provider. `ok`: it was answered
    whole; `failed`: it ended in an error, which a client's hanging up is not."""

    rid: str
    place: Place
    counters: Mapping[str, int]
    provider: str
    ok: bool
    latency_ms: int
    tokens: int
    settled: int
    bounded: tuple[Bounded, ...] = ()
    failed: bool = False

    @property
    def key(self) -> str:
        return self.place.key

    @property
    def mark(self) -> str:
        """What an item remembers the row by: 96 bits of a hash of its id, in base64 as DynamoDB sends bytes."""
        return base64.b64encode(hashlib.sha256(self.rid.encode()).digest()[:12]).decode()


@dataclass(frozen=True, slots=True)
class Bounded:
    """A budget that a row counts against: whose (an item of `limits`), in which window, how much in micro-dollars."""

    account: str
    window: str
    budget: int


def counted(row: Mapping[str, Any]) -> Counted:
    """The counters of a SETTLED or EXPIRED row, or of a CORRECTION. The day is the row's own, whenever it is counted.
    Raises PoisonRow."""
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
        return Counted(
            rid=_name(row["rid"]),
            place=_place(row, f"{moment:%Y-%m-%d}", slot_of(_whole(row, "n"))),
            counters={name: amount for name, amount in counters.items() if amount},
            provider=provider,
            ok=row["status"] == "ok",
            failed=bool(measures["err"]),
            latency_ms=latency,
            tokens=measures["in"] + measures["out"],
            settled=_settled(row),
            bounded=tuple(_bounded(row)),
        )
    except (AttributeError, KeyError, TypeError, ValueError, OverflowError, OSError) as error:
        raise PoisonRow(f"{type(error).__name__}: {error}") from None


def _place(row: Mapping[str, Any], day: str, slot: str) -> Place:
    # A place's name is made of both: one that could be read in two ways would be another's too.
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
    """A number of a row; with `missing` None it must be there."""
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
    """Vendor, model and measures of each attempt; of a row that does not list them, its own."""
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
    datetime.fromtimestamp(settled // 1_000_000, UTC)  # a moment that can be shown: a key's last use is noted by it
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
    return round(math.log(max(latency_ms, 1), _GROWTH))


def percentile(histogram: Mapping[int, int], share: float) -> int | None:
    """The latency in ms that this share of calls did not exceed, to a bucket's width; None without calls."""
    total = sum(histogram.values())
    seen = 0
    for number in sorted(histogram):
        seen += histogram[number]
        if seen >= share * total:
            return round(_GROWTH**number)
    return None


def grouped(items: Iterable[Mapping[str, Any]], group_by: str) -> dict[str, Counter[str]]:
    """Measures by the values of a dimension, over rollup items of (key, day)."""
    groups: dict[str, Counter[str]] = {}
    for item in items:
        for value, measure, amount in _cells(item, group_by):
            groups.setdefault(value, Counter())[measure] += amount
    return groups


def _cells(item: Mapping[str, Any], group_by: str) -> Iterable[tuple[str, str, int]]:
    of_item = {"key": item["key"], "team": item.get("team", ""), "day": item["day"], "total": "total"}
    wanted = DIMENSIONS.get(group_by, "*")
    for name, amount in item.items():
        if not isinstance(amount, int):  # a fact of the item, or damage: a report shows what can be read
            continue
        dimension, _, rest = name.partition("|")
        if dimension == "x" and wanted not in ("h", "g"):
            provider, tier, last = rest.split("|", 2)
            model, _, measure = last.rpartition("|")
            yield {"m": model, "p": provider, "t": tier}.get(wanted) or of_item[group_by], measure, amount
            continue
        if dimension != wanted or not rest:
            continue
        value, _, measure = rest.rpartition("|")
        if wanted == "h":
            value = f"{item['day']}T{value}"
        yield (value if wanted != "*" else of_item[group_by]), measure, amount
