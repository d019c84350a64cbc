"""The life of API keys, for admins: create, list, show, revoke. A key can't grant more than its issuer has."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from gateway import observability
from gateway.domain import keys
from gateway.domain.config import ALIAS, Dollars, Limit, invalid
from gateway.domain.identity import SCOPES, Caller, KeyLimits
from gateway.domain.money import MICRO, usd
from gateway.domain.times import rfc3339
from gateway.errors import BadRequest, Forbidden, NotFound
from gateway.stores.keys import ACTIVE, REVOKED, KeyRecord

Scope = Literal["completions", "models", "catalogue", "mcp", "admin"]
_USUAL_SCOPES: tuple[Scope, ...] = ("completions", "models", "catalogue", "mcp")
Label = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[^\x00-\x1f\x7f]+$")]
Name = Annotated[str, Field(max_length=64, pattern=r"^[A-Za-z0-9._@-]*$")]


class NewKey(BaseModel):
    """The fields of a key, by LiteLLM's names where those exist. `max_budget` is in US dollars."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Label
    tier: Literal["free", "basic", "premium", "enterprise"] = "free"
    scopes: Annotated[tuple[Scope, ...], Field(min_length=1)] = _USUAL_SCOPES
    models: Annotated[tuple[Annotated[str, Field(pattern=ALIAS)], ...], Field(max_length=100)] = ()
    team_id: Name = ""
    user_id: Name = ""
    rpm_limit: Limit | None = None
    tpm_limit: Limit | None = None
    max_parallel_requests: Limit | None = None
    max_budget: Dollars | None = None
    budget_duration: Literal["daily", "weekly", "monthly", "total"] = "monthly"
    expires: datetime | None = None
    metadata: Annotated[dict[Label, Annotated[str, Field(max_length=256)]], Field(max_length=16)] = Field(
        default_factory=dict
    )

    @field_validator("expires")
    @classmethod
    def _in_utc(cls, moment: datetime | None) -> datetime | None:
        if moment is not None and moment.tzinfo is None:
            raise ValueError("must carry a time zone, for example 2027-01-31T00:00:00Z")
        return moment

    def limits(self) -> KeyLimits:
        return KeyLimits(
            rpm_limit=self.rpm_limit,
            tpm_limit=self.tpm_limit,
            max_parallel_requests=self.max_parallel_requests,
            max_budget=None if self.max_budget is None else round(self.max_budget * MICRO),
            budget_duration=self.budget_duration,
        )


class Records(Protocol):
    def get(self, key_id: str) -> KeyRecord | None: ...
    def create(self, record: KeyRecord) -> None: ...
    def revoke(self, key_id: str) -> KeyRecord | None: ...
    def list(self, limit: int, cursor: str | None = None) -> tuple[list[KeyRecord], str | None]: ...


class PaidCalls(Protocol):
    """Where a change of a key takes hold of its next paid call, whatever an authorizer has cached."""

    def set_state(self, key_id: str, state: str, version: int) -> None: ...


@dataclass(frozen=True, slots=True)
class Keys:
    """`now` gives seconds since the epoch."""

    records: Records
    limits: PaidCalls
    now: Callable[[], float] = time.time

    def create(self, body: Mapping[str, Any], issuer: Caller) -> tuple[str, KeyRecord]:
        """A new key, its text shown this once, and its record. Raises BadRequest, Forbidden."""
        try:
            wanted = NewKey.model_validate(body)
        except ValidationError as error:
            raise invalid(error) from None
        more = [scope for scope in wanted.scopes if not issuer.may(scope)]
        if more:
            raise Forbidden(f"A key can't grant the scope '{more[0]}', which its issuer lacks.", param="scopes")
        if wanted.expires and wanted.expires.timestamp() <= self.now():
            raise BadRequest("expires: lies in the past", param="expires")
        text = keys.new_key()
        record = _record(text, wanted, self.now())
        self.records.create(record)
        observability.log.info("key created", extra={"created_key": record.id, "by": issuer.key_id})
        return text, record

    def get(self, key_id: str) -> KeyRecord:
        record = self.records.get(key_id)
        if record is None:
            raise NotFound("There is no such key.", param="id")
        return record

    def list(self, limit: int, cursor: str | None) -> tuple[list[KeyRecord], str | None]:
        return self.records.list(limit, cursor)

    def revoke(self, key_id: str, by: Caller) -> KeyRecord:
        """Refused from its next paid call on. May be repeated: a second time finishes what a first one could not."""
        record = self.records.revoke(key_id)
        if record is None:
            raise NotFound("There is no such key.", param="id")
        self.limits.set_state(key_id, "R", record.version)
        observability.log.info("key revoked", extra={"revoked_key": key_id, "by": by.key_id})
        return record


def shown(record: KeyRecord) -> dict[str, Any]:
    """A record as an admin sees it: everything but the digest."""
    limits = record.limits
    return {
        "id": record.id,
        "name": record.name,
        "status": {ACTIVE: "active", REVOKED: "revoked"}[record.state],
        "tier": record.tier,
        "scopes": list(record.scopes),
        "models": list(record.models),
        "team_id": record.team_id or None,
        "user_id": record.user_id or None,
        "rpm_limit": limits.rpm_limit,
        "tpm_limit": limits.tpm_limit,
        "max_parallel_requests": limits.max_parallel_requests,
        "max_budget": None if limits.max_budget is None else usd(limits.max_budget),
        "budget_duration": limits.budget_duration if limits.max_budget is not None else None,
        "expires": rfc3339(record.expires) if record.expires else None,
        "created": record.created,
        "version": record.version,
        "metadata": dict(record.metadata),
    }


def _record(text: str, wanted: NewKey, now: float) -> KeyRecord:
    identifier = keys.key_id(text)
    assert identifier is not None  # noqa: S101  we made it a line ago
    return KeyRecord(
        id=identifier,
        digest=keys.digest(text),
        name=wanted.name,
        tier=wanted.tier,
        scopes=tuple(scope for scope in SCOPES if scope in wanted.scopes),
        created=rfc3339(now),
        models=wanted.models,
        team_id=wanted.team_id,
        user_id=wanted.user_id,
        expires=int(wanted.expires.timestamp()) if wanted.expires else 0,
        limits=wanted.limits(),
        metadata=wanted.metadata,
    )
