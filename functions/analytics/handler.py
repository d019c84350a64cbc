"""Cost tracking: the consumer of the stream of table request-analytics."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway import observability
from gateway.runs import job
from gateway.wiring import gateway


def handler(event: Mapping[str, Any], context: Any) -> dict[str, Any]:
    """Counts a batch. Returns the records that must be sent again (ReportBatchItemFailures)."""
    with job("analytics", getattr(context, "aws_request_id", "")) as this:
        records = event.get("Records", [])
        failed = gateway().rollup.apply(records)
        this.status = 500 if failed else 200
        observability.log.info("batch", extra={"records": len(records), "failed": len(failed)})
    return {"batchItemFailures": [{"itemIdentifier": number} for number in failed]}
