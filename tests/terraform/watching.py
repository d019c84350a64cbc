"""The metrics that the dashboard and the alarms use, from an applied state; and the metrics that the functions emitted,
from their logs."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tests.terraform.applied import State

_SEARCH = re.compile(r"SEARCH\('\{(?P<schema>[^}]+)\} (?P<terms>[^']+)', '(?P<stat>\w+)', (?P<period>\d+)\)")
_TERM = re.compile(r'(\w+)="([^"]*)"')


@dataclass(frozen=True, slots=True)
class Metric:
    """`dimensions` have values; `by` names the dimensions that a search leaves open."""

    namespace: str
    name: str
    dimensions: frozenset[tuple[str, str]]
    by: frozenset[str] = frozenset()

    @property
    def names(self) -> frozenset[str]:
        return self.by | {name for name, _ in self.dimensions}

    def shows(self, emitted: Metric) -> bool:
        """Whether a line of this metric would show an emitted metric. CloudWatch does not match subsets of
        dimensions."""
        return (self.namespace, self.name, self.names) == (
            emitted.namespace,
            emitted.name,
            emitted.names,
        ) and self.dimensions <= emitted.dimensions


def charts(state: State) -> Iterator[dict[str, Any]]:
    """The properties of the dashboard's metric widgets."""
    (dashboard,) = state.of("aws_cloudwatch_dashboard")
    yield from (
        each["properties"] for each in json.loads(dashboard["dashboard_body"])["widgets"] if each["type"] == "metric"
    )


def watched(state: State) -> set[Metric]:
    """Every metric on the dashboard or in an alarm."""
    return set(_charted(state)) | set(_alarmed(state))


def _charted(state: State) -> Iterator[Metric]:
    for chart in charts(state):
        for line in chart["metrics"]:
            *parts, options = line
            if parts:
                namespace, name, *pairs = parts
                yield Metric(namespace, name, frozenset(zip(pairs[::2], pairs[1::2], strict=True)))
            elif "SEARCH" in options["expression"]:
                yield _searched(options["expression"])


def _searched(expression: str) -> Metric:
    match = _SEARCH.fullmatch(expression)
    assert match, f"a search of another form: {expression}"
    namespace, *names = match["schema"].split(",")
    terms = dict(_TERM.findall(match["terms"]))
    name = terms.pop("MetricName")
    return Metric(namespace, name, frozenset(terms.items()), frozenset(names) - set(terms))


def _alarmed(state: State) -> Iterator[Metric]:
    for alarm in state.of("aws_cloudwatch_metric_alarm"):
        single = [alarm] if alarm["metric_name"] else []
        for metric in [*single, *(metric for query in alarm["metric_query"] for metric in query["metric"])]:
            yield Metric(metric["namespace"], metric["metric_name"], frozenset(metric["dimensions"].items()))


def emitted(lines: Iterable[Mapping[str, Any]]) -> set[Metric]:
    """The metrics that CloudWatch makes from the EMF lines of a log."""
    found = set()
    for line in lines:
        for directive in line.get("_aws", {}).get("CloudWatchMetrics", []):
            for group in directive["Dimensions"]:
                dimensions = frozenset((name, line[name]) for name in group)
                found |= {Metric(directive["Namespace"], each["Name"], dimensions) for each in directive["Metrics"]}
    return found


def missing(wanted: Iterable[Metric], there: Iterable[Metric]) -> set[Metric]:
    """The metrics that a dashboard or an alarm uses and that are never emitted."""
    there = list(there)
    return {metric for metric in wanted if not any(metric.shows(each) for each in there)}
