"""Users, for admins: limits over all keys of one person together, whichever teams they are in. The limits of a key's
own record and of its team hold as well.

A user is a name in keys' `user_id`. There is a record of a user only if somebody set limits; keys of other users cost
no further write.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from msgspec.structs import replace
from pydantic import Field

from gateway import observability
from gateway.config.reasons import validated
from gateway.errors import ConditionFailed, Conflict, NotFound, PreconditionFailed
from gateway.identity.account_ids import user_item
from gateway.identity.caller import Caller
from gateway.identity.store import ACTIVE, DAMAGED, REVOKED, KeyRecord, UserRecord
from gateway.keys.guarded import UserTable, UserWrites
from gateway.keys.keys import PaidCalls, make_ready
from gateway.keys.limit_fields import Label, Metadata, WithoutTier, shown_limits
from gateway.keys.raises import check_raise, log_raise
from gateway.keys.rights import check_sight_of_user, check_user
from gateway.keys.telling import limiting, tell_keys, to_be_told
from gateway.times import rfc3339

_NO_LIMITS = "This user has no limits. GET /api/v1/admin/users lists the users that have some."
_TRIES = 4
USER_ID = r"(?!\.{1,2}$)[A-Za-z0-9._@-]{1,64}"  # as keys' `user_id`, except for a path's `.` and `..`


class UserFields(WithoutTier):
    """The limits of a user, which all keys that name this user share. A limit that is left out is removed."""

    name: Label | None = None
    metadata: Metadata = Field(default_factory=dict)


class Records(Protocol):
    """The reads. Writes go through `UserWrites`."""

    def user(self, user_id: str) -> UserRecord | None: ...
    def user_record(self, user_id: str) -> UserRecord | None: ...
    def list_users(self, limit: int, cursor: str | None = None) -> tuple[list[UserRecord], str | None]: ...
    def of_user(
        self, user_id: str, limit: int = 100, cursor: str | None = None
    ) -> tuple[list[KeyRecord], str | None]: ...
    def get(self, key_id: str) -> KeyRecord | None: ...


class Table(Records, UserTable, Protocol):
    """The table of keys, teams and users."""


class Users:
    """`now` returns seconds since the epoch."""

    def __init__(self, table: Table, limits: PaidCalls, now: Callable[[], float] = time.time) -> None:
        self.records: Records = table
        self.writes = UserWrites(table)
        self.limits = limits
        self.now = now

    def put(self, user_id: str, body: Mapping[str, Any], by: Caller, if_match: int | None = None) -> UserRecord:
        """Set all of a user's limits. Raises BadRequest, Forbidden, Conflict, PreconditionFailed."""
        wanted = validated(UserFields, body)

        def filled(record: UserRecord) -> UserRecord:
            limits = wanted.limits()
            check_raise(record.limits, limits, self.now())
            return replace(record, name=wanted.name or "", limits=limits, metadata=wanted.metadata, state=ACTIVE)

        before, record = self._changed(user_id, filled, by, if_match)
        observability.log.info("user's limits set", extra={"user": user_id, "by": by.key_id, "fields": sorted(body)})
        log_raise("user", user_id, before.limits if before.state == ACTIVE else None, record.limits, by)
        return record

    def get(self, user_id: str) -> UserRecord:
        record = self.records.user(user_id)
        if record is None or record.state == DAMAGED:
            raise NotFound(_NO_LIMITS, param="id")
        return record

    def seen(self, user_id: str, by: Caller) -> UserRecord:
        """Like `get`, for a key that may not see every user. Also raises Forbidden."""
        check_sight_of_user(by, user_id)
        return self.get(user_id)

    def listed(self, by: Caller, limit: int, cursor: str | None) -> tuple[list[UserRecord], str | None]:
        """All users that have limits, newest first. A key of a team, or of a user with limits, sees only its own
        user."""
        if by.team_id or by.user:
            own = self.records.user(by.user_id) if by.user_id else None
            return [own] if own else [], None
        return self.records.list_users(limit, cursor)

    def remove(self, user_id: str, by: Caller) -> None:
        """Remove all limits of a user; its keys and their bill stay as they are. Raises NotFound, Forbidden."""

        def removed(record: UserRecord) -> UserRecord:
            if record.state == REVOKED:
                raise NotFound(_NO_LIMITS, param="id")
            return replace(record, state=REVOKED)

        check_user(by)
        self._changed(user_id, removed, by)
        observability.log.info("user's limits removed", extra={"user": user_id, "by": by.key_id})

    def _changed(
        self, user_id: str, change: Callable[[UserRecord], UserRecord], by: Caller, if_match: int | None = None
    ) -> tuple[UserRecord, UserRecord]:
        """Returns the record before and after the change."""
        for _ in range(_TRIES):
            stored = self.records.user_record(user_id)
            if stored is not None and stored.state == DAMAGED and not stored.version:  # the limits item needs it
                raise Conflict(
                    "The user's record is damaged; an operator must remove it and its item in limits.",
                    code="user_damaged",
                )
            active = stored is not None and stored.state == ACTIVE
            if if_match is not None and (stored is None or not active or stored.version != if_match):
                raise PreconditionFailed(
                    "The user's limits were changed in the meantime; read them again.", param="If-Match"
                )
            before = stored or UserRecord(user_id, "", "", state=REVOKED, version=0)
            after = replace(change(before), version=before.version + 1, created=before.created or rfc3339(self.now()))
            try:
                self.writes.put(by, stored, after)
            except ConditionFailed:
                continue
            self._take_hold(before, after, by)
            return before, after
        raise Conflict("The user's limits are being changed by others; try again.")

    def _take_hold(self, before: UserRecord, after: UserRecord, by: Caller) -> None:
        """Make the change hold at the next paid call of each of the user's keys."""
        item = user_item(after.id)
        self.limits.set_state(item, "R" if after.state == REVOKED else "A", after.version)
        if to_be_told(before, after):
            if limiting(after):
                make_ready(self.limits, item, after.version)
            tell_keys(
                self.records, self.writes, self.limits, by, lambda cursor: self.records.of_user(after.id, 100, cursor)
            )


def shown(record: UserRecord) -> dict[str, Any]:
    """A record as an admin sees it."""
    return {
        "id": record.id,
        "name": record.name or None,
        **shown_limits(record.limits),
        "created": record.created,
        "version": record.version,
        "metadata": dict(record.metadata),
    }
