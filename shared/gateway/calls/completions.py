"""The main job: make a plan, admit it, start the call. One path for every door, streamed or not."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from msgspec import Struct

from gateway import context
from gateway.breakers.breakers import Breakers
from gateway.calls.asked import Asked, check_allowed, check_mode, residency_of, spoken
from gateway.calls.call import Call
from gateway.calls.clients import client_class, goes_by_end
from gateway.calls.ending import tell_of_end
from gateway.calls.estimate_inputs import priced
from gateway.calls.plan import Known, Means, Place, Plan, Target, new_rid, seconds_for, waits_of
from gateway.catalogue.prompt import Finder, fitting, with_products
from gateway.config.document import Config
from gateway.config.service import ConfigSource
from gateway.errors import BadRequest, GatewayError, NotFound
from gateway.identity.caller import Caller
from gateway.ledger.admission import Demand
from gateway.ledger.holds import AdmissionRequest
from gateway.ledger.ledger import Ledger
from gateway.models import residency
from gateway.models.caching import marks_at
from gateway.models.listing import listed
from gateway.models.model_names import SHOWN, ModelNames, Prices, permits
from gateway.times import utc_date
from gateway.vendors.base import ModelCall, Provider

NO_FACTS: Mapping[str, Any] = MappingProxyType({})
_GRACE_SECONDS = 30  # from the deadline until a row may be swept
_MOST_PLACES = 256  # kept at a time, because clients choose the names


class Way(Struct, frozen=True):
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
    _known: Known | None = field(default=None, init=False, repr=False)

    def known(self, config: Config | None = None) -> Known:
        """What is known of a config, by default the current one. It is the same object while config and day stay the
        same, so that each name is resolved only once. Raises StoreUnavailable without a config."""
        config = config or self.config.get()
        today, known = utc_date(self.now()) if self.ends else "", self._known
        if known is None or known.config is not config or known.names.today != today:
            names = ModelNames(config, self.prices, self.providers, self.region, today)
            means = Means.of(config, self.ledger, self.breakers, self.now)
            known = self._known = Known(config, names, means, {})  # all at once, for other threads
        return known

    def model_names(self, config: Config) -> ModelNames:
        """The names of a config's models: the same object while config and day stay the same."""
        return self.known(config).names

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
        known = self.known()
        seconds_left = min(seconds_left, known.config.timeouts.total_ms / 1_000)
        ends = self.now() + seconds_left
        plan = self.plan(
            caller,
            body,
            correlation_id=correlation_id,
            seconds_left=seconds_left,
            way=way,
            by_end=way.streams and goes_by_end(user_agent),
            known=known,
        )
        return self.admit(
            caller, plan, correlation_id=correlation_id, ends=ends, user_agent=user_agent, facts=facts, known=known
        )

    def plan(
        self,
        caller: Caller,
        body: Mapping[str, Any],
        *,
        correlation_id: str,
        seconds_left: float,
        way: Way = WHOLE_CHAT,
        by_end: bool = False,
        known: Known | None = None,
    ) -> Plan:
        """Where a request goes: to the target of the model name in it, in each of the target's regions in order. Raises
        BadRequest, NotFound, Forbidden, UpstreamRejected (what can't be said to the provider), UpstreamTimeout."""
        said, known = spoken(way.dialect), known or self.known()
        config, request = known.config, said.parse(body)
        places, tier = self._places(caller, request, known, way.dialect), config.tier(caller.tier)
        products = [] if request.mcp_context is None else fitting(self.catalogue().context(request.mcp_context))
        leaving, rid = said.leaving(with_products(body, products) if products else body), new_rid()
        streamed, choices, limits = way.streams and request.streamed, request.choices, config.timeouts
        # An answer that is not streamed begins when it is complete: the time until then says nothing about its host.
        waits = waits_of(limits.connect_ms, limits.first_byte_ms if streamed else None, limits.idle_ms, way.wake)
        targets: list[Target] = []
        for place in places:
            route, provider = place.route, place.provider
            call = ModelCall(  # not all by name: with more than 15 names, Python makes a dictionary of them first
                route.called,
                leaving,
                request.cap(tier, route.price.max_output_tokens),
                seconds_for(route.provider, seconds_left),
                dialect=way.dialect,
                endpoint=route.endpoint,
                streamed=streamed,
                choices=choices,
                mode=said.mode,
                waits=waits,
                beta=way.beta,
                version=way.version,
                may_store=caller.may_store,
                correlation_id=correlation_id,
                metadata={"key-id": caller.key_id, "request-id": rid},
                marks=marks_at(route, place.vendor, leaving, way.dialect, config.cache_marks),
            )
            call, est = priced(call, route)
            targets.append(Target(place, provider.prepare(call), est, streamed))
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
        known: Known | None = None,
    ) -> Call:
        """Hold what a plan may cost. The call has until `ends` (`now`'s seconds), its row gets `facts`. Raises
        BudgetExceeded, RateLimited, Unauthorized, Forbidden, UpstreamUnavailable, StoreUnavailable: nothing is held.
        `known`: what the plan was just made with for this caller."""
        now_known = known or self.known()
        config = now_known.config
        self.breakers.check([target.breaker for target in plan.targets])
        first, request = plan.first, plan.request
        route = first.route
        told = {"dialect": plan.dialect, "streamed": request.streamed, "client": client_class(user_agent)}
        asked = AdmissionRequest(
            rid=plan.rid,
            model=route.name,
            target=route.target,
            provider=route.provider,
            est=plan.est,
            tokens=plan.tokens,
            deadline=int(ends) + _GRACE_SECONDS,
            correlation_id=correlation_id,
            tags=tuple(request.tags),
            models=plan.models,
            facts={**told, "region": first.region, **facts},
            typical=plan.typical,
        )
        hold = self.ledger.admit(caller, config.tier, asked)
        (context.inside() or context.current()).keys["gateway_request_id"] = plan.rid  # the id that the caller is given
        if known is None or hold.caller is not caller:  # the record has been read again
            try:
                self.check_plan(hold.caller, config, plan)
                plan = plan.storing(may_store=hold.caller.may_store)
            except GatewayError:
                self.ledger.release(hold)
                raise
        return Call(plan.rid, plan, hold, ends, now_known.means)

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
            _, est = priced(call, route)
        except GatewayError:
            return
        self.ledger.check(caller, config.tier, Demand(est.cost, est.tokens, typical=est.typical), (route.target,))

    def permit(self, caller: Caller, body: Mapping[str, Any], *, dialect: str = "chat") -> None:
        """Raises Forbidden if the key may not make this request (any more), or BadRequest. Nothing is admitted."""
        request, config = spoken(dialect).parse(body), self.config.get()
        try:
            route = self.model_names(config).resolve(request.model, residency_of(caller, config))
        except (BadRequest, NotFound):  # no longer offered: an earlier answer stays available
            check_allowed(caller, request, request.model)
        else:
            check_allowed(caller, request, route.name, route.target)

    def check_plan(self, caller: Caller, config: Config, plan: Plan) -> None:
        """Raises Forbidden if the key may not make this request at every target."""
        names, rule = self.model_names(config), residency_of(caller, config)
        for target in plan.targets:
            route = target.route
            check_allowed(caller, plan.request, route.name, route.target)
            if not names.keeps(route.target, target.region, rule):
                raise residency.refused(route.name, rule)

    def _places(self, caller: Caller, request: Asked, known: Known, dialect: str) -> tuple[Place, ...]:
        """Where the request's model is called: in each of its regions. Raises what `plan` raises."""
        names, rule = known.names, residency_of(caller, known.config)
        asked = request.model, rule, dialect
        places = known.places.get(asked)
        if places:
            check_allowed(caller, request, places[0].route.name, places[0].route.target)
            return places
        route = names.resolve(request.model, rule)
        check_mode(route, dialect)
        check_allowed(caller, request, route.name, route.target)
        tell_of_end(route)
        places = tuple(
            Place.of(each, self.provider(each.provider, each.region), names.vendor(each.provider))
            for each in names.regions(route, rule)
        )
        if len(known.places) >= _MOST_PLACES:
            known.places.clear()
        known.places[asked] = places
        return places
