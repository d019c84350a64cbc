"""One admitted call: attempts until one delivers its first content, never another after that, and one settlement."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from functools import reduce
from typing import Any

from gateway import context, observability
from gateway.breakers.breaker import BreakerRules
from gateway.breakers.breakers import Breakers, Permit
from gateway.calls.asked import Asked, Spoken, spoken
from gateway.calls.attempt import Attempt
from gateway.calls.plan import Plan, Target, moves_on, seconds_for
from gateway.errors import ClientGone, GatewayError, InternalError, UpstreamUnavailable
from gateway.ledger.charge import Verdict
from gateway.ledger.holds import Hold, Outcome
from gateway.ledger.ledger import Ledger
from gateway.models.model_names import Route
from gateway.models.money import Cost, usd
from gateway.models.usage import Usage
from gateway.vendors.base import QUIET, Answer, Counted, Event

_ABORTED = "aborted"  # nobody read on


@dataclass(frozen=True, slots=True)
class Means:
    """What a call works with. `now` is seconds since the epoch, `first_byte` the most of them that a stream may take to
    begin."""

    ledger: Ledger
    breakers: Breakers
    rules: BreakerRules
    now: Callable[[], float]
    first_byte: float


@dataclass(slots=True)
class Call:
    """`events` may be taken once; when it ends, however it ends, the call is settled. It has until `ends`, by the
    means' clock."""

    rid: str
    plan: Plan
    hold: Hold
    ends: float
    means: Means
    attempts: list[Attempt] = field(default_factory=list)
    answer: dict[str, Any] = field(default_factory=dict)
    left: bool = False  # the client has hung up: said by whoever sees it
    begun: bool = False  # something of an attempt has gone out, be it no content: said by whoever sends it
    fallbacks: int = 0  # targets that were passed over, or did not deliver, before the one that was tried last
    _lowered: Attempt | None = None

    @property
    def request(self) -> Asked:
        return self.plan.told

    @property
    def spoken(self) -> Spoken:
        return spoken(self.plan.dialect)

    @property
    def products(self) -> list[dict[str, Any]]:
        return self.plan.products

    @property
    def target(self) -> Target:
        """The one that delivered, or was tried last."""
        return self.attempts[-1].target if self.attempts else self.plan.first

    @property
    def route(self) -> Route:
        return self.target.route

    @property
    def dropped(self) -> tuple[str, ...]:
        """Paths of the request that the provider was not told."""
        return self.target.prepared.dropped

    @property
    def cost(self) -> Cost:
        """What all attempts cost; of one that has not ended, its estimate."""
        if len(self.attempts) == 1:
            return self.attempts[0].cost
        costs = [attempt.cost for attempt in self.attempts]
        return Cost(sum(cost.prompt for cost in costs), sum(cost.completion for cost in costs))

    @property
    def usage(self) -> Usage | None:
        """What was used in all attempts; None where nobody counted anything."""
        counted = [attempt.usage for attempt in self.attempts if attempt.usage is not None]
        return reduce(_added, counted) if counted else None

    @property
    def provider_ms(self) -> float:
        """How long all attempts took."""
        return sum(attempt.provider_ms for attempt in self.attempts)

    def events(self) -> Generator[Event]:
        """The events of the attempt that delivers; the last is the whole answer. Raises what ended the last attempt
        (where none was made, what stood in its way), with what the call cost; of a defect, where it cost anything."""
        status = _ABORTED
        try:
            yield from self._events()
        except GatewayError as error:
            status = error.code
            self.paid_for(error)
            raise
        except Exception as fault:
            if not self.cost.total:
                raise
            # A repeat with the same Idempotency-Key must not be paid for again: what was paid is said.
            observability.log.exception("a call that is paid for failed")
            raise self.paid_for(InternalError()) from fault
        finally:
            self._settle(self._status(status))

    def gather(self, gone: Callable[[], bool] = lambda: False) -> dict[str, Any]:
        """The whole answer in the client's dialect, with the usage that was billed where none came, and the cost.
        `gone` tells that nobody waits for it any more: then ClientGone is raised, and the call ended."""
        with closing(self.events()) as events:
            for event in events:
                if isinstance(event, Answer):
                    self.answer = event.body
                elif event is QUIET and gone():
                    self.left = True
                    break
        if self.left:
            raise self.paid_for(ClientGone())  # it is settled by now
        return self.spoken.billed(self.request, self.answer, self.attempts[-1].usage, self.price())

    def price(self) -> dict[str, Any]:
        """What it cost, in US dollars, as it stands beside the usage of an answer."""
        cost = self.cost
        details = {"prompt": usd(cost.prompt), "completion": usd(cost.completion), "currency": "USD"}
        return {"cost": usd(cost.total), "cost_details": details}

    def headers(self, *, ended: bool = True) -> dict[str, str]:
        """Which call it was, how it went, and what it cost: of an answer and of a failure alike. Of one that has not
        `ended` nobody knows the cost yet."""
        return {
            "x-gateway-request-id": self.rid,
            **({"x-gateway-cost": f"{usd(self.cost.total):.6f}"} if ended else {}),
            "x-gateway-attempts": str(len(self.attempts)),
            "x-gateway-fallbacks": str(self.fallbacks),
        }

    def paid_for(self, error: GatewayError) -> GatewayError:
        """The error, which says what the call cost: what is kept under an Idempotency-Key goes by that."""
        error.charged = self.cost.total
        error.headers |= self.headers()
        return error

    def _events(self) -> Iterator[Event]:
        failure: GatewayError | None = None
        for number, target in enumerate(self.plan.targets):
            try:
                attempt, permit = self._next(target)
            except UpstreamUnavailable as suspended:
                failure = failure or suspended
                continue
            except GatewayError as refusal:  # no time, or no room
                failure = failure or refusal
                break
            self.fallbacks = number
            try:
                for event in attempt.events():
                    if isinstance(event, Counted) and not event.final:
                        self._lower(attempt)
                    yield event
                return
            except GatewayError as error:
                failure = error
                if attempt.delivered or self.begun or not moves_on(error):
                    break
            finally:
                self._ended(attempt, permit)
        if failure is not None:
            raise failure

    def _next(self, target: Target) -> tuple[Attempt, Permit]:
        """The attempt at a target, with room for it in the hold. Raises UpstreamTimeout where no time is left for it,
        UpstreamUnavailable where its breaker is open, and BudgetExceeded, RateLimited or StoreUnavailable where there
        is no room."""
        means = self.means
        seconds_for(target.route.provider, self.ends - means.now())
        # After the admission: a refused call must not use up one of the few probes of an open breaker.
        permit = means.breakers.acquire(target.breaker, means.rules)
        try:
            self._make_room(target)
            # An admission may wait, and so may a top-up: what that took is not the provider's any more.
            left = seconds_for(target.route.provider, self.ends - means.now())
        except BaseException:
            means.breakers.give_back(permit)
            raise
        attempt = Attempt(target, target.within(left), self.request.choices)
        self.attempts.append(attempt)
        return attempt, permit

    def _make_room(self, target: Target) -> None:
        """What earlier attempts may be billed for is owed beside this one's estimate; what was never sent, or answered
        by an error status, is not."""
        missing = self.cost.total + target.held(self.hold.typical) - self.hold.row.est
        if missing > 0:
            self.hold = self.means.ledger.top_up(self.hold, missing)

    def _lower(self, attempt: Attempt) -> None:
        """The provider has told what the prompt came to: less may be held for the rest, beside what earlier attempts
        are billed for. Once an attempt, where it is worth it."""
        if self._lowered is attempt:
            return
        self._lowered = attempt
        owed = attempt.bound + sum(each.cost.total for each in self.attempts if each is not attempt)
        if self.hold.worth_lowering(owed):
            self.hold = self.means.ledger.lower(self.hold, owed)

    def _ended(self, attempt: Attempt, permit: Permit) -> None:
        means, route = self.means, attempt.target.route
        means.breakers.tell(permit, attempt.signs(means.first_byte), means.rules, self.hold.row.key)
        observability.count("ProviderLatency", attempt.provider_ms, provider=route.provider)
        # The model as the route resolved it, of fine-tuned ones the base: what a client sent could be anything, and
        # each name would be a metric of its own.
        model = attempt.target.breaker.model
        observability.count("Cost", usd(attempt.cost.total), provider=route.provider, model=model)
        if attempt.status not in ("ok", _ABORTED):
            observability.count("ProviderErrors", provider=route.provider)
        if attempt.usage is not None:
            observability.count("InputTokens", attempt.usage.prompt_tokens, provider=route.provider)
            observability.count("OutputTokens", attempt.usage.output_tokens, provider=route.provider)

    def _status(self, status: str) -> str:
        """How the call ended, in a word, where no attempt was made by `status`. What the client broke off is no fault
        of anybody's."""
        ended = self.attempts[-1].status if self.attempts else status
        return ClientGone.default_code if self.left and ended == _ABORTED else ended

    def _settle(self, status: str) -> None:
        """Book how the call ended. Never raises: the answer is given either way, and what is lost is swept later."""
        if status == ClientGone.default_code:
            observability.count("HangUps")
        last = self.attempts[-1] if self.attempts else None
        outcome = Outcome(
            self.usage,
            self.cost.prompt,
            self.cost.completion,
            status,
            latency_ms=round(last.provider_ms) if last else 0,
            uncounted=sum(attempt.uncounted for attempt in self.attempts),
            facts=self._facts(last) if last else {},
        )
        context.current().keys["cost_usd"] = usd(self.cost.total)  # a client that left in mid-stream was not told it
        self.means.ledger.settle(self.hold, outcome)

    def _facts(self, last: Attempt) -> dict[str, Any]:
        """What the row says beside its costs. The attempts stand in it where its own fields don't say all of them."""
        facts: dict[str, Any] = {}
        if last.first_byte_ms is not None:
            facts["first_byte_ms"] = round(last.first_byte_ms)
        if last.target is not self.plan.first:
            route = last.target.route
            facts |= {"provider": route.provider, "target": route.target, "model": route.name}
            facts["region"] = last.target.region
        if len(self.attempts) > 1 or last.verdict is not Verdict.ANSWERED:
            facts["attempts"] = [attempt.fields() for attempt in self.attempts]
        return facts


def _added(one: Usage, other: Usage) -> Usage:
    return Usage(
        one.input_tokens + other.input_tokens,
        one.cached_tokens + other.cached_tokens,
        one.cache_write_tokens + other.cache_write_tokens,
        one.cache_write_1h_tokens + other.cache_write_1h_tokens,
        one.output_tokens + other.output_tokens,
        one.reasoning_tokens + other.reasoning_tokens,
        one.source if one.source == other.source else "counted",
    )
