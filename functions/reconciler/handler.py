"""The reconciler: it gives back what ended calls still hold, and books what they spent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec.structs import asdict

from gateway import observability
from gateway.runs import job
from gateway.wiring import gateway


def handler(_event: Mapping[str, Any], context: Any) -> dict[str, int]:
    """Closes the hours that are over. Returns how many, how many must wait, and the drift in micro-dollars."""
    with job("reconciler", getattr(context, "aws_request_id", "")):
        done = asdict(gateway().reconciler.reconcile())
        observability.log.info("reconciled", extra=done)
    return done
