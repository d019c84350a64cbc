"""How far the sweeper has come: an item in the table `state` for each class of length."""

from __future__ import annotations

from gateway.dynamodb.attributes import from_item, to_item
from gateway.dynamodb.client import Database


class SweepCursor:
    def __init__(self, database: Database, table: str) -> None:
        self._database = database
        self._table = table

    def read(self, length: str = "short") -> int | None:
        """The last minute (numbered from the epoch) that is done; None before the first run."""
        request = {"TableName": self._table, "Key": to_item(_key(length)), "ConsistentRead": True}
        reply = self._database.call("GetItem", request, attempts=2)
        return int(from_item(reply["Item"])["done"]) if "Item" in reply else None

    def write(self, minute: int, length: str = "short") -> None:
        request = {"TableName": self._table, "Item": to_item({**_key(length), "done": minute})}
        self._database.call("PutItem", request, attempts=2)


def _key(length: str) -> dict[str, str]:
    return {"pk": "sweeper", "sk": f"cursor#{length}"}
