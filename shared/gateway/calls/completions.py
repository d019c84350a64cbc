"""The main job: admit, hold, call the provider, settle, release. One path for every door, streamed or not."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from gateway import observability
from gateway.breakers.breaker import BreakerRules
from gateway.breakers.breakers import Breakers, Permit
from gateway.calls.estimate import Estimate, estimate
from gateway.catalogue.catalogue import Catalogue
from gateway.catalogue.context import fitting, with_products
from gateway.config.document import Config, TierLimits
from gateway.config.service import ConfigSource
from gateway.dialects.chat.schema import ChatRequest, parse_chat, provider_body
from gateway.errors import (
    BadRequest,
    Forbidden,
    GatewayError,
    NotFound,
    UpstreamError,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from gateway.identity.caller import Caller
from gateway.ledger.admission import Demand
from gateway.ledger.charge import Verdict, charge, verdict_of
from gateway.ledger.holds import AdmissionRequest, Hold, Outcome
from gateway.ledger.ledger import Ledger
from gateway.models.catalog import Catalog, Prices, Route, permits
from gateway.models.money import Cost, cost_of, usd
from gateway.models.usage import Usage, openai_usage
from gateway.vendors.base import Answer, ChatCall, Event, Prepared, Provider

_SETTLE_SECONDS = 1.0  # kept back from the deadline for settle and release
_LEAST_SECONDS = 1.0  # with less there is no sense in starting
_GRACE_SECONDS = 30  # after the deadline a row may be swept


@dataclass(slots=True)
class Running:
    """One admitted completion. `events` may be taken once; when it ends, however it ends, the call is settled."""

    rid: str
    route: Route
    hold: Hold
    request: ChatRequest
    _service: Completions
    _provider: Provider
    _prepared: Prepared
    _permit: Permit
    _rules: BreakerRules
    _est: Estimate
    answer: dict[str, Any] = field(default_factory=dict)
    usage: Usage | None = None
    cost: Cost = field(default_factory=lambda: Cost(0, 0))
    provider_ms: float = 0.0
    products: list[dict[str, Any]] = field(default_factory=list)  # what mcpContext put into the prompt

    @property
    def dropped(self) -> tuple[str, ...]:
        """Paths of the request that the provider was not told."""
        return self._prepared.dropped

    def events(self) -> Iterator[Event]:
        """The provider's events; the last is the whole answer. Raises UpstreamErrors, with what the call cost.

        What ends it otherwise costs nothing before anything was sent, and the hold where nobody reads to the end.
        """
        started = time.monotonic()
        verdict, status, bill = Verdict.UNKNOWN, "aborted", None
        try:
            for event in self._provider.send(self._prepared):
                if isinstance(event, Answer):
                    verdict, status = Verdict.ANSWERED, "ok"
                    bill = self._bill(event)
                yield event
            self._service.breakers.succeeded(self._permit, self._rules)
        except UpstreamError as error:
            verdict, status = verdict_of(sent=error.sent, status=error.upstream_status), error.code
            bill = self._owed(error)
            self._report(error)
            self._note(error, charge(verdict, bill, self._est.cost))
            raise
        except Exception:
            self._service.breakers.said_nothing(self._permit)
            if verdict is Verdict.UNKNOWN:  # a provider turns what happens after sending into UpstreamErrors
                verdict, status = Verdict.NOT_SENT, "not_sent"
            raise
        finally:
            self.cost = charge(verdict, bill, self._est.cost)
            self.provider_ms = (time.monotonic() - started) * 1_000
            self._service.settle(self, status)

    def gather(self) -> dict[str, Any]:
        """The whole answer, an OpenAI chat completion, with the usage that was billed where none came."""
        for event in self.events():
            if isinstance(event, Answer):
                self.answer = event.body
        if self.usage is not None and "usage" not in self.answer:
            self.answer = self.answer | {"usage": openai_usage(self.usage)}
        return self.answer

    def _bill(self, answer: Answer) -> Cost:
        self.usage = answer.usage or self._counted(answer.body)
        # The tier that answered is billed, whatever tier was asked for.
        tier = answer.body.get("service_tier")
        return cost_of(self.usage, self.route.price.for_tier(tier if isinstance(tier, str) else None))

    def _owed(self, error: UpstreamError) -> Cost | None:
        if not isinstance(error.usage, Usage):
            return None
        self.usage = error.usage
        return cost_of(self.usage, self.route.price.for_tier(error.tier))

    def _report(self, error: UpstreamError) -> None:
        breakers = self._service.breakers
        if isinstance(error, UpstreamTimeout) and error.sent and error.upstream_status is None:
            breakers.ran_out(self._permit, self._rules, self.hold.row.key)
        elif error.failure:
            breakers.failed(self._permit, self._rules)
        else:
            breakers.said_nothing(self._permit)

    def _note(self, error: UpstreamError, cost: Cost) -> None:
        error.charged = cost.total
        error.headers |= {"x-gateway-request-id": self.rid, "x-gateway-cost": f"{usd(cost.total):.6f}"}

    def _counted(self, body: Mapping[str, Any]) -> Usage:
        # Bytes are never fewer than byte-level tokens, but of images; neither part can be more than what was held.
        text = json.dumps(body.get("choices", []), ensure_ascii=False).encode(errors="replace")
        most = self._prepared.call.max_output_tokens * self.request.choices
        prompt = min(_size(self._prepared.call.body), self._est.prompt)
        return Usage(input_tokens=prompt, output_tokens=min(len(text), most), source="counted")


@dataclass(slots=True)
class Completions:
    """`provider` gives the adapter of a configured provider by name, `catalogue` the products for an mcpContext.
    `now` is seconds since the epoch."""

    config: ConfigSource
    prices: Prices
    providers: tuple[str, ...]
    provider: Callable[[str], Provider]
    ledger: Ledger
    breakers: Breakers
    catalogue: Callable[[], Catalogue]
    now: Callable[[], float] = time.time

    def catalog(self, config: Config) -> Catalog:
        return Catalog(config, self.prices, self.providers)

    def models(self, caller: Caller) -> Mapping[str, str]:
        """What this key may ask for: name to target."""
        return self.catalog(self.config.get()).names(caller.models)

    def start(self, caller: Caller, body: Mapping[str, Any], *, correlation_id: str, seconds_left: float) -> Running:
        """Check, price, translate and admit one request. Raises BadRequest, NotFound, Forbidden, BudgetExceeded,
        RateLimited, UpstreamRejected, UpstreamUnavailable, StoreUnavailable; nothing is held then.

        Translated first: what can't be said to the provider was never a call.
        """
        began = self.now()
        request = parse_chat(body)
        config = self.config.get()
        route = self.catalog(config).resolve(request.model)
        _allowed(caller, request, route.name, route.target)
        tier = config.tier(caller.tier)
        products = self._products(request)
        body = with_products(body, products)
        call = self._call(body, request, route, tier, correlation_id, seconds_left)
        est = _estimate(call, request, route)
        rules = _rules(config)
        self.breakers.check(route.provider)
        provider = self.provider(route.provider)
        prepared = provider.prepare(call)
        rid = f"req_{uuid.uuid4().hex}"
        hold = self.ledger.admit(
            caller,
            config.tier,
            AdmissionRequest(
                rid=rid,
                model=request.model,
                target=route.target,
                provider=route.provider,
                est=est.cost,
                tokens=est.tokens,
                deadline=int(began + seconds_left) + _GRACE_SECONDS,
                correlation_id=correlation_id,
                tags=tuple(request.tags),
            ),
        )
        try:
            _allowed(hold.caller, request, route.name, route.target)  # the record may have been read anew
            # An admission may wait, a provider load at its first call: what that took is not the provider's any more.
            left = _seconds_for(route, seconds_left - (self.now() - began))
            prepared = replace(prepared, call=replace(call, timeout=left))
            # After the admission: a refused call must not use up one of the few probes of an open breaker.
            permit = self.breakers.acquire(route.provider, rules)
        except (Forbidden, UpstreamTimeout, UpstreamUnavailable):
            self.ledger.release(hold)
            raise
        return Running(rid, route, hold, request, self, provider, prepared, permit, rules, est, products=products)

    def check(self, caller: Caller, body: Mapping[str, Any], *, seconds_left: float) -> None:
        """Raises RateLimited or BudgetExceeded where the ledger knows, without asking, that it refuses this call now;
        whatever else is wrong with it, `start` says."""
        config = self.config.get()
        try:
            request = parse_chat(body)
            route = self.catalog(config).resolve(request.model)
            call = self._call(body, request, route, config.tier(caller.tier), "", seconds_left)
            est = _estimate(call, request, route)
        except GatewayError:
            return
        self.ledger.check(caller, config.tier, Demand(est.cost, est.tokens))

    def permit(self, caller: Caller, body: Mapping[str, Any]) -> None:
        """Raises Forbidden where a key may not ask this (any more), BadRequest. Nothing is admitted."""
        request = parse_chat(body)
        try:
            route = self.catalog(self.config.get()).resolve(request.model)
        except (BadRequest, NotFound):  # not offered any more: what was answered stays answered
            _allowed(caller, request, request.model)
        else:
            _allowed(caller, request, route.name, route.target)

    def _products(self, request: ChatRequest) -> list[dict[str, Any]]:
        if request.mcp_context is None:
            return []
        return fitting(self.catalogue().context(request.mcp_context))

    def settle(self, running: Running, status: str) -> None:
        """Book how a call ended. Never raises: the answer is given either way, and what is lost here is swept later."""
        provider, cost = running.route.provider, running.cost
        self.ledger.settle(
            running.hold,
            Outcome(running.usage, cost.prompt, cost.completion, status, latency_ms=round(running.provider_ms)),
        )
        observability.count("ProviderLatency", running.provider_ms, provider=provider)
        # The model as the route resolved it: what a client sent could be anything.
        observability.count("Cost", usd(cost.total), provider=provider, model=running.route.model)
        if status != "ok":
            observability.count("ProviderErrors", provider=provider)
        if running.usage:
            observability.count("InputTokens", running.usage.prompt_tokens, provider=provider)
            observability.count("OutputTokens", running.usage.output_tokens, provider=provider)

    def _call(
        self,
        body: Mapping[str, Any],
        request: ChatRequest,
        route: Route,
        tier: TierLimits,
        correlation_id: str,
        seconds_left: float,
    ) -> ChatCall:
        left = _seconds_for(route, seconds_left)
        return ChatCall(
            model=route.model,
            body=provider_body(body),
            max_output_tokens=request.output_cap(tier.default_max_tokens, route.price.max_output_tokens),
            timeout=left,
            correlation_id=correlation_id,
        )


def _seconds_for(route: Route, seconds_left: float) -> float:
    """How long the provider may take. Raises UpstreamTimeout where that makes no sense."""
    left = seconds_left - _SETTLE_SECONDS
    if left < _LEAST_SECONDS:
        raise UpstreamTimeout("No time was left to call the provider.", provider=route.provider, sent=False)
    return left


def _estimate(call: ChatCall, request: ChatRequest, route: Route) -> Estimate:
    cap = call.max_output_tokens
    return estimate(call.body, route.price, target=route.target, choices=request.choices, output_cap=cap)


def _allowed(caller: Caller, request: ChatRequest, name: str, *others: str) -> None:
    """Whether a key may ask for a model by any of its names, with what the request asks beside it."""
    if not caller.may("completions"):
        raise Forbidden("This API key lacks the scope 'completions'.")
    if not permits(caller.models, name, *others):
        raise Forbidden(f"This API key may not use the model '{name}'.", code="model_not_allowed", param="model")
    if request.mcp_context is not None and not caller.may("catalogue"):
        raise Forbidden("mcpContext needs an API key with the scope 'catalogue'.", param="mcpContext")


def _rules(config: Config) -> BreakerRules:
    breaker = config.circuit_breaker
    return BreakerRules(
        failure_threshold=breaker.failure_threshold,
        failure_ratio=breaker.failure_ratio,
        window_ms=breaker.window_ms,
        timeout_ms=breaker.timeout_ms,
        half_open_calls=breaker.half_open_calls,
    )


def _size(body: Mapping[str, Any]) -> int:
    return len(json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode(errors="replace"))
