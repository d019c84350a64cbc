"""The table `usage`: sums of rows by UTC day, key, team and slot. An item holds both the sums and the marks of the rows
in them, so one conditional write counts a row once for as long as the item exists.

An item has `day`, `key`, `team`, flat counters (see gateway.billing.counters), `ids` (the marks of its rows) and
`sealed` (it takes no more rows, and never changes again). A full slot is sealed and then added to the sum of its day,
whose `merged` names the slots in it. So a busy day has only a few items, and each write changes a small one. A slot
that is large before it is full is also sealed, but not merged; a sum that is large is `full`, and takes no more slots.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

from gateway.billing.places import SHARDS, SUM, Part, Place, shard_of
from gateway.context import carried
from gateway.dynamodb.attributes import from_item, size_of, to_item
from gateway.dynamodb.client import Database, pages
from gateway.errors import ConditionFailed

ROWS_AN_UPDATE = 64  # an expression holds 4 KB and 300 operators
COUNTERS_AN_UPDATE = 200
_COUNTERS_A_MERGE = 280  # more than an update with rows: a merge has none
_SUM_BYTES = 65_536  # including the names of its slots
_REMEMBERED = 10_000  # full sums that a container remembers
_AT_ONCE = 8  # queries at the same time: a report reads all partitions of its months
_SEALED_SECONDS = 500 * 86_400  # longer than any row or parked record is kept


class UsageStore:
    def __init__(self, database: Database, table: str) -> None:
        self._database = database
        self._table = table
        self._full: set[Place] = set()

    def add(self, place: Place, rows: Sequence[Part]) -> dict[str, Any]:
        """Add rows to their place, all or none; at most ROWS_AN_UPDATE of them. Returns the item after the update.

        Raises ConditionFailed, with the current item, if some of the rows are already in it (`ids`), or if it is
        sealed.
        """
        counters: Counter[str] = Counter()
        for row in rows:
            counters.update(row.counters)
        marks = [row.mark for row in rows]
        conditions = ["attribute_not_exists(sealed)", *(f"NOT contains(ids, :i{n})" for n in range(len(marks)))]
        request = self._adding(place, counters, "ids", {"BS": marks}) | {
            "ConditionExpression": " AND ".join(conditions),
            "ReturnValues": "ALL_NEW",
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }
        request["ExpressionAttributeValues"] |= {f":i{n}": {"B": mark} for n, mark in enumerate(marks)}
        return from_item(self._database.call("UpdateItem", request)["Attributes"])

    def merge(self, place: Place, now: int) -> None:
        """Close a slot and add it to the sum of its day; `now` is in seconds since the epoch. Safe to repeat at any
        time: a sealed slot no longer changes, and the sum knows which slots are in it."""
        counters = counters_of(self.seal(place))
        if len(counters) > _COUNTERS_A_MERGE or place.sum in self._full:  # not merged: the slot counts by itself
            return
        request = self._adding(place.sum, counters, "merged", {"SS": [place.slot]}) | {
            "ConditionExpression": "attribute_not_exists(#full) AND NOT contains(merged, :merging)",
            "ReturnValues": "ALL_NEW",
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }
        request["ExpressionAttributeNames"]["#full"] = "full"
        request["ExpressionAttributeValues"][":merging"] = {"S": place.slot}
        try:
            summed = from_item(self._database.call("UpdateItem", request, attempts=2)["Attributes"])
        except ConditionFailed as refused:
            summed = refused.item or {}
        if place.slot in summed.get("merged", ()):  # only then: a slot that is in no sum must not expire
            self._set(place, {"ttl": now + _SEALED_SECONDS})
        if "full" not in summed and size_of(summed) > _SUM_BYTES:
            self._set(place.sum, {"full": True})
            summed["full"] = True
        if "full" in summed:
            self._remember_full(place.sum)

    def between(self, first: str, last: str, key: str = "") -> Iterator[dict[str, Any]]:
        """The items of these UTC days (2026-11-24), of all keys or of one, with `day`, `key`, `team` and counters;
        added up they are the totals. Each row is in exactly one of them, even if slots are merged in the meantime."""
        return (item for item in self.items(first, last, key) if "apart" not in item)

    def items(self, first: str, last: str, key: str = "") -> Iterator[dict[str, Any]]:
        """Like `between`, but with every item. Items that are also in the sum of their day have `apart`, True."""
        shards = [shard_of(key)] if key else SHARDS
        parts = [f"{month}#{shard}" for month in _months(first, last) for shard in shards]
        if first > last:
            return

        def read(part: str) -> list[dict[str, Any]]:
            return list(self._part(part, first, last, key))

        with ThreadPoolExecutor(min(len(parts), _AT_ONCE)) as pool:
            for items in pool.map(carried(read), parts):
                yield from _told_apart(items)

    def replace(self, place: Place, counters: Mapping[str, int], marks: Sequence[str], read: Mapping[str, Any]) -> None:
        """Replace the item of a slot by correct counters; without marks the item is deleted. A sealed slot stays sealed
        even if it is empty, because containers may remember that it is. `read` is the item as it was read, empty if it
        did not exist. Raises ConditionFailed if rows were counted in it since."""
        request: dict[str, Any] = {"TableName": self._table, **_unchanged("ids", "BS", read)}
        sealed = {"sealed": True} if "sealed" in read else {}
        if marks or sealed:
            item = to_item({**place.item_key, **place.facts, **counters, **sealed})
            item |= {"ids": {"BS": sorted(marks)}} if marks else {}
            self._database.call("PutItem", request | {"Item": item})
        else:
            self._database.call("DeleteItem", request | {"Key": to_item(place.item_key)})

    def part(self, place: Place, read: Mapping[str, Any]) -> None:
        """Delete the sum of a day if it is still as it was read, so that each slot counts by itself again. Raises
        ConditionFailed if a slot was merged since."""
        request = {"TableName": self._table, "Key": to_item(place.sum.item_key), **_unchanged("merged", "SS", read)}
        self._database.call("DeleteItem", request)

    def seal(self, place: Place) -> dict[str, Any]:
        """Close a slot. Returns its final item. Safe to repeat."""
        request = {
            "TableName": self._table,
            "Key": to_item(place.item_key),
            "UpdateExpression": "SET sealed = :yes",
            "ConditionExpression": "attribute_exists(pk) AND attribute_not_exists(sealed)",
            "ExpressionAttributeValues": to_item({":yes": True}),
            "ReturnValues": "ALL_NEW",
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }
        try:
            return from_item(self._database.call("UpdateItem", request, attempts=2)["Attributes"])
        except ConditionFailed as refused:
            if refused.item is None:
                raise
            return refused.item

    def _set(self, place: Place, values: Mapping[str, Any]) -> None:
        names = {f"#{number}": name for number, name in enumerate(values)}
        request = {
            "TableName": self._table,
            "Key": to_item(place.item_key),
            "UpdateExpression": "SET " + ", ".join(f"#{number} = :{number}" for number in range(len(values))),
            "ConditionExpression": "attribute_exists(pk)",
            "ExpressionAttributeNames": names,
            "ExpressionAttributeValues": to_item({f":{number}": value for number, value in enumerate(values.values())}),
        }
        with suppress(ConditionFailed):
            self._database.call("UpdateItem", request, attempts=2)

    def _remember_full(self, place: Place) -> None:
        if len(self._full) >= _REMEMBERED:
            self._full.clear()
        self._full.add(place)

    def _adding(
        self, place: Place, counters: Mapping[str, int], name: str, members: Mapping[str, Any]
    ) -> dict[str, Any]:
        facts = place.facts
        names = {f"#{n}": counter for n, counter in enumerate(counters)} | {f"#{fact}": fact for fact in facts}
        values = {f":{n}": amount for n, amount in enumerate(counters.values())}
        sets = ", ".join(f"#{fact} = :{fact}" for fact in facts)
        adds = ", ".join([*(f"#{n} :{n}" for n in range(len(counters))), f"{name} :members"])
        return {
            "TableName": self._table,
            "Key": to_item(place.item_key),
            "UpdateExpression": f"SET {sets} ADD {adds}",
            "ExpressionAttributeNames": names,
            "ExpressionAttributeValues": to_item(values | {f":{fact}": value for fact, value in facts.items()})
            | {":members": members},
        }

    def _part(self, part: str, first: str, last: str, key: str) -> Iterator[dict[str, Any]]:
        one = f"{key}#" if key and first == last else ""
        request: dict[str, Any] = {
            "TableName": self._table,
            "KeyConditionExpression": "pk = :pk AND sk BETWEEN :first AND :last",
            "ExpressionAttributeValues": to_item(
                {":pk": part, ":first": f"{first}#{one}", ":last": f"{last}#{one}~"} | ({":key": key} if key else {})
            ),
            "ConsistentRead": True,
        }
        if key:
            request |= {"FilterExpression": "#key = :key", "ExpressionAttributeNames": {"#key": "key"}}
        return pages(self._database, request)


def _told_apart(items: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    merged: dict[tuple[str, str, str], set[str]] = {}
    # The sum is read before its slots, so a slot that is merged after that still counts as a slot.
    for item in items:
        account = (item["day"], item["key"], item["team"])
        if item["slot"] == SUM:
            merged[account] = item["merged"]
        yield item | ({"apart": True} if item["slot"] in merged.get(account, ()) else {})


def counters_of(item: Mapping[str, Any]) -> dict[str, int]:
    """The counters of an item. Other attributes are left out, and so are counters that are not numbers: damage that no
    sum can hold."""
    return {name: amount for name, amount in item.items() if "|" in name and isinstance(amount, int)}


def place_of(item: Mapping[str, Any]) -> Place:
    """The place of an item."""
    return Place(item["day"], item["key"], item["team"], item["slot"])


def _months(first: str, last: str) -> list[str]:
    (year, month), (last_year, last_month) = (map(int, day[:7].split("-")) for day in (first, last))
    numbers = range(year * 12 + month - 1, last_year * 12 + last_month)
    return [f"{number // 12}-{number % 12 + 1:02}" for number in numbers]


def _unchanged(name: str, kind: str, read: Mapping[str, Any]) -> dict[str, Any]:
    """The condition that an item is still as it was read: every change adds a member to this set."""
    if name not in read:
        return {"ConditionExpression": f"attribute_not_exists({name})"}
    return {
        "ConditionExpression": f"{name} = :{name}",
        "ExpressionAttributeValues": {f":{name}": {kind: sorted(read[name])}},
    }
