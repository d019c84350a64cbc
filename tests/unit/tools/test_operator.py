"""As whom the commands act, where, and on whose state: against a loopback server in AWS's place."""

from __future__ import annotations

import io
import json
import platform
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from urllib.parse import parse_qs

import pytest

from tools.aws import backend, secret
from tools.aws.described import described
from tools.aws.place import OperatorError, Place, place
from tools.local.emulator import ROOT

HOME, AWAY = "111111111111", "222222222222"
ROLE = f"arn:aws:iam::{AWAY}:role/deployer"
SECOND = f'region = "eu-west-1"\nname = "gate"\ndeploy_role_arn = "{ROLE}"\naccount_ids = [\n  "{AWAY}", # ours\n]\n'


class Aws:
    """STS and Lambda: the machine's credentials belong to one account, the role's to another. Keeps the names of the
    signers."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str]] = []
        self.functions: set[str] = set()
        aws = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = parse_qs(self.rfile.read(int(self.headers["content-length"])).decode())
                self._answer(200, aws.sts(self.headers["authorization"], body))

            def do_GET(self) -> None:
                signer = self.headers["authorization"].partition("Credential=")[2].partition("/")[0]
                name = self.path.split("/functions/")[1].split("/")[0]
                aws.calls.append((signer, name))
                there = name in aws.functions
                self._answer(200 if there else 404, "{}" if there else '{"Message": "no such function"}')

            def _answer(self, status: int, text: str) -> None:
                self.send_response(status)
                if status == 404:
                    self.send_header("x-amzn-errortype", "ResourceNotFoundException")
                self.send_header("content-length", str(len(text)))
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, *_: Any) -> None:
                """Says nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def sts(self, authorization: str, body: dict[str, list[str]]) -> str:
        signer = authorization.partition("Credential=")[2].partition("/")[0]
        (action,) = body["Action"]
        self.calls.append((signer, action))
        if action == "AssumeRole":
            assert body["RoleArn"] == [ROLE]
            result = (
                "<Credentials><AccessKeyId>ROLE</AccessKeyId><SecretAccessKey>s</SecretAccessKey>"
                "<SessionToken>t</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration></Credentials>"
            )
        else:
            account = AWAY if signer == "ROLE" else HOME
            result = f"<Account>{account}</Account><UserId>u</UserId><Arn>arn:aws:sts::{account}:x</Arn>"
        return f"<{action}Response><{action}Result>{result}</{action}Result></{action}Response>"


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Aws]:
    fake = Aws()
    thread = threading.Thread(target=fake.server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "STATE_BUCKET", "TF_VAR_deploy_role_arn", "TF_VAR_account_ids"):
        monkeypatch.delenv(name, raising=False)
    settings = {"AWS_ACCESS_KEY_ID": "MACHINE", "AWS_SECRET_ACCESS_KEY": "s", "AWS_ENDPOINT_URL": fake.url}
    settings |= {"AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null", "AWS_MAX_ATTEMPTS": "1"}
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    yield fake
    fake.server.shutdown()
    fake.server.server_close()
    thread.join()


def terraform(folder: Path, **environments: str) -> Path:
    (folder / "environments").mkdir(parents=True)
    for name, text in environments.items():
        (folder / "environments" / f"{name}.tfvars").write_text(text, encoding="utf-8")
    return folder


def test_a_command_acts_by_the_role_that_the_environment_is_deployed_by(aws: Aws, tmp_path: Path) -> None:
    there = place("second", "", terraform(tmp_path / "terraform", second=SECOND))
    assert (there.names.account, there.names.region, there.names.prefix) == (AWAY, "eu-west-1", "gate-second")
    assert aws.calls == [("MACHINE", "AssumeRole"), ("ROLE", "GetCallerIdentity")]
    credentials = there._credentials()  # signs the calls to the tables
    assert (credentials.access_key, credentials.token) == ("ROLE", "t")
    for service in ("dynamodb", "secretsmanager", "apigatewayv2", "lambda", "cloudwatch"):
        assert there.client(service)._request_signer._credentials.access_key == "ROLE"


def test_without_a_role_the_credentials_are_the_machines(aws: Aws, tmp_path: Path) -> None:
    there = place("first", "", terraform(tmp_path / "terraform", first='region = "eu-west-1"\n'))
    assert (there.names.account, there._credentials().access_key) == (HOME, "MACHINE")
    assert aws.calls == [("MACHINE", "GetCallerIdentity")]


@pytest.mark.parametrize("said", [f'account_ids = ["{AWAY}"]', f'account_ids = [\n  "{AWAY}",\n]'])
def test_another_account_than_the_environments_is_refused(aws: Aws, tmp_path: Path, said: str) -> None:
    with pytest.raises(OperatorError, match=f"deployed to {AWAY}.*are of {HOME}"):
        place("first", "", terraform(tmp_path / "terraform", first=f'region = "eu-west-1"\n{said}\n'))


def test_what_terraform_reads_elsewhere_holds_here_too(
    aws: Aws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = terraform(
        tmp_path / "terraform", first='region = "eu-west-1"\n', bare='region = "eu-west-1"\nname = null\n'
    )
    monkeypatch.setenv("TF_VAR_deploy_role_arn", ROLE)
    assert described("first", folder).role == ROLE
    (folder / "all.auto.tfvars").write_text(f'account_ids = ["{AWAY}"]\ndeploy_role_arn = null\n', encoding="utf-8")
    assert described("first", folder).role == ""
    assert described("bare", folder).accounts == {AWAY}
    assert described("bare", folder).base == "ai-gateway"


def settings(folder: Path, name: str, bucket: str = "") -> str:
    return backend.settings(described(name, folder), bucket, folder / f"kept-{name}", folder)


def test_each_environment_has_a_state_of_its_own(aws: Aws, tmp_path: Path) -> None:
    folder = terraform(tmp_path / "terraform", first='region = "eu-west-1"\n', second=SECOND)
    assert settings(folder, "first", "states") == 'bucket = "states"\nregion = "eu-west-1"\n'
    assert f'assume_role = {{ role_arn = "{ROLE}" }}' in settings(folder, "second", "others")
    assert f'allowed_account_ids = ["{AWAY}"]' in settings(folder, "second", "others")
    (folder / "kept-first").write_text('bucket = "states"\n', encoding="utf-8")
    assert 'bucket = "states"' in settings(folder, "first")
    with pytest.raises(OperatorError, match="Where is the state of second"):
        settings(folder, "second")  # the first environment's bucket is not the second one's
    with pytest.raises(OperatorError, match="can't be in two buckets"):
        settings(folder, "first", "others")


def test_settings_of_a_state_that_lies_elsewhere(aws: Aws, tmp_path: Path) -> None:
    folder = terraform(tmp_path / "terraform", second=SECOND)
    file = folder / "environments" / "second.s3.tfbackend"
    file.write_text('bucket = "central"\nregion = "us-east-1"\nassume_role = null\nkey = "a/b"\n', encoding="utf-8")
    lines = settings(folder, "second").splitlines()
    assert {'bucket = "central"', 'region = "us-east-1"', "assume_role = null", 'key = "a/b"'} <= set(lines)
    with pytest.raises(OperatorError, match="can't be in two buckets"):
        settings(folder, "second", "others")


def state(prefix: str = "gate-second", account: str = AWAY, region: str = "eu-west-1") -> str:
    def resource(kind: str, **attributes: Any) -> dict[str, Any]:
        return {"mode": "managed", "type": kind, "instances": [{"attributes": attributes}]}

    arn = f"arn:aws:lambda:{region}:{account}:function:x"
    preflight = resource("terraform_data", input={"value": prefix, "type": "string"})
    return json.dumps({"resources": [preflight, resource("aws_lambda_function", arn=arn)]})


@pytest.fixture
def second(aws: Aws, tmp_path: Path) -> Place:
    return place("second", "", terraform(tmp_path / "terraform", second=SECOND))


def test_its_own_state_or_none_at_all_is_right(second: Place) -> None:
    for document in (state(), "", '{"resources": []}'):
        backend.check_state(second, document)


@pytest.mark.parametrize(
    ("document", "said"),
    [
        (state(prefix="gate-first"), "names is gate-first, not gate-second"),
        (state(account=HOME), f"account is {HOME}, not {AWAY}"),
        (state(region="us-east-1"), "region is us-east-1, not eu-west-1"),
    ],
)
def test_another_environments_state_is_refused(document: str, said: str, second: Place) -> None:
    with pytest.raises(OperatorError, match=said):
        backend.check_state(second, document)


def test_an_empty_state_of_what_is_deployed_is_refused(aws: Aws, second: Place) -> None:
    aws.functions.add("gate-second-health")
    with pytest.raises(OperatorError, match="its state is in another bucket"):
        backend.check_state(second, "")


STUB = """#!/usr/bin/env bash
echo "$TF_DATA_DIR $*" >>"$STUB_LOG"
case "$*" in
    "version -json") echo "  \\"terraform_version\\": \\"${STUB_VERSION:-1.11.4}\\"," ;;
    *"state pull") cat "$STUB_STATE" ;;
    *" plan "*) all=$* && touch "${all##*-out=}" ;;
esac
"""


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """This repository with an environment `second`, and a substitute for Terraform that writes down how it was run."""
    root = tmp_path / "checkout"
    shutil.copytree(ROOT / "tools", root / "tools", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("shared", "functions"):
        (root / name).symlink_to(ROOT / name)
    (root / ".local").mkdir()
    (root / ".local/venv").symlink_to(ROOT / ".local/venv")
    terraform(root / "terraform", second=SECOND)
    stub = tmp_path / "bin" / "terraform"
    stub.parent.mkdir()
    stub.write_text(STUB, encoding="utf-8")
    stub.chmod(0o755)
    monkeypatch.setenv("PATH", f"{stub.parent}:/usr/bin:/bin")
    monkeypatch.setenv("PYTHONPATH", f"{root}/shared:{root}")
    monkeypatch.setenv("STUB_LOG", str(root / "log"))
    monkeypatch.setenv("STUB_STATE", str(root / "state"))
    return root


def run(checkout: Path, document: str, command: str = "destroy") -> tuple[int, str, list[str]]:
    (checkout / "state").write_text(document, encoding="utf-8")
    (checkout / "log").unlink(missing_ok=True)
    line = [str(checkout / "tools/deploy.sh"), command, "second"]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    return done.returncode, done.stderr, (checkout / "log").read_text(encoding="utf-8").splitlines()


def test_a_deployment_uses_the_environments_own_state(
    aws: Aws, checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, said, _ = run(checkout, state())
    assert (code, "Where is the state of second" in said) == (1, True)
    monkeypatch.setenv("STATE_BUCKET", "states")
    code, said, log = run(checkout, state())
    assert code == 0, said
    data = f"{checkout}/.local/terraform-data/second"
    assert all(line.startswith(f"{data} ") for line in log[1:])
    assert any(f"-backend-config={data}/backend.tfbackend" in line for line in log)
    assert f'role_arn = "{ROLE}"' in Path(f"{data}/backend.tfbackend").read_text(encoding="utf-8")
    assert "destroy -var-file=" in log[-1]
    monkeypatch.delenv("STATE_BUCKET")
    assert run(checkout, state())[0] == 0  # named once


def test_a_deployment_stops_at_another_environments_state(
    aws: Aws, checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STATE_BUCKET", "states")
    code, said, log = run(checkout, state(prefix="gate-first"))
    assert (code, "This state is not that of gate-second" in said) == (1, True)
    assert not any("destroy" in line for line in log)


def test_terraform_is_asked_as_it_must_be(aws: Aws, checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STATE_BUCKET", "states")
    data = f"{checkout}/.local/terraform-data/second"
    wanted = [
        f"{data} -chdir=terraform init -input=false -reconfigure -backend-config={data}/backend.tfbackend",
        f"{data} -chdir=terraform workspace select -or-create second",
        f"{data} -chdir=terraform state pull",
        f"{data} -chdir=terraform destroy -var-file={checkout}/terraform/environments/second.tfvars",
    ]
    for approved, last in {"": "", "no": "", "yes": " -auto-approve"}.items():
        monkeypatch.setenv("APPROVE", approved)
        code, said, log = run(checkout, state())
        assert code == 0, said
        assert log[1:] == [*wanted[:-1], wanted[-1] + last]


def test_nothing_is_asked_of_another_account_or_an_old_terraform(
    aws: Aws, checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STATE_BUCKET", "states")
    monkeypatch.setenv("STUB_VERSION", "1.9.8")
    code, said, log = run(checkout, state())
    assert (code, "Terraform 1.9 is too old" in said, len(log)) == (1, True, 1)
    monkeypatch.delenv("STUB_VERSION")
    variables = checkout / "terraform/environments/second.tfvars"
    variables.write_text(SECOND.replace(f'"{AWAY}", # ours', f'"{HOME}",'), encoding="utf-8")
    code, said, log = run(checkout, state())
    assert (code, f"is deployed to {HOME}" in said, len(log)) == (1, True, 1)


@pytest.fixture
def built(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The checkout, with a build that notes each time that it ran, and makes one zip of the content of CODE."""
    monkeypatch.setenv("STATE_BUCKET", "states")
    monkeypatch.setenv("APPROVE", "yes")
    monkeypatch.setenv("CODE", "1")
    (checkout / ".local/venv").unlink()
    python = checkout / ".local/venv/bin/python"
    python.parent.mkdir(parents=True)
    noted = """if [[ "$*" == *tools.build* ]]; then
    echo "$*" >>"$STUB_LOG"
    for name in arm64 x86_64; do
        mkdir -p "build/aws-$name-py313" && echo "$CODE" >"build/aws-$name-py313/health.zip"
    done
else exec """
    python.write_text(f'#!/usr/bin/env bash\n{noted}"{sys.executable}" "$@"; fi\n', encoding="utf-8")
    python.chmod(0o755)
    return checkout


def asked_of_terraform(log: list[str]) -> list[str]:
    """The commands that Terraform received after the build."""
    (at,) = (number for number, line in enumerate(log) if "tools.build" in line)
    assert log[at] == "-m tools.build --target aws --architecture arm64"
    return [line.partition(" -chdir=terraform ")[2] for line in log[at + 1 :]]


def test_apply_applies_the_plan_that_was_read(aws: Aws, built: Path) -> None:
    kept = f"{built}/.local/terraform-data/second/kept.tfplan"
    code, said, log = run(built, state(), "plan")
    assert code == 0, said
    assert asked_of_terraform(log) == [f"plan -var-file={built}/terraform/environments/second.tfvars -out={kept}.new"]
    code, said, log = run(built, state(), "apply")
    assert code == 0, said
    assert asked_of_terraform(log) == [f"show {kept}", f"apply {kept}.applied"]
    code, said, log = run(built, state(), "apply")  # used up: apply makes its own plan and shows it
    assert code == 0, said
    assert [line.split()[0] for line in asked_of_terraform(log)] == ["plan", "apply"]


def test_a_plan_that_is_stale_is_refused(aws: Aws, built: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    variables = built / "terraform/environments/second.tfvars"
    for change in (
        lambda: monkeypatch.setenv("CODE", "2"),
        lambda: variables.write_text(f"{SECOND}# changed\n", encoding="utf-8"),
    ):
        assert run(built, state(), "plan")[0] == 0
        change()
        code, said, log = run(built, state(), "apply")
        assert (code, "The plan that was kept is stale" in said) == (1, True)
        assert asked_of_terraform(log) == []


def test_a_plan_that_nobody_approves_is_not_applied(aws: Aws, built: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("APPROVE")
    code, said, log = run(built, state(), "apply")  # nobody answers
    assert (code, "Nothing was done; the plan is kept." in said) == (1, True)
    assert [line.split()[0] for line in asked_of_terraform(log)] == ["plan"]


def test_a_plan_that_was_cut_off_is_none(aws: Aws, built: Path) -> None:
    """kill -9 while Terraform plans, or before the plan's inputs are noted."""
    data = built / ".local/terraform-data/second"
    for left in ("kept.tfplan.new", "kept.tfplan", "kept.tfplan.applied"):
        data.mkdir(parents=True, exist_ok=True)
        (data / left).touch()
        code, said, log = run(built, state(), "apply")
        assert code == 0, said
        assert [line.split()[0] for line in asked_of_terraform(log)] == ["plan", "apply"]


def test_an_emulator_gets_zips_of_this_machine_and_leaves_nothing_beside_the_files(
    built: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENDPOINT", "http://127.0.0.1:4566")
    code, said, log = run(built, state(), "apply")
    assert code == 0, said
    machine = {"x86_64": "x86_64", "amd64": "x86_64"}.get(platform.machine(), "arm64")
    assert f"-m tools.build --target aws --architecture {machine}" in log
    copy = f"{built}/.local/terraform-data/second-emulator/copy/terraform"
    (planned,) = (line for line in log if " plan " in line)
    assert f" -chdir={copy} plan " in planned
    assert f"-var architecture={machine}" in planned
    assert sorted(path.name for path in (built / "terraform").iterdir()) == ["environments"]


def test_an_override_that_was_left_behind_stops_a_deployment(aws: Aws, built: Path) -> None:
    (built / "terraform/backend_override.tf").touch()
    code, said, log = run(built, state(), "plan")
    assert (code, "terraform/backend_override.tf would change what is deployed" in said, len(log)) == (1, True, 1)


class _Secrets:
    """A Secrets Manager in which every secret exists already."""

    def __init__(self) -> None:
        self.put: dict[str, str] = {}

    def put_secret_value(self, *, SecretId: str, SecretString: str) -> None:  # noqa: N803  boto3's names
        self.put[SecretId] = SecretString


def _secret_put(monkeypatch: pytest.MonkeyPatch, text: str) -> dict[str, str]:
    secrets = _Secrets()
    monkeypatch.setattr("sys.stdin", io.StringIO(text))
    place = SimpleNamespace(names=SimpleNamespace(secret=lambda name: f"p/{name}"), client=lambda service: secrets)
    secret.put(cast("Place", place), "providers/groq")
    return secrets.put


@pytest.mark.parametrize(
    "text",
    [
        "sk-12345678",
        '["sk-12345678", {"api_key": "sk-87654321"}]',
        '[{"access_key_id": "AKIA", "secret_access_key": "s"}, "sk-12345678"]',
    ],
)
def test_a_secret_is_one_credential_or_a_list(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    assert _secret_put(monkeypatch, f"{text}\n") == {"p/providers/groq": text}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "That is no key"),
        ("short", "That is no key"),
        ("two words of canary", "That is no key"),
        ('["sk-12345678", "two words of canary"]', "Entry 2 is no key"),
        ('["sk-12345678", {"canary": "x"}]', "must hold"),
        ("[]", "an empty list"),
    ],
)
def test_what_is_no_credential_is_not_put_and_not_shown(monkeypatch: pytest.MonkeyPatch, text: str, said: str) -> None:
    with pytest.raises(OperatorError, match=said) as refused:
        _secret_put(monkeypatch, text)
    assert "canary" not in str(refused.value)
