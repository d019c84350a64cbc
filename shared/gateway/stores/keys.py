"""API key records in the table `api-keys`. No pydantic here: the authorizer starts with this."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from gateway.domain.identity import Caller, KeyLimits
from gateway.errors import ConditionFailed
from gateway.stores import cursors
from gateway.stores.attributes import from_item, to_item
from gateway.stores.dynamodb import Database

ACTIVE, REVOKED = "active", "revoked"
_KIND = "key"
_LIMITS = ("rpm_limit", "tpm_limit", "max_parallel_requests", "max_budget", "budget_duration")


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """One key as stored. `digest` is the SHA-256 in hex; the key itself is nowhere.

    `created` is RFC 3339 in UTC; `expires` seconds since the epoch, 0 for never. `version` grows with every change.
    """

    id: str
    digest: str = field(repr=False)
    name: str
    tier: str
    scopes: tuple[str, ...]
    created: str
    state: str = ACTIVE
    version: int = 1
    models: tuple[str, ...] = ()
    team_id: str = ""
    user_id: str = ""
    expires: int = 0
    limits: KeyLimits = field(default_factory=KeyLimits)
    metadata: Mapping[str, str] = field(default_factory=dict)

    def active(self, now: float) -> bool:
        """Whether the key may be used; `now` in seconds since the epoch."""
        return self.state == ACTIVE and (self.expires == 0 or now < self.expires)

    def caller(self) -> Caller:
        return Caller(
            key_id=self.id,
            tier=self.tier,
            scopes=self.scopes,
            version=self.version,
            models=self.models,
            team_id=self.team_id,
            expires=self.expires,
            limits=self.limits,
        )


class KeyStore:
    """Raises StoreUnavailable where the table can't be read: a caller is then unknown, not refused."""

    def __init__(self, database: Database, table: str) -> None:
        self._database = database
        self._table = table

    def get(self, key_id: str) -> KeyRecord | None:
        """A strongly consistent read: a key revoked a moment ago is seen as revoked."""
        reply = self._database.call(
            "GetItem",
            {"TableName": self._table, "Key": to_item({"id": key_id}), "ConsistentRead": True},
            attempts=2,
        )
        return _record(from_item(reply["Item"])) if "Item" in reply else None

    def create(self, record: KeyRecord) -> None:
        """Raises ConditionFailed where the id is taken."""
        self._database.call(
            "PutItem",
            {
                "TableName": self._table,
                "Item": to_item(_item(record)),
                "ConditionExpression": "attribute_not_exists(id)",
            },
        )

    def revoke(self, key_id: str) -> KeyRecord | None:
        """The record after it was revoked; None where there is none. Revoking twice changes nothing more."""
        request = {
            "TableName": self._table,
            "Key": to_item({"id": key_id}),
            "UpdateExpression": "SET #state = :revoked, version = version + :one",
            "ConditionExpression": "#state = :active",
            "ExpressionAttributeNames": {"#state": "state"},
            "ExpressionAttributeValues": to_item({":revoked": REVOKED, ":active": ACTIVE, ":one": 1}),
            "ReturnValues": "ALL_NEW",
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }
        try:
            return _record(from_item(self._database.call("UpdateItem", request, attempts=2)["Attributes"]))
        except ConditionFailed as refused:
            return _record(refused.item) if refused.item else None

    def list(self, limit: int, cursor: str | None = None) -> tuple[list[KeyRecord], str | None]:
        """Newest first, with the cursor of the next page. Raises BadRequest for a cursor that isn't one of ours."""
        request: dict[str, Any] = {
            "TableName": self._table,
            "IndexName": "by-created",
            "KeyConditionExpression": "kind = :kind",
            "ExpressionAttributeValues": to_item({":kind": _KIND}),
            "ScanIndexForward": False,
            "Limit": limit,
        }
        if cursor:
            request["ExclusiveStartKey"] = to_item(cursors.decode(cursor, {"id": str, "kind": str, "created": str}))
        reply = self._database.call("Query", request, attempts=2)
        last = reply.get("LastEvaluatedKey")
        return [_record(from_item(item)) for item in reply["Items"]], cursors.encode(from_item(last)) if last else None


def _item(record: KeyRecord) -> dict[str, Any]:
    return {
        "id": record.id,
        "kind": _KIND,
        "digest": record.digest,
        "name": record.name,
        "tier": record.tier,
        "scopes": list(record.scopes),
        "created": record.created,
        "state": record.state,
        "version": record.version,
        "models": list(record.models),
        "user_id": record.user_id,
        "expires": record.expires,
        "limits": {name: value for name in _LIMITS if (value := getattr(record.limits, name)) is not None},
        "metadata": dict(record.metadata),
    } | ({"team_id": record.team_id} if record.team_id else {})  # an index key must not be empty


def _record(item: Mapping[str, Any]) -> KeyRecord:
    return KeyRecord(
        id=item["id"],
        digest=item["digest"],
        name=item["name"],
        tier=item["tier"],
        scopes=tuple(item["scopes"]),
        created=item["created"],
        state=item["state"],
        version=item["version"],
        models=tuple(item.get("models", ())),
        team_id=item.get("team_id", ""),
        user_id=item.get("user_id", ""),
        expires=item.get("expires", 0),
        limits=replace(KeyLimits(), **item.get("limits", {})),
        metadata=item.get("metadata", {}),
    )
