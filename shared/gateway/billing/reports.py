"""Usage and metrics for admins, read from the rollups."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any, Protocol

from msgspec import Struct, field

from gateway.billing.counters import DIMENSIONS, GROWTH
from gateway.billing.tables import dollars, table
from gateway.config.spelling import hint, unknown
from gateway.dynamodb import cursors
from gateway.errors import BadRequest
from gateway.models.money import usd

GROUPS = ("key", "model", "provider", "tier", "tag", "team", "day", "hour", "total")
NO_TEAM = "-"
_USUAL_DAYS = 30
_MOST_DAYS = 400
_EARLIEST = date(2020, 1, 1)  # older than any row: earlier days are empty, so no query is spent on them
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_PARAMETERS = frozenset({"group_by", "from", "to", "key", "team", "limit", "cursor", "format"})


class Days(Protocol):
    def between(self, first: str, last: str, key: str = "") -> Iterator[dict[str, Any]]: ...


class Text(Struct, frozen=True):
    """A rendered report and the headers that go with it."""

    text: str
    headers: Mapping[str, str] = field(default_factory=dict)


class _Range(Struct, frozen=True):
    first: date
    last: date


class Reports(Struct, frozen=True):
    """`now` gives seconds since the epoch."""

    store: Days
    now: Callable[[], float] = time.time

    def usage(self, query: Mapping[str, str]) -> dict[str, Any]:
        """Spend by a dimension over a range of UTC days. Raises BadRequest that names the wrong parameter."""
        check_parameters(query, _PARAMETERS)
        group_by, days = self._group(query), self._range(query)
        items = list(self._items(days, query))
        rows = [_row(group_by, value, cells) for value, cells in sorted(grouped(items, group_by).items())]
        page, following = _page(rows, group_by, query)
        (total,) = grouped(items, "total").values() or (Counter(),)
        return {
            "object": "usage",
            "from": days.first.isoformat(),
            "to": days.last.isoformat(),
            "group_by": group_by,
            "data": page,
            "total": _figures(total),
            "next_cursor": following,
        }

    def usage_csv(self, query: Mapping[str, str]) -> Text:
        """The same rows as CSV; the header `x-next-cursor` has the next page's cursor."""
        report = self.usage(query)
        columns = [report["group_by"], *_figures(Counter())]
        rows = [
            row | {name: dollars(row[f"{name}_micro_usd"]) for name in ("cost", "corrections")}
            for row in report["data"]
        ]
        cursor = report["next_cursor"]
        return Text(table(columns, rows), {"x-next-cursor": cursor} if cursor else {})

    def metrics(self, query: Mapping[str, str]) -> dict[str, Any]:
        """Requests, errors, latency, tokens and cost: in total, and by model, provider and tier."""
        check_parameters(query, frozenset({"from", "to", "key", "team"}))
        days = self._range(query)
        items = list(self._items(days, query))
        (total,) = grouped(items, "total").values() or (Counter(),)
        return {
            "object": "metrics",
            "from": days.first.isoformat(),
            "to": days.last.isoformat(),
            **_measured(total),
            **{
                f"by_{dimension}": {
                    value: _measured(cells) for value, cells in sorted(grouped(items, dimension).items())
                }
                for dimension in ("model", "provider", "tier")
            },
        }

    def _items(self, days: _Range, query: Mapping[str, str]) -> Iterator[dict[str, Any]]:
        for item in self.store.between(days.first.isoformat(), days.last.isoformat(), query.get("key", "")):
            if asked_for(item, query):
                yield item

    @staticmethod
    def _group(query: Mapping[str, str]) -> str:
        group_by = query.get("group_by", "key")
        if group_by not in GROUPS:
            words = f"group_by: must be one of {', '.join(GROUPS)}{hint(group_by, GROUPS)}"
            raise BadRequest(words, param="group_by")
        return group_by

    def _range(self, query: Mapping[str, str]) -> _Range:
        today = datetime.fromtimestamp(self.now(), UTC).date()
        last = _date(query, "to") or today
        first = _date(query, "from") or max(last, _EARLIEST + timedelta(_USUAL_DAYS)) - timedelta(days=_USUAL_DAYS - 1)
        if first > last:
            raise BadRequest("from: is after to", param="from")
        if (last - first).days >= _MOST_DAYS:
            raise BadRequest(f"from: the range has more than {_MOST_DAYS} days", param="from")
        return _Range(first, last)


def asked_for(item: Mapping[str, Any], query: Mapping[str, str]) -> bool:
    """Whether an item belongs to the key and the team that a query names, if it names them; NO_TEAM means keys without
    a team."""
    if "team" in query and item.get("team", "") != ("" if query["team"] == NO_TEAM else query["team"]):
        return False
    return "key" not in query or item.get("key", "") == query["key"]


def check_parameters(query: Mapping[str, str], names: Collection[str]) -> None:
    """Raises BadRequest for a parameter that is not in `names`, and for an unknown `format`."""
    for name in query:
        if name not in names:
            raise BadRequest(f"{name}: {unknown(name, names, 'parameter')}", param=name)
    if query.get("format", "json") not in ("json", "csv"):
        raise BadRequest("format: must be json or csv", param="format")


def _date(query: Mapping[str, str], name: str) -> date | None:
    if name not in query:
        return None
    try:
        if _DATE.fullmatch(query[name]):
            return max(date.fromisoformat(query[name]), _EARLIEST)
    except ValueError:
        pass
    raise BadRequest(f"{name}: must be a date such as 2026-11-24", param=name)


def _page(
    rows: list[dict[str, Any]], group_by: str, query: Mapping[str, str]
) -> tuple[list[dict[str, Any]], str | None]:
    limit = query.get("limit", "1000")
    if not (limit.isascii() and limit.isdigit() and len(limit) < 10 and 1 <= int(limit) <= 10_000):
        raise BadRequest("limit: must be a number from 1 to 10000", param="limit")
    listing = f"usage:{group_by}:{query.get('team', '')}"
    if "cursor" in query:
        after = cursors.decode(query["cursor"], {"after": str}, listing)["after"]
        rows = [row for row in rows if row[group_by] > after]
    page = rows[: int(limit)]
    more = len(rows) > len(page)
    return page, cursors.encode({"after": page[-1][group_by]}, listing) if more else None


def _row(group_by: str, value: str, cells: Counter[str]) -> dict[str, Any]:
    return {group_by: value} | _figures(cells)


def _figures(cells: Counter[str]) -> dict[str, Any]:
    return {
        "requests": cells["n"],
        "errors": cells["err"],
        "input_tokens": cells["in"],
        "cached_tokens": cells["cached"],
        "cache_hit_rate": hit_rate(cells["cached"], cells["in"]),
        "output_tokens": cells["out"],
        "cost": usd(cells["cost"]),
        "cost_micro_usd": cells["cost"],
        "corrections": usd(cells["adj"]),
        "corrections_micro_usd": cells["adj"],
        "currency": "USD",
    }


def hit_rate(read: int, prompt: int) -> float | None:
    """The share of all prompt tokens that was read from a cache; None if there are no prompt tokens."""
    return round(read / prompt, 4) if prompt else None


def _measured(cells: Counter[str]) -> dict[str, Any]:
    histogram = {int(name[1:]): count for name, count in cells.items() if name[0] == "l" and name[1:].isdigit()}
    shares: Iterable[tuple[str, float]] = (("p50", 0.5), ("p90", 0.9), ("p99", 0.99))
    return _figures(cells) | {"latency_ms": {name: percentile(histogram, share) for name, share in shares}}


def percentile(histogram: Mapping[int, int], share: float) -> int | None:
    """The latency in ms that this share of calls did not exceed, accurate to the width of a bucket; None without
    calls."""
    total = sum(histogram.values())
    seen = 0
    for number in sorted(histogram):
        seen += histogram[number]
        if seen >= share * total:
            return round(GROWTH**number)
    return None


def grouped(items: Iterable[Mapping[str, Any]], group_by: str) -> dict[str, Counter[str]]:
    """Sums the measures of rollup items (one key, one day) by the values of a dimension."""
    groups: dict[str, Counter[str]] = {}
    for item in items:
        for value, measure, amount in _cells(item, group_by):
            groups.setdefault(value, Counter())[measure] += amount
    return groups


def _cells(item: Mapping[str, Any], group_by: str) -> Iterable[tuple[str, str, int]]:
    of_item = {"key": item["key"], "team": item.get("team") or NO_TEAM, "day": item["day"], "total": "total"}
    wanted = DIMENSIONS.get(group_by, "*")
    for name, amount in item.items():
        if not isinstance(amount, int):  # another attribute, or damage: a report shows what can be read
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
