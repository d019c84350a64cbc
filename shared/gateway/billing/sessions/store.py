"""Sessions' items in the table `usage`: one partition per key, in which the items of a session are next to each other.
The stream consumer writes them with the bill's own store (gateway.billing.store); this module reads and erases them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from gateway.billing.sessions.places import PARTITION
from gateway.dynamodb.attributes import to_item
from gateway.dynamodb.client import Database, pages
from gateway.errors import ConditionFailed

_BEHIND_ALL = "~"


class SessionStore:
    """`now` gives seconds since the epoch."""

    def __init__(self, database: Database, table: str, now: Callable[[], float] = time.time) -> None:
        self._database = database
        self._table = table
        self._now = now

    def of_key(self, key: str, after: str = "") -> Iterator[dict[str, Any]]:
        """The items of a key's sessions, sorted by session and starting after the session `after`: `pk`, `sk`, `ids`,
        counters."""
        return self._between(key, f"{after}#{_BEHIND_ALL}" if after else " ", _BEHIND_ALL)

    def of_session(self, key: str, session: str) -> Iterator[dict[str, Any]]:
        """Like `of_key`, for one session."""
        return self._between(key, f"{session}#", f"{session}#{_BEHIND_ALL}")

    def erase(self, item: Mapping[str, Any]) -> bool:
        """Erase the counters of an item, if it is still as it was read; False if it has changed. The hashes of its
        rows' ids stay until the item expires, so that a row that is delivered again is not counted again."""
        stays = {"pk": item["pk"], "sk": item["sk"], "sealed": True, "erased": True, "ttl": item["ttl"]}
        marks = {"BS": sorted(item["ids"])}
        request = {
            "TableName": self._table,
            "Item": to_item(stays) | {"ids": marks},
            "ConditionExpression": "ids = :ids",
            "ExpressionAttributeValues": {":ids": marks},
        }
        try:
            self._database.call("PutItem", request, attempts=2)
        except ConditionFailed:
            return False
        return True

    def _between(self, key: str, first: str, last: str) -> Iterator[dict[str, Any]]:
        request: dict[str, Any] = {
            "TableName": self._table,
            "KeyConditionExpression": "pk = :pk AND sk BETWEEN :first AND :last",
            # Expired items may stay in the table for days: DynamoDB does not say when it deletes them.
            "FilterExpression": "attribute_not_exists(erased) AND #ttl > :now",
            "ExpressionAttributeNames": {"#ttl": "ttl"},
            "ExpressionAttributeValues": to_item(
                {":pk": f"{PARTITION}{key}", ":first": first, ":last": last, ":now": int(self._now())}
            ),
            "ConsistentRead": True,
        }
        return pages(self._database, request)
