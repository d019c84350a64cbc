"""A restored table of keys, held against the limits that lived on: who was revoked, deleted, rotated or changed since.

A restore brings back what an admin has ended. The table `limits` remembers it: of each key `st` (R once it is revoked)
and `kv`, the version that its record had when it was last told. So a restored record may be used again only where its
item is there, says A, and says the record's own version. Every other active key is revoked here: that one was revoked,
rotated or changed after the restore point, or deleted, and nothing here can tell which of its secrets leaked.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from gateway.dynamodb.attributes import from_item, to_item
from gateway.dynamodb.client import Database
from gateway.errors import ConditionFailed
from gateway.identity.records import ACTIVE, KEY
from gateway.identity.store import KeyStore
from tools.data.moves import scanned


@dataclass(frozen=True, slots=True)
class Doubt:
    """A record that may not be used as it is: of a key it is revoked, of a team or user an admin has to look at it."""

    id: str
    name: str
    kind: str
    why: str


@dataclass(frozen=True, slots=True)
class Judged:
    """`fine`: how many records agree with their items. `lost`: keys that have an item and no record: they were made
    after the restore point, and their owners need new ones."""

    fine: int
    doubts: list[Doubt]
    lost: list[str]


def judged(database: Database, records: str, limits: str, keep: Collection[str] = ()) -> Judged:
    """What a restored table of records holds that the limits do not bear out. Both by their real names. `keep` are ids
    of keys that somebody answers for: they are fine."""
    items = {item["id"]: item for item in map(from_item, scanned(database, limits))}
    doubts: list[Doubt] = []
    known, fine = set(), 0
    for record in map(from_item, scanned(database, records)):
        known.add(record["id"])
        why = _why(record, items.get(record["id"]))
        if why and record["id"] not in keep:
            doubts.append(Doubt(record["id"], str(record.get("name", "")), str(record.get("kind", KEY)), why))
        else:
            fine += 1
    lost = [name for name in sorted(items) if name not in known and "#" not in name and items[name].get("st") == "A"]
    return Judged(fine, doubts, lost)


def ended(database: Database, records: str, limits: str, doubts: list[Doubt]) -> int:
    """Revoke each key in doubt; how many. Its version becomes higher than the known one, so that its next paid call is
    refused whatever an authorizer has cached."""
    store, count = KeyStore(database, records), 0
    for doubt in doubts:
        if doubt.kind == KEY:
            _pass(database, records, limits, doubt.id)
            count += store.revoke(doubt.id) is not None
    return count


def _pass(database: Database, records: str, limits: str, key_id: str) -> None:
    key = {"Key": to_item({"id": key_id})}
    told = from_item(database.call("GetItem", {"TableName": limits, **key, "ConsistentRead": True}).get("Item", {}))
    request = {
        "TableName": records,
        **key,
        "UpdateExpression": "SET version = :version",
        "ConditionExpression": "version < :version",
        "ExpressionAttributeValues": to_item({":version": told.get("kv", 0)}),
    }
    with suppress(ConditionFailed):
        database.call("UpdateItem", request)


def _why(record: Mapping[str, Any], item: Mapping[str, Any] | None) -> str:
    if record.get("state") != ACTIVE:
        return ""
    if record.get("kind", KEY) == KEY:
        if item is None:
            return "has no item in limits: it was deleted since, or never called"
        if item.get("st") != "A":
            return "was revoked since"
    elif item is None:  # a team or a user that no call of a key of theirs has met yet
        return ""
    if item.get("kv") != record.get("version"):
        return f"was changed since: version {record.get('version')} here, {item.get('kv')} in its limits"
    return ""
