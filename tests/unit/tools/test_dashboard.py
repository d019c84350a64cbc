"""The picture of the dashboard: its arithmetic, and that the committed picture shows the dashboard that is deployed."""

from __future__ import annotations

import re
from typing import Any
from xml.etree import ElementTree

import pytest

from tools.dashboard.lines import drawn
from tools.dashboard.picture import picture
from tools.dashboard.samples import Samples, samples, stat
from tools.golden.text import parsed
from tools.local.emulator import ROOT

PREFIX = "ai-gateway-local"


def emf(second: float, name: str, values: list[float], **dimensions: str) -> dict[str, Any]:
    made = {"Namespace": "AIGateway", "Dimensions": [list(dimensions)], "Metrics": [{"Name": name}]}
    return {"_aws": {"Timestamp": second * 1_000, "CloudWatchMetrics": [made]}, name: values, **dimensions}


@pytest.fixture
def seen() -> Samples:
    asked = {"message": "request", "service": "completions", "route": "POST /v1/chat/completions", "duration_ms": 40}
    lines = [
        emf(100, "Overhead", [10, 20, 30], Gateway=PREFIX),
        emf(109, "Overhead", [50], Gateway=PREFIX),
        emf(101, "Refusals", [1], Gateway=PREFIX, Reason="budget_exceeded"),
        emf(102, "Refusals", [2], Gateway=PREFIX, Reason="rate_limit_exceeded"),
        {**asked, "status": 200, "timestamp": "1970-01-01T00:01:40+00:00"},
        {**asked, "status": 503, "timestamp": "1970-01-01T00:01:45+00:00"},
        {"message": "refused", "key_id": "k1", "code": "budget_exceeded"},
    ]
    return samples(lines, PREFIX, "api1")


def test_lines_are_metrics_searches_and_expressions(seen: Samples) -> None:
    search = f"SEARCH('{{AIGateway,Gateway,Reason}} MetricName=\"Refusals\" Gateway=\"{PREFIX}\"', 'Sum', 300)"
    chart = {
        "metrics": [
            ["AIGateway", "Overhead", "Gateway", PREFIX, {"stat": "p50", "label": "p50"}],
            ["AWS/ApiGateway", "Count", "ApiId", "api1", {"stat": "Sum", "id": "calls", "visible": False}],
            ["AWS/ApiGateway", "5xx", "ApiId", "api1", {"stat": "Sum", "id": "failed", "visible": False}],
            [{"expression": search}],
            [{"expression": search, "id": "refused", "visible": False}],
            [{"expression": "100 * FILL(failed, 0) / calls", "label": "%"}],
            [{"expression": "SUM(refused)", "label": "calls"}],
        ]
    }
    found = [(line.label, line.points) for line in drawn(chart, seen, 2)]
    assert found == [
        ("p50", [20, 50]),
        ("budget_exceeded", [1, None]),
        ("rate_limit_exceeded", [2, None]),
        ("%", [0, 100]),
        ("calls", [3, 0]),
    ]


@pytest.mark.parametrize(
    ("name", "value"), [("Sum", 10), ("Maximum", 4), ("SampleCount", 4), ("p50", 2), ("p85.6", 4), ("p25", 1)]
)
def test_statistics(name: str, value: float) -> None:
    assert stat([4, 1, 3, 2], name) == value


def test_an_expression_that_nobody_draws_is_refused(seen: Samples) -> None:
    chart = {"metrics": [[{"expression": "__import__('os')"}]]}
    with pytest.raises(ValueError, match="nobody draws"):
        drawn(chart, seen, 1)


def test_every_widget_is_drawn(seen: Samples) -> None:
    place = {"x": 0, "y": 0, "width": 6, "height": 6}
    mark = {"value": 30, "label": "alarm", "color": "#d62728"}
    metrics = [["AIGateway", "Overhead", "Gateway", PREFIX, {"stat": "p50", "label": "p50"}]]
    lines = {"title": "T<1>", "view": "timeSeries", "metrics": metrics, "yAxis": {"left": {"label": "ms"}}}
    widgets = [
        {"type": "metric", **place, "properties": lines | {"annotations": {"horizontal": [mark]}}},
        {"type": "metric", **place, "properties": {"title": "N", "view": "singleValue", "metrics": metrics}},
        {"type": "log", **place, "properties": {"title": "Keys", "view": "table"}},
        {"type": "alarm", **place, "properties": {"title": "Alarms", "alarms": ["arn:x:alarm:a-1"]}},
        {"type": "text", **place, "properties": {"markdown": "## Up"}},
    ]
    drawing = picture({"widgets": widgets}, seen)
    ElementTree.fromstring(drawing)  # noqa: S314  our own
    for text in ("T&lt;1&gt;", "30: alarm", ">20<", "budget_exceeded", ">a-1<", ">Up<"):
        assert text in drawing


def test_the_committed_picture_is_of_the_dashboard_that_is_deployed() -> None:
    """After a change of the dashboard, run `make dashboard-picture` (docs/observability.md)."""
    prod = parsed((ROOT / "terraform/golden/prod.txt").read_text(encoding="utf-8"))
    lines = prod["aws_cloudwatch_dashboard.this[0]"]
    titles = {m[1] for line in lines if (m := re.search(r'\.properties\.title = "(.*)"$', line))}
    text = (ROOT / "docs/pictures/dashboard.svg").read_text(encoding="utf-8")
    drawn_titles = set(re.findall(r'font-weight="bold"[^>]*>([^<]*)<', text))
    assert len(titles) > 30
    assert titles - drawn_titles == set()
    assert "…" not in text, "a title, an alarm's name or a label is cut off"
