"""The configuration itself: its provider, its workspaces, and its use as a module."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.terraform.applied import State
from tests.terraform.sabotage import changed, terraform
from tools.local.emulator import ROOT

ENVIRONMENTS = ("dev", "staging", "prod")
# Prefix of a resource's type, longest first -> the name of the service in the provider's `endpoints`.
SERVICES = {
    "aws_backup": "backup",
    "aws_api_gateway": "apigateway",
    "aws_apigatewayv2": "apigatewayv2",
    "aws_caller_identity": "sts",
    "aws_cloudwatch_log": "cloudwatchlogs",
    "aws_cloudwatch_query": "cloudwatchlogs",
    "aws_cloudwatch": "cloudwatch",
    "aws_dynamodb": "dynamodb",
    "aws_iam": "iam",
    "aws_lambda": "lambda",
    "aws_scheduler": "scheduler",
    "aws_secretsmanager": "secretsmanager",
    "aws_servicequotas": "servicequotas",
    "aws_sns": "sns",
    "aws_sqs": "sqs",
    "aws_wafv2": "wafv2",
}
NO_SERVICE = {"aws_partition"}
DESCRIPTIONS = sorted((ROOT / "functions").glob("*/function.json"))


def _service(kind: str) -> str:
    return next(service for prefix, service in SERVICES.items() if kind.startswith(prefix))


def test_an_emulator_stands_in_for_every_service_that_is_used(copy: Path) -> None:
    files = [*(copy / "terraform").glob("*.tf"), *(copy / "terraform/modules").rglob("*.tf")]
    text = "".join(file.read_text(encoding="utf-8") for file in files)
    kinds = set(re.findall(r'^\s*(?:resource|data) "(aws_\w+)"', text, re.M)) - NO_SERVICE
    endpoints = re.findall(r"^\s*(\w+)\s*= endpoints\.value$", (copy / "terraform/providers.tf").read_text(), re.M)
    assert kinds
    assert {_service(kind) for kind in kinds} == set(endpoints)


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_a_plan_has_no_warning(environment: str, copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TF_WORKSPACE", environment)
    folder = changed(copy, tmp_path / "copy")
    plan = ("plan", "-no-color", "-input=false", f"-var-file=environments/{environment}.tfvars")
    run = terraform(folder, *plan, "-var=alarm_email=operators@example.com")
    assert run.returncode == 0, run.stderr
    assert "Warning" not in run.stdout + run.stderr


def test_a_plan_whose_alarms_nobody_hears_warns_of_that_alone(copy: Path, tmp_path: Path) -> None:
    folder = changed(copy, tmp_path / "copy")
    run = terraform(
        folder, "plan", "-no-color", "-input=false", "-var-file=environments/dev.tfvars", "-var=profile=full"
    )
    assert run.returncode == 0, run.stderr
    said = " ".join((run.stdout + run.stderr).split())
    assert said.count("Warning: ") == 1
    assert "the topic ai-gateway-dev-alarms has no subscriber" in said


def test_no_secret_value_is_in_the_state(state: State) -> None:
    kinds = {resource["type"] for resource in state.resources()}
    assert "aws_secretsmanager_secret" in kinds
    assert "aws_secretsmanager_secret_version" not in kinds


def test_a_release_in_s3_is_deployed_by_its_checksums(copy: Path, tmp_path: Path) -> None:
    built = json.loads((copy / "build/aws-arm64-py313/manifest.json").read_text(encoding="utf-8"))
    release = {"url": "s3://releases/1.0.0", "sha256": {each["file"]: each["sha256"] for each in built.values()}}
    variables = tmp_path / "release.tfvars.json"
    variables.write_text(json.dumps({"artifacts": release}), encoding="utf-8")
    folder = changed(copy, tmp_path / "copy")
    planned = ("-no-color", "-input=false", "-var-file=environments/dev.tfvars", f"-var-file={variables}", "-out=plan")
    run = terraform(folder, "plan", *planned)
    assert run.returncode == 0, run.stderr
    plan = json.loads(terraform(folder, "show", "-json", "plan").stdout)
    names = {json.loads(path.read_text()).get("name", path.parent.name): path.parent.name for path in DESCRIPTIONS}
    deployed = {}
    for change in plan["resource_changes"]:
        if change["type"] in ("aws_lambda_function", "aws_lambda_layer_version"):
            after = change["change"]["after"]
            name = str(after.get("function_name") or after["layer_name"]).removeprefix("ai-gateway-dev-")
            name = names[name] if "function_name" in after else f"layer-{name}"
            deployed[name] = (after["s3_bucket"], after["s3_key"], after["source_code_hash"], after["filename"])
    assert deployed == {
        name: ("releases", f"1.0.0/{name}.zip", each["sha256_base64"], None) for name, each in built.items()
    }


def test_somebody_elses_root_plans_it_as_a_module(copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TF_WORKSPACE")
    root = changed(copy, tmp_path / "copy") / "examples/as-module"
    assert terraform(root, "init", "-input=false").returncode == 0
    run = terraform(root, "plan", "-no-color", "-input=false", "-out=plan")
    assert run.returncode == 0, run.stderr
    plan = json.loads(terraform(root, "show", "-json", "plan").stdout)
    made = {change["type"] for change in plan["resource_changes"] if change["address"].startswith("module.gateway.")}
    assert {"aws_apigatewayv2_api", "aws_lambda_function", "aws_dynamodb_table"} <= made
    names = {change["change"]["after"].get("function_name") for change in plan["resource_changes"]}
    assert "ai-gateway-demo-completions" in names
