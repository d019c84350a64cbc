"""Tables, event sources of functions, secrets, and receivers of alerts: see expected.py."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from tests.terraform.applied import State
from tests.terraform.expected import FUNCTIONS, PREFIX, Expectation, arn, live, must, one, same

DAY = 86_400
# Key, indexes (name -> partition key, sort key, projection), attribute of the time to live.
TABLES: dict[str, tuple[tuple[str, str | None], dict[str, tuple[str, str, str]], str | None]] = {
    "api-keys": (
        ("id", None),
        {
            "by-created": ("kind", "created", "KEYS_ONLY"),
            "by-team": ("team_id", "id", "KEYS_ONLY"),
            "by-user": ("user_id", "id", "KEYS_ONLY"),
        },
        None,
    ),
    "limits": (("id", None), {}, None),
    "request-analytics": (("minute", "rid"), {}, "ttl"),
    "usage": (("pk", "sk"), {}, "ttl"),
    "state": (("pk", "sk"), {}, "ttl"),
    "product-catalog": (
        ("id", "part"),
        {"by-category": ("category", "price", "ALL"), "by-term": ("term", "weight", "ALL")},
        None,
    ),
}
NUMBERS = {"price", "weight"}
SCHEDULES = {"sweeper": ("rate(1 minute)", 60), "reconciler": ("rate(1 hour)", 3600)}


def tables(state: State) -> Iterator[str]:
    found = {table["name"]: table for table in state.of("aws_dynamodb_table")}
    yield from same("tables", set(found), {f"{PREFIX}-{name}" for name in TABLES})
    for name, (key, indexes, ttl) in TABLES.items():
        table = found.get(f"{PREFIX}-{name}", {})
        wanted: dict[str, Any] = {"hash_key": key[0], "range_key": key[1], "billing_mode": "PAY_PER_REQUEST"}
        wanted |= {"table_class": {None, "STANDARD"}, "replica": [], "on_demand_throughput": []}
        yield from must(name, table, **wanted)
        for attribute in table.get("attribute", []):
            kind = "N" if attribute["name"] in NUMBERS else "S"
            yield from must(f"{name}: {attribute['name']}", attribute, type=kind)
        made = {
            each["name"]: (each["hash_key"], each["range_key"], each["projection_type"])
            for each in table.get("global_secondary_index", [])
        }
        yield from same(f"{name}: indexes", made, indexes)
        lives = [(each["attribute_name"], each["enabled"]) for each in table.get("ttl", [])]
        yield from same(f"{name}: time to live", lives, [(ttl, True)] if ttl else [])


def protection(state: State) -> Iterator[str]:
    for table in state.of("aws_dynamodb_table"):
        yield from must(table["name"], table, deletion_protection_enabled=True)
        days = {None, 0, 35}  # 35 is AWS's default and its maximum
        recovery = one(table["point_in_time_recovery"])
        yield from must(f"{table['name']}: recovery", recovery, enabled=True, recovery_period_in_days=days)
        # AWS's own key, which is free of charge. The block would choose the managed key, which is billed by call.
        yield from same(f"{table['name']}: encryption", table["server_side_encryption"], [])


def streams(state: State) -> Iterator[str]:
    for table in state.of("aws_dynamodb_table"):
        rows = table["name"] == f"{PREFIX}-request-analytics"
        wanted = ("NEW_AND_OLD_IMAGES", True) if rows else (None, False)
        yield from same(
            f"{table['name']}: stream", (table["stream_view_type"] or None, table["stream_enabled"]), wanted
        )


def source(state: State) -> Iterator[str]:
    mappings = state.of("aws_lambda_event_source_mapping")
    yield from same("event sources", len(mappings), 1)
    rows = {table["name"]: table for table in state.of("aws_dynamodb_table")}[f"{PREFIX}-request-analytics"]
    for mapping in mappings:
        wanted = {"enabled": {True, None}, "event_source_arn": rows["stream_arn"]}
        wanted |= {"function_name": live(state, "analytics"), "starting_position": "TRIM_HORIZON"}
        wanted |= {"function_response_types": ["ReportBatchItemFailures"], "bisect_batch_on_function_error": True}
        wanted |= {"batch_size": range(10, 1_001), "maximum_batching_window_in_seconds": range(6)}
        # The stream deletes a record after a day. Well before that it is given up and put into the queue.
        wanted |= {"maximum_record_age_in_seconds": range(DAY // 2, DAY - 3_600), "maximum_retry_attempts": -1}
        wanted |= {"parallelization_factor": {None, 1}, "tumbling_window_in_seconds": {None, 0}}
        yield from must("event source", mapping, **wanted)
        failed = one(one(mapping["destination_config"]).get("on_failure"))
        queue = arn(state, "sqs", f"{FUNCTIONS['analytics']}-failures")
        yield from must("event source: failures", failed, destination_arn=queue)
        patterns = [json.loads(each["pattern"]) for each in one(mapping["filter_criteria"]).get("filter", [])]
        yield from same("event source: filters", sorted(map(str, patterns)), sorted(map(str, FILTERS)))


FILTERS: list[dict[str, Any]] = [
    {"dynamodb": {"NewImage": {"state": {"S": ["CORRECTION"]}}}, "eventName": ["INSERT"]},
    {
        "dynamodb": {
            "NewImage": {"state": {"S": ["SETTLED", "EXPIRED"]}},
            "OldImage": {"state": {"S": ["OPEN"]}},
        },
        "eventName": ["MODIFY"],
    },
]


def queue(state: State) -> Iterator[str]:
    found = {each["name"]: each for each in state.of("aws_sqs_queue")}
    yield from same("queues", set(found), {f"{FUNCTIONS['analytics']}-failures"})
    for name, each in found.items():
        wanted = {"message_retention_seconds": 14 * DAY, "sqs_managed_sse_enabled": True, "delay_seconds": {0, None}}
        wanted |= {"kms_master_key_id": None, "fifo_queue": {False, None}, "policy": {None, ""}}
        yield from must(name, each, max_message_size=range(262_144, 1_048_577), redrive_policy={None, ""}, **wanted)


def schedules(state: State) -> Iterator[str]:
    found = {each["name"]: each for each in state.of("aws_scheduler_schedule")}
    yield from same("schedules", set(found), {FUNCTIONS[folder] for folder in SCHEDULES})
    role = {role["name"]: role["arn"] for role in state.of("aws_iam_role")}.get(f"{PREFIX}-scheduler")
    for folder, (rate, _) in SCHEDULES.items():
        each = found.get(FUNCTIONS[folder], {})
        wanted = {"schedule_expression": rate, "state": {None, "", "ENABLED"}, "start_date": {None, ""}}
        yield from must(folder, each, end_date={None, ""}, kms_key_arn=None, group_name={None, "default"}, **wanted)
        yield from must(f"{folder}: window", one(each.get("flexible_time_window")), mode="OFF")
        target = one(each.get("target"))
        yield from must(
            f"{folder}: target", target, arn=live(state, folder), role_arn=role, dead_letter_config=[], input=None
        )
        yield from must(f"{folder}: delivery", one(target.get("retry_policy")), maximum_retry_attempts=0)


def started(state: State) -> Iterator[str]:
    """The scheduler's role may start only what it must start. Only the next run repeats a run that failed."""
    policy = next((each for each in state.of("aws_iam_role_policy") if each["role"] == f"{PREFIX}-scheduler"), None)
    statements = json.loads(policy["policy"])["Statement"] if policy else []
    allowed = {(action, each) for line in statements for action in line["Action"] for each in line["Resource"]}
    yield from same("scheduler", allowed, {("lambda:InvokeFunction", live(state, folder)) for folder in SCHEDULES})
    found = {each["function_name"]: each for each in state.of("aws_lambda_function_event_invoke_config")}
    yield from same("started without an answer", set(found), {FUNCTIONS[folder] for folder in SCHEDULES})
    for folder, (_, interval) in SCHEDULES.items():
        wanted = {"qualifier": "live", "maximum_retry_attempts": 0, "maximum_event_age_in_seconds": interval}
        yield from must(folder, found.get(FUNCTIONS[folder], {}), **wanted)


def secrets(state: State) -> Iterator[str]:
    found = {each["name"]: each for each in state.of("aws_secretsmanager_secret")}
    yield from same("secrets", set(found), {f"{PREFIX}/openai"})
    for name, each in found.items():
        yield from must(name, each, recovery_window_in_days=30, kms_key_id=None, policy={None, ""}, replica=[])
    readers = {
        policy["role"]
        for policy in state.of("aws_iam_role_policy")
        if "secretsmanager:GetSecretValue" in policy["policy"]
    }
    yield from same("who reads a secret", readers, {FUNCTIONS["completions"], FUNCTIONS["stream"]})


def logs(state: State) -> Iterator[str]:
    found = {each["name"]: each for each in state.of("aws_cloudwatch_log_group")}
    names = {f"/aws/lambda/{name}" for name in FUNCTIONS.values()}
    names |= {f"/aws/apigateway/{PREFIX}-{api}" for api in ("api", "stream")}
    yield from same("log groups", set(found), names)
    for name, each in found.items():
        yield from must(name, each, retention_in_days=365, log_group_class={None, "", "STANDARD"}, kms_key_id=None)


DATA: dict[str, Expectation] = {
    each.__name__: each for each in (tables, protection, streams, source, queue, schedules, started, secrets, logs)
}
