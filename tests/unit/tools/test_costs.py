"""The cost of a deployment: the pages say what the script counts, and the script counts what the plan contains."""

from __future__ import annotations

from dataclasses import replace

from tools.costs.__main__ import BEGIN, END, sentence, tables
from tools.costs.count import MONTH, callers, idle, million, prices, use
from tools.costs.plan import committed
from tools.local.emulator import ROOT

PLANS = committed(ROOT / "terraform" / "golden")


def test_the_pages_say_what_is_counted() -> None:
    """`python -m tools.costs write` writes it there."""
    page = (ROOT / "docs" / "deployment.md").read_text(encoding="utf-8")
    assert f"{BEGIN}\n{tables(PLANS)}\n{END}" in page
    assert sentence(PLANS) in (ROOT / "README.md").read_text(encoding="utf-8")


def test_what_the_plan_has_is_counted() -> None:
    prod, dev, listed, used = PLANS["prod"], PLANS["dev"], prices(), use()
    assert (dev.alarm_metrics, dev.composites, dev.dashboards) == (0, 0, 0)
    assert (prod.composites, prod.dashboards, prod.secrets) == (2, 1, 1)
    assert prod.every == {"reconciler": 3_600, "sweeper": 60}
    more = replace(prod, alarm_metrics=prod.alarm_metrics + 10, secrets=2)
    before, after = (sum(idle(plan, listed, used).values()) for plan in (prod, more))
    assert round(after - before, 6) == 1.40
    twice = replace(prod, memory={name: size * 2 for name, size in prod.memory.items()})
    assert million(twice, listed, used)["Lambda, the call"] > 1.9 * million(prod, listed, used)["Lambda, the call"]


def test_the_output_of_terraform_counts_the_same_alarms() -> None:
    """terraform/tests/options.tftest.hcl compares that output with the sum: alarms, composites, dashboard, secrets."""
    counted = idle(PLANS["prod"], prices(), use())
    fixed = ("alarms", "composite alarms", "dashboard", "secrets")
    test = (ROOT / "terraform/tests/options.tftest.hcl").read_text(encoding="utf-8")
    assert f'(var.profile == "full" ? {sum(counted[name] for name in fixed):g} : 0.4)' in test


def test_traces_are_a_call_each_until_there_is_more_than_one_a_second() -> None:
    listed, used = prices(), use()
    few = million(PLANS["prod"], listed, used)["traces"]
    assert round(few, 2) == round(2.1 * listed.of["trace_million"], 2)
    assert MONTH > 2_100_000
    assert callers(listed, used) == used["metrics_of_callers"] * listed.of["custom_metric_month"]
