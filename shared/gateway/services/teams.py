"""Teams, for admins: what limits all keys of a team together. A key's own limits hold beside them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any, Protocol

from pydantic import Field, ValidationInfo, field_validator

from gateway import observability
from gateway.domain.config import merge_patch
from gateway.domain.identity import Caller
from gateway.domain.times import rfc3339
from gateway.errors import ConditionFailed, Conflict, Forbidden, NotFound, PreconditionFailed
from gateway.services.keys import PaidCalls, parsed
from gateway.services.limited import Limited, settable_limits, shown_limits
from gateway.stores.keys import REVOKED, KeyRecord, NoSuchTeam, TeamRecord, team_item

_TRIES = 4


class NewTeam(Limited):
    """The fields of a team. Its id is what keys and bills name it by."""

    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$")]

    @field_validator("burst_limit")
    @classmethod
    def _of_a_minute(cls, burst: int | None, others: ValidationInfo) -> int | None:
        # A key's burst may be that of its tier's rate; a team has no tier.
        if burst is not None and others.data.get("rpm_limit") is None:
            raise ValueError("is a part of rpm_limit, which is not set")
        return burst


class Records(Protocol):
    def team(self, team_id: str) -> TeamRecord | None: ...
    def create_team(self, record: TeamRecord) -> None: ...
    def replace_team(self, record: TeamRecord, *, version: int) -> None: ...
    def list_teams(self, limit: int, cursor: str | None = None) -> tuple[list[TeamRecord], str | None]: ...
    def of_team(
        self, team_id: str, limit: int = 100, cursor: str | None = None
    ) -> tuple[list[KeyRecord], str | None]: ...
    def get(self, key_id: str) -> KeyRecord | None: ...
    def replace(self, record: KeyRecord, *, version: int) -> None: ...


@dataclass(frozen=True, slots=True)
class Teams:
    """`now` gives seconds since the epoch."""

    records: Records
    limits: PaidCalls
    now: Callable[[], float] = time.time

    def create(self, body: Mapping[str, Any], by: Caller) -> TeamRecord:
        """Raises BadRequest, Forbidden, Conflict (the id is or was taken)."""
        wanted = parsed(NewTeam, body)
        _not_a_member(by)
        record = _filled(TeamRecord(wanted.id, "", rfc3339(self.now())), wanted)
        try:
            self.records.create_team(record)
        except ConditionFailed:
            raise Conflict(f"There is or was a team '{wanted.id}'.", code="team_exists", param="id") from None
        observability.log.info("team created", extra={"team": record.id, "by": by.key_id})
        return record

    def get(self, team_id: str) -> TeamRecord:
        record = self.records.team(team_id)
        if record is None:
            raise NotFound("There is no such team.", param="id")
        return record

    def list(self, limit: int, cursor: str | None) -> tuple[list[TeamRecord], str | None]:
        return self.records.list_teams(limit, cursor)

    def change(self, team_id: str, body: Mapping[str, Any], by: Caller, if_match: int | None = None) -> TeamRecord:
        """A JSON merge patch on the fields of a team. Raises BadRequest, Forbidden, NotFound, PreconditionFailed."""
        _not_a_member(by)

        def patched(record: TeamRecord) -> TeamRecord:
            settable = {"name": record.name, "metadata": dict(record.metadata), **settable_limits(record.limits)}
            wanted = parsed(NewTeam, {"id": record.id} | merge_patch(settable, body))
            if wanted.id != record.id:
                raise Conflict("A team's id can't be changed.", code="id_is_fixed", param="id")
            return _filled(record, wanted)

        before, record = self._changed(team_id, patched, if_match)
        if (before.terms() is None) != (record.terms() is None):
            # Keys of a team without limits are not looked at twice; from now on they are, or no longer.
            self._tell_keys(team_id)
        observability.log.info("team changed", extra={"team": team_id, "by": by.key_id, "fields": sorted(body)})
        return record

    def delete(self, team_id: str, by: Caller) -> None:
        """Only without keys. Its spending stays in the bill, its id is never given again. Raises NotFound, Conflict."""
        _not_a_member(by)
        if self.records.of_team(team_id, 1)[0]:
            raise Conflict("The team still has keys: delete or move them first.", code="team_has_keys", param="id")
        self._changed(team_id, lambda record: replace(record, state=REVOKED), None)
        observability.log.info("team deleted", extra={"team": team_id, "by": by.key_id})

    def _changed(
        self, team_id: str, change: Callable[[TeamRecord], TeamRecord], if_match: int | None
    ) -> tuple[TeamRecord, TeamRecord]:
        for _ in range(_TRIES):
            record = self.get(team_id)
            if if_match is not None and record.version != if_match:
                raise PreconditionFailed("The team was changed since.", param="If-Match")
            changed = replace(change(record), version=record.version + 1)
            try:
                self.records.replace_team(changed, version=record.version)
            except ConditionFailed:
                continue
            self.limits.set_state(team_item(team_id), "R" if changed.state == REVOKED else "A", changed.version)
            return record, changed
        raise Conflict("The team is being changed by others; try again.")

    def _tell_keys(self, team_id: str) -> None:
        cursor: str | None = None
        while True:
            listed, cursor = self.records.of_team(team_id, 100, cursor)
            for each in listed:
                self._touch(each.id)
            if cursor is None:
                return

    def _touch(self, key_id: str) -> None:
        """A new version of a key without a change: its next paid call reads the record, and with it the team's."""
        for _ in range(_TRIES):
            record = self.records.get(key_id)
            if record is None or record.state == REVOKED:
                return
            touched = replace(record, version=record.version + 1)
            try:
                self.records.replace(touched, version=record.version)
            except NoSuchTeam:  # deleted meanwhile, or the key was moved: its next call finds out
                return
            except ConditionFailed:
                continue
            self.limits.set_state(key_id, "A", touched.version)
            return
        raise Conflict("A key of the team is being changed by others; repeat the change.")


def shown(record: TeamRecord) -> dict[str, Any]:
    """A record as an admin sees it."""
    return {
        "id": record.id,
        "name": record.name,
        **shown_limits(record.limits),
        "created": record.created,
        "version": record.version,
        "metadata": dict(record.metadata),
    }


def _not_a_member(by: Caller) -> None:
    if by.team_id:
        raise Forbidden("A key that belongs to a team can't make or change teams.", param="team_id")


def _filled(record: TeamRecord, wanted: NewTeam) -> TeamRecord:
    return replace(record, name=wanted.name, limits=wanted.limits(), metadata=wanted.metadata)
