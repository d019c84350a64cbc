"""The gateway's config: tiers, models, prices, providers, circuit breaker, timeouts. The docstrings of its types are
published; `tools/described.json` describes the fields.

The defaults are packaged; the overrides are versioned data.

Names in JSON are the original system's (camelCase). An update is a JSON merge patch (RFC 7396) on the effective
document, so it may contain only some parts, and null removes an entry.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar, cast

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, create_model, model_validator
from pydantic.alias_generators import to_camel

from gateway.config.reasons import pattern, validated
from gateway.errors import BadRequest
from gateway.limits import LIMITS, NAMES
from gateway.limits import Limit as LimitLine
from gateway.models.caching import MarkRule
from gateway.models.geographies import RESIDENCIES
from gateway.models.money import Price, micro
from gateway.models.vendors import Quirks, Vendor, configured, known_hosts

Limit = Annotated[int, Field(ge=1, le=10_000_000_000, strict=True)]


def _exact(dollars: float) -> float:
    micro(dollars)
    return dollars


# Stored in micro-dollars, prices in micro-dollars per million tokens. An amount that is not a whole number of them is
# refused.
Dollars = Annotated[float, Field(ge=0, le=1_000_000, allow_inf_nan=False, strict=True), AfterValidator(_exact)]
Duration = Literal["daily", "weekly", "monthly", "total"]  # windows of a budget, in UTC
if TYPE_CHECKING:
    LimitName = str
    Geography = str
else:
    LimitName = Literal[NAMES]
    Geography = Literal[RESIDENCIES]
Capability = Literal["caching", "documents", "images", "reasoning", "schemas", "streaming", "tools"]
MOST_ENTRIES = 500  # of aliases, and of prices: each container reads all of them every ten seconds
MOST_VENDORS = 50
VENDOR = pattern(r"^[a-z][a-z0-9-]{0,30}$", "must be small letters, digits and hyphens, a letter first, at most 31")
# Every target is also valid as an alias, so whatever has a price can be asked for by its own name.
TARGET = pattern(
    r"^[a-z][a-z0-9-]{0,30}/[A-Za-z0-9][A-Za-z0-9._:/@-]{0,118}$",
    "must be a provider and one of its models, such as my-host/my-model",
)
ALIAS = pattern(
    r"^[A-Za-z0-9][A-Za-z0-9._:/@-]{0,127}$",
    "must be letters, digits and . _ : / @ -, a letter or digit first, at most 128",
)
REGION = pattern(r"^[a-z]{2,3}(-[a-z]+)+-[0-9]{1,2}$", "must be the code of a region, such as eu-central-1")
MOST_REGIONS = 8
KEY_NAME = pattern(  # of the secret that contains a provider's key
    r"^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$",
    "must be letters, digits, hyphens and underscores, a letter or digit first, at most 63",
)
_TIER_FIELD = pattern(r"^[a-z][a-z_-]{0,30}$", "must be small letters, - and _, a letter first, at most 31")
_PASSED = pattern(
    r"^(tools\.)?[A-Za-z0-9_-]{1,64}$",
    "must be a field's name (letters, digits, - and _, at most 64), or a tool's field as tools.name",
)
Target = Annotated[str, Field(pattern=TARGET, max_length=128)]


class _Part(BaseModel):
    """A part of the config. Its validator is made with that of the whole config, and not a second time for itself."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, alias_generator=to_camel, populate_by_name=True, defer_build=True
    )


M = TypeVar("M", bound=BaseModel)


def with_fields(fields: Mapping[str, Any]) -> Callable[[type[M]], type[M]]:
    """Adds fields to a model: annotation and default by name."""

    def wider(model: type[M]) -> type[M]:
        name, told, where = model.__name__, model.__doc__, model.__module__
        made: Any = create_model(name, __base__=model, __doc__=told, __module__=where, **fields)
        return cast("type[M]", made)

    return wider


def number_field(limit: LimitLine) -> tuple[Any, Any]:
    """The annotation and default of a limit that is optional."""
    return (Dollars if limit.kind == "money" else Limit) | None, None


@with_fields({each.field: (Limit, ...) if each is LIMITS[0] else number_field(each) for each in LIMITS})
class TierLimits(_Part):
    """The limits of a tier, one field for each kind of limit. They apply to each key of the tier, except where the key
    has its own. Null means no limit of that kind; calls a minute must be limited.
    """

    burst: Limit | None = None
    budget_duration: Duration = "monthly"
    default_max_tokens: Limit = 1024
    default_turn_tokens: Limit = 32_000
    shadow: tuple[LimitName, ...] = ()

    if TYPE_CHECKING:

        def __init__(self, /, **fields: Any) -> None: ...
        def __getattr__(self, name: str) -> Any: ...

    @property
    def budget(self) -> int | None:
        """`max_budget` in micro-dollars."""
        return None if self.max_budget is None else micro(self.max_budget)


class Alias(_Part):
    """The model that answers to a name which clients ask for: either a `target` (a provider and a model), or `models`
    in order of preference. Example: `{"target": "openai/gpt-4o"}`."""

    target: Target | None = None
    models: Annotated[tuple[Annotated[str, Field(pattern=ALIAS)], ...], Field(max_length=8)] = ()

    endpoint: Annotated[str, Field(pattern=VENDOR)] | None = None
    regions: Annotated[tuple[Annotated[str, Field(pattern=REGION)], ...], Field(max_length=MOST_REGIONS)] = ()
    deployment: Annotated[str, Field(pattern=ALIAS)] | None = None

    @model_validator(mode="after")
    def _something_answers(self) -> Alias:
        if self.target is None and not self.models:
            raise ValueError("must have a target, or models")
        return self


class ConfiguredVendor(_Part):
    """A provider that speaks OpenAI's chat format and takes its key as a Bearer token. If it has the name of a known
    host, such as `groq`, its address and the name of its secret need not be given.
    """

    # `secret` is a name below the deployment's prefix for providers, so that no entry can name another secret. For the
    # quirks of a host, see `gateway.models.vendors`.
    base_url: Annotated[str, Field(max_length=256)] | None = None
    credential: Literal["key", "none"] = "key"
    secret: Annotated[str, Field(pattern=KEY_NAME)] | None = None
    caps: Annotated[tuple[Literal["max_tokens", "max_completion_tokens"], ...], Field(max_length=2)] = ()
    service_tier: Annotated[str, Field(pattern=_TIER_FIELD)] | None = None
    pass_fields: Annotated[tuple[Annotated[str, Field(pattern=_PASSED)], ...], Field(max_length=100)] = ()

    geography: Geography | None = None

    def vendor(self, name: str) -> Vendor:
        quirks = Quirks(caps=self.caps, service_tier=self.service_tier, pass_fields=self.pass_fields)
        known = known_hosts().get(name)
        usual = name if known is not None and self.credential == "key" else ""
        return configured(
            name,
            base_url=self.base_url or known or "",
            credential=self.credential,
            secret=self.secret or usual,
            quirks=quirks,
            geography=self.geography or "",
        )


class PriceOverride(_Part):
    """The price of a model in US dollars for a million tokens, and facts about it: how much it can read and write, what
    it can do, and when it ends. Example: `{"input": 1.25, "output": 10, "maxOutputTokens": 128000}`.
    """

    input: Dollars
    output: Dollars
    mode: Literal["chat", "embedding"] = "chat"
    cached: Dollars | None = None
    cache_write: Dollars | None = None
    cache_write_1h: Annotated[Dollars | None, Field(alias="cacheWrite1h")] = None
    max_output_tokens: Limit | None = None
    max_input_tokens: Limit | None = None
    capabilities: Annotated[tuple[Capability, ...], Field(max_length=10)] = ()
    ends: date | None = None
    successor: Annotated[str, Field(pattern=ALIAS)] | None = None

    def price(self) -> Price:
        def if_set(dollars: float | None) -> int | None:
            return None if dollars is None else micro(dollars)

        return Price(
            input=micro(self.input),
            output=micro(self.output),
            cached=if_set(self.cached),
            cache_write=if_set(self.cache_write),
            cache_write_1h=if_set(self.cache_write_1h),
            max_output_tokens=self.max_output_tokens,
            max_input_tokens=self.max_input_tokens,
            mode=self.mode,
            capabilities=tuple(sorted(set(self.capabilities))),
            ends=self.ends.isoformat() if self.ends else "",
            successor=self.successor or "",
            source="config",
        )


class CircuitBreaker(_Part):
    """When a provider that fails is no longer called. A breaker opens if, within `windowMs`, at least
    `failureThreshold` calls failed and these are at least the share `failureRatio` of all calls. After `timeoutMs` it
    lets `halfOpenCalls` calls through to try again."""

    failure_threshold: Annotated[int, Field(ge=1, le=10_000, strict=True)] = 5
    failure_ratio: Annotated[float, Field(gt=0, le=1, allow_inf_nan=False, strict=True)] = 0.5
    window_ms: Annotated[int, Field(ge=1_000, le=600_000, strict=True)] = 30_000
    timeout_ms: Annotated[int, Field(ge=100, le=3_600_000, strict=True)] = 60_000
    half_open_calls: Annotated[int, Field(ge=1, le=100, strict=True)] = 3


class Timeouts(_Part):
    """How long a provider may take, in milliseconds. A call that takes longer is ended with 504."""

    connect_ms: Annotated[int, Field(ge=100, le=30_000, strict=True)] = 3_000
    first_byte_ms: Annotated[int, Field(ge=1_000, le=890_000, strict=True)] = 120_000
    idle_ms: Annotated[int, Field(ge=1_000, le=890_000, strict=True)] = 300_000
    total_ms: Annotated[int, Field(ge=1_000, le=890_000, strict=True)] = 890_000


class Config(_Part, defer_build=False):
    """The config that is in force: the defaults together with all changes. Every tier is present."""

    rate_limits: dict[Literal["free", "basic", "premium", "enterprise"], TierLimits]
    models: Annotated[dict[Annotated[str, Field(pattern=ALIAS)], Alias], Field(max_length=MOST_ENTRIES)] = Field(
        default_factory=dict
    )
    prices: Annotated[dict[Target, PriceOverride], Field(max_length=MOST_ENTRIES)] = Field(default_factory=dict)
    vendors: Annotated[
        dict[Annotated[str, Field(pattern=VENDOR)], ConfiguredVendor], Field(max_length=MOST_VENDORS)
    ] = Field(default_factory=dict)
    circuit_breaker: CircuitBreaker = CircuitBreaker()
    timeouts: Timeouts = Timeouts()
    residency: Geography | None = None
    cache_marks: MarkRule = "asked"

    @cached_property
    def price_overrides(self) -> dict[str, Price]:
        return {target: override.price() for target, override in self.prices.items()}

    @cached_property
    def providers(self) -> dict[str, Vendor]:
        """The providers that the config defines, by name."""
        return {name: entry.vendor(name) for name, entry in self.vendors.items()}

    @cached_property
    def tier(self) -> Callable[[str], TierLimits]:
        """The limits of a tier by its name. It raises KeyError for an unknown tier; key records contain only known
        ones. Each call asks several times."""
        return {str(tier): limits for tier, limits in self.rate_limits.items()}.__getitem__


def parse_config(document: Mapping[str, Any]) -> Config:
    """The config of an effective document. Raises BadRequest that names the first wrong field."""
    config = validated(Config, document)
    missing = [tier for tier in ("free", "basic", "premium", "enterprise") if tier not in config.rate_limits]
    if missing:
        raise BadRequest(
            f"rateLimits.{missing[0]}: is required; the tier can be changed, but not removed",
            param=f"rateLimits.{missing[0]}",
        )
    return config
