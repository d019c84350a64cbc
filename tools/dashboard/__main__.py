"""`python -m tools.dashboard PLAN [--seconds N] [--out FILE]`: a picture of the dashboard with the figures that a
gateway of `make run` logged. PLAN is what `terraform show -json` prints of a plan with profile = "full" and environment
= "local"; with --seconds the gateway is called that long first."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tools.dashboard.calls import calls
from tools.dashboard.picture import picture
from tools.dashboard.samples import samples
from tools.local import state
from tools.local.emulator import ROOT
from tools.local.gateway import session


def body(plan: Path) -> dict[str, Any]:
    """The dashboard of a plan. Raises LookupError if it has no dashboard."""
    changes = json.loads(plan.read_text(encoding="utf-8"))["resource_changes"]
    found = next(each for each in changes if each["type"] == "aws_cloudwatch_dashboard")
    made: dict[str, Any] = json.loads(found["change"]["after"]["dashboard_body"])
    return made


def api_of(dashboard: dict[str, Any]) -> str:
    """What stands for the HTTP API's id in it."""
    lines = (line for each in dashboard["widgets"] for line in each["properties"].get("metrics", ()))
    return str(next(line[line.index("ApiId") + 1] for line in lines if "ApiId" in line))


def logged(endpoint: str) -> Iterator[dict[str, Any]]:
    """Every JSON line that a function wrote."""
    logs = session(endpoint).client("logs")
    for group in logs.describe_log_groups()["logGroups"]:
        pages = logs.get_paginator("filter_log_events").paginate(logGroupName=group["logGroupName"])
        for message in (event["message"] for page in pages for event in page["events"]):
            if message.startswith("{"):
                yield json.loads(message)


def main() -> int:
    parser = argparse.ArgumentParser(prog="tools.dashboard", description=__doc__)
    parser.add_argument("plan", type=Path)
    parser.add_argument("--seconds", type=float, default=0.0)
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "pictures" / "dashboard.svg")
    arguments = parser.parse_args()
    running = state.read()
    if running is None:
        print("No gateway runs here: `make run` in another shell.", file=sys.stderr)
        return 1
    dashboard = body(arguments.plan)
    if arguments.seconds:
        print(f"{calls(running, arguments.seconds)} calls were answered")
    seen = samples(logged(running["endpoint"]), running["prefix"], api_of(dashboard))
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(picture(dashboard, seen), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
