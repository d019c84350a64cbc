"""The life of API keys, for admins: create, list, show, change, rotate, revoke, delete. None grants more than it has.

A change is written to the record first, then told to the key's item in `limits`: its next paid call meets it, whatever
an authorizer has cached. Where the second step was lost, repeating the request finishes it, and so does the next call
that reads the record.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from gateway import observability
from gateway.config.document import ALIAS, TierLimits, invalid, merge_patch
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
from gateway.identity.caller import SCOPES, Caller
from gateway.identity.store import ACTIVE, DAMAGED, KeyRecord, NoSuchTeam
from gateway.keys.guarded import KeyTable, KeyWrites
from gateway.keys.limit_fields import Limited, settable_limits, shown_limits
from gateway.keys.rights import check_sight
from gateway.times import rfc3339

Scope = Literal["completions", "models", "catalogue", "mcp", "admin"]
_USUAL_SCOPES: tuple[Scope, ...] = ("completions", "models", "catalogue", "mcp")
_TRIES = 4
MAX_OVERLAP_HOURS = 72
_EARLIEST, _LATEST = datetime(2020, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
M = TypeVar("M", bound=BaseModel)
Name = Annotated[str, Field(max_length=64, pattern=r"^[A-Za-z0-9._@-]*$")]


class NewKey(Limited):
    """The fields of a key, by LiteLLM's names where those exist."""

    tier: Literal["free", "basic", "premium", "enterprise"] = "free"
    scopes: Annotated[tuple[Scope, ...], Field(min_length=1)] = _USUAL_SCOPES
    models: Annotated[tuple[Annotated[str, Field(pattern=ALIAS)], ...], Field(max_length=100)] = ()
    team_id: Name = ""
    user_id: Name = ""
    expires: datetime | None = None

    @field_validator("team_id", "user_id", mode="before")
    @classmethod
    def _none_is_empty(cls, value: Any) -> Any:
        return "" if value is None else value

    @field_validator("expires")
    @classmethod
    def _in_utc(cls, moment: datetime | None) -> datetime | None:
        if moment is None:
            return None
        if moment.tzinfo is None:
            raise ValueError("must carry a time zone, for example 2027-01-31T00:00:00Z")
        if not _EARLIEST <= moment < _LATEST:
            raise ValueError(f"must lie between {_EARLIEST.year} and {_LATEST.year}")
        return moment


class Rotation(BaseModel):
    """For how many hours the old secret goes on working beside the new one."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    overlap_hours: Annotated[float, Field(ge=0, le=MAX_OVERLAP_HOURS, allow_inf_nan=False, strict=True)] = 24


Page = tuple[list[KeyRecord], str | None]  # in a class with a method `list`, list is that


class Records(Protocol):
    """What is read; writes go through `KeyWrites`."""

    def get(self, key_id: str) -> KeyRecord | None: ...
    def list(self, limit: int, cursor: str | None = None) -> Page: ...
    def of_team(self, team_id: str, limit: int = 100, cursor: str | None = None) -> Page: ...


class Table(Records, KeyTable, Protocol):
    """The table of keys."""


class PaidCalls(Protocol):
    """Where a change of a key takes hold of its next paid call, whatever an authorizer has cached."""

    def create(self, account: str, version: int) -> None: ...
    def set_state(self, account: str, state: str, version: int) -> None: ...


def make_ready(limits: PaidCalls, account: str, version: int) -> None:
    """Make the item that admits paid calls. The first call would do it too, where this is lost; but of many first calls
    at once each would try, by a transaction, and they hinder each other."""
    with suppress(ConditionFailed, StoreError, StoreUnavailable):
        limits.create(account, version)


class Keys:
    """`tiers` gives a tier's limits by its name, `now` seconds since the epoch."""

    def __init__(
        self, table: Table, limits: PaidCalls, tiers: Callable[[str], TierLimits], now: Callable[[], float] = time.time
    ) -> None:
        self.records: Records = table
        self.writes = KeyWrites(table, tiers)
        self.limits = limits
        self.now = now

    def create(self, body: Mapping[str, Any], issuer: Caller) -> tuple[str, KeyRecord]:
        """A new key, its text shown this once, and its record. Raises BadRequest, Forbidden."""
        wanted = parsed(NewKey, body)
        if wanted.expires and wanted.expires.timestamp() <= self.now():
            raise BadRequest("expires: lies in the past", param="expires")
        text = keys.new_key()
        identifier = keys.key_id(text)
        if identifier is None:
            raise AssertionError("a key that was made a line ago has no id")
        blank = KeyRecord(identifier, keys.digest(text), "", "", (), rfc3339(self.now()))
        record = _filled(blank, wanted)
        try:
            self.writes.create(issuer, record)
        except NoSuchTeam:
            raise _no_team(record) from None
        make_ready(self.limits, record.id, record.version)
        observability.log.info("key created", extra={"created_key": record.id, "by": issuer.key_id})
        return text, record

    def get(self, key_id: str) -> KeyRecord:
        record = self.records.get(key_id)
        if record is None:
            raise NotFound("There is no such key.", param="id")
        return record

    def seen(self, key_id: str, by: Caller) -> KeyRecord:
        """As `get`, for one who may not see every key. Raises Forbidden too."""
        record = self.get(key_id)
        check_sight(by, record.team_id)
        return record

    def listed(self, by: Caller, limit: int, cursor: str | None) -> tuple[list[KeyRecord], str | None]:
        """All keys, newest first; to a team's key its team's, by id."""
        return self.records.of_team(by.team_id, limit, cursor) if by.team_id else self.records.list(limit, cursor)

    def change(self, key_id: str, body: Mapping[str, Any], by: Caller, if_match: int | None = None) -> KeyRecord:
        """A JSON merge patch on the fields of a key; null gives a field its default back.

        Raises BadRequest, Forbidden, NotFound, Conflict (revoked), PreconditionFailed (`if_match` is not its version).
        """

        def patched(record: KeyRecord) -> KeyRecord:
            wanted = parsed(NewKey, merge_patch(_settable(record), body))
            changed = _filled(record, wanted)
            if changed.expires != record.expires and 0 < changed.expires <= self.now():
                raise BadRequest("expires: lies in the past", param="expires")
            return changed

        record = self._changed("change", key_id, patched, by, if_match)
        observability.log.info("key changed", extra={"changed_key": key_id, "by": by.key_id, "fields": sorted(body)})
        return record

    def rotate(self, key_id: str, body: Mapping[str, Any], by: Caller) -> tuple[str, KeyRecord]:
        """A new secret for a key, its text shown this once; limits and spend stay. The old secret works until the
        overlap is over, one older than that no more. Raises as `change`."""
        overlap = parsed(Rotation, body).overlap_hours
        text = keys.new_key(key_id)

        def rotated(record: KeyRecord) -> KeyRecord:
            return replace(
                record,
                digest=keys.digest(text),
                generation=record.generation + 1,
                previous_digest=record.digest if overlap else "",
                previous_until=int(self.now() + overlap * 3_600) if overlap else 0,
            )

        record = self._changed("rotate", key_id, rotated, by)
        observability.log.info("key rotated", extra={"rotated_key": key_id, "by": by.key_id})
        return text, record

    def revoke(self, key_id: str, by: Caller) -> KeyRecord:
        """Refused from its next paid call on. May be repeated: a second time finishes what a first one could not.
        Raises Forbidden, NotFound, Conflict."""
        record = self._revoked(key_id, by)
        observability.log.info("key revoked", extra={"revoked_key": key_id, "by": by.key_id})
        return record

    def delete(self, key_id: str, by: Caller) -> None:
        """Revoke a key and forget its record. Its spending stays in the bill, its id is never given again.
        Raises as `revoke`."""
        self.writes.delete(by, self._revoked(key_id, by))
        observability.log.info("key deleted", extra={"deleted_key": key_id, "by": by.key_id})

    def _revoked(self, key_id: str, by: Caller) -> KeyRecord:
        for _ in range(_TRIES):
            try:
                record = self.writes.revoke(by, self.get(key_id))
            except ConditionFailed:  # it is not the record any more that was judged
                continue
            if record is None:
                raise NotFound("There is no such key.", param="id")
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
    ) -> KeyRecord:
        for _ in range(_TRIES):
            record = self.get(key_id)
            if record.state == DAMAGED:
                raise Conflict("The key's record is damaged: it can only be deleted.", code="key_damaged", param="id")
            if record.state != ACTIVE:
                raise Conflict("The key is revoked.", code="key_revoked", param="id")
            if if_match is not None and record.version != if_match:
                raise PreconditionFailed("The key was changed since.", param="If-Match")
            changed = replace(change(record), version=record.version + 1)
            try:
                self.writes.replace(action, by, record, changed)
            except NoSuchTeam:
                raise _no_team(changed) from None
            except ConditionFailed:
                continue
            self.limits.set_state(key_id, "A", changed.version)
            return changed
        raise Conflict("The key is being changed by others; try again.")


def _no_team(record: KeyRecord) -> BadRequest:
    return BadRequest(f"team_id: there is no team '{record.team_id}'", param="team_id")


def shown(record: KeyRecord) -> dict[str, Any]:
    """A record as an admin sees it: everything but the digest."""
    return {
        "id": record.id,
        "name": record.name,
        "status": record.state,
        "tier": record.tier,
        "scopes": list(record.scopes),
        "models": list(record.models),
        "team_id": record.team_id or None,
        "user_id": record.user_id or None,
        **shown_limits(record.limits),
        "expires": rfc3339(record.expires) if record.expires else None,
        "created": record.created,
        "last_used": rfc3339(record.last_used) if record.last_used else None,
        "previous_key_expires": rfc3339(record.previous_until) if record.previous_until else None,
        "version": record.version,
        "metadata": dict(record.metadata),
    }


def _settable(record: KeyRecord) -> dict[str, Any]:
    return {
        "name": record.name,
        "tier": record.tier,
        "scopes": list(record.scopes),
        "models": list(record.models),
        "team_id": record.team_id,
        "user_id": record.user_id,
        "metadata": dict(record.metadata),
        **settable_limits(record.limits),
    } | ({"expires": rfc3339(record.expires)} if record.expires else {})


def _filled(record: KeyRecord, wanted: NewKey) -> KeyRecord:
    return replace(
        record,
        name=wanted.name,
        tier=wanted.tier,
        scopes=tuple(scope for scope in SCOPES if scope in wanted.scopes),
        models=wanted.models,
        team_id=wanted.team_id,
        user_id=wanted.user_id,
        expires=int(wanted.expires.timestamp()) if wanted.expires else 0,
        limits=wanted.limits(),
        metadata=wanted.metadata,
    )


def parsed(model: type[M], body: Mapping[str, Any]) -> M:
    """A body as a model. Raises BadRequest naming the field."""
    try:
        return model.model_validate(body)
    except ValidationError as error:
        raise invalid(error) from None
