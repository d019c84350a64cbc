"""The consumer of the rows' stream: cost tracking."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway import observability, wiring
from gateway.settings import settings


def handler(event: Mapping[str, Any], _context: Any) -> dict[str, Any]:
    """Counts a batch; answers which records must come again (ReportBatchItemFailures)."""
    config = settings()
    observability.configure("analytics", config.log_level)
    records = event.get("Records", [])
    failed = wiring.rollup().apply(records)
    observability.log.info("batch", extra={"records": len(records), "failed": len(failed)})
    observability.flush(config.environment, config.function)
    return {"batchItemFailures": [{"itemIdentifier": number} for number in failed]}
