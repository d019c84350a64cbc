"""One admitted call: attempts until one delivers its first content, no further attempt after that, and one
settlement."""

from __future__ import annotations

from collections.abc import Callable, Generator
from functools import reduce
from typing import Any

from msgspec import Struct, field

from gateway import context, observability
from gateway.breakers.breakers import Permit
from gateway.breakers.signs import ANSWERED
from gateway.calls.asked import Asked, spoken
from gateway.calls.attempt import Attempt
from gateway.calls.plan import FEWEST_SECONDS, LEAST_SECONDS, SETTLE_SECONDS, Means, Plan, Target, moves_on, no_time
from gateway.errors import ClientGone, GatewayError, InternalError, UpstreamUnavailable
from gateway.ledger.charge import Verdict
from gateway.ledger.holds import Hold, Outcome
from gateway.models.model_names import Route
from gateway.models.money import MICRO, Cost
from gateway.models.usage import Usage, added
from gateway.vendors.base import QUIET, Answer, Counted, Event

_ABORTED = "aborted"  # the client stopped reading
_NOTHING = Cost(0, 0)


class Call(Struct):
    """`events` may be used only once. When it ends, in whatever way, the call is settled. The call must end by `ends`,
    on the clock in `means`."""

    rid: str
    plan: Plan
    hold: Hold
    ends: float
    means: Means
    attempts: list[Attempt] = field(default_factory=list)
    answer: dict[str, Any] = field(default_factory=dict)
    left: bool = False  # the client has hung up: set by the code that notices it
    begun: bool = False  # some bytes of an attempt, even without content, have gone out: set by the code that sends
    fallbacks: int = 0  # targets before the last one tried that were skipped or did not deliver
    _lowered: Attempt | None = None
    _paid: Cost | None = None  # once all its attempts have ended; what follows asks several times

    @property
    def request(self) -> Asked:
        return self.plan.told

    @property
    def products(self) -> list[dict[str, Any]]:
        return self.plan.products

    @property
    def target(self) -> Target:
        """The target that delivered, or else the one tried last."""
        return self.attempts[-1].target if self.attempts else self.plan.first

    @property
    def route(self) -> Route:
        return self.target.route

    @property
    def dropped(self) -> tuple[str, ...]:
        """Paths of the request's fields that were not sent to the provider."""
        return self.target.prepared.dropped

    @property
    def cost(self) -> Cost:
        """What all attempts cost. An attempt that has not ended counts with its estimate."""
        if self._paid is not None:
            return self._paid
        if not self.attempts:
            return _NOTHING
        if len(self.attempts) == 1:
            return self.attempts[0].cost
        costs = [attempt.cost for attempt in self.attempts]
        return Cost(sum(cost.prompt for cost in costs), sum(cost.completion for cost in costs))

    @property
    def usage(self) -> Usage | None:
        """The usage of all attempts together; None if no provider counted anything."""
        if len(self.attempts) == 1:
            return self.attempts[0].usage
        counted = [attempt.usage for attempt in self.attempts if attempt.usage is not None]
        return reduce(added, counted) if counted else None

    def events(self) -> Generator[Event]:
        """The events of the attempt that delivers; the last event is the whole answer. Raises the error that ended the
        last attempt, or that prevented the first, and adds the call's cost to it. A defect's error has the cost if
        there is one."""
        status = _ABORTED
        failure: GatewayError | None = None
        try:
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
        except GatewayError as error:
            status = error.code
            self.paid_for(error)
            raise
        except Exception as fault:
            if not self.cost.total:
                raise
            # A repeat with the same Idempotency-Key must not be paid for again, so the error says what was paid.
            observability.log.exception("a call that is paid for failed")
            raise self.paid_for(InternalError()) from fault
        finally:
            self._settle(status)

    def gather(self, gone: Callable[[], bool] = lambda: False) -> dict[str, Any]:
        """The answer that `gathering` returns, for a caller that has nothing to do while the call is QUIET."""
        events = self.events()
        try:
            for event in events:
                if isinstance(event, Answer):
                    self.answer = event.body
                elif event is QUIET and gone():
                    self.left = True
                    break
        finally:
            events.close()
        return self._billed()

    def gathering(self, gone: Callable[[], bool]) -> Generator[None, None, dict[str, Any]]:
        """The whole answer in the client's dialect, with the cost, and with the billed usage if the provider sent none.
        Yields each time that the call is QUIET. If `gone` says then that the client no longer waits, or if this is
        closed, the call is ended; the former raises ClientGone."""
        events = self.events()
        try:
            for event in events:
                if isinstance(event, Answer):
                    self.answer = event.body
                elif event is QUIET:
                    if gone():
                        self.left = True
                        break
                    yield
        except GeneratorExit:
            self.left = True
            raise
        finally:
            events.close()
        return self._billed()

    def _billed(self) -> dict[str, Any]:
        """The whole answer of a call that has ended. Raises ClientGone if nobody waits for it."""
        if self.left:
            raise self.paid_for(ClientGone())  # the call is settled by now
        plan = self.plan
        return spoken(plan.dialect).billed(plan.told, self.answer, self.attempts[-1].usage, self.price())

    def price(self) -> dict[str, Any]:
        """What the call cost in US dollars, in the form that an answer has next to its usage."""
        cost = self._paid or self.cost
        details = {"prompt": cost.prompt / MICRO, "completion": cost.completion / MICRO, "currency": "USD"}
        return {"cost": cost.total / MICRO, "cost_details": details}

    def headers(self, *, ended: bool = True) -> dict[str, str]:
        """Which call it was, how it went, and what it cost, for an answer as for a failure. The cost is left out for a
        call that has not `ended`: nobody knows it yet."""
        headers = {"x-gateway-request-id": self.rid}
        if ended:
            headers["x-gateway-cost"] = f"{(self._paid or self.cost).total / MICRO:.6f}"
        headers["x-gateway-attempts"] = str(len(self.attempts))
        headers["x-gateway-fallbacks"] = str(self.fallbacks)
        return headers

    def paid_for(self, error: GatewayError) -> GatewayError:
        """The same error, with the call's cost added. That decides what is kept under an Idempotency-Key."""
        error.charged = self.cost.total
        error.headers |= self.headers()
        return error

    def _next(self, target: Target) -> tuple[Attempt, Permit]:
        """The attempt at a target, with room for it in the hold. Raises UpstreamTimeout if no time is left for it,
        UpstreamUnavailable if its breaker is open, and BudgetExceeded, RateLimited or StoreUnavailable if there is no
        room."""
        means = self.means
        if self.ends - means.now() < FEWEST_SECONDS:
            raise no_time(target.route.provider)
        # After the admission: a refused call must not use up one of the few probes of an open breaker.
        permit = means.breakers.acquire(target.breaker, means.rules)
        try:
            needed = target.est.typical if self.hold.typical else target.est.cost
            if self.attempts or needed > self.hold.row.est:
                self._make_room(needed)
            # An admission may wait, and so may a top-up: the provider has that much less time.
            left = self.ends - means.now() - SETTLE_SECONDS
            if left < LEAST_SECONDS:
                raise no_time(target.route.provider)
        except BaseException:
            means.breakers.give_back(permit)
            raise
        attempt = Attempt(target, target.within(left), self.plan.request.choices)
        self.attempts.append(attempt)
        self._paid = None
        return attempt, permit

    def _make_room(self, needed: int) -> None:
        """The hold must cover the next attempt's estimate, which is `needed`, and what earlier attempts may be billed.
        An attempt that was never sent, or that got an error status, is not billed."""
        owed = self.cost.total if self.attempts else 0
        missing = owed + needed - self.hold.row.est
        if missing > 0:
            self.hold = self.means.ledger.top_up(self.hold, missing)

    def _lower(self, attempt: Attempt) -> None:
        """The provider has reported the prompt's tokens, so less may be held for the rest; what earlier attempts are
        billed stays held. This is done once per attempt, if it is worth a write."""
        if self._lowered is attempt:
            return
        self._lowered = attempt
        owed = attempt.bound + sum(each.cost.total for each in self.attempts if each is not attempt)
        if self.hold.worth_lowering(owed):
            self.hold = self.means.ledger.lower(self.hold, owed)

    def _ended(self, attempt: Attempt, permit: Permit) -> None:
        means, provider, cost = self.means, attempt.target.route.provider, attempt.cost
        if len(self.attempts) == 1:
            self._paid = cost
        signs = ANSWERED if attempt.verdict is Verdict.ANSWERED else attempt.signs(means.first_byte)
        means.breakers.tell(permit, signs, means.rules, self.hold.row.key)
        usage = attempt.usage
        tokens = None if usage is None else (usage.prompt_tokens, usage.output_tokens)
        # The model as the route resolved it; for a fine-tuned one, its base. A client could send any name, and each
        # would become another metric.
        model = permit.target.model
        observability.count_attempt(provider, model, attempt.provider_ms, cost.total, tokens)
        if attempt.status not in ("ok", _ABORTED):
            observability.count("ProviderErrors", provider=provider)

    def _settle(self, status: str) -> None:
        """Book how the call ended, in one word: as its last attempt did, or with `status` if none was made. Never
        raises: the answer is given in any case, and the sweeper later ends a row that stayed open."""
        attempts = self.attempts
        last, cost = attempts[-1] if attempts else None, self._paid or self.cost
        if last is not None:
            status = last.status
        if self.left and status == _ABORTED:  # a call that the client broke off is nobody's fault
            status = ClientGone.default_code
        if status == ClientGone.default_code:
            observability.count("HangUps")
        self._paid = cost
        outcome = Outcome(
            attempts[0].usage if len(attempts) == 1 else self.usage,
            cost.prompt,
            cost.completion,
            status,
            round(last.provider_ms) if last else 0,
            sum([attempt.uncounted for attempt in attempts if attempt.usage is None]),
            self._facts(last) if last else {},
        )
        # A client that left during the stream was not told.
        (context.inside() or context.current()).keys["cost_usd"] = cost.total / MICRO
        self.means.ledger.settle(self.hold, outcome)

    def _facts(self, last: Attempt) -> dict[str, Any]:
        """What the row says in addition to its costs. It lists the attempts if its other fields don't describe all of
        them."""
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
