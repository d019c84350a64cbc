"""The table `api-keys`: records of API keys, teams and users."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from gateway.dynamodb import cursors
from gateway.dynamodb.attributes import from_item, to_item
from gateway.dynamodb.client import Database, read_all
from gateway.errors import ConditionFailed, StoreError, StoreUnavailable, TransactionCanceled
from gateway.identity.account_ids import team_item, user_item
from gateway.identity.records import (
    ACTIVE,
    DAMAGED,
    KEY,
    REVOKED,
    TEAM,
    USER,
    KeyRecord,
    TeamRecord,
    UserRecord,
    key_item,
    key_record,
    team_record,
    team_record_item,
    user_record,
    user_record_item,
)

__all__ = ["ACTIVE", "DAMAGED", "REVOKED", "KeyRecord", "KeyStore", "NoSuchTeam", "TeamRecord", "UserRecord"]

# In the body of the class, `list` is its method.
Page = tuple[list[KeyRecord], str | None]
TeamPage = tuple[list[TeamRecord], str | None]
UserPage = tuple[list[UserRecord], str | None]
_Items = tuple[list[dict[str, Any]], str | None]


class NoSuchTeam(StoreError):
    """A key can't be put into a team that does not exist, or was deleted."""


class KeyStore:
    """Raises StoreUnavailable if the table can't be read: a caller is then unknown, not refused."""

    def __init__(self, database: Database, table: str) -> None:
        self._database = database
        self._table = table

    def get(self, key_id: str) -> KeyRecord | None:
        """A strongly consistent read: a key that was revoked a moment ago is seen as revoked."""
        reply = self._database.call(
            "GetItem",
            {"TableName": self._table, "Key": to_item({"id": key_id}), "ConsistentRead": True},
            attempts=2,
        )
        item = from_item(reply["Item"]) if "Item" in reply else {}
        # Keys and teams share the table: an id that names a team is not a key's.
        return key_record(item) if item.get("kind", KEY) == KEY and item else None

    def team(self, team_id: str) -> TeamRecord | None:
        """Like `get`. A team that was deleted is None."""
        request = {"TableName": self._table, "Key": to_item({"id": team_item(team_id)}), "ConsistentRead": True}
        reply = self._database.call("GetItem", request, attempts=2)
        record = team_record(from_item(reply["Item"])) if "Item" in reply else None
        return record if record is not None and record.state == ACTIVE else None

    def user(self, user_id: str) -> UserRecord | None:
        """Like `get`. A user whose limits were removed is None. A record that can't be read is returned as damaged: if
        the limits are unknown, the user does not count as unlimited."""
        record = self.user_record(user_id)
        return record if record is not None and record.state != REVOKED else None

    def user_record(self, user_id: str) -> UserRecord | None:
        """Like `user`, but includes a removed record, because its version goes on."""
        request = {"TableName": self._table, "Key": to_item({"id": user_item(user_id)}), "ConsistentRead": True}
        reply = self._database.call("GetItem", request, attempts=2)
        return user_record(from_item(reply["Item"])) if "Item" in reply else None

    def create(self, record: KeyRecord) -> None:
        """Raises ConditionFailed if the id is taken, NoSuchTeam if its team does not exist."""
        put = self._new(key_item(record))
        if record.team_id:
            self._in_team(record.team_id, {"Put": put})
        else:
            self._database.call("PutItem", put)

    def create_team(self, record: TeamRecord) -> None:
        """Raises ConditionFailed if the id is or was taken."""
        self._database.call("PutItem", self._new(team_record_item(record)))

    def create_user(self, record: UserRecord) -> None:
        """Raises ConditionFailed if there is a record of the user."""
        self._database.call("PutItem", self._new(user_record_item(record)))

    def replace(self, record: KeyRecord, *, version: int) -> None:
        """Write a changed record over the one of this version. Raises ConditionFailed if it changed since then or is
        revoked, NoSuchTeam if its team does not exist."""
        item = key_item(record)
        if record.team_id:
            self._in_team(record.team_id, {"Update": self._changed(record.id, item, version)})
        else:
            self._update(record.id, item, version)

    def replace_team(self, record: TeamRecord, *, version: int) -> None:
        """Like `replace`."""
        self._update(team_item(record.id), team_record_item(record), version)

    def replace_user(self, record: UserRecord, *, version: int) -> None:
        """Like `replace`; it may also write over a removed record, or a damaged one whose version can be read."""
        self._update(user_item(record.id), user_record_item(record), version, any_state=True)

    def revoke_damaged(self, key_id: str, version: int) -> KeyRecord | None:
        """Like `revoke`, whatever is stored there. `version` is the version as far as it could be read."""
        request = {
            "TableName": self._table,
            "Key": to_item({"id": key_id}),
            "UpdateExpression": "SET #state = :revoked, kind = :kind, version = :next",
            "ConditionExpression": "attribute_exists(id) AND (attribute_not_exists(kind) OR kind = :kind)",
            "ExpressionAttributeNames": {"#state": "state"},
            "ExpressionAttributeValues": to_item({":revoked": REVOKED, ":kind": KEY, ":next": version + 1}),
            "ReturnValues": "ALL_NEW",
        }
        try:
            return key_record(from_item(self._database.call("UpdateItem", request, attempts=2)["Attributes"]))
        except ConditionFailed:
            return None

    def revoke(self, key_id: str, *, version: int | None = None) -> KeyRecord | None:
        """The record after it was revoked; None if it does not exist. Revoking twice changes nothing more.

        With a version, raises ConditionFailed if the record is active but has another version.
        """
        guard = "" if version is None else " AND version = :version"
        request = {
            "TableName": self._table,
            "Key": to_item({"id": key_id}),
            "UpdateExpression": "SET #state = :revoked, version = version + :one",
            "ConditionExpression": f"#state = :active AND kind = :kind{guard}",
            "ExpressionAttributeNames": {"#state": "state"},
            "ExpressionAttributeValues": to_item(
                {":revoked": REVOKED, ":active": ACTIVE, ":one": 1, ":kind": KEY}
                | ({} if version is None else {":version": version})
            ),
            "ReturnValues": "ALL_NEW",
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }
        try:
            return key_record(from_item(self._database.call("UpdateItem", request, attempts=2)["Attributes"]))
        except ConditionFailed as refused:
            if refused.item is None or refused.item.get("kind") != KEY:
                return None
            if refused.item.get("state") == ACTIVE:
                raise
            return key_record(refused.item)

    def delete(self, key_id: str) -> None:
        """Remove a revoked record. Raises ConditionFailed if it is not revoked. A record that is already gone is no
        error."""
        request = {
            "TableName": self._table,
            "Key": to_item({"id": key_id}),
            "ConditionExpression": "attribute_not_exists(id) OR (#state = :revoked AND kind = :kind)",
            "ExpressionAttributeNames": {"#state": "state"},
            "ExpressionAttributeValues": to_item({":revoked": REVOKED, ":kind": KEY}),
        }
        self._database.call("DeleteItem", request, attempts=2)

    def list(self, limit: int, cursor: str | None = None) -> Page:
        """Newest first, with the cursor of the next page. Raises BadRequest for a cursor that this gateway did not
        make."""
        items, following = self._page(
            "by-created", ("kind", KEY), limit, cursor, {"id": str, "kind": str, "created": str}
        )
        return [key_record(item) for item in items], following

    def list_teams(self, limit: int, cursor: str | None = None) -> TeamPage:
        """Like `list`. Deleted teams are left out."""
        items, following = self._page(
            "by-created", ("kind", TEAM), limit, cursor, {"id": str, "kind": str, "created": str}
        )
        return [record for record in map(team_record, items) if record.state != REVOKED], following

    def list_users(self, limit: int, cursor: str | None = None) -> UserPage:
        """Like `list_teams`."""
        items, following = self._page(
            "by-created", ("kind", USER), limit, cursor, {"id": str, "kind": str, "created": str}
        )
        return [record for record in map(user_record, items) if record.state != REVOKED], following

    def of_user(self, user_id: str, limit: int = 100, cursor: str | None = None) -> Page:
        """Like `of_team`."""
        items, following = self._page("by-user", ("user_id", user_id), limit, cursor, {"id": str, "user_id": str})
        return [key_record(item) for item in items], following

    def of_team(self, team_id: str, limit: int = 100, cursor: str | None = None) -> Page:
        """One page of a team's keys, by id. The read is eventually consistent, as an index is."""
        items, following = self._page("by-team", ("team_id", team_id), limit, cursor, {"id": str, "team_id": str})
        return [key_record(item) for item in items], following

    def _new(self, item: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "TableName": self._table,
            "Item": to_item(item),
            "ConditionExpression": "attribute_not_exists(id)",
        }

    def _in_team(self, team_id: str, write: Mapping[str, Any]) -> None:
        """Write a key on the condition that its team exists."""
        check = {
            "TableName": self._table,
            "Key": to_item({"id": team_item(team_id)}),
            "ConditionExpression": "#state = :active",
            "ExpressionAttributeNames": {"#state": "state"},
            "ExpressionAttributeValues": to_item({":active": ACTIVE}),
        }
        # The token makes a second attempt, after the first one's reply was lost, known as the same request.
        request = {"TransactItems": [{"ConditionCheck": check}, write], "ClientRequestToken": uuid.uuid4().hex}
        try:
            self._database.call("TransactWriteItems", request, attempts=2)
        except TransactionCanceled as canceled:
            if canceled.reasons[0] == "ConditionalCheckFailed":
                raise NoSuchTeam("TransactWriteItems", "no such team") from None
            if canceled.reasons[1] == "ConditionalCheckFailed":
                raise ConditionFailed("TransactWriteItems") from None
            raise StoreUnavailable("A data store is busy; try again.", retry_after=1) from canceled

    def _update(self, identifier: str, item: Mapping[str, Any], version: int, *, any_state: bool = False) -> None:
        request = self._changed(identifier, item, version, any_state=any_state) | {
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD"
        }
        try:
            self._database.call("UpdateItem", request, attempts=2)
        except ConditionFailed as refused:
            # A second attempt, after the first one's reply was lost, finds what the first one wrote.
            stored = refused.item or {}
            if any(stored.get(name) != value for name, value in item.items()):
                raise

    def _changed(
        self, identifier: str, item: Mapping[str, Any], version: int, *, any_state: bool = False
    ) -> dict[str, Any]:
        values = {name: value for name, value in item.items() if name != "id"}
        names = {f"#{number}": name for number, name in enumerate(values)}
        sets = ", ".join(f"#{number} = :{number}" for number in range(len(values)))
        gone = [name for name in ("team_id", "user_id") if name not in values]
        return {
            "TableName": self._table,
            "Key": to_item({"id": identifier}),
            # An index's key must not be empty, so a key without a team does not have that attribute.
            "UpdateExpression": f"SET {sets}" + (f" REMOVE {', '.join(gone)}" if gone else ""),
            "ConditionExpression": "version = :version" + ("" if any_state else " AND #state = :active"),
            "ExpressionAttributeNames": names | ({} if any_state else {"#state": "state"}),
            "ExpressionAttributeValues": to_item(
                {f":{number}": value for number, value in enumerate(values.values())}
                | {":version": version}
                | ({} if any_state else {":active": ACTIVE})
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
            start = cursors.decode(cursor, form)
            if start[name] != value or not all(start.values()):
                raise cursors.wrong()
            request["ExclusiveStartKey"] = to_item(start)
        reply = self._database.call("Query", request, attempts=2)
        last = reply.get("LastEvaluatedKey")
        # An index holds only keys: one with whole records would double the cost of each change.
        ids = [from_item(item)["id"] for item in reply["Items"]]
        read = read_all(self._database, self._table, [{"id": each} for each in ids], consistent=True)
        records = {item["id"]: item for item in read}
        return [records[each] for each in ids if each in records], cursors.encode(from_item(last)) if last else None
