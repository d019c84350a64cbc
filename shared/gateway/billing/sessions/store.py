"""Sessions' items in the table `usage`: a partition a key, a session's items side by side in it. The stream consumer
writes them as it does those of the bill (gateway.billing.store); here they are read, and erased."""

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
        """The items of a key's sessions by session, from behind that one on: `pk`, `sk`, `ids`, counters."""
        return self._between(key, f"{after}#{_BEHIND_ALL}" if after else " ", _BEHIND_ALL)

    def of_session(self, key: str, session: str) -> Iterator[dict[str, Any]]:
        """As `of_key`, of one session."""
        return self._between(key, f"{session}#", f"{session}#{_BEHIND_ALL}")

    def erase(self, item: Mapping[str, Any]) -> bool:
        """Forget what an item counted, as it was read; False where it changed since. What stays until its time is over
        are hashes of its rows' ids, so that nothing that is delivered again counts anew."""
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
            # What is over may stand there for days still: nothing says when DynamoDB comes to it.
            "FilterExpression": "attribute_not_exists(erased) AND #ttl > :now",
            "ExpressionAttributeNames": {"#ttl": "ttl"},
            "ExpressionAttributeValues": to_item(
                {":pk": f"{PARTITION}{key}", ":first": first, ":last": last, ":now": int(self._now())}
            ),
            "ConsistentRead": True,
        }
        return pages(self._database, request)
