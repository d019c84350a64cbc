"""Versions of the config's overrides in the table `state`: the current version, and those that it replaced.

A replaced version is kept for a year after it was replaced, unless fifty others were replaced since. Its key is
`version#<n mod 50>`, so the history needs no deleting. The current version is stored separately and does not expire.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from gateway.dynamodb.attributes import from_item, to_item
from gateway.dynamodb.client import Database
from gateway.errors import TransactionCanceled

_PARTITION = "config"
_CURRENT = "current"
_KEPT = 50
_KEPT_SECONDS = 365 * 86_400


@dataclass(frozen=True, slots=True)
class Overrides:
    """`version` 0 is the packaged config without changes. `document` is a merge patch on the defaults; `by` (a key's
    id) and `at` (RFC 3339) say who made it, and when."""

    version: int
    document: Mapping[str, Any]
    by: str = field(default="", compare=False)
    at: str = field(default="", compare=False)


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
        return _overrides(item)

    def save(self, replaced: Overrides, document: Mapping[str, Any], *, by: str, at: str) -> Overrides | None:
        """Make `document` the next version if `replaced` is still the current one; None if it is not. `at` is RFC
        3339."""
        saved = Overrides(replaced.version + 1, document, by, at)
        current: dict[str, Any] = {
            "TableName": self._table,
            "Item": to_item({"pk": _PARTITION, "sk": _CURRENT} | _item(saved)),
            "ConditionExpression": "attribute_not_exists(pk)",
        }
        writes: list[dict[str, Any]] = [{"Put": current}]
        if replaced.version:
            current |= {
                "ConditionExpression": "version = :replaced",
                "ExpressionAttributeValues": to_item({":replaced": replaced.version}),
            }
            until = {"replaced": at, "ttl": int(datetime.fromisoformat(at).timestamp()) + _KEPT_SECONDS}
            kept = {"pk": _PARTITION, "sk": _place(replaced.version)} | _item(replaced) | until
            writes.append({"Put": {"TableName": self._table, "Item": to_item(kept)}})
        try:
            self._database.call("TransactWriteItems", {"TransactItems": writes})
        except TransactionCanceled:
            return None
        return saved


def _place(version: int) -> str:
    return f"version#{version % _KEPT:02d}"


def _item(overrides: Overrides) -> dict[str, Any]:
    # The document is JSON text: DynamoDB's numbers are not floats, and a version is read completely or not at all.
    text = json.dumps(overrides.document, separators=(",", ":"))
    return {"version": overrides.version, "document": text, "by": overrides.by, "at": overrides.at}


def _overrides(item: Mapping[str, Any]) -> Overrides:
    return Overrides(item["version"], json.loads(item["document"]), item["by"], item["at"])
