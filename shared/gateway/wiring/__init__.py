"""The one place that picks concrete classes. A gateway is built from its settings. Each part is imported and made on
first use, so the authorizer and health never load pydantic."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from gateway.settings import settings
from gateway.wiring.duties import Duties

if TYPE_CHECKING:
    from gateway.api.pace import Pace
    from gateway.identity.verification import Identity


class Gateway(Duties):
    """All parts of a gateway. An attribute that is set before its first use replaces the part: for fakes in tests."""


@lru_cache(maxsize=1)
def gateway() -> Gateway:
    """This process's gateway, from its environment."""
    return Gateway(settings())


def identity() -> Identity:
    """The part that finds the caller of a key, for a function's routes."""
    return gateway().identity


def pace() -> Pace:
    """The part that counts the requests of keys, for a function's routes."""
    return gateway().pace


def reset() -> None:
    """Forget all parts made so far, for a process that changes its environment: tests."""
    gateway.cache_clear()
