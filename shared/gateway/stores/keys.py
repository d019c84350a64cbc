"""Records of API keys and teams in the table `api-keys`. No pydantic here: the authorizer starts with this."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from gateway.domain import keys
from gateway.domain.identity import NUMBERS, Caller, KeyLimits, Team
from gateway.errors import ConditionFailed, StoreError, StoreUnavailable, TransactionCanceled
from gateway.stores import cursors
from gateway.stores.attributes import from_item, to_item
from gateway.stores.dynamodb import Database, read_all

ACTIVE, REVOKED = "active", "revoked"
_KIND, _TEAM = "key", "team"
TEAM = "team#"  # how a team's id begins among those of keys: no key's id can look like it


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """One key as stored. `digest` is the SHA-256 in hex; the key itself is nowhere.

    `created` is RFC 3339 in UTC; `expires` seconds since the epoch, 0 for never. `version` grows with every change,
    `generation` with every rotation; the secret before works until `previous_until`. `last_used` is written by the
    stream consumer, seconds since the epoch, 0 for never.
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
    generation: int = 1
    previous_digest: str = field(default="", repr=False)
    previous_until: int = 0
    last_used: int = 0

    def generation_of(self, key: str) -> int | None:
        """Which of the record's secrets a key has, None for neither."""
        if keys.matches(key, self.digest):
            return self.generation
        return self.generation - 1 if keys.matches(key, self.previous_digest) else None

    def usable(self, generation: int, now: float) -> bool:
        """Whether the key may be used with the secret of this generation; `now` in seconds since the epoch."""
        fresh = generation == self.generation
        return self.active(now) and (fresh or (generation == self.generation - 1 and now < self.previous_until))

    def active(self, now: float) -> bool:
        """Whether the key may be used; `now` in seconds since the epoch."""
        return self.state == ACTIVE and (self.expires == 0 or now < self.expires)

    def caller(self, team: TeamRecord | None = None, generation: int | None = None) -> Caller:
        """Who calls with the secret of a generation (the newest unless given); `team` is the key's, if it has one."""
        old = generation is not None and generation < self.generation
        ends = [moment for moment in (self.expires, self.previous_until if old else 0) if moment]
        return Caller(
            key_id=self.id,
            tier=self.tier,
            scopes=self.scopes,
            version=self.version,
            models=self.models,
            team_id=self.team_id,
            expires=min(ends, default=0),
            limits=self.limits,
            team=team.terms() if team else None,
            generation=self.generation if generation is None else generation,
        )


@dataclass(frozen=True, slots=True)
class TeamRecord:
    """A team of keys, whose limits hold for all of them together. `version` grows with every change."""

    id: str
    name: str
    created: str
    state: str = ACTIVE
    version: int = 1
    limits: KeyLimits = field(default_factory=KeyLimits)
    metadata: Mapping[str, str] = field(default_factory=dict)

    def terms(self) -> Team | None:
        """None where nothing limits the team: its keys' calls then cost no second write."""
        return Team(self.version, self.limits) if self.limits.limited else None


def team_item(team_id: str) -> str:
    """The id of a team's record and of its item in `limits`."""
    return f"{TEAM}{team_id}"


# Inside the store `list` is a method.
Page = tuple[list[KeyRecord], str | None]
TeamPage = tuple[list[TeamRecord], str | None]
_Items = tuple[list[dict[str, Any]], str | None]


class NoSuchTeam(StoreError):
    """A key can't be put into a team that is not there, or not any more."""


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

    def team(self, team_id: str) -> TeamRecord | None:
        """As `get`. A team that was deleted is None."""
        request = {"TableName": self._table, "Key": to_item({"id": team_item(team_id)}), "ConsistentRead": True}
        reply = self._database.call("GetItem", request, attempts=2)
        record = _team(from_item(reply["Item"])) if "Item" in reply else None
        return record if record is not None and record.state == ACTIVE else None

    def create(self, record: KeyRecord) -> None:
        """Raises ConditionFailed where the id is taken, NoSuchTeam where its team is not there."""
        put = self._new(_item(record))
        if record.team_id:
            self._in_team(record.team_id, {"Put": put})
        else:
            self._database.call("PutItem", put)

    def create_team(self, record: TeamRecord) -> None:
        """Raises ConditionFailed where the id is or was taken."""
        self._database.call("PutItem", self._new(_team_item(record)))

    def replace(self, record: KeyRecord, *, version: int) -> None:
        """Write a changed record over the one of this version. Raises ConditionFailed where it changed since, or is
        revoked, NoSuchTeam where its team is not there. `last_used` is left to its writer."""
        item = {name: value for name, value in _item(record).items() if name != "last_used"}
        if record.team_id:
            self._in_team(record.team_id, {"Update": self._changed(record.id, item, version)})
        else:
            self._update(record.id, item, version)

    def replace_team(self, record: TeamRecord, *, version: int) -> None:
        """As `replace`."""
        self._update(team_item(record.id), _team_item(record), version)

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

    def delete(self, key_id: str) -> None:
        """Remove a revoked record. Raises ConditionFailed where it is not revoked; that it is gone already is fine."""
        request = {
            "TableName": self._table,
            "Key": to_item({"id": key_id}),
            "ConditionExpression": "attribute_not_exists(id) OR #state = :revoked",
            "ExpressionAttributeNames": {"#state": "state"},
            "ExpressionAttributeValues": to_item({":revoked": REVOKED}),
        }
        self._database.call("DeleteItem", request, attempts=2)

    def used(self, key_id: str, moment: int) -> None:
        """Note a key's last use, in seconds since the epoch; an earlier one changes nothing."""
        request = {
            "TableName": self._table,
            "Key": to_item({"id": key_id}),
            "UpdateExpression": "SET last_used = :moment",
            "ConditionExpression": "attribute_exists(id) AND (attribute_not_exists(last_used) OR last_used < :moment)",
            "ExpressionAttributeValues": to_item({":moment": moment}),
        }
        with suppress(ConditionFailed):
            self._database.call("UpdateItem", request, attempts=2)

    def list(self, limit: int, cursor: str | None = None) -> Page:
        """Newest first, with the cursor of the next page. Raises BadRequest for a cursor that isn't one of ours."""
        items, following = self._page(
            "by-created", ("kind", _KIND), limit, cursor, {"id": str, "kind": str, "created": str}
        )
        return [_record(item) for item in items], following

    def list_teams(self, limit: int, cursor: str | None = None) -> TeamPage:
        """As `list`; teams that were deleted are left out."""
        items, following = self._page(
            "by-created", ("kind", _TEAM), limit, cursor, {"id": str, "kind": str, "created": str}
        )
        return [_team(item) for item in items if item["state"] == ACTIVE], following

    def of_team(self, team_id: str, limit: int = 100, cursor: str | None = None) -> Page:
        """A team's keys by id, a page of them. Eventually consistent, as an index is."""
        items, following = self._page("by-team", ("team_id", team_id), limit, cursor, {"id": str, "team_id": str})
        return [_record(item) for item in items], following

    def _new(self, item: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "TableName": self._table,
            "Item": to_item(item),
            "ConditionExpression": "attribute_not_exists(id)",
        }

    def _in_team(self, team_id: str, write: Mapping[str, Any]) -> None:
        """A write to a key that holds only while its team is there."""
        check = {
            "TableName": self._table,
            "Key": to_item({"id": team_item(team_id)}),
            "ConditionExpression": "#state = :active",
            "ExpressionAttributeNames": {"#state": "state"},
            "ExpressionAttributeValues": to_item({":active": ACTIVE}),
        }
        # By the token a second attempt, after a first one's lost reply, is known to be the same.
        request = {"TransactItems": [{"ConditionCheck": check}, write], "ClientRequestToken": uuid.uuid4().hex}
        try:
            self._database.call("TransactWriteItems", request, attempts=2)
        except TransactionCanceled as canceled:
            if canceled.reasons[0] == "ConditionalCheckFailed":
                raise NoSuchTeam("TransactWriteItems", "no such team") from None
            if canceled.reasons[1] == "ConditionalCheckFailed":
                raise ConditionFailed("TransactWriteItems") from None
            raise StoreUnavailable("A data store is busy; try again.", retry_after=1) from canceled

    def _update(self, identifier: str, item: Mapping[str, Any], version: int) -> None:
        request = self._changed(identifier, item, version) | {"ReturnValuesOnConditionCheckFailure": "ALL_OLD"}
        try:
            self._database.call("UpdateItem", request, attempts=2)
        except ConditionFailed as refused:
            # A second attempt, after a first one's lost reply, finds what that wrote.
            stored = refused.item or {}
            if any(stored.get(name) != value for name, value in item.items()):
                raise

    def _changed(self, identifier: str, item: Mapping[str, Any], version: int) -> dict[str, Any]:
        values = {name: value for name, value in item.items() if name != "id"}
        names = {f"#{number}": name for number, name in enumerate(values)}
        sets = ", ".join(f"#{number} = :{number}" for number in range(len(values)))
        return {
            "TableName": self._table,
            "Key": to_item({"id": identifier}),
            # An index's key must not be empty, so a key without a team has none.
            "UpdateExpression": f"SET {sets}" + ("" if "team_id" in values else " REMOVE team_id"),
            "ConditionExpression": "version = :version AND #state = :active",
            "ExpressionAttributeNames": names | {"#state": "state"},
            "ExpressionAttributeValues": to_item(
                {f":{number}": value for number, value in enumerate(values.values())}
                | {":version": version, ":active": ACTIVE}
            ),
        }

    def _page(
        self, index: str, partition: tuple[str, str], limit: int, cursor: str | None, form: Mapping[str, type]
    ) -> _Items:
        name, value = partition
        request: dict[str, Any] = {
            "TableName": self._table,
            "IndexName": index,
            "KeyConditionExpression": f"{name} = :value",
            "ExpressionAttributeValues": to_item({":value": value}),
            "ScanIndexForward": False,
            "Limit": limit,
        }
        if cursor:
            request["ExclusiveStartKey"] = to_item(cursors.decode(cursor, form))
        reply = self._database.call("Query", request, attempts=2)
        last = reply.get("LastEvaluatedKey")
        # An index holds keys alone: one with all of a record would double the cost of noting each use.
        ids = [from_item(item)["id"] for item in reply["Items"]]
        read = read_all(self._database, self._table, [{"id": each} for each in ids], consistent=True)
        records = {item["id"]: item for item in read}
        return [records[each] for each in ids if each in records], cursors.encode(from_item(last)) if last else None


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
        "limits": _set(record.limits),
        "metadata": dict(record.metadata),
        "generation": record.generation,
        "previous_digest": record.previous_digest,
        "previous_until": record.previous_until,
        "last_used": record.last_used,
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
        limits=_limits(item),
        metadata=item.get("metadata", {}),
        generation=item.get("generation", 1),
        previous_digest=item.get("previous_digest", ""),
        previous_until=item.get("previous_until", 0),
        last_used=item.get("last_used", 0),
    )


def _team_item(record: TeamRecord) -> dict[str, Any]:
    return {
        "id": team_item(record.id),
        "kind": _TEAM,
        "team": record.id,
        "name": record.name,
        "created": record.created,
        "state": record.state,
        "version": record.version,
        "limits": _set(record.limits),
        "metadata": dict(record.metadata),
    }


def _team(item: Mapping[str, Any]) -> TeamRecord:
    return TeamRecord(
        id=item["team"],
        name=item["name"],
        created=item["created"],
        state=item["state"],
        version=item["version"],
        limits=_limits(item),
        metadata=item.get("metadata", {}),
    )


def _set(limits: KeyLimits) -> dict[str, Any]:
    given = {name: value for name in NUMBERS if (value := getattr(limits, name)) is not None}
    return given | {"budget_duration": limits.budget_duration, "shadow": list(limits.shadow)}


def _limits(item: Mapping[str, Any]) -> KeyLimits:
    stored = item.get("limits", {})
    return KeyLimits(**stored | {"shadow": tuple(stored.get("shadow", ()))})
