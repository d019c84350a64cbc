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
from tests.terraform.mistakes import Change, Mistake
from tests.terraform.mistakes_operating import OPERATED
from tests.terraform.mistakes_quiet import QUIET
from tests.terraform.mistakes_streaming import PRIVATE, STREAMED
from tests.terraform.sabotage import VARIABLES, applied_with, batches, changed, judged, noticed, terraform, unnoticed
from tools.golden.plans import planned as plan

MISTAKES = OPEN | QUIET | STREAMED | OPERATED
# Mistakes of which the parity with the local gateway tells: each in its own section of the facts.
DIFFERENT = {
    "a renamed route": Mistake(
        Change("terraform/api.tf", "= each.key\n  target", '= replace(each.key, "/metrics", "/figures")\n  target'),
        "",
        "routes",
        r"^GET /api/v1/admin/figures is .*, not None",
    ),
    "a dropped table index": Mistake(
        Change("terraform/tables.tf", "= local.table_keys[each.key].indexes", "= {}"),
        "",
        "tables",
        r"^ai-gateway-dev-product-catalog is .*'indexes': {}.*, not .*'by-category'",
    ),
    "an extra right": Mistake(
        Change("terraform/iam.tf", 'sort(actions) : "dynamodb:', 'sort(concat(actions, ["Scan"])) : "dynamodb:'),
        "",
        "policies",
        r"^ai-gateway-dev-api-authorizer is .*'dynamodb:GetItem', 'dynamodb:Scan'.*, not ",
    ),
    "a wrong variable": Mistake(
        Change("terraform/functions.tf", '= join(",", var.providers_enabled)', '= "openai"'),
        "",
        "functions",
        r"^ai-gateway-dev-completions is .*'GATEWAY_PROVIDERS': 'openai'",
    ),
    "a lost filter": Mistake(
        Change("terraform/streams.tf", "pattern = jsonencode(filter.value)", "pattern = jsonencode({})"),
        "",
        "sources",
        r"^ai-gateway-dev-analytics is .*'filters': \[{}",
    ),
}

# Mistakes in descriptions, which are made together: the plan is refused for each, by its own message.
REFUSED = {
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
        "RowsParked by FunctionName",
    ),
    "an access without an authorizer": (
        Change("functions/health/function.json", '"GET /health": "public"', '"GET /health": "cookie"'),
        "an access for which there is no authorizer",
    ),
}
# The same, for mistakes that one of those hides.
REFUSED_ELSEWHERE = {
    "a route that two functions claim": (
        Change("functions/mcp/function.json", '"GET /api/v1/mcp/tools"', '"GET /health"'),
        "More than one function claims these routes",
    ),
    "streams that outlast their function": (
        Change("functions/stream/function.json", '"timeout": 900', '"timeout": 10'),
        "A stream must end 10 seconds before them",
    ),
}
# What no check looks at: a comment. It is made with every batch, so that each shows that silence fails it.
COMMENT = Mistake(
    Change("terraform/versions.tf", "# 1.11 is the first release", "# 1.11 is a release"), "a release", "kinds"
)


@pytest.mark.parametrize("batch", batches(MISTAKES), ids=lambda batch: f"{len(batch)} from {batch[0]}")
def test_a_mistake_in_terraform_is_noticed(batch: tuple[str, ...], copy: Path, tmp_path: Path) -> None:
    """Several mistakes in one plan. For each mistake a line of the golden plan's difference names it and, if a plan
    shows it, the expectation that it breaks fails and names it too. Mistakes that were not made are not told."""
    made = {name: MISTAKES[name] for name in batch} | {"a comment": COMMENT}
    lines, failed = noticed(copy, tmp_path / "copy", *(mistake.change for mistake in made.values()))
    assert unnoticed(made, lines, failed) == [
        "a comment: the golden plan does not tell",
        "a comment: still met is kinds",
    ]
    others = {name: mistake for name, mistake in MISTAKES.items() if name not in batch}
    assert [name for name, mistake in others.items() if not unnoticed({name: mistake}, lines, failed)] == []


def test_a_mistake_is_not_taken_for_noticed_because_of_another() -> None:
    """Without its own line, in the difference or in the expectation, a mistake is reported."""
    nothing = Change("", "", "")
    made = {
        "one": Mistake(nothing, r"\+ a = ", "first", "a is"),
        "two": Mistake(nothing, r"\+ [ab] = ", "first", "[ab] is"),
        "three": Mistake(nothing, "", "second"),
    }
    assert unnoticed(made, ["+ a = 1", "+ b = 1"], {"first": ["a is 1", "b is 1"], "second": ["any"]}) == [
        "one: the golden plan does not tell",
        "one: still met is first",
    ]
    assert unnoticed({"two": made["two"]}, ["+ b = 1"], {"first": ["b is 1"]}) == []
    assert unnoticed(made, [], {}) == [
        "one: the golden plan does not tell",
        "one: still met is first",
        "two: the golden plan does not tell",
        "two: still met is first",
        "three: still met is second",
    ]


def test_mistakes_are_made_together_only_if_they_can_be_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    nothing = Change("", "", "")
    mistakes = {
        "a": Mistake(nothing, "a", "first", "a"),
        "b": Mistake(nothing, "b", "first", "b"),
        "c": Mistake(nothing, "c", "first"),
        "d": Mistake(nothing, "d"),
        "e": Mistake(nothing, "e", hides=("d",)),
    }
    monkeypatch.delenv("PROVE", raising=False)
    assert batches(mistakes) == [("a", "b", "d"), ("c", "e")]
    monkeypatch.setenv("PROVE", "1")
    assert batches(mistakes) == [("a",), ("b",), ("c",), ("d",), ("e",)]


@pytest.mark.parametrize("batch", batches(PRIVATE), ids=lambda batch: f"{len(batch)} from {batch[0]}")
def test_a_mistake_at_a_private_door_is_noticed(batch: tuple[str, ...], copy: Path, tmp_path: Path) -> None:
    folder = changed(copy, tmp_path / "copy", *(PRIVATE[name].change for name in batch))
    state = planned(json.loads(plan(folder, "prod", tmp_path, *ASKED).read_bytes()))
    assert set(failures(state, EXPECTED)) == {PRIVATE[name].fails for name in batch}


def test_a_configuration_without_a_mistake_is_not_told(unchanged: Path) -> None:
    assert judged(unchanged, unchanged / "plans") == ([], {})


def test_a_mistake_in_terraform_differs_from_the_local_gateway(copy: Path, tmp_path: Path, local: Facts) -> None:
    facts = applied.facts(applied_with(copy, tmp_path / "copy", *(mistake.change for mistake in DIFFERENT.values())))
    differ = {
        section: [
            f"{name} is {there.get(name)}, not {local[section].get(name)}"
            for name in sorted({*there, *local[section]})
            if there.get(name) != local[section].get(name)
        ]
        for section, there in facts.items()
    }
    assert unnoticed(DIFFERENT, [], differ) == []
    assert {section for section, names in differ.items() if names} == {each.fails for each in DIFFERENT.values()}


@pytest.mark.parametrize("refused", [REFUSED, REFUSED_ELSEWHERE], ids=["together", "elsewhere"])
def test_a_mistake_in_a_description_stops_the_plan(
    refused: dict[str, tuple[Change, str]], copy: Path, tmp_path: Path
) -> None:
    run = terraform(changed(copy, tmp_path / "copy", *(change for change, _ in refused.values())), "plan", *VARIABLES)
    assert run.returncode == 1
    said = " ".join(run.stderr.split())
    assert [name for name, (_, message) in refused.items() if message not in said] == [], said


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
