"""Tests of the checks themselves: each kind of mistake, made on purpose in a copy, is found by the check that is meant
for it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.terraform import applied
from tests.terraform.expected import failures, planned
from tests.terraform.expected_private import PRIVATE as EXPECTED
from tests.terraform.expected_private import VARIABLES as ASKED
from tests.terraform.forms import Facts
from tests.terraform.mistakes import MISTAKES as OPEN
from tests.terraform.mistakes import Change
from tests.terraform.mistakes_operating import OPERATED
from tests.terraform.mistakes_quiet import QUIET
from tests.terraform.mistakes_streaming import PRIVATE, STREAMED
from tests.terraform.sabotage import VARIABLES, applied_with, batches, changed, noticed, terraform
from tools.golden.plans import planned as plan

MISTAKES = OPEN | QUIET | STREAMED | OPERATED
DIFFERENT = {
    "a renamed route": (
        Change("terraform/api.tf", "= each.key\n  target", '= replace(each.key, "/metrics", "/figures")\n  target'),
        "routes",
    ),
    "a dropped table index": (
        Change("terraform/tables.tf", "= local.table_keys[each.key].indexes", "= {}"),
        "tables",
    ),
    "an extra right": (
        Change("terraform/iam.tf", 'sort(actions) : "dynamodb:', 'sort(concat(actions, ["Scan"])) : "dynamodb:'),
        "policies",
    ),
    "a wrong variable": (
        Change("terraform/functions.tf", '= join(",", var.providers_enabled)', '= "openai"'),
        "functions",
    ),
    "a lost filter": (
        Change("terraform/streams.tf", "pattern = jsonencode(filter.value)", "pattern = jsonencode({})"),
        "sources",
    ),
}

REFUSED = {
    "a route that two functions claim": (
        Change("functions/mcp/function.json", '"GET /api/v1/mcp/tools"', '"GET /health"'),
        "More than one function claims these routes",
    ),
    "a table that nobody describes": (
        Change("functions/health/function.json", '{"state"', '{"stat"'),
        "A function.json names tables that shared/tables.json does not describe",
    ),
    "a variable that nobody describes": (
        Change("functions/health/function.json", '["GATEWAY_PROVIDERS"]', '["GATEWAY_PROVIDER"]'),
        "A function.json names variables that shared/environment.json does not describe",
    ),
    "a variable without a value": (
        Change("terraform/functions.tf", "    LOG_LEVEL", "    LOG_LEVELS"),
        "environment_values in functions.tf differ",
    ),
    "streams that outlast their function": (
        Change("functions/stream/function.json", '"timeout": 900', '"timeout": 10'),
        "A stream must end 10 seconds before them",
    ),
    "two functions at the door that streams": (
        Change("functions/mcp/function.json", '"timeout": 29', '"door": "stream", "timeout": 29'),
        'Exactly one function must have "door": "stream" in its function.json; 2 have it: mcp, stream.',
    ),
    "a chart of a metric that nobody counts": (
        Change(
            "terraform/dashboard.tf",
            'metric = "Overhead", dimensions = { Gateway = local.prefix }, stat = "p99"',
            'metric = "Overheads", dimensions = { Gateway = local.prefix }, stat = "p99"',
        ),
        "names metrics that shared/gateway/data/metrics.json does not have: Overheads by Gateway",
    ),
    "an alarm by a dimension that the metric lacks": (
        Change(
            "terraform/alarms.tf", '"RowsParked", dimensions = { Gateway', '"RowsParked", dimensions = { FunctionName'
        ),
        "does not have: RowsParked by FunctionName",
    ),
    "an access without an authorizer": (
        Change("functions/health/function.json", '"GET /health": "public"', '"GET /health": "cookie"'),
        "an access for which there is no authorizer",
    ),
}


@pytest.mark.parametrize("batch", batches(MISTAKES), ids=lambda batch: f"{len(batch)} from {batch[0]}")
def test_a_mistake_in_terraform_is_noticed(batch: tuple[str, ...], copy: Path, tmp_path: Path) -> None:
    """Several mistakes in one plan, each in a different place. For each mistake a line of the golden plan's difference
    names it and, if a plan shows it, the expectation that it breaks fails."""
    lines, failed = noticed(copy, tmp_path / "copy", *(MISTAKES[name].change for name in batch))
    for name in batch:
        mistake = MISTAKES[name]
        line = next((line for line in lines if re.search(mistake.seen, line)), "") if mistake.seen else "-"
        print(f"{name:45} {mistake.fails or '-':15} {line[:120]}")
        assert line, f"{name}: the golden plan does not tell"
        assert not mistake.fails or mistake.fails in failed, f"{name}: still met is {mistake.fails}"
    assert set(failed) >= {MISTAKES[name].fails for name in batch} - {""}


@pytest.mark.parametrize("batch", batches(PRIVATE), ids=lambda batch: f"{len(batch)} from {batch[0]}")
def test_a_mistake_at_a_private_door_is_noticed(batch: tuple[str, ...], copy: Path, tmp_path: Path) -> None:
    folder = changed(copy, tmp_path / "copy", *(PRIVATE[name].change for name in batch))
    state = planned(json.loads(plan(folder, "prod", tmp_path, *ASKED).read_bytes()))
    assert set(failures(state, EXPECTED)) == {PRIVATE[name].fails for name in batch}


def test_a_configuration_without_a_mistake_is_not_told(copy: Path, tmp_path: Path) -> None:
    assert noticed(copy, tmp_path / "copy") == ([], {})


@pytest.mark.parametrize("mistake", DIFFERENT)
def test_a_mistake_in_terraform_differs_from_the_local_gateway(
    mistake: str, copy: Path, tmp_path: Path, local: Facts
) -> None:
    change, section = DIFFERENT[mistake]
    facts = applied.facts(applied_with(copy, tmp_path / "copy", change))
    assert {section for section in facts if facts[section] != local[section]} == {section}


@pytest.mark.parametrize("mistake", REFUSED)
def test_a_mistake_in_a_description_stops_the_plan(mistake: str, copy: Path, tmp_path: Path) -> None:
    change, message = REFUSED[mistake]
    run = terraform(changed(copy, tmp_path / "copy", change), "plan", *VARIABLES)
    assert run.returncode == 1
    assert message in " ".join(run.stderr.split())


def test_values_that_nobody_has_are_refused_each_for_itself(copy: Path, tmp_path: Path) -> None:
    given = {
        "reserved_concurrency": "{nobody=1}",
        "throttling": '{routes={"GET /nowhere"={rate=1,burst=1}}}',
        "expected_load": "{keys={platinum=1}}",
        "artifacts": '{sha256={"health.zip"="' + "0" * 64 + '"}}',
        "kms_key_arn": "arn:aws:kms:us-west-1:123456789012:key/1",
        "deploy_role_arn": "arn:aws:iam::123456789012:role/deployer",
        "account_ids": '["210987654321"]',
        "environment": "elsewhere",
        "stream_endpoint_type": "PRIVATE",
        "http_api_closed": "true",
        "custom_domain": '{name="api.example.com",certificate_arn="arn:aws:acm:us-east-1:123456789012:certificate/1"}',
    }
    arguments = [part for name, value in given.items() for part in ("-var", f"{name}={value}")]
    run = terraform(changed(copy, tmp_path / "copy"), "plan", *VARIABLES, *arguments)
    said = " ".join(re.sub(r"[^\x00-\x7f]", "", run.stderr).split())
    for message in (
        "names functions that do not exist: nobody.",
        "names routes that no function has: GET /nowhere.",
        "names tiers that do not exist: platinum.",
        "not the ones that artifacts.sha256 names: health.zip.",
        "kms_key_arn is a key of another region than us-east-1",
        "deploy_role_arn is a role of an account that account_ids does not name.",
        "but the variables are those of elsewhere.",
        "stream_endpoint_type is PRIVATE, but vpc_endpoint_ids names no VPC endpoint",
        "custom_domain can't lead to a private streaming door",
        "http_api_closed can't be used with custom_domain",
    ):
        assert message in said, f"{message}\n{said}"
