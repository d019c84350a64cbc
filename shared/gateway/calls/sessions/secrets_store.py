"""The secrets that key the marks, in the table `state`: one for each month, made when it is first needed, and deleted a
month after its month. From then on nobody can find out by any comparison whom a mark in a row of that month means."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from gateway.dynamodb.attributes import from_item, to_item
from gateway.dynamodb.client import Database
from gateway.errors import ConditionFailed, StoreError

PARTITION = "session-secrets"
_BYTES = 32
_LONGEST_MONTH = timedelta(days=31)


class MarkSecrets:
    def __init__(self, database: Database, table: str) -> None:
        self._database = database
        self._table = table

    def get(self, month: str) -> bytes | None:
        """The secret of a month (2026-11); None if it has no secret. Raises StoreUnavailable, or StoreError if it is
        damaged."""
        request = {"TableName": self._table, "Key": to_item(_key(month)), "ConsistentRead": True}
        reply = self._database.call("GetItem", request, attempts=2)
        return _secret(from_item(reply["Item"])) if "Item" in reply else None

    def make(self, month: str) -> bytes:
        """The secret of a month, made now if it has no secret yet. Raises as `get`."""
        found = self.get(month)
        if found is not None:
            return found
        made = secrets.token_bytes(_BYTES)
        request: dict[str, Any] = {
            "TableName": self._table,
            "Item": to_item({**_key(month), "secret": made.hex(), "ttl": _ends(month)}),
            "ConditionExpression": "attribute_not_exists(pk)",
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }
        try:
            self._database.call("PutItem", request, attempts=2)
        except ConditionFailed as taken:  # by another, or by a first attempt whose answer was lost
            return _secret(taken.item or {})
        return made


def _secret(item: Mapping[str, Any]) -> bytes:
    try:
        found = bytes.fromhex(item["secret"])
    except (KeyError, TypeError, ValueError):
        found = b""
    if len(found) != _BYTES:
        raise StoreError("GetItem", "a stored secret of marks can't be read")
    return found


def _key(month: str) -> dict[str, str]:
    return {"pk": PARTITION, "sk": month}


def _ends(month: str) -> int:
    """31 days after the month's end, in seconds since the epoch."""
    following = (datetime.fromisoformat(f"{month}-01").replace(tzinfo=UTC) + _LONGEST_MONTH).replace(day=1)
    return int((following + _LONGEST_MONTH).timestamp())
