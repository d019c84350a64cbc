"""Alarms, topics, dashboard, queries, outputs: see expected.py."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from tests.terraform.applied import State
from tests.terraform.expected import FUNCTIONS, PREFIX, REGION, Expectation, arn, must, one, same
from tests.terraform.expected_data import SCHEDULES, TABLES

TOPIC, BUDGETS = f"{PREFIX}-alarms", f"{PREFIX}-budgets"
# Metrics that must raise an alarm: (namespace, metric, its dimensions by name, statistic).
Source = tuple[str, str, tuple[tuple[str, str], ...], str]


class Watched(NamedTuple):
    """`at` bounds the threshold; `seconds` is the time that is looked at. `silence` is the fault where it is true."""

    sources: frozenset[Source]
    at: tuple[float, float]
    seconds: int
    periods: int = 1
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
    for name in FUNCTIONS.values():
        made[f"{name}-errors"] = Watched(frozenset({_aws("Lambda", "Errors", "FunctionName", name)}), (1, 10), 300)
        made[f"{name}-throttles"] = Watched(frozenset({_aws("Lambda", "Throttles", "FunctionName", name)}), (1, 1), 300)
    for folder, (_, interval) in SCHEDULES.items():
        name = FUNCTIONS[folder]
        beats = frozenset({_own("Heartbeat", FunctionName=name)})
        # Three runs may be missed, and a quarter of an hour must be over.
        made[f"{name}-silent"] = Watched(beats, (1, 1), max(3 * interval, 900), 3, silence=True)
    for table in TABLES:
        events = (
            _aws("DynamoDB", f"{kind}ThrottleEvents", "TableName", f"{PREFIX}-{table}") for kind in ("Read", "Write")
        )
        made[f"{PREFIX}-{table}-table-throttles"] = Watched(frozenset(events), (1, 1), 300)
    for provider in ("openai", "bedrock"):
        opened = frozenset({_own("CircuitBreakerOpened", Provider=provider)})
        made[f"{PREFIX}-{provider}-breaker-open"] = Watched(opened, (1, 1), 300)
    cost = [_own("Cost", Provider=provider) for provider in ("openai", "bedrock")]
    calls = [_own("Cost", "SampleCount", Provider=provider) for provider in ("openai", "bedrock")]
    consumer = FUNCTIONS["analytics"]
    failed = _aws("SQS", "ApproximateNumberOfMessagesVisible", "QueueName", f"{consumer}-failures", "Maximum")
    age = _aws("Lambda", "IteratorAge", "FunctionName", consumer, "Maximum")
    latency = _aws("ApiGateway", "Latency", "ApiId", gateway["id"], "p99")
    return made | {
        f"{PREFIX}-api-5xx": Watched(frozenset({_aws("ApiGateway", "5xx", "ApiId", gateway["id"])}), (1, 20), 300),
        f"{PREFIX}-api-p99": Watched(frozenset({latency}), (5_000, 29_000), 900, 3),
        f"{PREFIX}-stream-5xx": Watched(
            frozenset({_aws("ApiGateway", "5XXError", "ApiName", f"{PREFIX}-stream")}), (1, 20), 300
        ),
        f"{PREFIX}-first-byte": Watched(frozenset({_own("FirstByte", "p90")}), (5_000, 30_000), 900, 3),
        f"{PREFIX}-overhead-p99": Watched(frozenset({_own("Overhead", "p99")}), (100, 5_000), 900, 3),
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
            yield from must(name, alarm, datapoints_to_alarm={None, 0, watched.periods}, unit={None, ""})
            yield from must(name, alarm, evaluate_low_sample_count_percentiles={None, ""})
            yield from _summed(name, alarm)


def _sources(alarm: dict[str, Any]) -> Iterator[tuple[Source, int]]:
    """What an alarm looks at, each with the seconds of a period."""
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
    """Where there is more than one metric: the expression alone is what is compared, and it asks for each."""
    queries = alarm["metric_query"]
    totals = [query for query in queries if query["expression"]]
    yield from same(f"{name}: expressions", len(totals), 1 if queries else 0)
    for total in totals:
        yield from same(f"{name}: returned", {query["id"] for query in queries if query["return_data"]}, {total["id"]})
        filled = re.findall(r"FILL\((\w+), 0\)", total["expression"])
        yield from same(f"{name}: adds", sorted(filled), sorted({query["id"] for query in queries} - {total["id"]}))
        plain = " + ".join(f"FILL({each}, 0)" for each in filled)
        consumed = "IF(FILL(openai, 0) + FILL(bedrock, 0) > 0 AND FILL(beats, 0) < 1, 1, 0)"
        yield from must(name, total, expression=consumed if name.endswith("-uncounted") else plain)


def told(state: State) -> Iterator[str]:
    """Every alarm, beginning and end, to the topic that the outputs name."""
    topic = arn(state, "sns", TOPIC)
    for alarm in state.of("aws_cloudwatch_metric_alarm"):
        wanted: dict[str, Any] = {"alarm_actions": [topic], "ok_actions": [topic], "actions_enabled": {True, None}}
        yield from must(alarm["alarm_name"], alarm, **wanted)
        page = re.search(r" docs/runbooks/([a-z0-9-]+)\.md$", alarm["alarm_description"])
        if not page or not alarm["alarm_name"].endswith(f"-{page[1]}"):
            yield f"{alarm['alarm_name']}: names no page of its own"
    topics = {each["name"]: each for each in state.of("aws_sns_topic")}
    yield from same("topics", set(topics), {TOPIC, BUDGETS})
    for name, each in topics.items():
        # Without a policy of ours AWS's own holds: the account's own may publish, nobody else.
        wanted = {"kms_master_key_id": None, "fifo_topic": {None, False}, "delivery_policy": {None, ""}}
        yield from must(name, each, policy={None, ""}, **wanted)


def dashboard(state: State) -> Iterator[str]:
    boards = state.of("aws_cloudwatch_dashboard")
    yield from same("dashboards", [board["dashboard_name"] for board in boards], [PREFIX])
    widgets = [widget for board in boards for widget in json.loads(board["dashboard_body"])["widgets"]]
    listed = {each for widget in widgets if widget["type"] == "alarm" for each in widget["properties"]["alarms"]}
    alarms = state.of("aws_cloudwatch_metric_alarm")
    made = {arn(state, "cloudwatch", f"alarm:{alarm['alarm_name']}") for alarm in alarms}
    yield from same("dashboard: alarms", listed, made)
    metrics = [widget["properties"] for widget in widgets if widget["type"] == "metric"]
    if len(metrics) < 20:
        yield f"dashboard: {len(metrics)} charts"
    for chart in metrics:
        if chart["region"] != REGION or not chart["metrics"]:
            yield f"dashboard: {chart['title']} shows nothing of {REGION}"


def queries(state: State) -> Iterator[str]:
    groups = [f"/aws/lambda/{name}" for name in FUNCTIONS.values()]
    found = state.of("aws_cloudwatch_query_definition")
    if len(found) < 10:
        yield f"queries: {len(found)}"
    for query in found:
        yield from same(f"{query['name']}: logs", sorted(query["log_group_names"]), sorted(groups))
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
    """A stage, an alarm and a schedule that nobody reads again: no second copy shadows the first."""
    once = ("aws_api_gateway_rest_api", "aws_api_gateway_stage", "aws_apigatewayv2_api", "aws_apigatewayv2_stage")
    for kind in (*once, "aws_cloudwatch_dashboard", "terraform_data"):
        yield from same(kind, len(state.of(kind)), 1)
    (stage,) = state.of("aws_apigatewayv2_stage")
    yield from same("stage: access logs", len(one([stage]).get("access_log_settings", [])), 1)


WATCHING: dict[str, Expectation] = {
    each.__name__: each for each in (alarms, told, dashboard, queries, outputs, nothing_hidden)
}
