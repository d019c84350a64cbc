"""`python -m tools.costs [write] [--plan FILE]`: what a deployment costs, from a plan and list prices.

Without a plan it reads the committed golden plans of dev (profile minimal) and prod (full), prints, and with `write`
puts the figures into docs/deployment.md and README.md. FILE is your own plan, as `terraform show -json` prints
it."""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path

from tools.costs.count import callers, idle, million, prices, use
from tools.costs.plan import Planned, committed, planned
from tools.golden.plan import Plan, Sources
from tools.golden.text import listed as lines
from tools.local.emulator import ROOT

BEGIN, END = "<!-- python -m tools.costs write -->", "<!-- end -->"
_SENTENCE = re.compile(r"A million calls of two seconds each cost [^(]*\(\[how it is counted\]")


def tables(plans: Mapping[str, Planned]) -> str:
    """The tables of the page, in Markdown."""
    listed, used = prices(), use()
    still = {name: idle(plan, listed, used) for name, plan in plans.items()}
    made = [f"List prices of {listed.region} of {listed.date}, in US dollars.", ""]
    made += [f"| a month, without a call | {' | '.join(plans)} |", f"|---|{'---|' * len(plans)}"]
    for line in next(iter(still.values())):
        made.append(f"| {line} | {' | '.join(_dollars(each[line]) for each in still.values())} |")
    sums = " | ".join(f"**{_dollars(sum(each.values()))}**" for each in still.values())
    made += [f"| **together** | {sums} |", ""]
    name = list(plans)[-1]
    calls = million(plans[name], listed, used)
    made += [
        f"| a million calls, {used['model_seconds']:g} s of model each, evenly over a month ({name}) | |",
        "|---|---|",
    ]
    made += [f"| {line} | {_dollars(cost)} |" for line, cost in calls.items()]
    made += [f"| **the gateway's own** | **{_dollars(sum(calls.values()))}** |"]
    count, cost = used["metrics_of_callers"], _dollars(callers(listed, used))
    made += [f"| metrics that calls make, {count} a month whatever their number | {cost} |"]
    return "\n".join(made)


def sentence(plans: Mapping[str, Planned]) -> str:
    """README's figure."""
    listed, used = prices(), use()
    calls = sum(million(plans["prod"], listed, used).values())
    still = [sum(idle(plans[name], listed, used).values()) for name in ("dev", "prod")]
    return (
        f"A million calls of two seconds each cost {calls:.0f} dollars at AWS, besides the models. A gateway that"
        f" nobody calls costs {still[0]:.0f} dollars a month, or {still[1]:.0f} with alarms and a dashboard"
        " ([how it is counted]"
    )


def _dollars(amount: float) -> str:
    return f"{amount:.2f}" if amount >= 0.005 or not amount else "below 0.01"


def _put(page: Path, old: re.Pattern[str], new: str) -> None:
    text = page.read_text(encoding="utf-8")
    if len(old.findall(text)) != 1:
        raise ValueError(f"{page.name} has not one place for the figures")
    page.write_text(old.sub(lambda _: new, text), encoding="utf-8")


def main() -> int:
    parser = argparse.ArgumentParser(prog="tools.costs", description=__doc__)
    parser.add_argument("command", nargs="?", choices=["write"])
    parser.add_argument("--plan", type=Path, help="a plan as `terraform show -json` prints it")
    arguments = parser.parse_args()
    if arguments.plan:
        document = json.loads(arguments.plan.read_text(encoding="utf-8"))
        print(tables({"this plan": planned(lines(Plan(document, Sources(ROOT / "terraform"), {}).blocks()))}))
        return 0
    plans = committed(ROOT / "terraform" / "golden")
    print(tables(plans))
    if arguments.command == "write":
        between = re.compile(f"{re.escape(BEGIN)}.*?{re.escape(END)}", re.DOTALL)
        _put(ROOT / "docs" / "deployment.md", between, f"{BEGIN}\n{tables(plans)}\n{END}")
        _put(ROOT / "README.md", _SENTENCE, sentence(plans))
    return 0


if __name__ == "__main__":
    sys.exit(main())
