"""The values of a chart's lines: metrics, searches and the few expressions that this dashboard has, bucket by
bucket."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tools.dashboard.samples import Samples, stat

Points = list[float | None]
_SEARCH = re.compile(r"SEARCH\('\{([^}]+)\} ([^']+)', '(\w+)', \d+\)")
_TERM = re.compile(r'(\w+)="([^"]*)"')


@dataclass(frozen=True, slots=True)
class Line:
    label: str
    points: Points


def drawn(chart: Mapping[str, Any], samples: Samples, buckets: int) -> list[Line]:
    """The visible lines of a chart's properties, each with a point a bucket."""
    known: dict[str, list[Line]] = {}
    for entry in chart["metrics"]:
        *parts, options = entry
        if parts:
            known[_name(options, known)] = [_metric(parts, options, samples, buckets)]
        elif match := _SEARCH.fullmatch(options["expression"]):
            known[_name(options, known)] = _searched(match, samples, buckets)
    made = [line for name, found in known.items() if name.startswith("?") for line in found]
    for *parts, options in chart["metrics"]:
        if not parts and not _SEARCH.fullmatch(options["expression"]):
            made.append(Line(options.get("label", ""), _points(options["expression"], known, buckets)))
    return made


def _name(options: Mapping[str, Any], known: Mapping[str, Any]) -> str:
    """What an expression calls it; "?" and a number where none does."""
    return str(options.get("id") or f"?{len(known)}")


def _metric(parts: list[str], options: Mapping[str, Any], samples: Samples, buckets: int) -> Line:
    namespace, name, *pairs = parts
    key = (namespace, name, frozenset(zip(pairs[::2], pairs[1::2], strict=True)))
    return Line(options.get("label", name), _series(samples.of.get(key, []), options["stat"], samples, buckets))


def _searched(match: re.Match[str], samples: Samples, buckets: int) -> list[Line]:
    namespace, *names = match[1].split(",")
    terms = dict(_TERM.findall(match[2]))
    metric = terms.pop("MetricName")
    found = []
    for (space, name, dimensions), values in sorted(samples.of.items(), key=lambda each: sorted(each[0][2])):
        given = dict(dimensions)
        if (space, name, set(given)) == (namespace, metric, set(names)) and terms.items() <= given.items():
            label = " ".join(given[each] for each in names if each not in terms)
            found.append(Line(label, _series(values, match[3], samples, buckets)))
    return found


def _series(values: list[tuple[float, float]], name: str, samples: Samples, buckets: int) -> Points:
    begin, end = samples.span
    parted: list[list[float]] = [[] for _ in range(buckets)]
    for second, value in (each for each in values if each[0] >= begin):
        parted[min(buckets - 1, int((second - begin) / (end - begin) * buckets))].append(value)
    return [stat(each, name) if each else None for each in parted]


def _points(expression: str, known: Mapping[str, list[Line]], buckets: int) -> Points:
    tree = ast.parse(expression, mode="eval").body
    return [_value(tree, known, bucket) for bucket in range(buckets)]


def _value(node: ast.AST, known: Mapping[str, list[Line]], bucket: int) -> float | None:
    match node:
        case ast.Constant(value=int() | float() as value):
            return float(value)
        case ast.Name(id=name):
            return known[name][0].points[bucket]
        case ast.Call(func=ast.Name(id="FILL"), args=[series, ast.Constant(value=int() as other)]):
            found = _value(series, known, bucket)
            return float(other) if found is None else found
        case ast.Call(func=ast.Name(id="SUM"), args=[ast.Name(id=name)]):
            return sum((line.points[bucket] or 0.0) for line in known[name])
        case ast.BinOp(left=left, op=operator, right=right):
            return _result(operator, _value(left, known, bucket), _value(right, known, bucket))
    raise ValueError(f"an expression that nobody draws: {ast.unparse(node)}")


def _result(operator: ast.operator, left: float | None, right: float | None) -> float | None:
    if left is None or right is None:
        return None
    match operator:
        case ast.Add():
            return left + right
        case ast.Sub():
            return left - right
        case ast.Mult():
            return left * right
        case ast.Div():
            return left / right if right else None
    raise ValueError("an operator that nobody draws")
