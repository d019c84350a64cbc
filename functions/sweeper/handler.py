"""The sweeper: finishes what a function that died left open."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway import observability, wiring
from gateway.settings import settings


def handler(_event: Mapping[str, Any], _context: Any) -> dict[str, int]:
    """Sweeps the minutes since the last run; answers how many rows it expired."""
    config = settings()
    observability.configure("sweeper", config.log_level)
    expired = wiring.sweeper().sweep()
    observability.log.info("swept", extra={"expired": expired})
    observability.flush(config.environment, config.function)
    return {"expired": expired}
