"""Samples of metrics out of log lines: the gateway's own as EMF has them, AWS's as the lines of requests tell them."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

Key = tuple[str, str, frozenset[tuple[str, str]]]  # namespace, metric, dimensions


@dataclass(frozen=True, slots=True)
class Samples:
    """Samples by metric, each (second, value); `refused` are the lines of refused calls of a key."""

    of: Mapping[Key, list[tuple[float, float]]]
    refused: list[Mapping[str, Any]]

    @property
    def span(self) -> tuple[float, float]:
        """First and last second. Paid calls begin it: a gateway starts long before somebody calls."""
        seconds = [second for found in self.of.values() for second, _ in found]
        paid = [second for (_, name, _), found in self.of.items() if name == "Overhead" for second, _ in found]
        return min(paid or seconds), max(seconds) + 1


def samples(lines: Iterable[Mapping[str, Any]], prefix: str, api: str) -> Samples:
    """`api` stands for the HTTP API's id in the dashboard."""
    found: dict[Key, list[tuple[float, float]]] = {}
    refused = []
    for line in lines:
        if "_aws" in line:
            made = _emf(line)
        elif line.get("message") == "request" and "status" in line:
            made = _request(line, prefix, api)
        else:
            made = iter(())
        if line.get("message") == "refused" and line.get("key_id"):
            refused.append(line)
        for key, second, value in made:
            found.setdefault(key, []).append((second, value))
    return Samples(found, refused)


def _emf(line: Mapping[str, Any]) -> Iterator[tuple[Key, float, float]]:
    second = line["_aws"]["Timestamp"] / 1_000
    for directive in line["_aws"]["CloudWatchMetrics"]:
        for group in directive["Dimensions"]:
            dimensions = frozenset((name, str(line[name])) for name in group)
            for metric in directive["Metrics"]:
                values = line[metric["Name"]]
                for value in values if isinstance(values, list) else [values]:
                    yield (directive["Namespace"], metric["Name"], dimensions), second, float(value)
                    if metric["Name"] == "Requests":
                        # A run of a function here is what Lambda counts there.
                        yield ("AWS/Lambda", "Invocations", dimensions), second, float(value)


def _request(line: Mapping[str, Any], prefix: str, api: str) -> Iterator[tuple[Key, float, float]]:
    """What API Gateway and Lambda would count of it."""
    second, status = datetime.fromisoformat(line["timestamp"]).timestamp(), int(line["status"])
    streams = line["service"] == "stream"
    door = frozenset({("ApiName", f"{prefix}-stream") if streams else ("ApiId", api)})
    names = {4: "4XXError", 5: "5XXError"} if streams else {4: "4xx", 5: "5xx"}
    yield ("AWS/ApiGateway", "Count", door), second, 1.0
    yield ("AWS/ApiGateway", "Latency", door), second, float(line["duration_ms"])
    if status // 100 in names:
        yield ("AWS/ApiGateway", names[status // 100], door), second, 1.0
    function = frozenset({("FunctionName", f"{prefix}-{line['service']}")})
    yield ("AWS/Lambda", "Duration", function), second, float(line["duration_ms"])


def stat(values: list[float], name: str) -> float | None:
    """A statistic as CloudWatch names it; None of no values."""
    if name == "SampleCount":
        return float(len(values))
    if not values:
        return None
    if name in ("Sum", "Maximum"):
        return float(sum(values) if name == "Sum" else max(values))
    if match := re.fullmatch(r"p(\d+(?:\.\d+)?)", name):
        at = math.ceil(float(match[1]) / 100 * len(values)) - 1
        return sorted(values)[max(0, at)]
    raise ValueError(f"a statistic that nobody draws: {name}")
