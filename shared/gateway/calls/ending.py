"""How the gateway tells that a model is near its end of life: once per process in the log, and in each answer's
headers."""

from __future__ import annotations

from functools import lru_cache

from gateway import observability
from gateway.models.model_names import Route


def tell_of_end(route: Route) -> None:
    """Log, once per target, that the model's end is near; nothing if it is not."""
    if route.ending:
        _told(route.target, route.ending, route.successor)


def headers_of_end(route: Route) -> dict[str, str]:
    """`x-gateway-model-ends` (a date) and `x-gateway-model-successor` (a name); none if no end is near."""
    if not route.ending:
        return {}
    instead = {"x-gateway-model-successor": route.successor} if route.successor else {}
    return {"x-gateway-model-ends": route.ending, **instead}


@lru_cache(maxsize=256)
def _told(target: str, ends: str, successor: str) -> None:
    facts = {"target": target, "ends": ends, "successor": successor}
    observability.log.warning("a model is near its end of life", extra=facts)
