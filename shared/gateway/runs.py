"""What every function does around its work: name itself in the log, count the run and its time, mark its trace."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from gateway import context, observability
from gateway.context import Context
from gateway.settings import settings, trace_header, tracing


@contextmanager
def run(service: str, correlation_id: str) -> Iterator[Context]:
    """A run of a function that answers no HTTP request: a batch, a sweep, a check of a key. Yields the run's context. A
    `status` of 500 or more counts as an error, as an exception does."""
    with context.entered(begin(Context(correlation_id=correlation_id))) as this:
        try:
            observability.configure(service, settings().log_level, this)
            yield this
        except BaseException:
            this.status = 500
            raise
        finally:
            finish(service, this, this.elapsed())


@contextmanager
def job(service: str, correlation_id: str) -> Iterator[Context]:
    """A run of a job that nobody waits for. If it ends well, its heartbeat is counted; an alarm watches that metric."""
    with run(service, correlation_id) as this:
        yield this
        if this.status < 500:
            observability.count("Heartbeat")


def begin(this: Context) -> Context:
    """Add to the context what every log line of its run has, and Lambda's trace if it has none yet. Returns the same
    context."""
    keys = this.keys
    if this.correlation_id:
        keys["correlation_id"] = this.correlation_id
    if this.request_id:
        keys["request_id"] = this.request_id
    if not this.trace:
        this.trace = trace_header()
    return this


def finish(service: str, this: Context, elapsed: float, line: str = "") -> None:
    """Count a finished run, which took so many milliseconds. Write its `line`, if it has one, and its metrics. Mark its
    trace. Its context must be the current one."""
    try:
        config = settings()
        observability.count_run(this, elapsed, failed=this.status >= 500)
        line += observability.emf(config.table_prefix, config.function, this)
    finally:
        observability.write(line)
    if "Sampled=1" in this.trace:  # most runs are not
        now = time.time()
        facts: dict[str, str | int] = {"status": this.status}
        if this.correlation_id:
            facts["correlation_id"] = this.correlation_id
        tracing(this.trace).annotate(service, now - elapsed / 1_000, now, facts, this.status)
