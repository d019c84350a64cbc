"""The table `request-analytics`: one row per paid call. OPEN, then once SETTLED or EXPIRED. It never holds a prompt."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from msgspec import Struct

from gateway.dynamodb.attributes import AttributeValue, to_attribute, to_item
from gateway.dynamodb.client import pages
from gateway.errors import ConditionFailed
from gateway.identity.account_ids import team_item
from gateway.ledger.resizing.row_estimates import RowEstimates, ending

OPEN, SETTLED = "OPEN", "SETTLED"
CORRECTION = "CORRECTION"
# How many seconds after its creation a row's deadline may be, by the class of length in its partition's name. Each
# class is swept separately, so that a dead short call need not wait for the long calls of its minute.
LENGTHS = {"short": 120, "long": 1_200}
SUFFIXES = {"short": 4, "long": 2}  # the partitions over which a minute's rows of one length are spread
OPENED_WITHIN_SECONDS = 120  # a later row is refused: its minute may already be swept, its hour closed
_SCHEMA = 1
_VERSION, _IS_OPEN = {"N": str(_SCHEMA)}, {"S": OPEN}
_CORRECTIONS = "correction"  # a separate partition: neither the sweeper nor the reconcile ever reads it
KEPT_SECONDS = 400 * 86_400


class RowAccount(Struct, frozen=True):
    """An item of `limits`, other than the key's, that also holds a row's money: its budget window, and the budget in it
    (micro-dollars; None for no budget)."""

    id: str
    window: str
    budget: int | None = None


class Row(Struct, frozen=True):
    """One call. `minute` is its partition (`partition_of`), `created` is in microseconds, `deadline` in seconds since
    the epoch, `est` in micro-dollars, `tokens` is the number held in the day's counters.

    `window` is where the key's item books the cost, `accounts` are the other items that do: a release needs them if
    somebody other than the caller has to make it. `budget` limits the key's window (None: no limit): the consumer finds
    by the budgets whether somebody has to be warned. `number` is the call's number among its key's calls of the UTC
    day, from 1, and decides where the row is counted. The row counts under `tags`. `facts` are further fields:
    `dialect`, `streamed`, `client`, `region`; empty ones are not written.
    """

    minute: str
    rid: str
    key: str
    tier: str
    model: str
    target: str
    provider: str
    hour: str
    est: int
    created: int
    deadline: int
    team: str = ""
    window: str = ""
    budget: int | None = None
    accounts: tuple[RowAccount, ...] = ()
    correlation: str = ""
    tags: tuple[str, ...] = ()
    number: int = 0
    tokens: int = 0
    facts: Mapping[str, Any] = MappingProxyType({})

    @property
    def holders(self) -> list[tuple[str, str]]:
        """The items of `limits` that hold the row's money, each with the budget window: the key's, and others."""
        return [(self.key, self.window), *[(each.id, each.window) for each in self.accounts]]

    def is_late(self, now: int) -> bool:
        """Whether it is too late, at this moment in microseconds, for a row that was just written: no call may be made
        for it."""
        return now >= self.created + OPENED_WITHIN_SECONDS * 1_000_000 or now >= self.deadline * 1_000_000


def partition_of(rid: str, created: int, deadline: int) -> str:
    """The partition of a row: `<UTC minute>#<n>` by its creation (microseconds), or `<UTC minute>#l<n>` for a long
    call. Raises ValueError if the deadline (seconds) is further away than any class of length allows."""
    seconds, digest = created // 1_000_000, zlib.crc32(rid.encode())
    for length, most in LENGTHS.items():
        if deadline - seconds <= most:
            return f"{_partitions(seconds // 60, length)}{digest % SUFFIXES[length]}"
    raise ValueError(f"a deadline of {deadline - seconds} s is beyond every class of length")


def minute_partition(seconds: int, suffix: int, length: str = "short") -> str:
    return f"{_partitions(seconds // 60, length)}{suffix}"


@lru_cache(maxsize=128)
def _partitions(minute: int, length: str) -> str:
    """What the names of a minute's partitions begin with. The minute is numbered from the epoch."""
    return f"{datetime.fromtimestamp(minute * 60, UTC):%Y-%m-%dT%H:%M}#{'l' if length == 'long' else ''}"


def accounts_of(row: Mapping[str, Any]) -> list[tuple[str, str]]:
    """`Row.holders` of a row as it is stored."""
    # A row from before rows had the list: only a team could hold money in addition to the key.
    team = [(team_item(row["team"]), row["team_window"])] if "team_window" in row else []
    return [(row["key"], row["window"]), *team, *((each["id"], each["window"]) for each in row.get("accounts", ()))]


class Sum(Struct):
    """The sums of some rows: micro-dollars of those that have ended, and the number of those that have not."""

    actual: int = 0
    open: int = 0

    def add(self, row: Mapping[str, Any]) -> None:
        self.actual += row.get("actual", 0)
        self.open += row["state"] == OPEN


class RowStore(RowEstimates):
    def open(self, row: Row) -> None:
        """Write the row of a call that is about to be made. Repeating it is safe: it is the same row."""
        item: dict[str, Any] = {
            "minute": {"S": row.minute},
            "rid": {"S": row.rid},
            "v": _VERSION,
            "state": _IS_OPEN,
            "key": {"S": row.key},
            "tier": {"S": row.tier},
            "model": {"S": row.model},
            "target": {"S": row.target},
            "provider": {"S": row.provider},
            "hour": {"S": row.hour},
            "window": {"S": row.window},
            "n": {"N": str(row.number)},
            "est": {"N": str(row.est)},
            "tokens": {"N": str(row.tokens)},
            "created": {"N": str(row.created)},
            "deadline": {"N": str(row.deadline)},
            "correlation": {"S": row.correlation},
            "ttl": {"N": str(row.created // 1_000_000 + KEPT_SECONDS)},
        }
        if row.budget is not None:
            item["budget"] = {"N": str(row.budget)}
        if row.team:
            item["team"] = {"S": row.team}
        if row.accounts:
            item["accounts"] = to_attribute([_stored(account) for account in row.accounts])
        if row.tags:
            item["tags"] = to_attribute(row.tags)
        for name, value in row.facts.items():
            if value:
                item[name] = {"S": value} if type(value) is str else to_attribute(value)
        request = {"TableName": self._table, "Item": item, "ConditionExpression": "attribute_not_exists(rid)"}
        try:
            self._database.call("PutItem", request, attempts=2)
        except ConditionFailed:  # a first attempt whose answer was lost
            return

    def open_rows(self, minute: int, length: str = "short") -> Iterator[dict[str, Any]]:
        """The rows of a minute (numbered from the epoch) and class of length that are still OPEN."""
        return self._of_minute(
            minute,
            length,
            {
                "FilterExpression": "#state = :open",
                "ExpressionAttributeNames": {"#minute": "minute", "#state": "state"},
            },
            {":open": OPEN},
        )

    def sums(self, hour_ends: int) -> dict[tuple[str, str], Sum]:
        """The sums of all rows, of every length, in the hour with this end (microseconds), by item of `limits` and
        budget window. A row's minute is in the hour that books it: both come from the moment of its admission."""
        sums: dict[tuple[str, str], Sum] = {}
        fields = {
            "ProjectionExpression": "#key, #window, accounts, team, team_window, #state, actual",
            "ExpressionAttributeNames": {"#minute": "minute", "#state": "state", "#key": "key", "#window": "window"},
        }
        for minute in range(hour_ends // 60_000_000 - 60, hour_ends // 60_000_000):
            for length in LENGTHS:
                for row in self._of_minute(minute, length, fields, {}):
                    for account, window in accounts_of(row):
                        sums.setdefault((account, window), Sum()).add(row)
        return sums

    def between(self, first: str, last: str) -> Iterator[dict[str, Any]]:
        """Every row of these UTC days (2026-11-24), and every correction booked on them, in no particular order.

        Reads the whole table once: most of a day's 5,760 partitions are empty, and a month has 170,000 of them.
        """
        request: dict[str, Any] = {
            "TableName": self._table,
            "FilterExpression": (
                "#minute BETWEEN :first AND :last OR (#minute = :corrections AND #day BETWEEN :from AND :to)"
            ),
            "ExpressionAttributeNames": {"#minute": "minute", "#day": "day"},
            "ExpressionAttributeValues": to_item(
                {
                    ":first": f"{first}T00:00#",
                    ":last": f"{last}T23:59#~",
                    ":corrections": _CORRECTIONS,
                    ":from": first,
                    ":to": last,
                }
            ),
            "ConsistentRead": True,
        }
        return pages(self._database, request, "Scan")

    def correct(self, row: Mapping[str, Any]) -> None:
        """Write a correction's row. Raises ConditionFailed, with the existing row, if its id is taken."""
        request = {
            "TableName": self._table,
            "Item": to_item({**row, "minute": _CORRECTIONS, "v": _SCHEMA, "state": CORRECTION}),
            "ConditionExpression": "attribute_not_exists(rid)",
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }
        self._database.call("PutItem", request, attempts=2)

    def corrections(self, month: str, after: str = "") -> Iterator[dict[str, Any]]:
        """The corrections that are booked in a month (2026-11), by id, starting after `after`. They are few, so one
        partition holds all, and an id is unique across all days."""
        request: dict[str, Any] = {
            "TableName": self._table,
            "KeyConditionExpression": "#minute = :corrections AND rid > :after",
            "FilterExpression": "begins_with(#day, :month)",
            "ExpressionAttributeNames": {"#minute": "minute", "#day": "day"},
            "ExpressionAttributeValues": to_item(
                {":corrections": _CORRECTIONS, ":after": after or " ", ":month": month}
            ),
            "ConsistentRead": True,
        }
        return pages(self._database, request)

    def _of_minute(
        self, minute: int, length: str, more: Mapping[str, Any], values: Mapping[str, Any]
    ) -> Iterator[dict[str, Any]]:
        for suffix in range(SUFFIXES[length]):
            partition = minute_partition(minute * 60, suffix, length)
            request: dict[str, Any] = {
                "TableName": self._table,
                "KeyConditionExpression": "#minute = :minute",
                "ExpressionAttributeValues": to_item({":minute": partition, **values}),
                "ConsistentRead": True,
                **more,
            }
            yield from pages(self._database, request)

    def close(self, minute: str, rid: str, state: str, facts: Mapping[str, Any]) -> bool:
        """Settle an open row with these facts, which are attribute values; False if it was closed before. The caller
        that closes a row releases its hold, so exactly one does: the request is never repeated, even if its reply is
        lost."""
        sets, names, marks = ending(tuple(facts))
        values: dict[str, AttributeValue] = dict(zip(marks, facts.values(), strict=True))
        values[":open"], values[":state"] = _IS_OPEN, {"S": state}
        request = {
            "TableName": self._table,
            "Key": {"minute": {"S": minute}, "rid": {"S": rid}},
            "UpdateExpression": f"SET {sets}",
            "ConditionExpression": "#state = :open",
            "ExpressionAttributeNames": names,
            "ExpressionAttributeValues": values,
        }
        try:
            self._database.call("UpdateItem", request)
        except ConditionFailed:
            return False
        return True


def _stored(account: RowAccount) -> dict[str, Any]:
    return {"id": account.id, "window": account.window} | ({} if account.budget is None else {"budget": account.budget})
