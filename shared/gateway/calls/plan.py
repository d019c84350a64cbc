"""A plan: where a call may go, in order. It is made from the model name in the request, before anything is held or
sent."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, cast

from gateway.breakers.breaker import BreakerKey
from gateway.calls.asked import Asked
from gateway.calls.estimate import Estimate
from gateway.errors import GatewayError, StoreUnavailable, UpstreamError, UpstreamRejected, UpstreamTimeout
from gateway.models.model_names import Route
from gateway.vendors.base import Prepared, Provider

SETTLE_SECONDS = 1.0  # reserved before the deadline for settle and release
MOST_TARGETS = 16  # a row lists its attempts, and a row is small
LEAST_SECONDS = 1.0  # with less time left an attempt is not worth starting
# Statuses of a refusal that concern the target and not the request: it has no such model, or is in another state.
_OF_THE_TARGET = (404, 409)


class Target(NamedTuple):
    """A model at a vendor: its price, what a call may cost there, and the call in the form that would be sent to it.

    `streamed`: the provider is asked to send its answer while it makes it.
    """

    route: Route
    provider: Provider
    prepared: Prepared
    est: Estimate
    streamed: bool = False

    @property
    def region(self) -> str:
        return self.provider.region

    @property
    def breaker(self) -> BreakerKey:
        return BreakerKey.of_target(self.route.provider, self.route.model, self.provider.region)

    def held(self, typical: bool) -> int:
        """What an attempt holds, in micro-dollars: `typical` is the choice of the accounts that admitted the call."""
        return self.est.typical if typical else self.est.cost

    def within(self, seconds: float) -> Prepared:
        """The call with this many seconds as its timeout."""
        return self.prepared._replace(call=self.prepared.call._replace(timeout=seconds))

    def storing(self, *, may_store: bool) -> Target:
        """The same target, with a call that may or may not be stored."""
        call = self.prepared.call._replace(may_store=may_store)
        return self._replace(prepared=self.provider.prepare(call))


def new_rid() -> str:
    """A request's id."""
    return f"req_{os.urandom(16).hex()}"


@dataclass(frozen=True, slots=True)
class Plan:
    """One call's targets, the best first; at least one. `products` are those that mcpContext put into the prompt. `rid`
    is the request's id in its row and in the provider's own log: a plan is admitted only once. `dialect` is the
    client's. `by_end`: the client looks only at the end of a stream (`gateway.calls.clients`). `may_store`: the
    provider may store the call, if the request asks for that."""

    request: Asked
    targets: tuple[Target, ...]
    products: list[dict[str, Any]] = field(default_factory=list)
    rid: str = field(default_factory=new_rid)
    dialect: str = "chat"
    by_end: bool = False
    may_store: bool = False

    def __post_init__(self) -> None:
        if not 0 < len(self.targets) <= MOST_TARGETS:
            raise ValueError(f"a plan has one target at least, and {MOST_TARGETS} at most")

    @property
    def told(self) -> Asked:
        """The request as its answer reports it: one that may not be stored does not ask for storing."""
        if self.may_store or not self._asks_to_store:
            return self.request
        return cast(Asked, cast(Any, self.request).model_copy(update={"store": False}))

    @property
    def _asks_to_store(self) -> bool:
        return getattr(self.request, "store", None) is True

    def storing(self, *, may_store: bool) -> Plan:
        """The same plan for a key whose calls may or may not be stored: the calls are prepared again if that changes
        them."""
        if may_store == self.may_store or not self._asks_to_store:
            return self
        targets = tuple(target.storing(may_store=may_store) for target in self.targets)
        return replace(self, targets=targets, may_store=may_store)

    @property
    def first(self) -> Target:
        return self.targets[0]

    @property
    def est(self) -> int:
        """What is held, in micro-dollars: enough for any one of the targets to answer."""
        return max(target.est.cost for target in self.targets)

    @property
    def typical(self) -> int:
        """What is held instead if the accounts of a call ask for the typical estimate."""
        return max(target.est.typical for target in self.targets)

    @property
    def tokens(self) -> int:
        return max(target.est.tokens for target in self.targets)

    @property
    def models(self) -> tuple[str, ...]:
        """Every target by its resolved name, `provider/model`, each once."""
        return tuple(dict.fromkeys(target.route.target for target in self.targets))


def seconds_for(provider: str, seconds_left: float) -> float:
    """How many seconds an attempt may take. Raises UpstreamTimeout if too few are left to start."""
    left = seconds_left - SETTLE_SECONDS
    if left < LEAST_SECONDS:
        raise UpstreamTimeout("No time was left to call the provider.", provider=provider, sent=False)
    return left


def moves_on(failure: GatewayError) -> bool:
    """Whether another target may succeed after this failure. It can't after the caller's own fault, since every target
    would be sent the same. A request that one target refuses for its content or length is not offered to others
    (docs/decisions/0023)."""
    if isinstance(failure, UpstreamRejected):
        return failure.upstream_status in _OF_THE_TARGET
    return isinstance(failure, (UpstreamError, StoreUnavailable))
