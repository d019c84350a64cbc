"""The life of API keys, for admins: create, list, show, change, rotate, revoke, delete. No key grants more than it has.

A change is written to the record first, and then to the key's item in `limits`. So the next paid call meets it,
whatever an authorizer has cached. If the second write was lost, a repeat of the request makes up for it, or the next
call that reads the record.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Literal, Protocol

from msgspec.structs import replace

from gateway import observability
from gateway.config.document import TierLimits
from gateway.config.patches import merge_patch
from gateway.config.reasons import validated
from gateway.errors import (
    BadRequest,
    ConditionFailed,
    Conflict,
    NotFound,
    PreconditionFailed,
    StoreError,
    StoreUnavailable,
)
from gateway.identity import key_text as keys
from gateway.identity.caller import Caller
from gateway.identity.store import ACTIVE, DAMAGED, KeyRecord, NoSuchTeam
from gateway.keys.guarded import KeyTable, KeyWrites
from gateway.keys.key_fields import NewKey, Rotation, filled, settable
from gateway.keys.networks import log_networks
from gateway.keys.raises import check_raise, log_raise
from gateway.keys.rights import check_sight, inherited
from gateway.times import rfc3339

_TRIES = 4


Page = tuple[list[KeyRecord], str | None]  # in a class with a method `list`, the name means that method


class Records(Protocol):
    """The reads. Writes go through `KeyWrites`."""

    def get(self, key_id: str) -> KeyRecord | None: ...
    def list(self, limit: int, cursor: str | None = None) -> Page: ...
    def of_team(self, team_id: str, limit: int = 100, cursor: str | None = None) -> Page: ...
    def of_user(self, user_id: str, limit: int = 100, cursor: str | None = None) -> Page: ...


class Table(Records, KeyTable, Protocol):
    """The table of keys."""


class PaidCalls(Protocol):
    """Where a change of a key takes effect for its next paid call, whatever an authorizer has cached."""

    def create(self, account: str, version: int) -> None: ...
    def set_state(self, account: str, state: str, version: int) -> None: ...


def make_ready(limits: PaidCalls, account: str, version: int) -> None:
    """Create the item that admits paid calls. If this write is lost, the first call does it instead. But if many first
    calls come at once, each tries it in a transaction, and the transactions hinder each other."""
    with suppress(ConditionFailed, StoreError, StoreUnavailable):
        limits.create(account, version)


class Keys:
    """`tiers` returns a tier's limits by its name, `now` seconds since the epoch, `targets` the target of a model's
    name, or None if it has none."""

    def __init__(
        self,
        table: Table,
        limits: PaidCalls,
        tiers: Callable[[str], TierLimits],
        now: Callable[[], float] = time.time,
        targets: Callable[[str], str | None] = lambda name: name,
    ) -> None:
        self.records: Records = table
        self.writes = KeyWrites(table, tiers)
        self.limits = limits
        self.now = now
        self.targets = targets

    def create(self, body: Mapping[str, Any], issuer: Caller) -> tuple[str, KeyRecord]:
        """Returns a new key's text, which is shown only this once, and its record. Raises BadRequest, Forbidden."""
        wanted = validated(NewKey, inherited(issuer, body))
        if wanted.expires and wanted.expires.timestamp() <= self.now():
            raise BadRequest("expires: is in the past", param="expires")
        text = keys.new_key()
        identifier = keys.key_id(text)
        if identifier is None:
            raise AssertionError("a key that was made a line ago has no id")
        blank = KeyRecord(identifier, keys.digest(text), "", "", (), rfc3339(self.now()))
        record = filled(blank, wanted, self.targets)
        check_raise(None, record.limits, self.now())
        try:
            self.writes.create(issuer, record)
        except NoSuchTeam:
            raise _no_team(record) from None
        make_ready(self.limits, record.id, record.version)
        observability.log.info("key created", extra={"created_key": record.id, "by": issuer.key_id})
        log_raise("key", record.id, None, record.limits, issuer)
        log_networks(record.id, (), record.allowed_ips, issuer)
        return text, record

    def get(self, key_id: str) -> KeyRecord:
        record = self.records.get(key_id)
        if record is None:
            raise NotFound("There is no such key. GET /api/v1/admin/keys lists the keys.", param="id")
        return record

    def seen(self, key_id: str, by: Caller) -> KeyRecord:
        """Like `get`, for a key that may not see every key. Also raises Forbidden."""
        record = self.get(key_id)
        check_sight(by, record.team_id)
        return record

    def listed(
        self, by: Caller, limit: int, cursor: str | None, user_id: str = ""
    ) -> tuple[list[KeyRecord], str | None]:
        """All keys, newest first. A team's key sees the keys of its team, by id. With `user_id`, only that user's keys,
        by id. A page of a user's keys that a team's key sees may be short although another page follows."""
        if user_id:
            records, following = self.records.of_user(user_id, limit, cursor)
            return [each for each in records if by.team_id in ("", each.team_id)], following
        return self.records.of_team(by.team_id, limit, cursor) if by.team_id else self.records.list(limit, cursor)

    def change(self, key_id: str, body: Mapping[str, Any], by: Caller, if_match: int | None = None) -> KeyRecord:
        """Apply a JSON merge patch to the fields of a key; null resets a field to its default.

        Raises BadRequest, Forbidden, NotFound, Conflict (revoked), PreconditionFailed (`if_match` is not its version).
        """

        def patched(record: KeyRecord) -> KeyRecord:
            wanted = validated(NewKey, merge_patch(settable(record), body))
            changed = filled(record, wanted, self.targets)
            if changed.expires != record.expires and 0 < changed.expires <= self.now():
                raise BadRequest("expires: is in the past", param="expires")
            check_raise(record.limits, changed.limits, self.now())
            return changed

        before, record = self._changed("change", key_id, patched, by, if_match)
        observability.log.info("key changed", extra={"changed_key": key_id, "by": by.key_id, "fields": sorted(body)})
        log_raise("key", key_id, before.limits, record.limits, by)
        log_networks(key_id, before.allowed_ips, record.allowed_ips, by)
        return record

    def rotate(self, key_id: str, body: Mapping[str, Any], by: Caller) -> tuple[str, KeyRecord]:
        """A new secret for a key, whose text is shown only this once. Limits and spending stay. The old secret works
        until the overlap is over; a secret older than that stops working at once. Raises the same errors as
        `change`."""
        overlap = validated(Rotation, body).overlap_hours
        text = keys.new_key(key_id)

        def rotated(record: KeyRecord) -> KeyRecord:
            return replace(
                record,
                digest=keys.digest(text),
                generation=record.generation + 1,
                previous_digest=record.digest if overlap else "",
                previous_until=int(self.now() + overlap * 3_600) if overlap else 0,
            )

        _, record = self._changed("rotate", key_id, rotated, by)
        observability.log.info("key rotated", extra={"rotated_key": key_id, "by": by.key_id})
        return text, record

    def revoke(self, key_id: str, by: Caller) -> KeyRecord:
        """The key is refused from its next paid call on. The request may be repeated: a second one finishes what the
        first one could not. Raises Forbidden, NotFound, Conflict."""
        record = self._revoked(key_id, by)
        observability.log.info("key revoked", extra={"revoked_key": key_id, "by": by.key_id})
        return record

    def delete(self, key_id: str, by: Caller) -> None:
        """Revoke a key and delete its record. Its spending stays in the bill, and its id is never given again. Raises
        the same errors as `revoke`."""
        self.writes.delete(by, self._revoked(key_id, by))
        observability.log.info("key deleted", extra={"deleted_key": key_id, "by": by.key_id})

    def _revoked(self, key_id: str, by: Caller) -> KeyRecord:
        for _ in range(_TRIES):
            try:
                record = self.writes.revoke(by, self.get(key_id))
            except ConditionFailed:  # the record is no longer the one that was judged
                continue
            if record is None:
                raise NotFound("There is no such key. GET /api/v1/admin/keys lists the keys.", param="id")
            self.limits.set_state(key_id, "R", record.version)
            return record
        raise Conflict("The key is being changed by others; try again.")

    def _changed(
        self,
        action: Literal["change", "rotate"],
        key_id: str,
        change: Callable[[KeyRecord], KeyRecord],
        by: Caller,
        if_match: int | None = None,
    ) -> tuple[KeyRecord, KeyRecord]:
        """Returns the record before and after the change."""
        for _ in range(_TRIES):
            record = self.get(key_id)
            if record.state == DAMAGED:
                raise Conflict("The key's record is damaged: it can only be deleted.", code="key_damaged", param="id")
            if record.state != ACTIVE:
                raise Conflict("The key is revoked.", code="key_revoked", param="id")
            if if_match is not None and record.version != if_match:
                raise PreconditionFailed(
                    "The key was changed in the meantime; read it again for its ETag.", param="If-Match"
                )
            changed = replace(change(record), version=record.version + 1)
            try:
                self.writes.replace(action, by, record, changed)
            except NoSuchTeam:
                raise _no_team(changed) from None
            except ConditionFailed:
                continue
            self.limits.set_state(key_id, "A", changed.version)
            return record, changed
        raise Conflict("The key is being changed by others; try again.")


def _no_team(record: KeyRecord) -> BadRequest:
    return BadRequest(f"team_id: there is no team '{record.team_id}'", param="team_id")
