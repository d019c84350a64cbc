"""The arithmetic: dollars a month of resources without calls, and dollars of a million calls, line by line."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.costs.plan import Planned

HERE = Path(__file__).parent
MONTH = 30 * 86_400  # seconds
_MILLION = 1_000_000
_GB = 1e9
_LINE = 26  # bytes that CloudWatch counts in addition to each line's own


@dataclass(frozen=True, slots=True)
class Prices:
    """List prices in US dollars, by name, of one region and day."""

    of: Mapping[str, float]
    date: str
    region: str


def prices(file: Path = HERE / "prices.json") -> Prices:
    found = json.loads(file.read_text(encoding="utf-8"))
    return Prices(found["prices"], found["date"], found["region"])


def use(file: Path = HERE / "use.json") -> dict[str, Any]:
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return found


def idle(plan: Planned, listed: Prices, used: Mapping[str, Any]) -> dict[str, float]:
    """A month in which nobody calls."""
    price = listed.of
    runs = {name: MONTH / seconds for name, seconds in plan.every.items()}
    jobs = 0.0
    for name, count in runs.items():
        each = used["scheduled"][name]
        seconds = _lambda(plan, listed, name, each["seconds"])
        tables = each["reads"] * price["dynamodb_million_reads"] + each["writes"] * price["dynamodb_million_writes"]
        logs = _logged(each["log_bytes"] + used["log_bytes"]["platform"], 4) * price["log_gb"]
        jobs += count * (seconds + tables / _MILLION + logs)
    return {
        "alarms": plan.alarm_metrics * price["alarm_metric_month"],
        "composite alarms": plan.composites * price["composite_alarm_month"],
        "dashboard": plan.dashboards * price["dashboard_month"],
        "secrets": plan.secrets * price["secret_month"],
        "runs on a schedule, their logs": jobs,
        "traces of these runs": sum(_traced(count, used) for count in runs.values())
        * price["trace_million"]
        / _MILLION,
        "metrics of these runs": len(runs) * used["metrics_of_jobs"] * price["custom_metric_month"],
    }


def million(plan: Planned, listed: Prices, used: Mapping[str, Any]) -> dict[str, float]:
    """A million calls at the HTTP API, one after another over a month, without the models and without what is idle."""
    price, rows = listed.of, used["batch"]["rows"]
    call = _lambda(plan, listed, "completions", used["model_seconds"] + used["own_seconds"])
    check = used["checks"]["share"] * _lambda(plan, listed, "authorizer", used["checks"]["seconds"])
    batch = _lambda(plan, listed, "analytics", used["batch"]["seconds"]) / rows
    tables = used["writes"] * price["dynamodb_million_writes"] + used["reads"] * price["dynamodb_million_reads"]
    logs = used["log_bytes"]
    platform = 1 + used["checks"]["share"] + 1 / rows  # runs that Lambda reports for one call
    return {
        "HTTP API": price["http_api_million"],
        "Lambda, the call": call * _MILLION,
        "Lambda, check of the key and consumer": (check + batch) * _MILLION,
        "DynamoDB": tables,
        "logs of ours and access log": _logged(logs["own"] + logs["access"] + used["batch"]["log_bytes"] / rows, 4)
        * _MILLION
        * price["log_gb"],
        "platform logs": platform * _logged(logs["platform"], 2) * _MILLION * price["log_gb"],
        "traces": _traced(_MILLION * platform, used) * price["trace_million"] / _MILLION,
        "data out": used["answer_bytes"] / _GB * _MILLION * price["data_out_gb"],
    }


def callers(listed: Prices, used: Mapping[str, Any]) -> float:
    """A month of the metrics that calls make, whatever their number."""
    return float(used["metrics_of_callers"] * listed.of["custom_metric_month"])


def _lambda(plan: Planned, listed: Prices, name: str, seconds: float) -> float:
    """Dollars of one run."""
    second = listed.of[f"lambda_gb_second_{plan.architecture}"] * plan.memory[name] / 1_024
    return seconds * second + listed.of["lambda_million_requests"] / _MILLION


def _logged(count: float, lines: int) -> float:
    """Gigabytes that CloudWatch counts."""
    return (count + lines * _LINE) / _GB


def _traced(runs: float, used: Mapping[str, Any]) -> float:
    """Traces of so many runs, evenly over a month: the first of a second, and a share of those beyond."""
    rule = used["traces"]
    kept = min(runs, rule["a_second"] * MONTH)
    return float(kept + (runs - kept) * rule["share_beyond"])
