"""What Terraform applies is what the local deployer makes: both derive it from the same descriptions, compared here."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest

from tools.local.deploy import AUTHORIZERS
from tools.local.emulator import ROOT
from tools.manifest import Names, load
from tools.manifest.names import statements, variables

pytestmark = pytest.mark.terraform
MANIFEST = load(ROOT)


@lru_cache(maxsize=1)
def resources() -> list[dict[str, Any]]:
    """Every managed resource of the applied state."""
    state = json.loads(Path(os.environ["TERRAFORM_STATE"]).read_text())

    def below(module: dict[str, Any]) -> Iterator[dict[str, Any]]:
        yield from module.get("resources", [])
        for child in module.get("child_modules", []):
            yield from below(child)

    return [resource for resource in below(state["values"]["root_module"]) if resource["mode"] == "managed"]


def of(kind: str) -> list[dict[str, Any]]:
    return [resource["values"] for resource in resources() if resource["type"] == kind]


def names() -> Names:
    (api,) = of("aws_apigatewayv2_api")
    region, account = api["execution_arn"].split(":")[3:5]
    return Names("dev", region=region, account=account)


@pytest.mark.parametrize("folder", sorted(MANIFEST.functions))
def test_rights_statement_by_statement(folder: str) -> None:
    name = names().function(folder, MANIFEST.functions[folder])
    (policy,) = [policy["policy"] for policy in of("aws_iam_role_policy") if policy["role"] == name]
    applied = {statement["Sid"]: _rights(statement) for statement in json.loads(policy)["Statement"]}
    derived = {statement["Sid"]: _rights(statement) for statement in statements(MANIFEST, folder, names())}
    assert applied == derived


def _rights(statement: dict[str, Any]) -> tuple[str, list[str], list[str]]:
    return statement["Effect"], sorted(statement["Action"]), sorted(statement["Resource"])


@pytest.mark.parametrize("folder", sorted(MANIFEST.functions))
def test_functions(folder: str) -> None:
    described = MANIFEST.functions[folder]
    name = names().function(folder, described)
    (applied,) = [function for function in of("aws_lambda_function") if function["function_name"] == name]
    facts = {field: applied[field] for field in ("handler", "memory_size", "timeout", "description", "runtime")}
    assert facts == {
        "handler": described.handler,
        "memory_size": described.memory,
        "timeout": described.timeout,
        "description": described.description,
        "runtime": "python3.13",
    }
    assert (applied["architectures"], len(applied["layers"])) == (["arm64"], 2)
    assert applied["tracing_config"][0]["mode"] == "Active"
    given = applied["environment"][0]["variables"]
    assert given == variables(MANIFEST, folder, given)
    assert names().log_group(folder, described) in {group["name"] for group in of("aws_cloudwatch_log_group")}


def test_routes_and_who_may_call_them() -> None:
    authorizers = {authorizer["id"]: authorizer["name"] for authorizer in of("aws_apigatewayv2_authorizer")}
    applied = {
        route["route_key"]: authorizers.get(route["authorizer_id"] or "", "public")
        for route in of("aws_apigatewayv2_route")
    }
    assert applied == {route: auth for route, (_, auth) in MANIFEST.routes().items()}
    sources = {authorizer["name"]: authorizer["identity_sources"] for authorizer in of("aws_apigatewayv2_authorizer")}
    assert sources == {kind: [source] for kind, source in AUTHORIZERS.items()}


@pytest.mark.parametrize("name", sorted(MANIFEST.tables))
def test_tables(name: str) -> None:
    described = MANIFEST.tables[name]
    (applied,) = [table for table in of("aws_dynamodb_table") if table["name"] == names().table(name)]
    assert [key for key in (applied["hash_key"], applied["range_key"]) if key] == list(described.key)
    indexes = {
        index["name"]: [key for key in (index["hash_key"], index["range_key"]) if key]
        for index in applied["global_secondary_index"]
    }
    assert indexes == {index: list(facts.key) for index, facts in described.indexes.items()}
    keys = [described.key, *(index.key for index in described.indexes.values())]
    attributes = {attribute["name"]: attribute["type"] for attribute in applied["attribute"]}
    assert attributes == {attribute: kind for key in keys for attribute, kind in key.items()}
    assert (applied["stream_view_type"] or None) == described.stream
    assert [ttl["attribute_name"] for ttl in applied["ttl"] if ttl["enabled"]] == (
        [described.ttl] if described.ttl else []
    )


def test_event_sources_and_schedules() -> None:
    streams = {folder: f.event for folder, f in MANIFEST.functions.items() if f.event and f.event.stream}
    applied = of("aws_lambda_event_source_mapping")
    assert len(applied) == len(streams)
    for source in applied:
        (event,) = [event for folder, event in streams.items() if f"-{folder}:" in source["function_name"] + ":"]
        patterns = [json.loads(each["pattern"]) for each in source["filter_criteria"][0]["filter"]]
        assert patterns == event.filter
        assert (source["batch_size"], source["maximum_batching_window_in_seconds"]) == (
            event.batch_size,
            event.batch_window,
        )
        assert source["starting_position"] == "TRIM_HORIZON"
    schedules = {schedule["name"]: schedule["schedule_expression"] for schedule in of("aws_scheduler_schedule")}
    assert schedules == {
        names().function(folder, function): function.event.schedule
        for folder, function in MANIFEST.functions.items()
        if function.event and function.event.schedule
    }


def test_a_second_plan_after_an_apply_is_empty() -> None:
    plan = json.loads(Path(os.environ["TERRAFORM_PLAN"]).read_text())
    managed = [change for change in plan["resource_changes"] if change["mode"] == "managed"]
    changes = {change["address"]: change["change"]["actions"] for change in managed}
    assert changes
    assert {address: actions for address, actions in changes.items() if actions != ["no-op"]} == {}
