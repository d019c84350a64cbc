"""The main job: make a plan, admit it, start the call. One path for every door, streamed or not."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from gateway import context
from gateway.breakers.breaker import BreakerRules
from gateway.breakers.breakers import Breakers
from gateway.calls.asked import Asked, check_mode, spoken
from gateway.calls.call import Call, Means
from gateway.calls.clients import client_class, goes_by_end
from gateway.calls.ending import tell_of_end
from gateway.calls.estimate import Estimate, estimated
from gateway.calls.estimate_inputs import estimate_inputs
from gateway.calls.plan import Plan, Target, new_rid, seconds_for
from gateway.catalogue.prompt import Finder, fitting, with_products
from gateway.config.document import Config
from gateway.config.service import ConfigSource
from gateway.errors import BadRequest, Forbidden, GatewayError, NotFound
from gateway.identity.caller import Caller
from gateway.ledger.admission import Demand
from gateway.ledger.holds import AdmissionRequest
from gateway.ledger.ledger import Ledger
from gateway.models import residency
from gateway.models.caching import marks_at
from gateway.models.geographies import strictest
from gateway.models.listing import listed
from gateway.models.model_names import SHOWN, ModelNames, Prices, Route, permits
from gateway.sockets import Waits
from gateway.times import utc_date
from gateway.vendors.base import ModelCall, Provider

NO_FACTS: Mapping[str, Any] = MappingProxyType({})
_GRACE_SECONDS = 30  # from the deadline until a row may be swept


@dataclass(frozen=True, slots=True)
class Way:
    """How a request arrives and how its answer goes out: the client's dialect, the beta header and the dialect's
    version that it sends, and whether the door streams an answer that is asked for as a stream. After `wake` seconds of
    a provider's silence the door is notified (None for never)."""

    dialect: str = "chat"
    streams: bool = False
    wake: float | None = None
    beta: str = ""
    version: str = ""


WHOLE_CHAT = Way()


@dataclass(slots=True)
class Completions:
    """`provider` gives a configured provider's adapter by name and region, `catalogue` the products for an mcpContext.
    `now` is seconds since the epoch, `region` where models run unless an alias says; without `ends` no model ends."""

    config: ConfigSource
    prices: Prices
    providers: tuple[str, ...]
    provider: Callable[[str, str], Provider]
    ledger: Ledger
    breakers: Breakers
    catalogue: Callable[[], Finder]
    now: Callable[[], float] = time.time
    region: str = ""
    ends: bool = True
    _names: ModelNames | None = field(default=None, init=False, repr=False)

    def model_names(self, config: Config) -> ModelNames:
        """The same object while config and day stay the same, so that each name is resolved only once."""
        today, names = utc_date(self.now()) if self.ends else "", self._names
        if names is None or names.config is not config or names.today != today:
            names = self._names = ModelNames(config, self.prices, self.providers, self.region, today)
        return names

    def models(self, caller: Caller, *, everything: bool = False) -> list[dict[str, Any]]:
        """The models that this key may use, as they are listed: aliases and its own models, or everything."""
        config = self.config.get()
        names, rule = self.model_names(config), residency_of(caller, config)
        return [listed(route, names) for route in names.routes(caller.models, rule, everything=everything)]

    def model(self, caller: Caller, name: str) -> dict[str, Any]:
        """One model in the form of `models`: any that this key could call. Raises NotFound, which says why a call of
        this model would be refused."""
        config = self.config.get()
        names = self.model_names(config)
        try:
            route = names.resolve(name, residency_of(caller, config))
        except NotFound:
            raise
        except GatewayError as error:
            raise NotFound(error.message, code="model_not_found", param="model") from None
        if not permits(caller.models, route.name, route.target):
            raise NotFound(f"This key may not call the model '{name}'{SHOWN}", code="model_not_found", param="model")
        return listed(route, names)

    def start(
        self,
        caller: Caller,
        body: Mapping[str, Any],
        *,
        correlation_id: str,
        seconds_left: float,
        user_agent: str = "",
        way: Way = WHOLE_CHAT,
        facts: Mapping[str, Any] = NO_FACTS,
    ) -> Call:
        """Check, price, translate and admit one request. Raises as `plan` and `admit` do; nothing is held then."""
        seconds_left = min(seconds_left, self.config.get().timeouts.total_ms / 1_000)
        ends = self.now() + seconds_left
        by_end = goes_by_end(user_agent)
        plan = self.plan(caller, body, correlation_id=correlation_id, seconds_left=seconds_left, way=way, by_end=by_end)
        return self.admit(caller, plan, correlation_id=correlation_id, ends=ends, user_agent=user_agent, facts=facts)

    def plan(
        self,
        caller: Caller,
        body: Mapping[str, Any],
        *,
        correlation_id: str,
        seconds_left: float,
        way: Way = WHOLE_CHAT,
        by_end: bool = False,
    ) -> Plan:
        """Where a request goes: to the target of the model name in it, in each of the target's regions in order. Raises
        BadRequest, NotFound, Forbidden, UpstreamRejected, UpstreamTimeout. The request is translated here: if it can't
        be said to the provider, it never becomes a call."""
        said, config = spoken(way.dialect), self.config.get()
        request, names, tier = said.parse(body), self.model_names(config), config.tier(caller.tier)
        routes, products = self._routes(caller, request, config, way.dialect), self._products(request)
        leaving, rid = said.leaving(with_products(body, products) if products else body), new_rid()
        streamed = way.streams and request.streamed
        limits, metadata, targets = config.timeouts, {"key-id": caller.key_id, "request-id": rid}, list[Target]()
        # An answer that is not streamed begins when it is complete: the time until then says nothing about its host.
        waits = _waits(limits.connect_ms, limits.first_byte_ms if streamed else None, limits.idle_ms, way.wake)
        for each in routes:
            provider, vendor = self.provider(each.provider, each.region), names.vendor(each.provider)
            call = ModelCall(
                model=each.called,
                body=leaving,
                max_output_tokens=request.cap(tier, each.price.max_output_tokens),
                timeout=seconds_for(each.provider, seconds_left),
                dialect=way.dialect,
                endpoint=each.endpoint,
                streamed=streamed,
                choices=request.choices,
                mode=said.mode,
                waits=waits,
                beta=way.beta,
                version=way.version,
                may_store=caller.may_store,
                correlation_id=correlation_id,
                metadata=metadata,
                marks=marks_at(each, vendor, leaving, way.dialect, config.cache_marks),
            )
            call, est = _priced(call, each)
            targets.append(Target(each, provider, provider.prepare(call), est, streamed))
        return Plan(request, tuple(targets), products, rid, way.dialect, by_end, caller.may_store)

    def admit(
        self,
        caller: Caller,
        plan: Plan,
        *,
        correlation_id: str,
        ends: float,
        user_agent: str = "",
        facts: Mapping[str, Any] = NO_FACTS,
    ) -> Call:
        """Hold what a plan may cost. The call has until `ends` (`now`'s seconds), its row gets `facts`. Raises
        BudgetExceeded, RateLimited, Unauthorized, Forbidden, UpstreamUnavailable, StoreUnavailable: nothing is held."""
        config = self.config.get()
        self.breakers.check([target.breaker for target in plan.targets])
        first = plan.first
        asked = AdmissionRequest(
            rid=plan.rid,
            model=first.route.name,
            target=first.route.target,
            provider=first.route.provider,
            est=plan.est,
            tokens=plan.tokens,
            deadline=int(ends) + _GRACE_SECONDS,
            correlation_id=correlation_id,
            tags=tuple(plan.request.tags),
            models=plan.models,
            typical=plan.typical,
            facts={
                "dialect": plan.dialect,
                "streamed": plan.request.streamed,
                "client": client_class(user_agent),
                "region": first.region,
                **facts,
            },
        )
        hold = self.ledger.admit(caller, config.tier, asked)
        context.current().keys["gateway_request_id"] = plan.rid  # the id that the caller is given
        try:
            self.check_plan(hold.caller, config, plan)  # the record may have been read again
            plan = plan.storing(may_store=hold.caller.may_store)
        except GatewayError:
            self.ledger.release(hold)
            raise
        means = Means(self.ledger, self.breakers, _rules(config), self.now, config.timeouts.first_byte_ms / 1_000)
        return Call(plan.rid, plan, hold, ends, means)

    def check(self, caller: Caller, body: Mapping[str, Any], *, seconds_left: float, dialect: str = "chat") -> None:
        """Raises RateLimited or BudgetExceeded if the ledger knows, without a write, that it refuses this call now.
        `start` reports whatever else is wrong with the call."""
        config, said = self.config.get(), spoken(dialect)
        try:
            request, names = said.parse(body), self.model_names(config)
            route = names.resolve(request.model, residency_of(caller, config))
            check_mode(route, dialect)
            seconds_for(route.provider, seconds_left)
            cap, leaving = request.cap(config.tier(caller.tier), route.price.max_output_tokens), said.leaving(body)
            marks = marks_at(route, names.vendor(route.provider), leaving, dialect, config.cache_marks)
            call = ModelCall(
                route.called, leaving, cap, seconds_left, dialect, choices=request.choices, mode=said.mode, marks=marks
            )
            _, est = _priced(call, route)
        except GatewayError:
            return
        self.ledger.check(caller, config.tier, Demand(est.cost, est.tokens, typical=est.typical), (route.target,))

    def permit(self, caller: Caller, body: Mapping[str, Any], *, dialect: str = "chat") -> None:
        """Raises Forbidden if the key may not make this request (any more), or BadRequest. Nothing is admitted."""
        request, config = spoken(dialect).parse(body), self.config.get()
        try:
            route = self.model_names(config).resolve(request.model, residency_of(caller, config))
        except (BadRequest, NotFound):  # no longer offered: an earlier answer stays available
            _allowed(caller, request, request.model)
        else:
            _allowed(caller, request, route.name, route.target)

    def check_plan(self, caller: Caller, config: Config, plan: Plan) -> None:
        """Raises Forbidden if the key may not make this request at every target."""
        names, rule = self.model_names(config), residency_of(caller, config)
        for target in plan.targets:
            route = target.route
            _allowed(caller, plan.request, route.name, route.target)
            if not names.keeps(route.target, target.region, rule):
                raise residency.refused(route.name, rule)

    def _routes(self, caller: Caller, request: Asked, config: Config, dialect: str) -> tuple[Route, ...]:
        """The request's model in each of its regions. Raises what `plan` raises."""
        names, rule = self.model_names(config), residency_of(caller, config)
        route = names.resolve(request.model, rule)
        check_mode(route, dialect)
        _allowed(caller, request, route.name, route.target)
        tell_of_end(route)
        return names.regions(route, rule)

    def _products(self, request: Asked) -> list[dict[str, Any]]:
        if request.mcp_context is None:
            return []
        return fitting(self.catalogue().context(request.mcp_context))


def residency_of(caller: Caller, config: Config) -> str:
    """The rule that binds a key's calls to a geography: the narrowest of the key's, its team's and the config's."""
    return strictest(caller.bound_to, config.residency or "")


def _priced(call: ModelCall, route: Route) -> tuple[ModelCall, Estimate]:
    """The most that a call costs, and the call as that is true of it."""
    if call.mode == "embedding":
        return call, estimate_inputs(call.body, route.price)
    return estimated(call, route.price, target=route.target)


def _allowed(caller: Caller, request: Asked, name: str, *others: str) -> None:
    """Raises Forbidden if the key may not use the model under any of its names, or not with mcpContext."""
    if not caller.may("completions"):
        raise Forbidden("This API key lacks the scope 'completions'. GET /v1/key shows what a key may do.")
    if not permits(caller.models, name, *others):
        raise Forbidden(f"This API key may not use the model '{name}'{SHOWN}", code="model_not_allowed", param="model")
    if request.mcp_context is not None and not caller.may("catalogue"):
        raise Forbidden("mcpContext needs an API key with the scope 'catalogue'.", param="mcpContext")


@lru_cache(maxsize=32)
def _waits(connect_ms: int, first_byte_ms: int | None, idle_ms: int, wake: float | None) -> Waits:
    first_byte = None if first_byte_ms is None else first_byte_ms / 1_000
    return Waits(connect_ms / 1_000, first_byte, idle_ms / 1_000, wake)


def _rules(config: Config) -> BreakerRules:
    said = config.circuit_breaker
    window, timeout = said.window_ms, said.timeout_ms
    return BreakerRules(said.failure_threshold, said.failure_ratio, window, timeout, said.half_open_calls)
