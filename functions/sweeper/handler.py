"""The sweeper: closes the calls that a crashed function left open."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway import observability
from gateway.runs import job
from gateway.wiring import gateway


def handler(_event: Mapping[str, Any], context: Any) -> dict[str, int]:
    """Sweeps the minutes since the last run. Returns how many rows it expired."""
    with job("sweeper", getattr(context, "aws_request_id", "")):
        expired = gateway().sweeper.sweep()
        observability.log.info("swept", extra={"expired": expired})
    return {"expired": expired}
