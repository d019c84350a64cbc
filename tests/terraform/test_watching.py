"""Everything that is watched is also emitted: dashboard, alarms, queries and traces are compared with a run that does
everything."""

from __future__ import annotations

import contextlib
import json
import re
from dataclasses import replace

import pytest

from gateway.observability import METRICS, NAMESPACE
from tests.integration.waiting import eventually
from tests.terraform.applied import State
from tests.terraform.documented import AWS_METRICS
from tests.terraform.making import Made
from tests.terraform.watching import Metric, charts, emitted, missing, watched
from tools.local.emulator import ROOT

RUNBOOKS = ROOT / "docs" / "runbooks"
GENERAL = ("README", "severity")  # pages that are about every kind of trouble
# Words of the query language, and fields that Lambda or Logs Insights add.
WORDS = set(
    re.findall(r"\w+", "and as avg bin by count desc fields filter in ispresent limit max pct sort stats sum type")
)
PLATFORM = {"record.metrics.initDurationMs"}


@pytest.fixture(scope="module")
def ours(state: State) -> set[Metric]:
    return {metric for metric in watched(state) if metric.namespace == NAMESPACE}


@pytest.fixture(scope="module")
def seen(everything: Made, ours: set[Metric]) -> set[Metric]:
    """Everything that the run emitted. It is read after the last expected line has come, or after the deadline."""

    def complete() -> bool:
        return not missing(ours, emitted(everything.logged()))

    with contextlib.suppress(AssertionError):  # the tests report the missing lines
        eventually(complete)
    return emitted(everything.logged())


def test_everything_on_the_dashboard_and_in_alarms_is_emitted(ours: set[Metric], seen: set[Metric]) -> None:
    assert len(ours) > len(METRICS)
    assert missing(ours, seen) == set()


def test_every_metric_of_the_registry_is_emitted_and_no_other(seen: set[Metric]) -> None:
    sets = {(metric.name, metric.names) for metric in seen}
    assert sets == {(name, frozenset(group)) for name, spec in METRICS.items() for group in spec.dimensions}


def test_every_metric_of_the_registry_is_on_the_dashboard(ours: set[Metric]) -> None:
    assert {metric.name for metric in ours} == set(METRICS)


def test_a_difference_in_name_dimension_or_value_is_found(ours: set[Metric], seen: set[Metric]) -> None:
    for metric in ours:
        name, value = next(iter(metric.dimensions))
        wrong = (
            replace(metric, name=f"{metric.name}s"),
            replace(metric, namespace="Gateway"),
            replace(metric, dimensions=frozenset({(name, f"{value}-2")})),
            replace(metric, dimensions=metric.dimensions | {("Stage", "live")}),
            replace(metric, by=metric.by | {"KeyId"}),
            replace(metric, dimensions=frozenset()),
        )
        assert missing(wrong, seen) == set(wrong)


def test_dimensions_hold_nothing_that_callers_choose(everything: Made, seen: set[Metric]) -> None:
    sent = "a-model-that-a-client-made-up"
    key, key_id = everything.live.new_key()
    headers = {"x-api-key": key, "x-correlation-id": "corr-of-a-client"}
    body = {"model": sent, "messages": [{"role": "user", "content": "x"}]}
    assert everything.live.call("POST", "/api/v1/completions", body, headers).status == 400

    def logged() -> bool:
        return any(line.get("correlation_id") == "corr-of-a-client" for line in everything.logged())

    eventually(logged)
    values = {value for metric in emitted(everything.logged()) for _, value in metric.dimensions}
    assert not {value for value in values for word in (sent, key_id, "corr-of-a-client") if word in value}


def test_awss_own_metrics_are_documented_ones(state: State) -> None:
    theirs = {metric for metric in watched(state) if metric.namespace != NAMESPACE}
    assert {metric.namespace for metric in theirs} == set(AWS_METRICS)
    unknown = {metric for metric in theirs if metric.names not in AWS_METRICS[metric.namespace].get(metric.name, ())}
    assert unknown == set()


def test_what_awss_metrics_are_asked_for_exists(state: State) -> None:
    names = {
        "ApiName": {api["name"] for api in state.of("aws_api_gateway_rest_api")},
        "ApiId": {api["id"] for api in state.of("aws_apigatewayv2_api")},
        "FunctionName": {function["function_name"] for function in state.of("aws_lambda_function")},
        "QueueName": {queue["name"] for queue in state.of("aws_sqs_queue")},
        "TableName": {table["name"] for table in state.of("aws_dynamodb_table")},
    }
    for metric in watched(state):
        for name, value in metric.dimensions:
            assert value in names.get(name, {value}), metric


def test_an_alarm_adds_up_the_metrics_it_asks_for(state: State) -> None:
    for alarm in state.of("aws_cloudwatch_metric_alarm"):
        queries = {query["id"]: query for query in alarm["metric_query"]}
        totals = [query for query in queries.values() if query["expression"]]
        assert len(totals) == (1 if queries else 0), alarm["alarm_name"]
        for total in totals:
            used = set(re.findall(r"FILL\((\w+), [01]\)", total["expression"]))
            assert used == set(queries) - {total["id"]}, alarm["alarm_name"]
            assert len(queries) <= 11  # CloudWatch allows ten metrics and one expression


def test_every_alarm_has_its_page_and_every_page_its_alarm(state: State) -> None:
    pages = {path.stem: path.read_text(encoding="utf-8") for path in RUNBOOKS.glob("*.md")}
    named = set()
    (topic,) = (each for each in state.of("aws_sns_topic") if each["name"].endswith("-alarms"))
    composites = state.of("aws_cloudwatch_composite_alarm")
    parts = {part for each in composites for part in re.findall(r'ALARM\("([^"]+)"\)', each["alarm_rule"])}
    for alarm in state.of("aws_cloudwatch_metric_alarm") + composites:
        match = re.search(r"docs/runbooks/([a-z0-9-]+)\.md$", alarm["alarm_description"])
        assert match, alarm["alarm_name"]
        assert alarm["alarm_name"].endswith(f"-{match[1]}")
        heard = [] if alarm["alarm_name"] in parts else [topic["arn"]]
        assert (alarm["alarm_actions"] or []) == (alarm["ok_actions"] or []) == heard
        named.add(match[1])
    # The other pages are for problems that no alarm reports: a leaked key, a state that stays locked.
    assert {name for name, text in pages.items() if "\nAlarm: `" in text} == named
    for name, text in pages.items():
        for part in () if name in GENERAL else ("## What it means", "## How to see it", "## What to do", "```console"):
            assert part in text, f"{name} lacks {part}"
    assert all(f"({name}.md)" in pages["README"] for name in named)


def test_charts_lie_beside_each_other(state: State) -> None:
    (dashboard,) = state.of("aws_cloudwatch_dashboard")
    taken: set[tuple[int, int]] = set()
    for widget in json.loads(dashboard["dashboard_body"])["widgets"]:
        cells = {
            (x, y)
            for x in range(widget["x"], widget["x"] + widget["width"])
            for y in range(widget["y"], widget["y"] + widget["height"])
        }
        assert max(x for x, _ in cells) < 24
        assert not cells & taken
        taken |= cells
    ids = [[options["id"] for *_, options in chart["metrics"] if "id" in options] for chart in charts(state)]
    assert all(len(set(each)) == len(each) for each in ids)


def test_saved_queries_ask_for_fields_that_are_logged(state: State, everything: Made, seen: set[Metric]) -> None:
    logged = {field for line in everything.logged() for field in line}
    (prefix,) = {query["name"].rpartition("/")[0] for query in state.of("aws_cloudwatch_query_definition")}
    groups = {
        group["name"] for group in state.of("aws_cloudwatch_log_group") if group["name"].startswith("/aws/lambda/")
    }
    assert prefix == "ai-gateway-dev"
    for query in state.of("aws_cloudwatch_query_definition"):
        if query["name"].endswith("/door-errors"):
            continue  # fields of access logs, below
        assert set(query["log_group_names"]) == groups
        text = re.sub(r'"[^"]*"', "", query["query_string"])
        aliases = set(re.findall(r"\bas (\w+)", text))
        fields = set(re.findall(r"(?<![\w@.])[A-Za-z][\w.]*", text)) - WORDS - aliases - PLATFORM
        unknown = {field for field in fields if field.removesuffix(".0") not in logged}
        assert unknown <= {"h"}, query["name"]  # from bin(1h)


def test_the_query_of_access_logs_asks_for_fields_that_they_have(state: State) -> None:
    (query,) = (q for q in state.of("aws_cloudwatch_query_definition") if q["name"].endswith("/door-errors"))
    stages = state.of("aws_apigatewayv2_stage") + state.of("aws_api_gateway_stage")
    settings = [stage["access_log_settings"][0] for stage in stages]
    assert {each["destination_arn"].split(":")[6] for each in settings} == set(query["log_group_names"])
    fields = set(re.findall(r"(?<![\w@.])[a-z]\w*", re.sub(r'"[^"]*"', "", query["query_string"]))) - WORDS - {"or"}
    assert fields <= {field for each in settings for field in json.loads(each["format"])}


def test_messages_that_saved_queries_look_for_stand_in_the_code(state: State) -> None:
    code = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "shared" / "gateway").rglob("*.py"))
    asked = {
        message
        for query in state.of("aws_cloudwatch_query_definition")
        for part in re.findall(r"message (?:=|in) (\[[^]]*]|\"[^\"]*\")", query["query_string"])
        for message in re.findall(r'"([^"]*)"', part)
    }
    assert len(asked) >= 5
    assert {message for message in asked if f'"{message}"' not in code} == set()


def test_traces_carry_the_correlation_id_and_no_secret(everything: Made) -> None:
    key, _ = everything.live.new_key()
    headers = {"x-api-key": key, "x-correlation-id": "corr-traced"}
    body = {"model": "gpt-4", "messages": [{"role": "user", "content": "canary-prompt"}]}
    assert everything.live.call("POST", "/api/v1/completions", body, headers).status == 200

    def traced() -> set[str]:
        documents = list(everything.daemon.documents)
        return {each["name"] for each in documents if each["annotations"].get("correlation_id") == "corr-traced"}

    eventually(lambda: traced() == {"authorizer", "completions"})
    text = json.dumps(everything.daemon.documents)
    assert {each["name"] for each in everything.daemon.documents} == set(everything.live.deployment.functions)
    for secret in (key, key[16:], everything.live.keys["admin"], "canary-prompt"):
        assert secret not in text
