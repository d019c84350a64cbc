"""Logs and metrics: one JSON line a fact, metrics as one EMF line a run in the same log. No prompt, no key, no header
ever goes in.

Names, units and dimensions of metrics stand in data/metrics.json, which Terraform reads too: dashboards and alarms can
name nothing else. Dimensions are few and bounded (no key ids: each value would cost $0.30 a month).
"""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from aws_lambda_powertools import Logger

from gateway import context

log: Final = Logger(service="gateway", log_uncaught_exceptions=False, use_rfc3339=True, utc=True)


def _with_context(record: logging.LogRecord) -> bool:
    """Give a line the keys of the request that wrote it; what the line says itself comes first."""
    for key, value in context.current().keys.items():
        if value is not None:
            record.__dict__.setdefault(key, value)
    return True


log.addFilter(_with_context)


@dataclass(frozen=True, slots=True)
class MetricSpec:
    """CloudWatch's unit, the sets of dimensions a value is filed under, and what it means."""

    unit: str
    dimensions: tuple[tuple[str, ...], ...]
    description: str

    @property
    def names(self) -> tuple[str, ...]:
        """Every dimension of any set."""
        return tuple(sorted({name for group in self.dimensions for name in group}))


def _registry() -> tuple[str, dict[str, MetricSpec]]:
    document = json.loads((Path(__file__).parent / "data" / "metrics.json").read_bytes())
    return document["namespace"], {
        name: MetricSpec(facts["unit"], tuple(tuple(group) for group in facts["dimensions"]), facts["description"])
        for name, facts in document["metrics"].items()
    }


_registered: Final = _registry()
NAMESPACE: Final[str] = _registered[0]
METRICS: Final[Mapping[str, MetricSpec]] = _registered[1]
OWN: Final = ("FunctionName", "Gateway")  # dimensions that `flush` knows; callers give the others
_MOST_VALUES: Final = 100  # of one metric in one EMF line

_Dimensions = tuple[tuple[str, str], ...]


def configure(service: str, level: str) -> None:
    """Name the function in every line of what runs here, and log from this level on. Called first in every run."""
    context.current().keys["service"] = service
    log.setLevel(logging.getLevelName(level) if level in ("DEBUG", "INFO", "WARNING", "ERROR") else logging.INFO)


def count(name: str, value: float = 1, **dimensions: str) -> None:
    """Note a value of a metric; `flush` writes it. Dimensions by lower-case name, beside Gateway and FunctionName.

    Raises KeyError for an unknown name and for dimensions that are not exactly the metric's.
    """
    given = {key.capitalize(): text for key, text in dimensions.items()}
    wanted = [key for key in METRICS[name].names if key not in OWN]
    if wanted != sorted(given):
        raise KeyError(f"{name} has the dimensions {wanted}, not {sorted(given)}")
    # Micro-dollars are the finest there is, and each digit is paid for in the log.
    measured = (name, round(value, 6), tuple((key, given[key]) for key in wanted))
    context.current().metrics.append(measured)


def flush(gateway: str, function: str) -> None:
    """Write what is pending here as EMF: one line, or as many as one metric has values of different dimensions.
    `gateway` is the prefix of the deployment's names, `function` the function's whole name."""
    values: dict[tuple[str, _Dimensions], list[float]] = {}
    pending = context.current().metrics
    for name, value, dimensions in pending:
        values.setdefault((name, dimensions), []).append(value)
    pending.clear()
    lines: list[dict[str, Any]] = []
    own = {"FunctionName": function, "Gateway": gateway}
    for (name, dimensions), numbers in values.items():
        for start in range(0, len(numbers), _MOST_VALUES):
            facts = own | dict(dimensions)
            line = next((line for line in lines if name not in line and _agree(line, facts)), None)
            if line is None:
                lines.append(line := dict(own))
            line |= facts | {name: numbers[start : start + _MOST_VALUES]}
    now = time.time_ns() // 1_000_000
    for line in lines:
        facts = {"_aws": {"Timestamp": now, "CloudWatchMetrics": _directives(line)}} | line
        # In one piece: two requests that end at once must not write into each other's line.
        sys.stdout.write(json.dumps(facts, separators=(",", ":")) + "\n")
    if lines:
        sys.stdout.flush()


def _agree(line: Mapping[str, Any], facts: Mapping[str, str]) -> bool:
    return all(line.get(key, text) == text for key, text in facts.items())


def _directives(line: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What CloudWatch has to make of a line: one directive for all metrics of the same dimensions."""
    groups: dict[tuple[tuple[str, ...], ...], list[dict[str, str]]] = {}
    for name in line:
        if name in METRICS:
            spec = METRICS[name]
            groups.setdefault(spec.dimensions, []).append({"Name": name, "Unit": spec.unit})
    return [
        {"Namespace": NAMESPACE, "Dimensions": [list(group) for group in dimensions], "Metrics": metrics}
        for dimensions, metrics in groups.items()
    ]
