"""The one place that picks concrete classes. A gateway is made of its settings, each thing of it on first use and
imported there: the authorizer and health never load pydantic."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from gateway.settings import settings
from gateway.wiring.duties import Duties

if TYPE_CHECKING:
    from gateway.api.pace import Pace
    from gateway.identity.verification import Identity


class Gateway(Duties):
    """Everything that a gateway is made of. What was set before it was first asked for is taken instead: a fake."""


@lru_cache(maxsize=1)
def gateway() -> Gateway:
    """This process's gateway, by its environment."""
    return Gateway(settings())


def identity() -> Identity:
    """Who knows whose key it is, for a function's routes."""
    return gateway().identity


def pace() -> Pace:
    """Who counts the requests of keys, for a function's routes."""
    return gateway().pace


def reset() -> None:
    """Forget everything made so far, for a process that changes its environment: tests."""
    gateway.cache_clear()
