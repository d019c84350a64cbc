"""The schemas of the admin's requests and answers. Only the OpenAPI document uses them: no function loads this."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from gateway.config.document import Config
from gateway.limits import NUMBERS


class Patch(BaseModel):
    """A JSON merge patch: send only the fields to change. Null gives a field its default value again."""


_ENTRIES = dict[str, dict[str, Any] | None]


class ConfigPatch(BaseModel):
    """A JSON merge patch of the config: send only the parts to change. Null removes an entry, or restores a default."""

    rateLimits: _ENTRIES = {}  # noqa: N815  as the config names it
    models: _ENTRIES = {}
    prices: _ENTRIES = {}
    vendors: _ENTRIES = {}
    residency: str | None = None
    cacheMarks: str | None = None  # noqa: N815  as the config names it
    circuitBreaker: dict[str, Any] = {}  # noqa: N815  as the config names it
    timeouts: dict[str, Any] = {}


class Unsaid(BaseModel):
    param: str
    message: str


class VersionedConfig(BaseModel):
    version: int
    config: Config
    missing: list[Unsaid]


class Metrics(BaseModel):
    object: Literal["metrics"]
    latency_ms: dict[str, Any]


class Usage(BaseModel):
    object: Literal["usage"]
    group_by: str
    data: list[dict[str, Any]]
    total: dict[str, Any]
    next_cursor: str | None


class SessionFigures(BaseModel):
    requests: int
    errors: int
    fresh_input_tokens: int
    cache_read_tokens: int
    cache_write_5m_tokens: int
    cache_write_1h_tokens: int
    cache_hit_rate: float | None
    output_tokens: int
    cost: float
    cost_micro_usd: int
    currency: Literal["USD"]


class SessionSum(SessionFigures):
    session: str
    first_hour: str
    last_hour: str
    complete: bool


class SessionOfKey(SessionSum):
    key: str


class Sessions(BaseModel):
    object: Literal["list"]
    data: list[SessionOfKey]
    next_cursor: str | None


class Session(SessionSum):
    object: Literal["session"]
    by_key: dict[str, SessionFigures]
    by_agent: dict[str, SessionFigures]
    by_class: dict[str, SessionFigures]
    by_user: dict[str, SessionFigures]
    by_model: dict[str, dict[str, Any]]


class Erased(BaseModel):
    erased: int
    complete: bool


class Breaker(BaseModel):
    state: Literal["closed", "open", "half_open"]
    forced: bool
    failures: int
    successes: int
    trips: int
    retryAfter: float | None  # noqa: N815  as the original names it


class BreakersOfProvider(Breaker):
    """The circuit breakers of a provider, summed up as if they were one, and each breaker that is or was not closed."""

    breakers: dict[str, Breaker]


class Breakers(BaseModel):
    circuitBreakers: dict[str, BreakersOfProvider]  # noqa: N815  as the original names it


class BreakerAction(BaseModel):
    action: Literal["reset", "open"]
    providers: list[str] = []
    breakers: list[str] = []


class Deleted(BaseModel):
    id: str
    deleted: Literal[True]


def _with_limits(schema: dict[str, Any]) -> None:
    """Every limit of the ledger is a field, each null where it is not set."""
    limits: dict[str, Any] = {name: {"type": ["integer", "null"]} for name in NUMBERS}
    limits |= {"max_budget": {"type": ["number", "null"]}, "budget_duration": {"type": ["string", "null"]}}
    limits["shadow"] = {"type": "array", "items": {"type": "string"}}
    limits["estimate"] = {"enum": ["bound", "typical"]}
    raised = {"amount": {"type": "number"}, "until": {"type": "string", "format": "date-time"}}
    limits["budget_raise"] = {"type": ["object", "null"], "required": [*raised], "properties": raised}
    schema["properties"] = schema.get("properties", {}) | limits
    schema["required"] = [*schema.get("required", ()), *limits]


class LimitsOnAModel(BaseModel):
    model_config = ConfigDict(json_schema_extra=_with_limits)


class Key(BaseModel):
    model_config = ConfigDict(json_schema_extra=_with_limits)

    id: str
    name: str
    status: Literal["active", "revoked", "damaged"]
    tier: str
    scopes: list[str]
    models: list[str]
    team_id: str | None
    user_id: str | None
    residency: str | None
    allowed_ips: list[str]
    model_limits: dict[str, LimitsOnAModel]
    expires: str | None
    created: str
    last_used: str | None
    previous_key_expires: str | None
    version: int
    metadata: dict[str, Any]


class KeyWithSecret(Key):
    key: str


class Keys(BaseModel):
    object: Literal["list"]
    data: list[Key]
    next_cursor: str | None


class Team(BaseModel):
    model_config = ConfigDict(json_schema_extra=_with_limits)

    id: str
    name: str
    residency: str | None
    may_store: bool
    created: str
    version: int
    metadata: dict[str, Any]


class Shared(BaseModel):
    """How much of the limits and the budget that several keys share is used and left, and when each resets."""

    limits: dict[str, Any]
    budget: dict[str, Any]


class TeamStanding(Team):
    standing: Shared


class Teams(BaseModel):
    object: Literal["list"]
    data: list[Team]
    next_cursor: str | None


class User(BaseModel):
    model_config = ConfigDict(json_schema_extra=_with_limits)

    id: str
    name: str | None
    created: str
    version: int
    metadata: dict[str, Any]


class UserStanding(User):
    standing: Shared


class Users(BaseModel):
    object: Literal["list"]
    data: list[User]
    next_cursor: str | None


class Statement(BaseModel):
    object: Literal["statement"]
    team: str
    month: str
    final: bool
    lines: list[Any]
    corrections: list[Any]
    total_micro_usd: int


class Correction(BaseModel):
    id: str
    key: str
    team: str | None
    date: str
    amount: float
    amount_micro_usd: int
    reason: str
    by: str
    created: str


class Corrections(BaseModel):
    object: Literal["list"]
    data: list[Correction]
    next_cursor: str | None


class ProductImport(BaseModel):
    products: Annotated[list[dict[str, Any]], Field(max_length=1000)]


class Imported(BaseModel):
    received: int
    created: int
    updated: int
    refused: list[Any]
