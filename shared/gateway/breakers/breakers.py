"""The breaker as a call sees it: may I go, and this is what happened. Its state is shared by all functions.

A healthy provider costs one read a second and container, and no write at all. A failure is written at once,
together with the successes this container has seen since it last wrote; while a window holds failures, containers
write their successes too, once a second, so that the share of failures is true enough to judge by. Where the store
does not answer, calls go ahead: a breaker protects, it must not be what fails.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from gateway import observability
from gateway.breakers.breaker import SLOW_KEYS, Breaker, BreakerRules
from gateway.errors import GatewayError, StoreError, UpstreamUnavailable

T = TypeVar("T")
_HINT_MS = 1_000


class BreakerState(Protocol):
    """What the service needs of a store."""

    def get(self, provider: str) -> Breaker: ...
    def report(
        self, provider: str, failures: int, successes: int, now: int, rules: BreakerRules, slow: str = ""
    ) -> Breaker: ...
    def trip(self, breaker: Breaker, now: int, rules: BreakerRules) -> bool: ...
    def lease_probe(self, provider: str, now: int, rules: BreakerRules) -> Breaker | None: ...
    def return_probe(self, provider: str, now: int) -> None: ...
    def close(self, provider: str, now: int) -> None: ...


@dataclass(slots=True)
class _Local:
    breaker: Breaker
    read: int
    wrote: int = 0
    successes: int = 0  # of the window that began at `since`, not written yet
    since: int = 0


@dataclass(frozen=True, slots=True)
class Permit:
    """Leave to call a provider; `probe` where its answer decides whether the breaker closes."""

    provider: str
    probe: bool = False


@dataclass(slots=True)
class Breakers:
    """`clock` gives milliseconds since the epoch."""

    store: BreakerState
    clock: Callable[[], int]
    _known: dict[str, _Local] = field(default_factory=dict)

    def acquire(self, provider: str, rules: BreakerRules) -> Permit:
        """Leave to call. Raises UpstreamUnavailable, at once and with retry_after, where the breaker is open."""
        now = self.clock()
        breaker = self._hint(provider, now)
        state = breaker.state(now)
        if state == "closed":
            return Permit(provider)
        if state == "half_open" and self._lease(provider, now, rules):
            return Permit(provider, probe=True)
        raise _suspended(breaker, now)

    def check(self, provider: str) -> None:
        """Raises as `acquire` where the breaker is open; takes no probe where it is half open."""
        now = self.clock()
        breaker = self._hint(provider, now)
        if breaker.state(now) == "open":
            raise _suspended(breaker, now)

    def succeeded(self, permit: Permit, rules: BreakerRules) -> None:
        now = self.clock()
        local = self._local(permit.provider, now)
        if permit.probe:
            self._guarded(lambda: self.store.close(permit.provider, now))
            self._known.pop(permit.provider, None)
            observability.log.info("circuit breaker closed", extra={"provider": permit.provider})
            observability.count("CircuitBreakerClosed", provider=permit.provider)
            return
        window, seen = rules.window(now), local.breaker
        local.successes = local.successes + 1 if local.since == window else 1
        local.since = window
        if (seen.failures or seen.slow) and seen.window == window and now - local.wrote >= _HINT_MS:
            self._report(permit.provider, local, 0, now, rules)

    def failed(self, permit: Permit, rules: BreakerRules) -> None:
        now = self.clock()
        local = self._local(permit.provider, now)
        if permit.probe:
            self._trip(local.breaker, now, rules)
            return
        self._report(permit.provider, local, 1, now, rules)
        if not local.breaker.open and rules.trips(local.breaker):
            self._trip(local.breaker, now, rules)

    def ran_out(self, permit: Permit, rules: BreakerRules, key_id: str) -> None:
        """A call of this key ran into our own deadline. Alone it says nothing of the provider: it may just be long."""
        if permit.probe:
            self.said_nothing(permit)
            return
        now = self.clock()
        local = self._local(permit.provider, now)
        seen = local.breaker
        if seen.window == rules.window(now) and len(seen.slow) >= SLOW_KEYS and seen.successes:
            return  # it opens nothing any more in this window
        self._report(permit.provider, local, 0, now, rules, key_id)
        if not local.breaker.open and rules.trips(local.breaker):
            self._trip(local.breaker, now, rules)

    def said_nothing(self, permit: Permit) -> None:
        """A call that tells neither way, such as one that the provider refused for the caller's own fault. A probe is
        given back: it neither closes the breaker nor opens it for longer."""
        if permit.probe:
            now = self.clock()
            self._guarded(lambda: self.store.return_probe(permit.provider, now))
            self._known.pop(permit.provider, None)

    def _trip(self, breaker: Breaker, now: int, rules: BreakerRules) -> None:
        if self._guarded(lambda: self.store.trip(breaker, now, rules)):
            observability.log.warning("circuit breaker opened", extra={"provider": breaker.provider})
            observability.count("CircuitBreakerOpened", provider=breaker.provider)
        self._known.pop(breaker.provider, None)

    def _report(
        self, provider: str, local: _Local, failures: int, now: int, rules: BreakerRules, slow: str = ""
    ) -> None:
        successes = local.successes if local.since == rules.window(now) else 0
        seen = self._guarded(lambda: self.store.report(provider, failures, successes, now, rules, slow))
        if seen is not None:
            local.breaker, local.read, local.wrote, local.successes = seen, now, now, 0

    def _lease(self, provider: str, now: int, rules: BreakerRules) -> bool:
        leased = self._guarded(lambda: self.store.lease_probe(provider, now, rules))
        if leased is not None:
            self._local(provider, now).breaker = leased
        return leased is not None

    def _hint(self, provider: str, now: int) -> Breaker:
        local = self._local(provider, now)
        if now - local.read >= _HINT_MS or now < local.read:
            local.breaker = self._guarded(lambda: self.store.get(provider)) or local.breaker
            local.read = now
        return local.breaker

    def _local(self, provider: str, now: int) -> _Local:
        if provider not in self._known:
            self._known[provider] = _Local(Breaker(provider), read=now - _HINT_MS)
        return self._known[provider]

    @staticmethod
    def _guarded(action: Callable[[], T]) -> T | None:
        try:
            return action()
        except (StoreError, GatewayError) as error:
            observability.log.warning("circuit breaker state is out of reach", extra={"reason": type(error).__name__})
            return None


def _suspended(breaker: Breaker, now: int) -> UpstreamUnavailable:
    return UpstreamUnavailable(
        f"The provider {breaker.provider} is failing; calls to it are suspended.",
        provider=breaker.provider,
        sent=False,
        reason="breaker_open",
        retry_after=breaker.retry_after(now),
    )
