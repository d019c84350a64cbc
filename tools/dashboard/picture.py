"""The dashboard as SVG: widgets where their JSON says, numbers, lines with their units and thresholds, a table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any
from xml.sax.saxutils import escape

from tools.dashboard.lines import Line, drawn
from tools.dashboard.samples import Samples

COLUMN, ROW, BUCKETS = 54, 34, 30
COLORS = ("#1f77b4", "#ff7f0e", "#2ca02c", "#9467bd", "#8c564b", "#e377c2", "#7f7f7f", "#bcbd22", "#17becf")
NOTHING = "no data in a local run"
Widget = Mapping[str, Any]


def picture(dashboard: Mapping[str, Any], samples: Samples) -> str:
    """SVG of a dashboard's body."""
    widgets = dashboard["widgets"]
    height = max(each["y"] + each["height"] for each in widgets) * ROW
    begin = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {24 * COLUMN} {height}" font-family="sans-serif">'
    parts = [begin, f'<rect width="{24 * COLUMN}" height="{height}" fill="#fafafa"/>']
    for each in widgets:
        x, y = each["x"] * COLUMN, each["y"] * ROW
        parts.append(f'<g transform="translate({x},{y})">{"".join(_widget(each, samples))}</g>')
    return "\n".join([*parts, "</svg>\n"])


def _widget(widget: Widget, samples: Samples) -> Iterator[str]:
    width, height = widget["width"] * COLUMN, widget["height"] * ROW
    properties = widget["properties"]
    if widget["type"] == "text":
        yield _text(8, 22, properties["markdown"].lstrip("# "), 15, weight="bold")
        return
    yield f'<rect x="3" y="3" width="{width - 6}" height="{height - 6}" fill="white" stroke="#ccc"/>'
    yield _text(10, 20, _cut(properties["title"], width, 11), 11, weight="bold")
    if widget["type"] == "alarm":
        yield from _alarms(properties["alarms"], width, height)
    elif widget["type"] == "log":
        yield from _table(samples)
    elif properties["view"] == "singleValue":
        yield from _number(drawn(properties, samples, 1), width)
    else:
        yield from _chart(properties, drawn(properties, samples, BUCKETS), width, height)


def _alarms(arns: list[str], width: int, height: int) -> Iterator[str]:
    """Four columns, which are wide enough for the longest name; the lines are as high as the widget allows."""
    columns = 4
    wide = (width - 20) / columns
    high = min(19.0, (height - 36) / -(-len(arns) // columns))
    for index, arn in enumerate(arns):
        x, y = 10 + index % columns * wide, 28 + index // columns * high
        yield f'<rect x="{x:.0f}" y="{y:.1f}" width="{wide - 6:.0f}" height="{high - 2:.1f}" rx="2" fill="#e4f2e4"/>'
        yield _text(x + 4, y + high / 2 + 2, _cut(arn.rpartition(":")[2], wide - 8, 8), 8)


def _number(lines: list[Line], width: int) -> Iterator[str]:
    points = [line.points[0] for line in lines if line.points]
    value = points[0] if points else None
    yield _text(12, 62, "-" if value is None else _short(value), 28, weight="bold")
    label = NOTHING if value is None else lines[0].label
    yield _text(12, 84, _cut(label, width - 16, 9), 9, color="#555")


def _table(samples: Samples) -> Iterator[str]:
    counted = Counter((line["key_id"], str(line.get("code", ""))) for line in samples.refused)
    for index, ((key, code), count) in enumerate(counted.most_common(8)):
        yield _text(12, 44 + index * 17, f"{count}  {code}", 10)
        yield _text(190, 44 + index * 17, key[:16], 10, color="#555")


def _chart(properties: Mapping[str, Any], lines: list[Line], width: int, height: int) -> Iterator[str]:
    marks = properties.get("annotations", {}).get("horizontal", [])
    values = [point for line in lines for point in line.points if point is not None]
    stacked = properties.get("stacked") and len(lines) > 1
    top = max([*values, 0.0]) * (1.0 if not stacked else 1.6) * 1.1 or 1.0
    shown = [mark for mark in marks if mark["value"] <= top * 3]
    top = max([top, *(mark["value"] * 1.1 for mark in shown)])
    beyond = [f"line at {_short(mark['value'])}: {mark['label']}" for mark in marks if mark not in shown]
    legend = list(_legend([*(line.label for line in lines), *beyond], width))
    left, right, low, high = 44, width - 12, height - 30 - max((row for _, row, _ in legend), default=0) * 12, 38
    yield _text(10, 36, _short(top), 8, color="#777")
    yield _text(10, low, "0", 8, color="#777")
    yield _text(12, (low + high) / 2, properties["yAxis"]["left"]["label"], 8, color="#777", turned=True)
    yield f'<path d="M{left},{high}V{low}H{right}" fill="none" stroke="#bbb"/>'
    for mark in shown:
        y = low - mark["value"] / top * (low - high)
        yield f'<path d="M{left},{y:.1f}H{right}" stroke="{mark["color"]}" stroke-dasharray="4 3"/>'
        yield _text(left + 4, y - 3, f"{_short(mark['value'])}: {mark['label']}", 8, color=mark["color"])
    for index, line in enumerate(lines):
        yield from _line(line, index, top, (left, right, low, high))
    if not values:
        yield _text(left + 12, (low + high) / 2 + 14, NOTHING, 10, color="#999")
    for index, (x, row, label) in enumerate(legend):
        color = COLORS[index % len(COLORS)] if index < len(lines) else "#d62728"
        yield f'<rect x="{x:.0f}" y="{low + 10 + row * 12}" width="7" height="7" fill="{color}"/>'
        yield _text(x + 10, low + 16 + row * 12, label, 8)


def _line(line: Line, index: int, top: float, place: tuple[int, int, int, int]) -> Iterator[str]:
    left, right, low, high = place
    step, begun, path = (right - left) / (len(line.points) - 1), False, ""
    for at, point in enumerate(line.points):
        if point is not None:
            x, y = left + at * step, low - max(0.0, point) / top * (low - high)
            path += f"{'L' if begun else 'M'}{x:.1f},{y:.1f}"
            begun = True
    if path:
        yield f'<path d="{path}" fill="none" stroke="{COLORS[index % len(COLORS)]}" stroke-width="1.5"/>'


def _legend(labels: list[str], width: int) -> Iterator[tuple[float, int, str]]:
    """Where each label is: x, the row from 0, the label. All labels are shown; the plot above them becomes smaller."""
    x, row = 10.0, 0
    for label in labels:
        need = 16 + len(label) * 4.8
        if x > 10 and x + need > width - 10:
            x, row = 10.0, row + 1
        yield x, row, label
        x += need


def _text(
    x: float, y: float, text: str, size: int, *, weight: str = "", color: str = "#222", turned: bool = False
) -> str:
    heavy = f' font-weight="{weight}"' if weight else ""
    turn = f' transform="rotate(-90 {x + 6:.0f} {y:.0f})" text-anchor="middle"' if turned else ""
    return f'<text x="{x:.0f}" y="{y:.0f}" font-size="{size}" fill="{color}"{heavy}{turn}>{escape(text)}</text>'


def _cut(text: str, width: float, size: int) -> str:
    most = int(width / (size * 0.64))
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _short(value: float) -> str:
    if value >= 10_000:
        return f"{value / 1_000:,.0f}k"
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:.3g}"
