"""Versions of the config's overrides in the table `state`: an item each, and one that is the current."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gateway.errors import TransactionCanceled
from gateway.stores.attributes import from_item, to_item
from gateway.stores.dynamodb import Database

_PARTITION = "config"
_CURRENT = "current"


@dataclass(frozen=True, slots=True)
class Overrides:
    """`version` 0 is the packaged config with nothing changed. `document` is a merge patch on the defaults."""

    version: int
    document: Mapping[str, Any]


class ConfigStore:
    def __init__(self, database: Database, table: str) -> None:
        self._database = database
        self._table = table

    def current(self, *, consistent: bool = False) -> Overrides:
        request = {
            "TableName": self._table,
            "Key": to_item({"pk": _PARTITION, "sk": _CURRENT}),
            "ConsistentRead": consistent,
        }
        reply = self._database.call("GetItem", request, attempts=2)
        if "Item" not in reply:
            return Overrides(0, {})
        item = from_item(reply["Item"])
        return Overrides(item["version"], json.loads(item["document"]))

    def save(self, replaced: Overrides, document: Mapping[str, Any], *, by: str, at: str) -> Overrides | None:
        """Make `document` the next version, if `replaced` is still current; None where it isn't any more."""
        version = replaced.version + 1
        # Stored as JSON text: DynamoDB's numbers have no floats, and a version is read whole or not at all.
        item = {"version": version, "document": json.dumps(document, separators=(",", ":")), "by": by, "at": at}
        current: dict[str, Any] = {
            "TableName": self._table,
            "Item": to_item({"pk": _PARTITION, "sk": _CURRENT} | item),
            "ConditionExpression": "attribute_not_exists(pk)",
        }
        if replaced.version:
            current |= {
                "ConditionExpression": "version = :replaced",
                "ExpressionAttributeValues": to_item({":replaced": replaced.version}),
            }
        history = {
            "TableName": self._table,
            "Item": to_item({"pk": _PARTITION, "sk": f"version#{version:08d}"} | item),
            "ConditionExpression": "attribute_not_exists(pk)",
        }
        try:
            self._database.call("TransactWriteItems", {"TransactItems": [{"Put": current}, {"Put": history}]})
        except TransactionCanceled:
            return None
        return Overrides(version, document)
