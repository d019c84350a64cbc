"""The fields of a key as admins set and see them, and their conversion to a record."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal

from msgspec.structs import replace
from pydantic import BaseModel, ConfigDict, Field, field_validator

from gateway.config.document import ALIAS, Geography
from gateway.config.reasons import pattern
from gateway.errors import BadRequest
from gateway.identity.caller import SCOPES, ModelLimits
from gateway.identity.store import KeyRecord
from gateway.keys.limit_fields import Label, LimitFields, Metadata, WithoutTier, settable_limits, shown_limits
from gateway.keys.networks import Networks
from gateway.keys.raises import Moment
from gateway.times import rfc3339

Scope = Literal["completions", "models", "catalogue", "mcp", "admin"]
_USUAL_SCOPES: tuple[Scope, ...] = ("completions", "models", "catalogue", "mcp")
MAX_OVERLAP_HOURS = 72
MOST_MODEL_LIMITS = 10  # each holds by itself: two more writes for a call that it covers
_NAME = pattern(r"^[A-Za-z0-9._@-]*$", "must be letters, digits and . _ @ -")
Name = Annotated[str, Field(max_length=64, pattern=_NAME)]


class NewKey(LimitFields):
    """A key to create. Only `name` is required. A limit that is left out is the tier's. Example: `{"name": "search",
    "tier": "basic", "max_budget": 10}`."""

    name: Label
    tier: Literal["free", "basic", "premium", "enterprise"] = "free"
    scopes: Annotated[tuple[Scope, ...], Field(min_length=1)] = _USUAL_SCOPES
    models: Annotated[tuple[Annotated[str, Field(pattern=ALIAS)], ...], Field(max_length=100)] = ()
    team_id: Name = ""
    user_id: Name = ""
    residency: Geography | None = None
    expires: Moment | None = None
    allowed_ips: Networks = ()
    model_limits: Annotated[
        dict[Annotated[str, Field(pattern=ALIAS)], WithoutTier], Field(max_length=MOST_MODEL_LIMITS)
    ] = Field(default_factory=dict)
    metadata: Metadata = Field(default_factory=dict)

    @field_validator("model_limits")
    @classmethod
    def _limit_something(cls, limits: dict[str, WithoutTier]) -> dict[str, WithoutTier]:
        for name, each in limits.items():
            if each.budget_raise is not None:
                raise ValueError(f"can't raise a budget on one model ('{name[:64]}')")
            if not each.limits().limited:
                raise ValueError(f"must limit something for '{name[:64]}'")
        return limits

    @field_validator("team_id", "user_id", mode="before")
    @classmethod
    def _none_is_empty(cls, value: Any) -> Any:
        return "" if value is None else value


class Rotation(BaseModel):
    """How to change the secret of a key. Without a body, the old secret works for 24 hours more."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    overlap_hours: Annotated[float, Field(ge=0, le=MAX_OVERLAP_HOURS, allow_inf_nan=False, strict=True)] = 24


def shown(record: KeyRecord, last_used: int = 0) -> dict[str, Any]:
    """A record as an admin sees it: everything but the digest. `last_used` is seconds since the epoch, 0 for never."""
    return {
        "id": record.id,
        "name": record.name,
        "status": record.state,
        "tier": record.tier,
        "scopes": list(record.scopes),
        "models": list(record.models),
        "team_id": record.team_id or None,
        "user_id": record.user_id or None,
        "residency": record.residency or None,
        "allowed_ips": list(record.allowed_ips),
        **shown_limits(record.limits),
        "model_limits": {each.name: shown_limits(each.limits) for each in record.model_limits},
        "expires": rfc3339(record.expires) if record.expires else None,
        "created": record.created,
        "last_used": rfc3339(last_used) if last_used else None,
        "previous_key_expires": rfc3339(record.previous_until) if record.previous_until else None,
        "version": record.version,
        "metadata": dict(record.metadata),
    }


def settable(record: KeyRecord) -> dict[str, Any]:
    return {
        "name": record.name,
        "tier": record.tier,
        "scopes": list(record.scopes),
        "models": list(record.models),
        "team_id": record.team_id,
        "user_id": record.user_id,
        "metadata": dict(record.metadata),
        "allowed_ips": list(record.allowed_ips),
        "model_limits": {each.name: settable_limits(each.limits) for each in record.model_limits},
        **settable_limits(record.limits),
        **({"expires": rfc3339(record.expires)} if record.expires else {}),
        **({"residency": record.residency} if record.residency else {}),
    }


def filled(record: KeyRecord, wanted: NewKey, targets: Callable[[str], str | None]) -> KeyRecord:
    """Raises BadRequest if a new limit names a model that does not exist."""
    return replace(
        record,
        name=wanted.name,
        tier=wanted.tier,
        scopes=tuple(scope for scope in SCOPES if scope in wanted.scopes),
        models=wanted.models,
        team_id=wanted.team_id,
        user_id=wanted.user_id,
        residency=wanted.residency or "",
        allowed_ips=wanted.allowed_ips,
        expires=int(wanted.expires.timestamp()) if wanted.expires else 0,
        limits=wanted.limits(),
        model_limits=_model_limits(record, wanted, targets),
        metadata=wanted.metadata,
    )


def _model_limits(record: KeyRecord, wanted: NewKey, targets: Callable[[str], str | None]) -> tuple[ModelLimits, ...]:
    # A name's target at the time when the limit was set counts as long as the limit stands, whatever becomes of the
    # alias.
    before = {each.name: each.target for each in record.model_limits}
    limits = []
    for name, each in sorted(wanted.model_limits.items()):
        target = before.get(name) or targets(name)
        if target is None:
            told = f"model_limits.{name}: there is no such model; GET /v1/models lists the existing ones"
            raise BadRequest(told, param=f"model_limits.{name}"[:256])
        limits.append(ModelLimits(name, target, each.limits()))
    return tuple(limits)
