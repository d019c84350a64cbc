"""How far the sweeper came: one item in the table `state`."""

from __future__ import annotations

from gateway.stores.attributes import from_item, to_item
from gateway.stores.dynamodb import Database

_KEY = {"pk": "sweeper", "sk": "cursor"}


class SweepCursor:
    def __init__(self, database: Database, table: str) -> None:
        self._database = database
        self._table = table

    def read(self) -> int | None:
        """The last minute (numbered from the epoch) that is done; None before the first run."""
        request = {"TableName": self._table, "Key": to_item(_KEY), "ConsistentRead": True}
        reply = self._database.call("GetItem", request, attempts=2)
        return int(from_item(reply["Item"])["done"]) if "Item" in reply else None

    def write(self, minute: int) -> None:
        request = {"TableName": self._table, "Item": to_item({**_KEY, "done": minute})}
        self._database.call("PutItem", request, attempts=2)
