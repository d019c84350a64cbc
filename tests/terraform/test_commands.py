"""The commands with which an operator uses a deployment, as `make` runs them, on the gateway that the emulator runs."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.reply import Reply
from tests.terraform.making import Made
from tools.local.emulator import ROOT

KEY = "sk-canary-from-standard-input"


def operate(
    made: Made, command: str, *arguments: str, said: str = "", **environment: str
) -> subprocess.CompletedProcess[str]:
    """Runs `python -m tools.aws` with `said` on its standard input."""
    line = [sys.executable, "-m", "tools.aws", command, "--env", "dev", "--endpoint", made.live.endpoint, *arguments]
    inherited = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    settings = {**inherited, "PYTHONPATH": f"{ROOT / 'shared'}:{ROOT}", "STREAM_URL": made.server.url, **environment}
    return subprocess.run(line, cwd=ROOT, input=said, env=settings, capture_output=True, text=True, check=False)


def as_admin(made: Made, key: str) -> Reply:
    return made.live.call("GET", "/api/v1/admin/keys", headers={"x-api-key": key})


def test_the_first_admin_key_is_made_once_and_works(made: Made) -> None:
    refused = operate(made, "bootstrap-key")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "There is an admin key already" in refused.stderr
    admins = [key for key in as_admin(made, made.live.keys["admin"]).body["data"] if "admin" in key["scopes"]]
    try:
        for key in admins:
            _set_state(made, key["id"], "revoked")
        run = operate(made, "bootstrap-key")
        assert run.returncode == 0, run.stderr
        assert as_admin(made, run.stdout.strip()).status == 200
        assert run.stdout.strip() not in run.stderr
    finally:
        for key in admins:
            _set_state(made, key["id"], "active")


def _set_state(made: Made, key_id: str, state: str) -> None:
    made.live.deployer.client("dynamodb").update_item(
        TableName=made.live.deployer.names.table("api-keys"),
        Key={"id": {"S": key_id}},
        UpdateExpression="SET #state = :state",
        ExpressionAttributeNames={"#state": "state"},
        ExpressionAttributeValues={":state": {"S": state}},
    )


def test_a_secret_goes_from_standard_input_to_secrets_manager_alone(made: Made) -> None:
    run = operate(made, "secret", "--provider", "openai", said=f"{KEY}\n")
    assert run.returncode == 0, run.stderr
    secrets = made.live.deployer.client("secretsmanager")
    assert secrets.get_secret_value(SecretId=made.live.deployer.names.secret("openai"))["SecretString"] == KEY
    assert KEY not in run.stdout + run.stderr


def test_a_key_of_a_provider_of_the_config_makes_its_secret(made: Made) -> None:
    secrets = made.live.deployer.client("secretsmanager")
    for key in (KEY, f"{KEY}-rotated"):
        run = operate(made, "secret", "--provider", "providers/groq", said=key)
        assert run.returncode == 0, run.stderr
        name = f"{made.live.deployer.names.prefix}/providers/groq"
        assert secrets.get_secret_value(SecretId=name)["SecretString"] == key
        assert key not in run.stdout + run.stderr


@pytest.mark.parametrize("said", ["", "short", "two words-and-more"])
def test_what_is_no_key_is_refused(made: Made, said: str) -> None:
    run = operate(made, "secret", said=said)
    assert (run.returncode, run.stdout) == (1, "")
    assert "That is no key" in run.stderr


@pytest.mark.parametrize("provider", ["acme", "providers/", "providers/a/b", "providers/../openai", "Providers/a"])
def test_a_provider_without_a_secret_is_refused(made: Made, provider: str) -> None:
    run = operate(made, "secret", "--provider", provider, said=KEY)
    assert run.returncode == 1
    assert "PROVIDER is one of anthropic, azure, bedrock, openai" in run.stderr


def test_products_are_loaded_again_without_harm(made: Made) -> None:
    run = operate(made, "seed")
    assert run.returncode == 0, run.stderr
    assert "ai-gateway-dev-product-catalog" in run.stdout


def test_a_healthy_gateway_passes_the_smoke_test(made: Made) -> None:
    run = operate(made, "smoke", "--model", "gpt-4", GATEWAY_KEY=made.live.keys["enterprise"])
    assert run.returncode == 0, run.stdout + run.stderr
    assert run.stdout.count("ok ") == 11
    assert "answers by nova-lite" in run.stdout  # every provider that is configured is called
    assert "answers by gpt-4" in run.stdout
    assert made.live.keys["enterprise"] not in run.stdout


def test_what_only_aws_can_show_is_run_as_far_as_an_emulator_goes(made: Made) -> None:
    before = {key["id"] for key in as_admin(made, made.live.keys["admin"]).body["data"]}
    run = operate(made, "verify-aws", "--model", "gpt-4o-mini", GATEWAY_KEY=made.live.keys["admin"])
    assert run.returncode == 0, run.stdout + run.stderr
    for name in ("bills a hang-up once", "takes 5 MiB", "believes no context header", "costs little"):
        assert f"ok       {name}: " in run.stdout
    assert "not run  outlives 30 seconds: an emulator's models answer at once" in run.stdout
    assert made.live.keys["admin"] not in run.stdout
    assert {key["id"] for key in as_admin(made, made.live.keys["admin"]).body["data"]} == before


def test_a_gateway_that_is_not_there_fails_the_smoke_test(made: Made) -> None:
    line = ("smoke", "--env", "staging")
    run = operate(made, *line)
    assert run.returncode == 1
    assert "There are 0 APIs named ai-gateway-staging-api" in run.stderr


def test_a_refused_key_fails_the_smoke_test(made: Made) -> None:
    run = operate(made, "smoke", GATEWAY_KEY="sk-nobody")
    assert run.returncode == 1
    assert "FAILED lists models" in run.stdout
