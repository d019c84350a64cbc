"""A plan: where a call may go, in order. It is made from the model name in the request, before anything is held or
sent."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, cast

from msgspec import Struct
from msgspec.structs import replace

from gateway.breakers.breaker import BreakerKey, BreakerRules
from gateway.breakers.breakers import Breakers
from gateway.calls.asked import Asked
from gateway.calls.estimate import Estimate
from gateway.config.document import Config
from gateway.errors import GatewayError, StoreUnavailable, UpstreamError, UpstreamRejected, UpstreamTimeout
from gateway.ledger.ledger import Ledger
from gateway.models.model_names import ModelNames, Route
from gateway.models.vendors import Vendor
from gateway.times import Waits
from gateway.vendors.base import Prepared, Provider

SETTLE_SECONDS = 1.0  # reserved before the deadline for settle and release
MOST_TARGETS = 16  # a row lists its attempts, and a row is small
LEAST_SECONDS = 1.0  # with less time left an attempt is not worth starting
FEWEST_SECONDS = SETTLE_SECONDS + LEAST_SECONDS  # that must be left for an attempt
# Statuses of a refusal that concern the target and not the request: it has no such model, or is in another state.
_OF_THE_TARGET = (404, 409)


class Place(Struct, frozen=True):
    """Where a model may be called, and the key of its breaker there. `vendor` is None if nothing is known of the
    provider. `of` makes one: `region` and `breaker` follow from the route and the provider."""

    route: Route
    vendor: Vendor | None
    provider: Provider
    region: str
    breaker: BreakerKey

    @classmethod
    def of(cls, route: Route, provider: Provider, vendor: Vendor | None = None) -> Place:
        region = provider.region
        return cls(route, vendor, provider, region, BreakerKey.of_target(route.provider, route.model, region))


@dataclass(slots=True, init=False)
class Target:
    """A model at a vendor: its price, what a call may cost there, and the call in the form that would be sent to it.
    It is never changed. The attributes of its place are its own as well, since a call reads them often.

    `streamed`: the provider is asked to send its answer while it makes it.
    """

    place: Place
    prepared: Prepared
    est: Estimate
    streamed: bool
    route: Route = field(init=False)
    provider: Provider = field(init=False)
    region: str = field(init=False)
    breaker: BreakerKey = field(init=False)

    def __init__(self, place: Place, prepared: Prepared, est: Estimate, streamed: bool = False) -> None:
        self.place, self.prepared, self.est, self.streamed = place, prepared, est, streamed
        self.route, self.provider, self.region, self.breaker = place.route, place.provider, place.region, place.breaker

    def within(self, seconds: float) -> Prepared:
        """The call with at most this many seconds as its timeout."""
        return replace(self.prepared, seconds=seconds)

    def storing(self, *, may_store: bool) -> Target:
        """The same target, with a call that may or may not be stored."""
        call = replace(self.prepared.call, may_store=may_store)
        return dataclasses.replace(self, prepared=self.provider.prepare(call))


class Means(Struct, frozen=True):
    """What a call works with. `now` gives seconds since the epoch. `first_byte` is the most seconds that a stream may
    take to begin."""

    ledger: Ledger
    breakers: Breakers
    rules: BreakerRules
    now: Callable[[], float]
    first_byte: float

    @classmethod
    def of(cls, config: Config, ledger: Ledger, breakers: Breakers, now: Callable[[], float]) -> Means:
        said = config.circuit_breaker
        rules = BreakerRules(
            said.failure_threshold, said.failure_ratio, said.window_ms, said.timeout_ms, said.half_open_calls
        )
        return cls(ledger, breakers, rules, now, config.timeouts.first_byte_ms / 1_000)


class Known(Struct, frozen=True):
    """What is known of a config on one day: its models' names, what calls work with, and the places of the models that
    were asked for, by name, residency rule and dialect."""

    config: Config
    names: ModelNames
    means: Means
    places: dict[tuple[str, str, str], tuple[Place, ...]]


def new_rid() -> str:
    """A request's id."""
    return f"req_{os.urandom(16).hex()}"


@dataclass(slots=True, init=False)
class Plan:
    """One call's targets, the best first; at least one. `products` are those that mcpContext put into the prompt. `rid`
    is the request's id in its row and in the provider's own log: a plan is admitted only once. `dialect` is the
    client's. `by_end`: the client looks only at the end of a stream (`gateway.calls.clients`). `may_store`: the
    provider may store the call, if the request asks for that.

    It is never changed. The other fields follow from these, and are made once: `told` is the request as its answer
    reports it. `est` is what is held, in micro-dollars: enough for any one of the targets to answer; `typical` is held
    instead if the accounts of a call ask for the typical estimate. `tokens` is the most that any of them counts.
    `models` are all targets by their resolved names, `provider/model`, each once."""

    request: Asked
    targets: tuple[Target, ...]
    products: list[dict[str, Any]]
    rid: str
    dialect: str
    by_end: bool
    may_store: bool
    told: Asked = field(init=False)
    first: Target = field(init=False)
    est: int = field(init=False)
    typical: int = field(init=False)
    tokens: int = field(init=False)
    models: tuple[str, ...] = field(init=False)

    def __init__(
        self,
        request: Asked,
        targets: tuple[Target, ...],
        products: list[dict[str, Any]] | None = None,
        rid: str = "",
        dialect: str = "chat",
        by_end: bool = False,
        may_store: bool = False,
    ) -> None:
        self.request, self.targets, self.products, self.rid = request, targets, products or [], rid or new_rid()
        self.dialect, self.by_end, self.may_store = dialect, by_end, may_store
        if not 0 < len(targets) <= MOST_TARGETS:
            raise ValueError(f"a plan has one target at least, and {MOST_TARGETS} at most")
        self.told = _unstored(request) if not may_store and _asks_to_store(request) else request
        first = self.first = targets[0]
        self.est, self.typical, self.tokens = first.est.cost, first.est.typical, first.est.tokens
        self.models = (first.route.target,)
        for each in targets[1:]:
            self.est, self.typical = max(self.est, each.est.cost), max(self.typical, each.est.typical)
            self.tokens = max(self.tokens, each.est.tokens)
            if each.route.target not in self.models:
                self.models += (each.route.target,)

    def storing(self, *, may_store: bool) -> Plan:
        """The same plan for a key whose calls may or may not be stored: the calls are prepared again if that changes
        them."""
        if may_store == self.may_store or not _asks_to_store(self.request):
            return self
        targets = tuple(target.storing(may_store=may_store) for target in self.targets)
        return dataclasses.replace(self, targets=targets, may_store=may_store)


def _asks_to_store(request: Asked) -> bool:
    return getattr(request, "store", None) is True


def _unstored(request: Asked) -> Asked:
    """A request that may not be stored, as one that does not ask for storing."""
    return cast(Asked, cast(Any, request).model_copy(update={"store": False}))


@lru_cache(maxsize=32)
def waits_of(connect_ms: int, first_byte_ms: int | None, idle_ms: int, wake: float | None) -> Waits:
    """How long each step of an attempt may take, with the times of the config."""
    first_byte = None if first_byte_ms is None else first_byte_ms / 1_000
    return Waits(connect_ms / 1_000, first_byte, idle_ms / 1_000, wake)


def seconds_for(provider: str, seconds_left: float) -> float:
    """How many seconds an attempt may take. Raises UpstreamTimeout if too few are left to start."""
    if seconds_left < FEWEST_SECONDS:
        raise no_time(provider)
    return seconds_left - SETTLE_SECONDS


def no_time(provider: str) -> UpstreamTimeout:
    """The refusal of an attempt for which too few seconds are left."""
    return UpstreamTimeout("No time was left to call the provider.", provider=provider, sent=False)


def moves_on(failure: GatewayError) -> bool:
    """Whether another target may succeed after this failure. It can't after the caller's own fault, since every target
    would be sent the same. A request that one target refuses for its content or length is not offered to others
    (docs/decisions/0023)."""
    if isinstance(failure, UpstreamRejected):
        return failure.upstream_status in _OF_THE_TARGET
    return isinstance(failure, (UpstreamError, StoreUnavailable))
