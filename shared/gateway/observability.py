"""Logs, metrics: one JSON line a fact, metrics as EMF lines in the same log. No prompt, no key, no header ever goes in.

Metric names stand in `METRICS` alone: dashboards, alarms and tests read them from here. Dimensions are few and
bounded (no key ids: each would cost $0.30 a month).
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from aws_lambda_powertools import Logger

NAMESPACE: Final = "AIGateway"
log: Final = Logger(service="gateway", log_uncaught_exceptions=False, use_rfc3339=True, utc=True)


@dataclass(frozen=True, slots=True)
class MetricSpec:
    """CloudWatch's unit, the dimensions beside Environment and Function, and what it means."""

    unit: str
    dimensions: tuple[str, ...]
    meaning: str


METRICS: Final[Mapping[str, MetricSpec]] = {
    "Requests": MetricSpec("Count", (), "Requests answered by a function."),
    "Errors": MetricSpec("Count", (), "Answers with a 5xx status."),
    "Latency": MetricSpec("Milliseconds", (), "Time a function took for a request, the provider's included."),
    "Overhead": MetricSpec("Milliseconds", (), "The gateway's own share of a completion's time."),
    "Refusals": MetricSpec("Count", ("Reason",), "Calls refused, by error code."),
    "ProviderLatency": MetricSpec("Milliseconds", ("Provider",), "Time a provider took for an answer."),
    "ProviderErrors": MetricSpec("Count", ("Provider",), "Attempts at a provider that failed."),
    "InputTokens": MetricSpec("Count", ("Provider",), "Prompt tokens settled."),
    "OutputTokens": MetricSpec("Count", ("Provider",), "Completion tokens settled."),
    "Cost": MetricSpec("None", ("Provider",), "US dollars settled."),
    "CircuitBreakerOpened": MetricSpec("Count", ("Provider",), "A breaker opened."),
    "RowsCounted": MetricSpec("Count", (), "Rows added to the rollups by the consumer."),
    "RowsParked": MetricSpec("Count", (), "Records the consumer could not read and put aside."),
    "RowsExpired": MetricSpec("Count", (), "Rows whose call died, expired by the sweeper."),
    "HoursReconciled": MetricSpec("Count", (), "Hours of keys and teams closed by the reconcile."),
    "LedgerDrift": MetricSpec("None", (), "US dollars held or missing that the reconcile put right."),
    "LedgerStepsLost": MetricSpec(
        "Count", (), "Settlements and releases whose reply was lost: the reconcile ends them."
    ),
    "Overruns": MetricSpec("Count", (), "Calls that cost more than was held for them."),
    "ConsumerLag": MetricSpec("Milliseconds", (), "Age of the newest row of a batch when it was counted."),
}

_pending: list[tuple[str, float, tuple[tuple[str, str], ...]]] = []


def configure(service: str, level: str) -> None:
    """Name the function in every line, and forget the last request's facts. Called first in every invocation."""
    log.clear_state()
    log.append_keys(service=service)
    log.setLevel(logging.getLevelName(level) if level in ("DEBUG", "INFO", "WARNING", "ERROR") else logging.INFO)


def count(name: str, value: float = 1, **dimensions: str) -> None:
    """Note a value of a metric; `flush` writes it. Raises KeyError for an unknown name or dimension."""
    spec = METRICS[name]
    given = {key.capitalize(): text for key, text in dimensions.items()}
    _pending.append((name, value, tuple((key, given[key]) for key in spec.dimensions)))


def discard() -> None:
    """Forget what is pending and what the last request put into every line."""
    _pending.clear()
    log.clear_state()


def flush(environment: str, function: str) -> None:
    """Write what is pending as EMF, one line for each set of dimensions. Powertools is loaded only if there is any."""
    if not _pending:
        return
    from aws_lambda_powertools.metrics import EphemeralMetrics

    groups: dict[tuple[tuple[str, str], ...], list[tuple[str, float]]] = {}
    for name, value, dimensions in _pending:
        groups.setdefault(dimensions, []).append((name, value))
    _pending.clear()
    for dimensions, values in groups.items():
        metrics = EphemeralMetrics(namespace=NAMESPACE, service=function)
        metrics.add_dimension("Environment", environment)
        for key, text in dimensions:
            metrics.add_dimension(key, text)
        for name, value in values:
            metrics.add_metric(name=name, unit=METRICS[name].unit, value=value)
        metrics.flush_metrics()
