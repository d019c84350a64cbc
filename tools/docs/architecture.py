"""The architecture as a drawing: what stands where, and what asks what."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from tools.docs.svg import FAINT, INK, Picture, Point

_FILL = {"client": "#eef2f6", "door": "#fde8c8", "function": "#d9ecd9", "table": "#d7e6fb", "outside": "#eadcf5"}


class Box(NamedTuple):
    """A thing at a place, with a line about it."""

    kind: str
    x: int
    y: int
    width: int
    height: int
    name: str
    lines: Sequence[str] = ()


BOXES = {
    "clients": Box(
        "client", 20, 180, 150, 76, "Clients", ("OpenAI, Anthropic,", "Claude Code, Codex,", "frameworks, curl")
    ),
    "rest": Box("door", 210, 80, 140, 70, "REST API", ("/v1/*, streamed", "up to 15 minutes")),
    "http": Box("door", 210, 240, 140, 88, "HTTP API", ("/api/v1/*, /mcp", "whole answers,", "up to 28 seconds")),
    "stream": Box("function", 400, 80, 175, 70, "stream", ("a server: checks the key,", "admits, calls, settles")),
    "completions": Box("function", 400, 176, 175, 54, "completions", ("admits, calls, settles",)),
    "authorizer": Box("function", 400, 242, 175, 40, "authorizer", ("whose key is this?",)),
    "admin": Box("function", 400, 294, 175, 40, "admin", ("keys, teams, config, bill",)),
    "mcp": Box("function", 400, 346, 175, 40, "mcp, health", ("catalogue and tools; state",)),
    "providers": Box(
        "outside",
        660,
        40,
        180,
        92,
        "Providers",
        ("OpenAI, Anthropic, Bedrock,", "Azure, any host that speaks", "OpenAI's format"),
    ),
    "limits": Box("table", 660, 160, 180, 54, "limits", ("an admission is one", "conditional write")),
    "keys": Box("table", 660, 226, 180, 40, "api-keys, state", ("records, config, breakers",)),
    "rows": Box("table", 660, 278, 180, 40, "request-analytics", ("one row for each paid call",)),
    "usage": Box("table", 660, 420, 180, 40, "usage", ("the bill: each row once",)),
    "analytics": Box("function", 660, 350, 180, 40, "analytics", ("reads the table's stream",)),
    "jobs": Box(
        "function",
        400,
        408,
        175,
        60,
        "sweeper, reconciler",
        ("every minute and hour: end", "what died, check the sums"),
    ),
}
ARROWS = (
    ("clients", "rest"),
    ("clients", "http"),
    ("rest", "stream"),
    ("http", "completions"),
    ("http", "authorizer"),
    ("http", "admin"),
    ("http", "mcp"),
    ("stream", "providers"),
    ("stream", "limits"),
    ("stream", "rows"),
    ("completions", "providers"),
    ("completions", "limits"),
    ("completions", "rows"),
    ("authorizer", "keys"),
    ("admin", "keys"),
    ("rows", "analytics"),
    ("analytics", "usage"),
    ("jobs", "rows"),
)
_ALT = (
    "Clients ask two doors, an HTTP API and a REST API that streams; Lambda functions behind them admit a call by one"
    " conditional write in DynamoDB, call a provider and settle; a stream of the rows makes the bill"
)


def picture() -> Picture:
    made = Picture(860, 500, _ALT)
    made.text(20, 30, "No server, no Redis, no Postgres: two APIs, nine Lambda functions, six DynamoDB tables", size=15)
    made.shapes.append(
        "<defs><marker id='tip' viewBox='0 0 8 8' refX='7' refY='4' markerWidth='7' markerHeight='7' orient='auto'>"
        f"<path d='M0 0 L8 4 L0 8 z' fill='{INK}'/></marker></defs>"
    )
    for begin, end in ARROWS:
        _arrow(made, BOXES[begin], BOXES[end])
    for box in BOXES.values():
        made.box(box.x, box.y, box.width, box.height, _FILL[box.kind], f"stroke='{INK}' stroke-opacity='.35'")
        made.text(box.x + 10, box.y + 17, box.name, more="font-weight='600'")
        for at, line in enumerate(box.lines):
            made.text(box.x + 10, box.y + 33 + at * 15, line, size=11)
    for at, (kind, words) in enumerate(
        (("door", "API Gateway"), ("function", "Lambda"), ("table", "DynamoDB"), ("outside", "outside your account"))
    ):
        made.box(20, 356 + at * 26, 16, 16, _FILL[kind], f"stroke='{FAINT}'")
        made.text(44, 369 + at * 26, words, size=12)
    return made


def _arrow(made: Picture, begin: Box, end: Box) -> None:
    if abs(begin.x - end.x) < begin.width:  # one above the other
        x = begin.x + begin.width / 2
        points: tuple[Point, Point] = ((x, begin.y + begin.height), (x, end.y - 1))
    else:
        forth = begin.x < end.x
        left = (begin.x + begin.width if forth else begin.x, begin.y + begin.height / 2)
        points = (left, (end.x - 1 if forth else end.x + end.width, end.y + end.height / 2))
    made.path(points, f"stroke='{INK}' stroke-opacity='.6' fill='none' marker-end='url(#tip)'")
