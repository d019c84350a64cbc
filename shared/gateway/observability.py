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
from typing import Any, Final, TextIO

from msgspec import Struct

from gateway import context
from gateway.json_text import to_bytes, to_line

_NAME: Final = "gateway"
log: Final = logging.getLogger(_NAME)
# A key of ours, wherever a client wrote it: in a path, as a field's name. Its id is left, which is not secret.
_KEY: Final = re.compile(r"(sk-[0-9A-Za-z]{12})-[0-9A-Za-z]{8,}")
_LEVELS: Final = {"DEBUG": logging.DEBUG, "INFO": logging.INFO, "WARNING": logging.WARNING, "ERROR": logging.ERROR}
_NOTHING: Final[Mapping[str, str]] = {}
_STANDARD: Final = frozenset((*logging.makeLogRecord({}).__dict__, "message", "asctime"))


class _Line(logging.Formatter):
    """Formats a record as one JSON line, with the field names of Powertools for AWS Lambda, so that tools built on
    those names need no change."""

    def format(self, record: logging.LogRecord) -> str:
        said = {key: value for key, value in record.__dict__.items() if key not in _STANDARD}
        raised: dict[str, str] = {}
        if record.exc_info and record.exc_info[0] is not None:
            raised["exception"] = self.formatException(record.exc_info)
            raised["exception_name"] = record.exc_info[0].__name__
        where = f"{record.funcName}:{record.lineno}"
        moment = int(record.created) * 1_000 + int(record.msecs)
        return _text(context.current(), record.levelname, where, record.getMessage(), moment, said, raised)


def _text(
    this: context.Context,
    level: str,
    where: str,
    message: str,
    moment: int,
    said: Mapping[str, Any],
    raised: Mapping[str, str] = _NOTHING,
) -> str:
    """The JSON text of a line that was written in this context. `moment` is in milliseconds since the epoch."""
    second, rest = divmod(moment, 1_000)
    facts: dict[str, Any] = {
        "level": level,
        "location": where,
        "message": message,
        "timestamp": f"{_second(second)}.{str(rest).zfill(3)}+00:00",  # `:03d` costs half as much again
        "service": _NAME,
        **this.keys,  # of the request that wrote it; the line's own values win
        **said,
        **raised,
    }
    if this.trace.startswith("Root="):
        facts["xray_trace_id"] = this.trace[5:].partition(";")[0]
    line = to_line(facts)
    if "null" in line and None in facts.values():  # few lines have unknown values, which are left out
        line = to_line({key: value for key, value in facts.items() if value is not None})
    return _KEY.sub(r"\1-...", line) if "sk-" in line else line


@lru_cache(maxsize=2)
def _second(number: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(number))


def _set_up() -> logging.StreamHandler[TextIO]:
    # No line says which thread, process or task wrote it, so none is looked up, as logging's documentation advises.
    for each in ("logThreads", "logProcesses", "logMultiprocessing", "logAsyncioTasks"):
        setattr(logging, each, False)
    written = logging.StreamHandler(sys.stdout)
    written.setFormatter(_Line())
    log.addHandler(written)
    log.setLevel(logging.INFO)
    for handler in logging.getLogger().handlers:  # Lambda's own: it would write each line again
        handler.addFilter(lambda record: record.name != _NAME)
    return written


_written: Final = _set_up()
_HANDLERS: Final = [_written]
_ROOT: Final = logging.getLogger()
_OTHERS: Final = list(_ROOT.handlers)  # they leave our lines out


class MetricSpec(Struct, frozen=True):
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
OWN: Final = ("FunctionName", "Gateway")  # dimensions that `emf` adds; callers give the others
_WANTED: Final = {  # each metric's dimensions from callers, in lower case and as filed
    name: {key.lower(): key for key in spec.names if key not in OWN} for name, spec in METRICS.items()
}
_MOST_VALUES: Final = 100  # EMF's limit for one metric in one line


def configure(service: str, level: str, this: context.Context | None = None) -> None:
    """Name the function in every line that is logged here, and log from this level on. Called first in every run.
    `this` is the current context, for a caller that has it."""
    (this or context.current()).keys["service"] = service
    wanted = _LEVELS.get(level, logging.INFO)
    if log.level != wanted:  # setting it clears logging's cache of enabled levels
        log.setLevel(wanted)


def line(message: str, facts: Mapping[str, Any], this: context.Context | None = None) -> str:
    """What `log.info(message, extra=facts)` would write, for the line that every request has: `write` it. It is made
    without a record of logging's, which costs more than the line itself. If anybody but this module listens, logging
    writes the line, and there is nothing left to write: the text is empty. `this` is the current context, for a caller
    that has it."""
    alone = log.handlers == _HANDLERS and _ROOT.handlers == _OTHERS and not log.filters and not _written.filters
    if alone:
        if not log.isEnabledFor(logging.INFO):
            return ""
        caller = sys._getframe(1)  # logging finds it in the same way
        where = f"{caller.f_code.co_name}:{caller.f_lineno}"
        try:
            this, moment = this or context.current(), time.time_ns() // 1_000_000
            return _text(this, "INFO", where, message, moment, facts) + "\n"
        except Exception:  # noqa: BLE001, S110  logging tells of a line that can't be made, and raises nothing
            pass
    log.info(message, extra=facts, stacklevel=2)
    return ""


def write(lines: str) -> None:
    """Write whole lines of the log. In one piece: two requests that end at once must not write into each other's."""
    if lines:
        sys.stdout.write(lines)
        sys.stdout.flush()


def count(name: str, value: float = 1, **dimensions: str) -> None:
    """Note a value of a metric, for `emf`. `dimensions` have lower-case names; `emf` adds Gateway and FunctionName.

    Raises KeyError for an unknown name and for dimensions that are not exactly the metric's.
    """
    # In millionths: micro-dollars are the smallest unit, and each digit in the log costs money. It costs half as much
    # as round(value, 6), and differs from it only where the seventh digit is a 5 and the last.
    noted = value if type(value) is int else round(value * 1e6) / 1e6
    (context.inside() or context.current()).metrics.append((_place(name, **dimensions), noted))


def count_run(this: context.Context, milliseconds: float, *, failed: bool) -> None:
    """Count a run in its context that took so long: what `count` does for the metrics that all runs have."""
    this.metrics += (_ONE_RUN, (_LATENCY, round(milliseconds * 1e6) / 1e6))
    if failed:
        this.metrics.append((_place("Errors"), 1))


def count_attempt(
    provider: str, model: str, milliseconds: float, micro_dollars: int, tokens: tuple[int, int] | None
) -> None:
    """Count an attempt at a provider's model: what `count` does for its latency, its cost and, if they are known, its
    `tokens`, those of the prompt and those of the output."""
    latency, cost, prompt, output = _of_attempts(provider, model)
    metrics = (context.inside() or context.current()).metrics
    metrics += ((latency, round(milliseconds * 1e6) / 1e6), (cost, micro_dollars / 1e6))
    if tokens is not None:
        metrics += ((prompt, tokens[0]), (output, tokens[1]))


@lru_cache(maxsize=256)
def _place(name: str, **dimensions: str) -> context.Place:
    """The metric's name and the dimensions that a value is filed under, from those that a caller gives."""
    wanted = _WANTED[name]
    if dimensions.keys() != wanted.keys():
        raise KeyError(f"{name} has the dimensions {[*wanted.values()]}, not {sorted(dimensions)}")
    return json.dumps([name, {key: dimensions[given] for given, key in wanted.items()}])


@lru_cache(maxsize=256)
def _of_attempts(provider: str, model: str) -> tuple[context.Place, ...]:
    """The places of the metrics that all attempts have."""
    return (
        _place("ProviderLatency", provider=provider),
        _place("Cost", provider=provider, model=model),
        _place("InputTokens", provider=provider),
        _place("OutputTokens", provider=provider),
    )


_ONE_RUN: Final = (_place("Requests"), 1)
_LATENCY: Final = _place("Latency")


def emf(gateway: str, function: str, this: context.Context | None = None) -> str:
    """The pending values in CloudWatch's embedded metric format, to `write`: one line, or more if one metric has values
    with different dimensions. They are pending no longer. `gateway` is the prefix of the deployment's names, `function`
    the function's whole name; `this` is the current context, for a caller that has it."""
    pending = (this or context.current()).metrics
    if not pending:
        return ""
    once = dict(pending)
    if len(once) == len(pending):  # as at most runs: each metric has one value
        places, values = tuple(once), [[value] for value in once.values()]
    else:
        places, values = _grouped(pending)
    pending.clear()
    moment, lines = time.time_ns() // 1_000_000, ""
    for facts, chosen in _lines(places, gateway, function):
        # orjson, which is behind `to_bytes`, takes a tenth of the time of `str` for a float.
        told = to_bytes({name: values[each] for name, each in chosen.items()})
        lines += f'{{"_aws":{{"Timestamp":{moment},{facts},{told[1:].decode()}\n'
    return lines


def _grouped(
    pending: Iterable[tuple[context.Place, float]],
) -> tuple[tuple[context.Place, ...], list[list[float]]]:
    """Each place with all its values, and again for more than fit into one line."""
    groups: dict[context.Place, list[float]] = {}
    for place, value in pending:
        groups.setdefault(place, []).append(value)
    measured = [
        (place, values[start : start + _MOST_VALUES])
        for place, values in groups.items()
        for start in range(0, len(values), _MOST_VALUES)
    ]
    return tuple([place for place, _ in measured]), [values for _, values in measured]


@lru_cache(maxsize=256)
def _lines(measured: tuple[context.Place, ...], gateway: str, function: str) -> list[tuple[str, dict[str, int]]]:
    """The EMF lines for these metrics. Each has the text that stands between the moment and the values, and the indices
    of its metrics' values, by their names."""
    lines: list[tuple[dict[str, str], dict[str, int]]] = []
    own = {"FunctionName": function, "Gateway": gateway}
    for number, place in enumerate(measured):
        name, dimensions = json.loads(place)
        facts = own | dimensions
        line = next((each for each in lines if name not in each[1] and _agree(each[0], facts)), None)
        if line is None:
            lines.append(line := (dict(own), {}))
        line[0].update(facts)
        line[1][name] = number
    return [
        (f'"CloudWatchMetrics":{to_line(_directives(names))}}},{to_line(facts)[1:-1]}', names) for facts, names in lines
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
