"""Alarms, topics, dashboard, queries, outputs: see expected.py."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from tests.terraform.applied import State
from tests.terraform.expected import FUNCTIONS, PREFIX, REGION, Expectation, arn, must, one, same
from tests.terraform.expected_data import SCHEDULES, TABLES

# The functions that callers reach: their errors and refused runs raise alarms. Jobs are watched by their results.
CALLED = ("admin", "authorizer", "completions", "health", "mcp", "stream")
INDEXES = {"api-keys": ("by-created", "by-team", "by-user"), "product-catalog": ("by-category", "by-term")}
# Window -> seconds, per cent of answers that fail, percentile of the gateway's own time.
WINDOWS = {
    "5m": (300, 1.44, "p85.6"),
    "1h": (3_600, 1.44, "p85.6"),
    "30m": (1_800, 0.6, "p94"),
    "6h": (21_600, 0.6, "p94"),
}
WINDOW = re.compile(r"-(5m|1h|30m|6h)-slo-")
_FAILED = "(FILL(failed_api, 0) + FILL(failed_stream, 0))"
_DOOR = "IF(FILL(failed, 0) >= 5, 100 * FILL(failed, 0) / FILL(calls, 1), 0)"
# End of an alarm's name -> the form that its expression must have. All other expressions are sums.
EXPRESSIONS = {
    "-uncounted": "IF(FILL(openai, 0) + FILL(bedrock, 0) > 0 AND FILL(beats, 0) < 1, 1, 0)",
    "-errors": "IF(FILL(crashed, 0) + FILL(failed, 0) >= 5,"
    " 100 * (FILL(crashed, 0) + FILL(failed, 0)) / FILL(runs, 1), 0)",
    "-api-5xx": _DOOR,
    "-stream-5xx": _DOOR,
    "-slo-availability": f"IF({_FAILED} >= 5, 100 * {_FAILED} / (FILL(calls_api, 0) + FILL(calls_stream, 1)), 0)",
    "-slo-latency": "IF(FILL(calls, 0) >= 20, FILL(own, 0), 0)",
    "-table-throttles": "",
    "-throttles": "IF(FILL(refused, 0) >= 5, 100 * FILL(refused, 0) / (FILL(runs, 0) + FILL(refused, 1)), 0)",
}
NUMBERS = [
    "Answers without server error",
    "The gateway's own time",
    "Spent on models",
    "Refused calls",
    "Delay of the bill",
    "Corrections of the ledger",
]
# Charts with a line at the threshold of an alarm.
LINES = {
    "Answer time of the API": [25_000],
    "The gateway's own time per paid call": [300],
    "Time to first byte": [10_000],
    "Executions in the whole account": [800],
    "US dollars an hour, by provider": [10],
    "Delay of the consumer": [60_000],
    "Corrections by the reconcile": [1],
}
TOPIC, BUDGETS = f"{PREFIX}-alarms", f"{PREFIX}-budgets"
# Metrics that must raise an alarm: (namespace, metric, its dimensions by name, statistic).
Source = tuple[str, str, tuple[tuple[str, str], ...], str]


class Watched(NamedTuple):
    """`at` has the bounds of the threshold; `seconds` is the time range that is evaluated. `silence` is true if missing
    data is the fault."""

    sources: frozenset[Source]
    at: tuple[float, float]
    seconds: int
    periods: int = 1
    raised: int | None = None  # of this many periods; None means all
    silence: bool = False


def _aws(service: str, metric: str, dimension: str, value: str, stat: str = "Sum") -> Source:
    return f"AWS/{service}", metric, ((dimension, value),), stat


def _own(metric: str, stat: str = "Sum", **dimensions: str) -> Source:
    given = {"Gateway": PREFIX} | dimensions
    if "FunctionName" in given:
        del given["Gateway"]
    return "AIGateway", metric, tuple(sorted(given.items())), stat


def wanted_alarms(state: State) -> dict[str, Watched]:
    (gateway,) = state.of("aws_apigatewayv2_api")
    made: dict[str, Watched] = {}
    for name in (FUNCTIONS[folder] for folder in CALLED):
        crashed, runs, refused = (
            _aws("Lambda", metric, "FunctionName", name) for metric in ("Errors", "Invocations", "Throttles")
        )
        failed = _own("Errors", FunctionName=name)
        made[f"{name}-errors"] = Watched(frozenset({crashed, failed, runs}), (1, 10), 300)
        made[f"{name}-throttles"] = Watched(frozenset({refused, runs}), (1, 1), 300)
    for folder, (_, interval) in SCHEDULES.items():
        name = FUNCTIONS[folder]
        beats = frozenset({_own("Heartbeat", FunctionName=name)})
        # Three runs may be missed, and at least a quarter of an hour must have passed.
        made[f"{name}-silent"] = Watched(beats, (1, 1), max(3 * interval, 900), 3, silence=True)
    for table in TABLES:
        name, kinds = f"{PREFIX}-{table}", ("ReadThrottleEvents", "WriteThrottleEvents")
        events = [_aws("DynamoDB", kind, "TableName", name) for kind in kinds]
        # An index is throttled separately: its metrics are not included in those of its table.
        for index in INDEXES.get(table, ()):
            place = (("GlobalSecondaryIndexName", index), ("TableName", name))
            events += [("AWS/DynamoDB", kind, place, "Sum") for kind in kinds]
        made[f"{name}-table-throttles"] = Watched(frozenset(events), (1, 1), 900, 3, raised=2)
    for provider in ("openai", "bedrock"):
        opened = frozenset({_own("CircuitBreakerOpened", Provider=provider)})
        made[f"{PREFIX}-{provider}-breaker-open"] = Watched(opened, (1, 1), 300)
    cost = [_own("Cost", Provider=provider) for provider in ("openai", "bedrock")]
    calls = [_own("Cost", "SampleCount", Provider=provider) for provider in ("openai", "bedrock")]
    consumer = FUNCTIONS["analytics"]
    failed = _aws("SQS", "ApproximateNumberOfMessagesVisible", "QueueName", f"{consumer}-failures", "Maximum")
    age = _aws("Lambda", "IteratorAge", "FunctionName", consumer, "Maximum")
    latency = _aws("ApiGateway", "Latency", "ApiId", gateway["id"], "p99")
    http = [_aws("ApiGateway", metric, "ApiId", gateway["id"]) for metric in ("5xx", "Count")]
    rest = [_aws("ApiGateway", metric, "ApiName", f"{PREFIX}-stream") for metric in ("5XXError", "Count")]
    # 99.9 % of answers: 0.1 % may fail, and 1.44 % is 14.4 times as many. 99 % of paid calls: 1 % may be slow, and 14.4
    # % is 14.4 times as many. That many calls are above the percentile 85.6.
    for window, (seconds, percent, percentile) in WINDOWS.items():
        made[f"{PREFIX}-{window}-slo-availability"] = Watched(frozenset([*http, *rest]), (percent, percent), seconds)
        own = frozenset({_own("Overhead", "SampleCount"), _own("Overhead", percentile)})
        made[f"{PREFIX}-{window}-slo-latency"] = Watched(own, (100, 1_000), seconds)
    return made | {
        f"{PREFIX}-api-5xx": Watched(frozenset(http), (1, 10), 300),
        f"{PREFIX}-api-p99": Watched(frozenset({latency}), (5_000, 29_000), 900, 3),
        f"{PREFIX}-stream-5xx": Watched(frozenset(rest), (1, 10), 300),
        f"{PREFIX}-first-byte": Watched(frozenset({_own("FirstByte", "p90")}), (5_000, 30_000), 900, 3),
        f"{PREFIX}-concurrency": Watched(
            frozenset({("AWS/Lambda", "ClaimedAccountConcurrency", (), "Maximum")}), (5, 100_000), 300, 5, raised=3
        ),
        f"{PREFIX}-ledger-drift": Watched(frozenset({_own("LedgerDrift")}), (0.1, 5), 3_600),
        f"{PREFIX}-budget": Watched(frozenset(cost), (1, 100), 3_600),
        f"{PREFIX}-overruns": Watched(frozenset({_own("Overruns")}), (1, 1), 300),
        f"{PREFIX}-rows-parked": Watched(frozenset({_own("RowsParked")}), (1, 1), 300),
        f"{PREFIX}-rows-stuck": Watched(frozenset({_own("RowsStuck")}), (1, 1), 300),
        f"{consumer}-iterator-age": Watched(frozenset({age}), (1_000, 3_600_000), 300),
        f"{consumer}-failure-queue": Watched(frozenset({failed}), (1, 1), 300),
        f"{consumer}-uncounted": Watched(
            frozenset([*calls, _own("Heartbeat", FunctionName=consumer)]), (1, 1), 7_200, 2
        ),
    }


def alarms(state: State) -> Iterator[str]:
    found = {alarm["alarm_name"]: alarm for alarm in state.of("aws_cloudwatch_metric_alarm")}
    wanted = wanted_alarms(state)
    yield from same("alarms", set(found), set(wanted))
    for name, watched in wanted.items():
        if alarm := found.get(name):
            sources = list(_sources(alarm))
            yield from same(f"{name}: looks at", frozenset(source for source, _ in sources), watched.sources)
            periods = {period for _, period in sources}
            yield from same(
                f"{name}: seconds", {each * alarm["evaluation_periods"] for each in periods}, {watched.seconds}
            )
            yield from same(f"{name}: periods", alarm["evaluation_periods"], watched.periods)
            if not watched.at[0] <= alarm["threshold"] <= watched.at[1]:
                yield f"{name}: its threshold {alarm['threshold']} lies outside of {watched.at}"
            comparison = "LessThanThreshold" if watched.silence else "GreaterThanOrEqualToThreshold"
            missing = "breaching" if watched.silence else "notBreaching"
            yield from must(name, alarm, comparison_operator=comparison, treat_missing_data=missing)
            raised = {watched.raised} if watched.raised else {None, 0, watched.periods}
            yield from must(name, alarm, datapoints_to_alarm=raised, unit={None, ""})
            yield from must(name, alarm, evaluate_low_sample_count_percentiles={None, ""})
            yield from _summed(name, alarm)


def _sources(alarm: dict[str, Any]) -> Iterator[tuple[Source, int]]:
    """The metrics that an alarm evaluates, each with the seconds of a period."""
    if alarm["metric_name"]:
        stat = alarm["statistic"] or alarm["extended_statistic"]
        yield (
            (alarm["namespace"], alarm["metric_name"], tuple(sorted(alarm["dimensions"].items())), stat),
            alarm["period"],
        )
    for query in alarm["metric_query"]:
        for each in () if query["account_id"] else query["metric"]:
            dimensions = tuple(sorted(each["dimensions"].items()))
            yield (each["namespace"], each["metric_name"], dimensions, each["stat"]), each["period"]


def _summed(name: str, alarm: dict[str, Any]) -> Iterator[str]:
    """If an alarm has more than one metric, only its expression is compared with the threshold, and it uses each
    metric."""
    queries = alarm["metric_query"]
    totals = [query for query in queries if query["expression"]]
    yield from same(f"{name}: expressions", len(totals), 1 if queries else 0)
    for total in totals:
        yield from same(f"{name}: returned", {query["id"] for query in queries if query["return_data"]}, {total["id"]})
        filled = sorted(set(re.findall(r"FILL\((\w+), [01]\)", total["expression"])))
        yield from same(f"{name}: adds", filled, sorted({query["id"] for query in queries} - {total["id"]}))
        plain = " + ".join(f"FILL({each}, 0)" for each in re.findall(r"FILL\((\w+), 0\)", total["expression"]))
        wanted = next((text for end, text in EXPRESSIONS.items() if name.endswith(end)), "") or plain
        yield from must(name, total, expression=wanted)


def objectives(state: State) -> Iterator[str]:
    """Each objective has one alarm, which needs a long and a short window of the same pair."""
    found = {alarm["alarm_name"]: alarm["alarm_rule"] for alarm in state.of("aws_cloudwatch_composite_alarm")}
    for name in ("availability", "latency"):
        either = [
            "(" + " AND ".join(f'ALARM("{PREFIX}-{window}-slo-{name}")' for window in pair) + ")"
            for pair in (("5m", "1h"), ("30m", "6h"))
        ]
        yield from same(f"objective {name}", found.pop(f"{PREFIX}-slo-{name}", None), " OR ".join(either))
    yield from same("objectives", set(found), set())


def told(state: State) -> Iterator[str]:
    """Every alarm notifies the topic that the outputs name, when it begins and when it ends."""
    topic = arn(state, "sns", TOPIC)
    for alarm in state.of("aws_cloudwatch_metric_alarm") + state.of("aws_cloudwatch_composite_alarm"):
        # The alarm of a window is part of a composite alarm, which notifies.
        heard = [] if WINDOW.search(alarm["alarm_name"]) else [topic]
        wanted: dict[str, Any] = {"actions_enabled": {True, None}}
        for name in ("alarm_actions", "ok_actions"):
            yield from same(f"{alarm['alarm_name']}: {name}", list(alarm[name] or ()), heard)
        yield from must(alarm["alarm_name"], alarm, **wanted)
        page = re.search(r" docs/runbooks/([a-z0-9-]+)\.md$", alarm["alarm_description"])
        if not page or not alarm["alarm_name"].endswith(f"-{page[1]}"):
            yield f"{alarm['alarm_name']}: names no page of its own"
    topics = {each["name"]: each for each in state.of("aws_sns_topic")}
    yield from same("topics", set(topics), {TOPIC, BUDGETS})
    for name, each in topics.items():
        # We set no policy, so AWS's default applies: only the account itself may publish.
        wanted = {"kms_master_key_id": None, "fifo_topic": {None, False}, "delivery_policy": {None, ""}}
        yield from must(name, each, policy={None, ""}, **wanted)


def dashboard(state: State) -> Iterator[str]:
    boards = state.of("aws_cloudwatch_dashboard")
    yield from same("dashboards", [board["dashboard_name"] for board in boards], [PREFIX])
    widgets = [widget for board in boards for widget in json.loads(board["dashboard_body"])["widgets"]]
    listed = {each for widget in widgets if widget["type"] == "alarm" for each in widget["properties"]["alarms"]}
    alarms = state.of("aws_cloudwatch_metric_alarm") + state.of("aws_cloudwatch_composite_alarm")
    names = {alarm["alarm_name"] for alarm in alarms if not WINDOW.search(alarm["alarm_name"])}
    made = {arn(state, "cloudwatch", f"alarm:{name}") for name in names}
    yield from same("dashboard: alarms", listed, made)
    metrics = [widget["properties"] for widget in widgets if widget["type"] == "metric"]
    if len(metrics) < 20:
        yield f"dashboard: {len(metrics)} charts"
    for chart in metrics:
        if chart["region"] != REGION or not chart["metrics"]:
            yield f"dashboard: {chart['title']} shows nothing of {REGION}"
        if chart["view"] == "timeSeries" and not chart["yAxis"]["left"].get("label"):
            yield f"dashboard: {chart['title']} has no unit"
    numbers = [chart["title"] for chart in metrics if chart["view"] == "singleValue"]
    yield from same("dashboard: numbers", numbers, NUMBERS)
    lines = {
        chart["title"]: [mark["value"] for mark in chart["annotations"]["horizontal"]]
        for chart in metrics
        if "annotations" in chart
    }
    yield from same("dashboard: lines", lines, LINES)


def queries(state: State) -> Iterator[str]:
    groups = [f"/aws/lambda/{name}" for name in FUNCTIONS.values()]
    found = state.of("aws_cloudwatch_query_definition")
    if len(found) < 10:
        yield f"queries: {len(found)}"
    doors = [f"/aws/apigateway/{PREFIX}-api", f"/aws/apigateway/{PREFIX}-stream"]
    for query in found:
        wanted = doors if query["name"].endswith("/door-errors") else groups
        yield from same(f"{query['name']}: logs", sorted(query["log_group_names"]), sorted(wanted))
        if not query["name"].startswith(f"{PREFIX}/"):
            yield f"{query['name']}: another folder"


def outputs(state: State) -> Iterator[str]:
    values = {name: each.get("value") for name, each in state.document["values"].get("outputs", {}).items()}
    (gateway,) = state.of("aws_apigatewayv2_api")
    url = f"https://{gateway['id']}.execute-api.{REGION}.amazonaws.com"
    wanted = {"url": url, "openai_base_url": f"{url}/v1", "curl": f"curl -sS {url}/health", "region": REGION}
    (rest,) = state.of("aws_api_gateway_rest_api")
    wanted |= {"stream_url": f"https://{rest['id']}.execute-api.{REGION}.amazonaws.com/live"}
    wanted |= {"alarm_topic": arn(state, "sns", TOPIC)}
    yield from must("outputs", values, **wanted)
    yield from same("output functions", values.get("functions"), FUNCTIONS)
    yield from same("output tables", values.get("tables"), {table: f"{PREFIX}-{table}" for table in TABLES})
    yield from same("output secrets", values.get("secrets"), {"openai": f"{PREFIX}/openai"})
    yield from must("output dashboard", {"end": str(values.get("dashboard")).rpartition("/")[2]}, end=PREFIX)


def nothing_hidden(state: State) -> Iterator[str]:
    """There is exactly one of each of these resources, so no second copy can hide the first."""
    once = ("aws_api_gateway_rest_api", "aws_api_gateway_stage", "aws_apigatewayv2_api", "aws_apigatewayv2_stage")
    for kind in (*once, "aws_cloudwatch_dashboard", "terraform_data"):
        yield from same(kind, len(state.of(kind)), 1)
    (stage,) = state.of("aws_apigatewayv2_stage")
    yield from same("stage: access logs", len(one([stage]).get("access_log_settings", [])), 1)


WATCHING: dict[str, Expectation] = {
    each.__name__: each for each in (alarms, objectives, told, dashboard, queries, outputs, nothing_hidden)
}
