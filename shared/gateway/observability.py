"""Logs and metrics: one JSON line per event, and the metrics of a run as one EMF line in the same log. No prompt, no
key and no header is ever logged.

data/metrics.json has the names, units and dimensions of metrics. Terraform reads it too, so dashboards and alarms can
name nothing else. Dimensions are few and bounded (no key ids: each value would cost $0.30 a month).
"""

from __future__ import annotations

import json
import logging
import re
import sys
import time
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, NamedTuple

from gateway import context
from gateway.json_text import writer

_NAME: Final = "gateway"
log: Final = logging.getLogger(_NAME)
# A value that JSON can't express is written as its str(), and half a surrogate pair is escaped: no line is ever lost.
_encode: Final = writer(default=str, decimals=True)
# A key of ours, wherever a client wrote it: in a path, as a field's name. Its id is left, which is not secret.
_KEY: Final = re.compile(r"(sk-[0-9A-Za-z]{12})-[0-9A-Za-z]{8,}")
_STANDARD: Final = frozenset((*logging.makeLogRecord({}).__dict__, "message", "asctime"))


class _Line(logging.Formatter):
    """Formats a record as one JSON line, with the field names of Powertools for AWS Lambda, so that tools built on
    those names need no change."""

    def format(self, record: logging.LogRecord) -> str:
        this = context.current()
        facts: dict[str, Any] = {
            "level": record.levelname,
            "location": f"{record.funcName}:{record.lineno}",
            "message": record.getMessage(),
            "timestamp": f"{_second(int(record.created))}.{int(record.msecs):03d}+00:00",
            "service": _NAME,
        }
        # The keys of the request that wrote it; the line's own values win. Unknown values are left out.
        said = {key: value for key, value in record.__dict__.items() if key not in _STANDARD}
        facts |= {key: value for key, value in {**this.keys, **said}.items() if value is not None}
        if record.exc_info and record.exc_info[0] is not None:
            facts["exception"] = self.formatException(record.exc_info)
            facts["exception_name"] = record.exc_info[0].__name__
        if this.trace.startswith("Root="):
            facts["xray_trace_id"] = this.trace[5:].partition(";")[0]
        line = _encode(facts)
        return _KEY.sub(r"\1-...", line) if "sk-" in line else line


@lru_cache(maxsize=2)
def _second(number: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(number))


def _set_up() -> None:
    # No line says which thread, process or task wrote it, so none is looked up, as logging's documentation advises.
    for each in ("logThreads", "logProcesses", "logMultiprocessing", "logAsyncioTasks"):
        setattr(logging, each, False)
    written = logging.StreamHandler(sys.stdout)
    written.setFormatter(_Line())
    log.addHandler(written)
    log.setLevel(logging.INFO)
    for handler in logging.getLogger().handlers:  # Lambda's own: it would write each line again
        handler.addFilter(lambda record: record.name != _NAME)


_set_up()


class MetricSpec(NamedTuple):
    """A metric's CloudWatch unit, the sets of dimensions that a value is filed under, and its meaning."""

    unit: str
    dimensions: tuple[tuple[str, ...], ...]
    description: str

    @property
    def names(self) -> tuple[str, ...]:
        """Every dimension that occurs in any set."""
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
OWN: Final = ("FunctionName", "Gateway")  # dimensions that `flush` adds; callers give the others
_WANTED: Final = {  # each metric's dimensions from callers, in lower case and as filed
    name: {key.lower(): key for key in spec.names if key not in OWN} for name, spec in METRICS.items()
}
_MOST_VALUES: Final = 100  # EMF's limit for one metric in one line

_Dimensions = tuple[tuple[str, str], ...]


def configure(service: str, level: str) -> None:
    """Name the function in every line that is logged here, and log from this level on. Called first in every run."""
    context.current().keys["service"] = service
    wanted = logging.getLevelName(level) if level in ("DEBUG", "INFO", "WARNING", "ERROR") else logging.INFO
    if log.level != wanted:  # setting it clears logging's cache of enabled levels
        log.setLevel(wanted)


def count(name: str, value: float = 1, **dimensions: str) -> None:
    """Note a value of a metric; `flush` writes it. `dimensions` have lower-case names; `flush` adds Gateway and
    FunctionName.

    Raises KeyError for an unknown name and for dimensions that are not exactly the metric's.
    """
    # Micro-dollars are the smallest unit, and each digit in the log costs money.
    context.current().metrics.append((name, round(value, 6), _filed(name, tuple(dimensions.items()))))


@lru_cache(maxsize=256)
def _filed(name: str, given: _Dimensions) -> _Dimensions:
    """The dimensions that a value is filed under, from those that a caller gives."""
    wanted, dimensions = _WANTED[name], dict(given)
    if dimensions.keys() != wanted.keys():
        raise KeyError(f"{name} has the dimensions {[*wanted.values()]}, not {sorted(dimensions)}")
    return tuple([(key, dimensions[given]) for given, key in wanted.items()])


def flush(gateway: str, function: str) -> None:
    """Write the pending values as EMF: one line, or more if one metric has values with different dimensions.
    `gateway` is the prefix of the deployment's names, `function` the function's whole name."""
    values: dict[tuple[str, _Dimensions], list[float]] = {}
    pending = context.current().metrics
    for name, value, dimensions in pending:
        values.setdefault((name, dimensions), []).append(value)
    pending.clear()
    measured = [
        (key, numbers[start : start + _MOST_VALUES])
        for key, numbers in values.items()
        for start in range(0, len(numbers), _MOST_VALUES)
    ]
    stamp = f'{{"_aws":{{"Timestamp":{time.time_ns() // 1_000_000},'
    for head, metrics in _lines(tuple([key for key, _ in measured]), gateway, function):
        # JSON and Python write these numbers alike.
        told = ",".join([f'"{name}":{measured[number][1]}' for name, number in metrics])
        # In one piece: two requests that end at once must not write into each other's line.
        sys.stdout.write(f"{stamp}{head},{told}}}\n")
    if measured:
        sys.stdout.flush()


@lru_cache(maxsize=256)
def _lines(
    measured: tuple[tuple[str, _Dimensions], ...], gateway: str, function: str
) -> list[tuple[str, list[tuple[str, int]]]]:
    """The EMF lines for these metrics. Each has the JSON text before the values, and its metrics by name and index."""
    lines: list[tuple[dict[str, str], dict[str, int]]] = []
    own = {"FunctionName": function, "Gateway": gateway}
    for number, (name, dimensions) in enumerate(measured):
        facts = own | dict(dimensions)
        line = next((each for each in lines if name not in each[1] and _agree(each[0], facts)), None)
        if line is None:
            lines.append(line := (dict(own), {}))
        line[0].update(facts)
        line[1][name] = number
    return [
        (f'"CloudWatchMetrics":{_encode(_directives(names))}}},{_encode(facts)[1:-1]}', list(names.items()))
        for facts, names in lines
    ]


def _agree(line: Mapping[str, Any], facts: Mapping[str, str]) -> bool:
    return all(line.get(key, text) == text for key, text in facts.items())


def _directives(names: Iterable[str]) -> list[dict[str, Any]]:
    """CloudWatch's directives for a line with these metrics: one for all metrics that have the same dimensions."""
    groups: dict[tuple[tuple[str, ...], ...], list[dict[str, str]]] = {}
    for name in names:
        spec = METRICS[name]
        groups.setdefault(spec.dimensions, []).append({"Name": name, "Unit": spec.unit})
    return [
        {"Namespace": NAMESPACE, "Dimensions": [list(group) for group in dimensions], "Metrics": metrics}
        for dimensions, metrics in groups.items()
    ]
