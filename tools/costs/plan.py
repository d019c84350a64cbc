"""The parts of a plan that have a price: read from the golden plan's text, which says the same as the plan itself."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tools.golden.text import GONE, Blocks, parsed

_SECONDS = {"minute": 60, "hour": 3_600, "day": 86_400}
_RATE = re.compile(r"rate\((\d+) (minute|hour|day)s?\)")


@dataclass(frozen=True, slots=True)
class Planned:
    """`memory` is megabytes by function, `every` the seconds between two runs of those on a schedule."""

    alarm_metrics: int
    composites: int
    dashboards: int
    secrets: int
    architecture: str
    memory: Mapping[str, int]
    every: Mapping[str, int]


def planned(blocks: Blocks) -> Planned:
    """Raises LookupError where a plan has no functions."""
    functions = {
        match[1]: _lines(lines)
        for name, lines in blocks.items()
        if (match := re.fullmatch(r'module\.function\["(\w+)"\]\.aws_lambda_function\.this', name))
    }
    schedules = {
        name.split('"')[1]: str(json.loads(_lines(lines)["schedule_expression"]))
        for name, lines in blocks.items()
        if name.startswith("aws_scheduler_schedule.")
    }
    alarms = [
        line for name, lines in blocks.items() if name.startswith("aws_cloudwatch_metric_alarm.") for line in lines
    ]
    return Planned(
        alarm_metrics=sum(bool(re.search(r'(^|\.)metric_name = "', line)) for line in alarms),
        composites=_count(blocks, "aws_cloudwatch_composite_alarm"),
        dashboards=_count(blocks, "aws_cloudwatch_dashboard"),
        secrets=_count(blocks, "aws_secretsmanager_secret"),
        architecture=str(json.loads(functions["completions"]["architectures"])[0]),
        memory={name: int(lines["memory_size"]) for name, lines in functions.items()},
        every={
            name: int(match[1]) * _SECONDS[match[2]]
            for name, text in schedules.items()
            if (match := _RATE.fullmatch(text))
        },
    )


def committed(golden: Path) -> dict[str, Planned]:
    """Of dev (profile minimal) and prod (profile full), as they are committed."""
    prod, dev = (parsed((golden / f"{name}.txt").read_text(encoding="utf-8")) for name in ("prod", "dev"))
    gone = {name for name, lines in dev.items() if GONE in lines}
    return {"dev": planned({name: lines for name, lines in prod.items() if name not in gone}), "prod": planned(prod)}


def _lines(lines: list[str]) -> dict[str, str]:
    return dict(line.split(" = ", 1) for line in lines)


def _count(blocks: Blocks, kind: str) -> int:
    return sum(name.startswith(f"{kind}.") for name in blocks)
