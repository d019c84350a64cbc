"""Circuit breakers for operators: see them, close them, open them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gateway import observability
from gateway.breakers.breaker import Breaker
from gateway.config.document import invalid
from gateway.errors import BadRequest
from gateway.identity.caller import Caller
from gateway.models.vendors import packaged


class Action(BaseModel):
    """The original's shape: `{"action": "reset", "providers": ["openai"]}`; without providers, all of them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    action: Literal["reset", "open"]
    providers: Annotated[tuple[str, ...], Field(min_length=1, max_length=16)] | None = None


class Switchable(Protocol):
    def get(self, provider: str) -> Breaker: ...
    def close(self, provider: str, now: int) -> None: ...
    def force_open(self, provider: str, now: int) -> None: ...


@dataclass(frozen=True, slots=True)
class BreakerAdmin:
    """`now` gives milliseconds since the epoch."""

    store: Switchable
    providers: tuple[str, ...]
    now: Callable[[], int] = lambda: time.time_ns() // 1_000_000

    def states(self) -> dict[str, Any]:
        now = self.now()
        return {"circuitBreakers": {provider: _shown(self.store.get(provider), now) for provider in self.providers}}

    def act(self, body: Mapping[str, Any], by: Caller) -> dict[str, Any]:
        """Carry an action out. Raises BadRequest for an unknown action or provider; nothing is changed then.

        To reset a provider that is not configured here is no mistake: there is nothing to reset. The original's
        requests name both, whatever is configured.
        """
        try:
            wanted = Action.model_validate(body)
        except ValidationError as error:
            raise invalid(error) from None
        named = self.providers if wanted.providers is None else wanted.providers
        for provider in named:
            if provider not in ((*packaged(), *self.providers) if wanted.action == "reset" else self.providers):
                raise BadRequest(f"providers: '{provider[:64]}' is not a configured provider", param="providers")
        chosen = tuple(provider for provider in dict.fromkeys(named) if provider in self.providers)
        for provider in chosen:
            switch = self.store.close if wanted.action == "reset" else self.store.force_open
            was_open = self.store.get(provider).open
            switch(provider, self.now())
            if was_open != (wanted.action == "open"):
                changed = "CircuitBreakerClosed" if was_open else "CircuitBreakerOpened"
                observability.count(changed, provider=provider)
        observability.log.info(
            "circuit breakers switched", extra={"action": wanted.action, "providers": list(chosen), "by": by.key_id}
        )
        return self.states()


def _shown(breaker: Breaker, now: int) -> dict[str, Any]:
    return {
        "state": breaker.state(now),
        "forced": breaker.forced,
        "failures": breaker.failures,
        "successes": breaker.successes,
        "trips": breaker.trips,
        "retryAfter": breaker.retry_after(now) if breaker.open else None,
    }
