"""Records that the stream consumer could not read, kept complete in the table `state`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from gateway.dynamodb.attributes import to_item
from gateway.dynamodb.client import Database, pages
from gateway.errors import ConditionFailed

_PARTITION = "parked"
_KEPT_SECONDS = 400 * 86_400


class ParkedStore:
    def __init__(self, database: Database, table: str) -> None:
        self._database = database
        self._table = table

    def park(self, record: str, reason: str, identifier: str, now: int) -> None:
        """Park a record as JSON text at `now` (seconds since the epoch). Parking the same record again changes nothing,
        because an operator may have corrected it since, or it may be counted."""
        item = {"pk": _PARTITION, "sk": identifier, "record": record, "reason": reason, "parked": now}
        request = {
            "TableName": self._table,
            "Item": to_item(item | {"ttl": now + _KEPT_SECONDS}),
            "ConditionExpression": "attribute_not_exists(pk)",
        }
        with suppress(ConditionFailed):
            self._database.call("PutItem", request, attempts=2)

    def waiting(self) -> Iterator[dict[str, Any]]:
        """The parked records that are not counted: `sk` (the identifier), `record` (JSON text), `reason`, `parked`."""
        request: dict[str, Any] = {
            "TableName": self._table,
            "KeyConditionExpression": "pk = :pk",
            "FilterExpression": "attribute_not_exists(counted)",
            "ExpressionAttributeValues": to_item({":pk": _PARTITION}),
            "ConsistentRead": True,
        }
        return pages(self._database, request)

    def counted(self, identifier: str, now: int) -> None:
        """Note that a record is counted. It stays in the table, so that it is not parked again if the stream delivers
        it again."""
        request = {
            "TableName": self._table,
            "Key": to_item({"pk": _PARTITION, "sk": identifier}),
            "UpdateExpression": "SET counted = :now",
            "ConditionExpression": "attribute_exists(pk)",
            "ExpressionAttributeValues": to_item({":now": now}),
        }
        with suppress(ConditionFailed):
            self._database.call("UpdateItem", request, attempts=2)
