"""What every function does around its work: name itself in the log, count the run and its time, mark its trace."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from gateway import observability
from gateway.settings import settings, tracing


@dataclass(slots=True)
class Run:
    """`status` as of HTTP: 500 and more is a failure of ours."""

    status: int = 200


@contextmanager
def run(service: str, correlation_id: str) -> Iterator[Run]:
    """A run of a function that has no door: a batch, a sweep, a check of a key. What is raised counts as an error."""
    observability.configure(service, settings().log_level)
    if correlation_id:
        observability.log.append_keys(correlation_id=correlation_id)
    this, started = Run(), time.monotonic()
    try:
        yield this
    except BaseException:
        this.status = 500
        raise
    finally:
        finish(service, correlation_id, this.status, (time.monotonic() - started) * 1_000)


@contextmanager
def job(service: str, correlation_id: str) -> Iterator[Run]:
    """A run of what nobody waits for: its heartbeat is counted where it ends well, and an alarm asks for it."""
    with run(service, correlation_id) as this:
        yield this
        if this.status < 500:
            observability.count("Heartbeat")


def finish(service: str, correlation_id: str, status: int, elapsed: float) -> None:
    """Count a run that took `elapsed` milliseconds, write its metrics, and mark its trace."""
    config = settings()
    observability.count("Requests")
    observability.count("Latency", elapsed)
    if status >= 500:
        observability.count("Errors")
    observability.flush(config.table_prefix, config.function)
    now = time.time()
    facts: dict[str, str | int] = {"status": status} | ({"correlation_id": correlation_id} if correlation_id else {})
    tracing().annotate(service, now - elapsed / 1_000, now, facts, status)
