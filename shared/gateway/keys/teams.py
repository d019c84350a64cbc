"""Teams, for admins: limits over all keys of a team together. A key's own limits hold as well."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal, Protocol

from msgspec.structs import replace
from pydantic import Field

from gateway import observability
from gateway.config.document import Geography
from gateway.config.patches import merge_patch
from gateway.config.reasons import pattern, validated
from gateway.errors import ConditionFailed, Conflict, NotFound, PreconditionFailed
from gateway.identity.account_ids import team_item
from gateway.identity.caller import Caller
from gateway.identity.key_text import TEAM_ID
from gateway.identity.store import REVOKED, KeyRecord, TeamRecord
from gateway.keys.guarded import TeamTable, TeamWrites
from gateway.keys.keys import PaidCalls, make_ready
from gateway.keys.limit_fields import Label, Metadata, WithoutTier, settable_limits, shown_limits
from gateway.keys.raises import check_raise, log_raise
from gateway.keys.rights import check_sight, check_team
from gateway.keys.telling import tell_keys, to_be_told
from gateway.times import rfc3339

_TRIES = 4
_ID = pattern(f"^{TEAM_ID}$", "must be letters, digits and . _ @ -, a letter or digit first, at most 64")


class NewTeam(WithoutTier):
    """A team to create. Its limits apply to all of its keys together. Example: `{"id": "search", "name": "Search",
    "max_budget": 100}`."""

    id: Annotated[str, Field(pattern=_ID)]
    name: Label
    residency: Geography | None = None
    may_store: Annotated[bool, Field(strict=True)] = False
    metadata: Metadata = Field(default_factory=dict)


class Records(Protocol):
    """The reads. Writes go through `TeamWrites`."""

    def team(self, team_id: str) -> TeamRecord | None: ...
    def list_teams(self, limit: int, cursor: str | None = None) -> tuple[list[TeamRecord], str | None]: ...
    def of_team(
        self, team_id: str, limit: int = 100, cursor: str | None = None
    ) -> tuple[list[KeyRecord], str | None]: ...
    def get(self, key_id: str) -> KeyRecord | None: ...


class Table(Records, TeamTable, Protocol):
    """The table of keys and teams."""


class Teams:
    """`now` returns seconds since the epoch."""

    def __init__(self, table: Table, limits: PaidCalls, now: Callable[[], float] = time.time) -> None:
        self.records: Records = table
        self.writes = TeamWrites(table)
        self.limits = limits
        self.now = now

    def create(self, body: Mapping[str, Any], by: Caller) -> TeamRecord:
        """Raises BadRequest, Forbidden, Conflict (the id is or was taken)."""
        wanted = validated(NewTeam, body)
        record = _filled(TeamRecord(wanted.id, "", rfc3339(self.now())), wanted)
        check_raise(None, record.limits, self.now())
        try:
            self.writes.create(by, record)
        except ConditionFailed:
            raise Conflict(
                f"A team of this id exists or existed: '{wanted.id}'.", code="team_exists", param="id"
            ) from None
        if record.terms() is not None:
            make_ready(self.limits, team_item(record.id), record.version)
        observability.log.info("team created", extra={"team": record.id, "by": by.key_id})
        log_raise("team", record.id, None, record.limits, by)
        return record

    def get(self, team_id: str) -> TeamRecord:
        record = self.records.team(team_id)
        if record is None:
            raise NotFound("There is no such team. GET /api/v1/admin/teams lists the teams.", param="id")
        return record

    def seen(self, team_id: str, by: Caller) -> TeamRecord:
        """Like `get`, for a key that may not see every team. Also raises Forbidden."""
        check_sight(by, team_id)
        return self.get(team_id)

    def listed(self, by: Caller, limit: int, cursor: str | None) -> tuple[list[TeamRecord], str | None]:
        """All teams, newest first. A team's key sees only its own."""
        return ([self.get(by.team_id)], None) if by.team_id else self.records.list_teams(limit, cursor)

    def change(self, team_id: str, body: Mapping[str, Any], by: Caller, if_match: int | None = None) -> TeamRecord:
        """Apply a JSON merge patch to the fields of a team. Raises BadRequest, Forbidden, NotFound,
        PreconditionFailed."""

        def patched(record: TeamRecord) -> TeamRecord:
            settable = {"name": record.name, "metadata": dict(record.metadata), **settable_limits(record.limits)}
            settable |= {"may_store": record.may_store} | ({"residency": record.residency} if record.residency else {})
            wanted = validated(NewTeam, {"id": record.id} | merge_patch(settable, body))
            if wanted.id != record.id:
                raise Conflict("A team's id can't be changed.", code="id_is_fixed", param="id")
            changed = _filled(record, wanted)
            check_raise(record.limits, changed.limits, self.now())
            return changed

        before, record = self._changed("change", team_id, patched, by, if_match)
        if to_be_told(before, record) or _differs(before, record):
            # For keys of a team without limits, no second item is checked; this change begins or ends that check.
            if record.terms() is not None:
                make_ready(self.limits, team_item(team_id), record.version)
            tell_keys(
                self.records, self.writes, self.limits, by, lambda cursor: self.records.of_team(team_id, 100, cursor)
            )
        observability.log.info("team changed", extra={"team": team_id, "by": by.key_id, "fields": sorted(body)})
        log_raise("team", team_id, before.limits, record.limits, by)
        return record

    def delete(self, team_id: str, by: Caller) -> None:
        """Delete a team that has no keys. Its spending stays in the bill, and its id is never given again. Raises
        NotFound, Conflict."""
        check_team("delete", by)
        if self.records.of_team(team_id, 1)[0]:
            raise Conflict("The team still has keys: delete or move them first.", code="team_has_keys", param="id")
        self._changed("delete", team_id, lambda record: replace(record, state=REVOKED), by)
        observability.log.info("team deleted", extra={"team": team_id, "by": by.key_id})

    def _changed(
        self,
        action: Literal["change", "delete"],
        team_id: str,
        change: Callable[[TeamRecord], TeamRecord],
        by: Caller,
        if_match: int | None = None,
    ) -> tuple[TeamRecord, TeamRecord]:
        for _ in range(_TRIES):
            record = self.get(team_id)
            if if_match is not None and record.version != if_match:
                raise PreconditionFailed(
                    "The team was changed in the meantime; read it again for its ETag.", param="If-Match"
                )
            changed = replace(change(record), version=record.version + 1)
            try:
                self.writes.replace(action, by, record, changed)
            except ConditionFailed:
                continue
            self.limits.set_state(team_item(team_id), "R" if changed.state == REVOKED else "A", changed.version)
            return record, changed
        raise Conflict("The team is being changed by others; try again.")


def shown(record: TeamRecord) -> dict[str, Any]:
    """A record as an admin sees it."""
    return {
        "id": record.id,
        "name": record.name,
        "residency": record.residency or None,
        "may_store": record.may_store,
        **shown_limits(record.limits),
        "created": record.created,
        "version": record.version,
        "metadata": dict(record.metadata),
    }


def _differs(before: TeamRecord, after: TeamRecord) -> bool:
    """Whether a change of where calls may go and be stored has to reach the keys' items. A change without an effect
    counts as a repetition, because some keys may have missed the first one."""
    said = bool(after.residency or after.may_store)
    again = said and replace(before, version=after.version) == after
    return again or (before.residency, before.may_store) != (after.residency, after.may_store)


def _filled(record: TeamRecord, wanted: NewTeam) -> TeamRecord:
    return replace(
        record,
        name=wanted.name,
        limits=wanted.limits(),
        metadata=wanted.metadata,
        residency=wanted.residency or "",
        may_store=wanted.may_store,
    )
