"""Circuit breakers for operators: list them, close them, open them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal, Protocol

from msgspec import Struct
from pydantic import BaseModel, ConfigDict, Field

from gateway import observability
from gateway.breakers.breaker import Breaker, BreakerKey
from gateway.breakers.summary import counts, summary_of
from gateway.config.reasons import validated
from gateway.errors import BadRequest
from gateway.identity.caller import Caller
from gateway.models.vendors import packaged

_MOST = 16
Name = Annotated[str, Field(min_length=1, max_length=256)]


class Action(BaseModel):
    """The original system's format: `{"action": "reset", "providers": ["openai"]}` means all breakers of these
    providers. `breakers` names single breakers, as the list shows them. Without either, the action is for all breakers
    of all providers."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    action: Literal["reset", "open"]
    providers: Annotated[tuple[str, ...], Field(min_length=1, max_length=_MOST)] | None = None
    breakers: Annotated[tuple[Name, ...], Field(min_length=1, max_length=_MOST)] | None = None


class Switchable(Protocol):
    def read(self, keys: Sequence[BreakerKey]) -> dict[BreakerKey, Breaker]: ...
    def all(self, vendor: str = "") -> Iterator[Breaker]: ...
    def close(self, key: BreakerKey, now: int) -> None: ...
    def force_open(self, key: BreakerKey, now: int) -> None: ...


class BreakerAdmin(Struct, frozen=True):
    """`now` gives milliseconds since the epoch."""

    store: Switchable
    providers: tuple[str, ...]
    now: Callable[[], int] = lambda: time.time_ns() // 1_000_000

    def states(self) -> dict[str, Any]:
        now, stored = self.now(), [breaker for breaker in self.store.all() if counts(breaker)]
        return {"circuitBreakers": {provider: _provider(provider, stored, now) for provider in self.providers}}

    def act(self, body: Mapping[str, Any], by: Caller) -> dict[str, Any]:
        """Carry out an action. Raises BadRequest for an unknown action, provider or breaker; then nothing is changed.

        Resetting a provider that is not configured here is not an error: there is nothing to reset. The original
        system's requests name both providers, whichever are configured.
        """
        wanted = validated(Action, body)
        providers, single = self._named(wanted), [self._key(text) for text in wanted.breakers or ()]
        if wanted.action == "reset":
            self._reset([breaker for provider in providers for breaker in self.store.all(provider)])
            self._reset(self.store.read(single).values() if single else ())
        else:
            self._open([*(BreakerKey(provider) for provider in providers), *single])
        named = {"providers": list(providers), "breakers": [key.text for key in single]}
        observability.log.info("circuit breakers switched", extra={"action": wanted.action, "by": by.key_id, **named})
        return self.states()

    def _named(self, wanted: Action) -> tuple[str, ...]:
        if wanted.providers is None:
            return () if wanted.breakers else self.providers
        for provider in wanted.providers:
            if provider not in ((*packaged(), *self.providers) if wanted.action == "reset" else self.providers):
                known = ", ".join(sorted(self.providers))
                message = f"providers: '{provider[:64]}' is not a configured provider; these are {known}"
                raise BadRequest(message, param="providers")
        return tuple(provider for provider in dict.fromkeys(wanted.providers) if provider in self.providers)

    def _key(self, text: str) -> BreakerKey:
        key = BreakerKey.parse(text)
        if key.vendor not in self.providers or not key.region or key.text != text:
            message = (
                f"breakers: '{text[:64]}' names no breaker; the names are provider/model@region and provider@region"
            )
            raise BadRequest(message, param="breakers")
        return BreakerKey.of_target(key.vendor, key.model, key.region)

    def _reset(self, breakers: Iterable[Breaker]) -> None:
        for breaker in breakers:
            if breaker.open or breaker.failures or breaker.slow:
                self.store.close(breaker.key, self.now())
                if breaker.open and counts(breaker):
                    observability.count("CircuitBreakerClosed", provider=breaker.key.vendor)

    def _open(self, keys: Sequence[BreakerKey]) -> None:
        known = self.store.read(keys)
        for key in keys:
            breaker = known.get(key) or Breaker(key)
            self.store.force_open(key, self.now())
            if not (breaker.open and counts(breaker)):
                observability.count("CircuitBreakerOpened", provider=key.vendor)


def _provider(provider: str, breakers: Iterable[Breaker], now: int) -> dict[str, Any]:
    """The state of a provider as a whole, and of each of its breakers that is stored."""
    own = sorted((each for each in breakers if each.key.vendor == provider), key=lambda each: each.key.text)
    shown, worst = {each.key.text: _shown(each, now) for each in own}, summary_of(provider, own, now)
    waits = [each["retryAfter"] for each in shown.values() if each["retryAfter"] is not None]
    return {
        "state": worst.state,
        "forced": any(each.forced for each in own),
        "failures": worst.failures,
        "successes": sum(each.successes for each in own),
        "trips": max((each.trips for each in own), default=0),
        "retryAfter": min(waits, default=None),
        "breakers": shown,
    }


def _shown(breaker: Breaker, now: int) -> dict[str, Any]:
    return {
        "state": breaker.state(now),
        "forced": breaker.forced,
        "failures": breaker.failures,
        "successes": breaker.successes,
        "trips": breaker.trips,
        "retryAfter": breaker.retry_after(now) if breaker.open else None,
    }
