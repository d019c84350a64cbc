"""When each key was last used. This is in the table `state`, apart from the keys' own records, because the consumer,
which notes it, may write to no key."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from gateway.dynamodb.attributes import to_item
from gateway.dynamodb.client import Database, read_all
from gateway.errors import ConditionFailed

_PREFIX = "used#"
_SORT = "last"
_KEPT_SECONDS = 400 * 86_400  # from the last use on; nothing of a deleted key stays longer


class UseStore:
    def __init__(self, database: Database, table: str) -> None:
        self._database = database
        self._table = table

    def used(self, key_id: str, moment: int) -> None:
        """Note a key's last use, in seconds since the epoch. An earlier one than that stored changes nothing."""
        request = {
            "TableName": self._table,
            "Key": to_item(_key(key_id)),
            "UpdateExpression": "SET used = :moment, #ttl = :ttl",
            "ConditionExpression": "attribute_not_exists(used) OR used < :moment",
            "ExpressionAttributeNames": {"#ttl": "ttl"},
            "ExpressionAttributeValues": to_item({":moment": moment, ":ttl": moment + _KEPT_SECONDS}),
        }
        with suppress(ConditionFailed):
            self._database.call("UpdateItem", request, attempts=2)

    def of(self, key_ids: Sequence[str]) -> dict[str, int]:
        """The last use of each key that was used, in seconds since the epoch. Raises StoreUnavailable."""
        items = read_all(self._database, self._table, [_key(each) for each in key_ids], consistent=False)
        return {str(item["pk"]).removeprefix(_PREFIX): item["used"] for item in items}


def _key(key_id: str) -> dict[str, str]:
    return {"pk": f"{_PREFIX}{key_id}", "sk": _SORT}
