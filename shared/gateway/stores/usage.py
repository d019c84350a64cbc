"""The table `usage`: rollups by key and day, and a marker for each row counted. Both are written in one transaction."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from gateway.domain.rollup import Counted
from gateway.stores.attributes import from_item, to_item
from gateway.stores.breakers import PARTITION
from gateway.stores.dynamodb import Database
from gateway.stores.health import OBSERVED

_MARKER_SECONDS = 2 * 86_400  # twice as long as a stream keeps a record
_PARKED = "parked"
_PARKED_SECONDS = 400 * 86_400
_ITEMS_A_READ = 100  # DynamoDB's limit
ROWS_A_TRANSACTION = 40
COUNTERS_AN_UPDATE = 140  # an expression holds 4 KB and 300 operators


class UsageStore:
    def __init__(self, database: Database, table: str, state_table: str) -> None:
        self._database = database
        self._table = table
        self._state_table = state_table

    def count(self, rows: Sequence[Counted], now: int, parked: str | None = None) -> None:
        """Add rows to their rollups, all or none; `now` in seconds since the epoch. `parked` is forgotten with that.

        Raises TransactionCanceled, whose first reasons are the rows' in order: ConditionalCheckFailed for one that
        was counted before.
        """
        markers = [self._marker(row, now) for row in rows]
        groups: dict[tuple[str, str, str], list[Counted]] = {}
        for row in rows:
            groups.setdefault((row.key, row.team, row.day), []).append(row)
        updates = [self._update(*group, members) for group, members in groups.items()]
        if parked is not None:
            updates.append(
                {
                    "Delete": {
                        "TableName": self._state_table,
                        "Key": to_item({"pk": _PARKED, "sk": parked}),
                        "ConditionExpression": "attribute_exists(pk)",
                    }
                }
            )
        self._database.call("TransactWriteItems", {"TransactItems": markers + updates})

    def observe(self, facts: Mapping[str, int], totals: Mapping[str, int]) -> None:
        """What health shows: `facts` replace, `totals` add up. Not exact: a batch that comes twice counts twice."""
        names = {f"#f{n}": name for n, name in enumerate(facts)} | {f"#t{n}": name for n, name in enumerate(totals)}
        values = {f":f{n}": value for n, value in enumerate(facts.values())}
        values |= {f":t{n}": value for n, value in enumerate(totals.values())}
        sets = ", ".join(f"#f{n} = :f{n}" for n in range(len(facts)))
        adds = ", ".join(f"#t{n} :t{n}" for n in range(len(totals)))
        request = {
            "TableName": self._state_table,
            "Key": to_item({"pk": PARTITION, "sk": OBSERVED}),
            "UpdateExpression": (f"SET {sets} " if sets else "") + f"ADD {adds}",
            "ExpressionAttributeNames": names,
            "ExpressionAttributeValues": to_item(values),
        }
        self._database.call("UpdateItem", request)

    def park(self, record: str, reason: str, identifier: str, now: int) -> None:
        """Put a record aside that can't be read, whole, as JSON text; the same one again changes nothing."""
        item = {"pk": _PARKED, "sk": identifier, "record": record, "reason": reason, "parked": now}
        request = {"TableName": self._state_table, "Item": to_item(item | {"ttl": now + _PARKED_SECONDS})}
        self._database.call("PutItem", request, attempts=2)

    def parked(self) -> Iterator[dict[str, Any]]:
        """What was put aside: `sk` (its identifier), `record` (JSON text), `reason`, `parked` (seconds)."""
        request: dict[str, Any] = {
            "TableName": self._state_table,
            "KeyConditionExpression": "pk = :pk",
            "ExpressionAttributeValues": to_item({":pk": _PARKED}),
        }
        return self._pages(request)

    def replace(self, key: str, team: str, day: str, counters: Mapping[str, int], read: Mapping[str, Any]) -> None:
        """Put counters in place of a rollup that was read (empty: there was none). Raises ConditionFailed where it
        changed since: whatever is counted changes one of three counters."""
        place = {"pk": f"key#{key}", "sk": _sort(team, day)}
        watched = ("*|*|n", "*|*|cost", "*|*|adj")
        names, values, conditions = {}, {}, []
        for number, name in enumerate(watched if read else ()):
            names[f"#{number}"] = name
            if name in read:
                values[f":{number}"] = read[name]
                conditions.append(f"#{number} = :{number}")
            else:
                conditions.append(f"attribute_not_exists(#{number})")
        request: dict[str, Any] = {"TableName": self._table}
        request["ConditionExpression"] = " AND ".join(conditions) or "attribute_not_exists(pk)"
        if names:
            request["ExpressionAttributeNames"] = names
        if values:
            request["ExpressionAttributeValues"] = to_item(values)
        if counters:
            item = {**place, "key": key, "day": day, "team": team, **counters}
            self._database.call("PutItem", request | {"Item": to_item(item)})
        else:
            self._database.call("DeleteItem", request | {"Key": to_item(place)})

    def day(self, day: str) -> Iterator[dict[str, Any]]:
        """Every rollup item of a day (2026-11-24). Its index holds keys alone, so that a count costs it nothing."""
        request: dict[str, Any] = {
            "TableName": self._table,
            "IndexName": "by-day",
            "KeyConditionExpression": "#day = :day",
            "ExpressionAttributeNames": {"#day": "day"},
            "ExpressionAttributeValues": to_item({":day": day}),
        }
        keys = [to_item({"pk": item["pk"], "sk": item["sk"]}) for item in self._pages(request)]
        for start in range(0, len(keys), _ITEMS_A_READ):
            yield from self._read(keys[start : start + _ITEMS_A_READ])

    def _read(self, keys: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        wanted: dict[str, Any] = {self._table: {"Keys": keys, "ConsistentRead": True}}
        while wanted:
            reply = self._database.call("BatchGetItem", {"RequestItems": wanted}, attempts=3)
            yield from (from_item(item) for item in reply["Responses"].get(self._table, []))
            wanted = reply.get("UnprocessedKeys", {})

    def _pages(self, request: dict[str, Any]) -> Iterator[dict[str, Any]]:
        while True:
            reply = self._database.call("Query", request, attempts=2)
            yield from (from_item(item) for item in reply["Items"])
            if "LastEvaluatedKey" not in reply:
                return
            request["ExclusiveStartKey"] = reply["LastEvaluatedKey"]

    def _marker(self, row: Counted, now: int) -> dict[str, Any]:
        item = {"pk": f"counted#{row.rid}", "sk": "-", "ttl": now + _MARKER_SECONDS}
        put = {"TableName": self._table, "Item": to_item(item), "ConditionExpression": "attribute_not_exists(pk)"}
        return {"Put": put}

    def _update(self, key: str, team: str, day: str, rows: Sequence[Counted]) -> dict[str, Any]:
        counters: Counter[str] = Counter()
        for row in rows:
            counters.update(row.counters)
        names = {f"#{n}": name for n, name in enumerate(counters)} | {"#key": "key", "#day": "day", "#team": "team"}
        values: dict[str, Any] = {f":{n}": amount for n, amount in enumerate(counters.values())}
        values |= {":key": key, ":day": day, ":team": team}
        adds = ", ".join(f"#{n} :{n}" for n in range(len(counters)))
        update = {
            "TableName": self._table,
            "Key": to_item({"pk": f"key#{key}", "sk": _sort(team, day)}),
            "UpdateExpression": f"SET #key = :key, #day = :day, #team = :team ADD {adds}",
            "ExpressionAttributeNames": names,
            "ExpressionAttributeValues": to_item(values),
        }
        return {"Update": update}


def _sort(team: str, day: str) -> str:
    # A key that changes its team has two rollups that day: each team pays its own.
    return f"{day}#{team}" if team else day
