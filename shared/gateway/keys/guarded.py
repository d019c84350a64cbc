"""The only way for a service to write the record of a key, team or user: each write is checked against the table of
rights."""

from __future__ import annotations

from typing import Literal, Protocol

from msgspec.structs import replace

from gateway.identity.caller import Caller
from gateway.identity.store import DAMAGED, KeyRecord, TeamRecord, UserRecord
from gateway.keys import rights
from gateway.keys.holdings import Tiers
from gateway.keys.rights import KeyWrite


class KeyTable(Protocol):
    def create(self, record: KeyRecord) -> None: ...
    def replace(self, record: KeyRecord, *, version: int) -> None: ...
    def revoke(self, key_id: str, *, version: int) -> KeyRecord | None: ...
    def revoke_damaged(self, key_id: str, version: int) -> KeyRecord | None: ...
    def delete(self, key_id: str) -> None: ...


class TeamTable(Protocol):
    def create_team(self, record: TeamRecord) -> None: ...
    def replace_team(self, record: TeamRecord, *, version: int) -> None: ...
    def replace(self, record: KeyRecord, *, version: int) -> None: ...


class UserTable(Protocol):
    def create_user(self, record: UserRecord) -> None: ...
    def replace_user(self, record: UserRecord, *, version: int) -> None: ...
    def replace(self, record: KeyRecord, *, version: int) -> None: ...


class KeyWrites:
    """Writes of key records. Each raises Forbidden, and whatever the table's own write raises.

    A write overwrites, revokes or deletes only the record that was judged. If another version is stored by then, the
    write raises ConditionFailed.
    """

    def __init__(self, table: KeyTable, tiers: Tiers) -> None:
        self._table, self._tiers = table, tiers

    def create(self, by: Caller, record: KeyRecord) -> None:
        rights.check_key("create", KeyWrite(by, None, record, self._tiers))
        self._table.create(record)

    def replace(self, action: Literal["change", "rotate"], by: Caller, before: KeyRecord, after: KeyRecord) -> None:
        rights.check_key(action, KeyWrite(by, before, after, self._tiers))
        self._table.replace(after, version=before.version)

    def revoke(self, by: Caller, before: KeyRecord) -> KeyRecord | None:
        rights.check_key("revoke", KeyWrite(by, before, None, self._tiers))
        if before.state == DAMAGED:  # such a record may have no version
            return self._table.revoke_damaged(before.id, before.version)
        return self._table.revoke(before.id, version=before.version)

    def delete(self, by: Caller, before: KeyRecord) -> None:
        """Delete a revoked record, which no other write changes."""
        rights.check_key("delete", KeyWrite(by, before, None, self._tiers))
        self._table.delete(before.id)


class TeamWrites:
    """Writes of team records. They raise the same errors as `KeyWrites`."""

    def __init__(self, table: TeamTable) -> None:
        self._table = table

    def create(self, by: Caller, record: TeamRecord) -> None:
        rights.check_team("create", by)
        self._table.create_team(record)

    def replace(self, action: Literal["change", "delete"], by: Caller, before: TeamRecord, after: TeamRecord) -> None:
        rights.check_team(action, by)
        self._table.replace_team(after, version=before.version)

    def touch(self, by: Caller, record: KeyRecord) -> KeyRecord:
        """Give a key of the team a new version and change nothing else."""
        rights.check_team("change", by)
        return _touched(self._table, record)


class UserWrites:
    """Writes of users' limits. They raise the same errors as `KeyWrites`."""

    def __init__(self, table: UserTable) -> None:
        self._table = table

    def put(self, by: Caller, before: UserRecord | None, after: UserRecord) -> None:
        rights.check_user(by)
        if before is None:
            self._table.create_user(after)
        else:
            self._table.replace_user(after, version=before.version)

    def touch(self, by: Caller, record: KeyRecord) -> KeyRecord:
        """Give a key of the user a new version and change nothing else."""
        rights.check_user(by)
        return _touched(self._table, record)


def _touched(table: TeamTable | UserTable, record: KeyRecord) -> KeyRecord:
    touched = replace(record, version=record.version + 1)
    table.replace(touched, version=record.version)
    return touched
