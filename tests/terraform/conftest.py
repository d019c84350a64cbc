"""The state of an offline apply, and the same gateway made by the local deployer, with its AWS calls recorded.

tools/terraform-check.sh applies the configuration and sets these variables: TERRAFORM_STATE and TERRAFORM_PLAN are the
output of `terraform show -json` for the state and for a second plan; TERRAFORM_COPY is the initialised copy of the
configuration.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.conftest import Live
from tests.terraform import made as emulated
from tests.terraform.applied import State
from tests.terraform.everything import do_everything
from tests.terraform.forms import Facts
from tests.terraform.making import Daemon, Made, Server
from tests.terraform.recording import Recorder
from tests.terraform.sabotage import JUDGED, changed
from tests.upstream import FakeUpstream
from tools.golden.plans import all_planned
from tools.local import seed
from tools.local.deploy import HOST_VARIABLE, Deployer, Options
from tools.local.emulator import ACCOUNT, REGION, ROOT, start
from tools.local.gateway import built, session
from tools.local.modes import STORE_SECONDS
from tools.manifest import load


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.terraform)


def read(variable: str) -> State:
    return State(json.loads(Path(os.environ[variable]).read_text(encoding="utf-8")))


@pytest.fixture(scope="session")
def state() -> State:
    return read("TERRAFORM_STATE")


@pytest.fixture(scope="session")
def copy() -> Path:
    return Path(os.environ["TERRAFORM_COPY"])


@pytest.fixture(scope="session")
def unchanged(copy: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the copy, as sabotage.py makes one for its mistakes, but without a mistake; the plans that expectations
    read are in plans/. They are made from nothing: the state that was applied in the copy, in another account, must not
    influence them."""
    into = tmp_path_factory.mktemp("unchanged") / "copy"
    all_planned(changed(copy, into), into / "plans", JUDGED)
    return into


@pytest.fixture(scope="session")
def made(state: State, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    assert state.place == (REGION, ACCOUNT), "tools/terraform-check.sh applies for the place where the emulator is"
    emulator = start()
    try:
        with (
            FakeUpstream() as fake,
            Recorder({"": emulator.endpoint, "bedrock": fake.url}) as recorder,
            Daemon() as daemon,
        ):
            manifest, result = load(ROOT), built(tmp_path_factory.mktemp("build"))
            deployer = Deployer(session(emulator.endpoint), manifest, "dev")
            local = {
                "OPENAI_BASE_URL": fake.openai_url,
                "GATEWAY_STORE_TIMEOUT_SECONDS": STORE_SECONDS,
                "GATEWAY_LOOPBACK_PROVIDERS": "allow",
            }
            overrides = {
                folder: {
                    "AWS_ENDPOINT_URL": recorder.url(folder),
                    "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": recorder.url(folder),
                    "AWS_XRAY_DAEMON_ADDRESS": daemon.address,
                }
                for folder in manifest.functions
            }
            options = Options(
                values=state.environment() | local,
                secrets={"openai": "sk-test", "providers/another": "sk-another"},
                overrides=overrides,
                api_id=emulator.api_id,
                host_url=emulator.host_url,
            )
            deployment = deployer.deploy(result, options)
            database = seed.database(emulator.endpoint, REGION, ACCOUNT)
            keys = seed.seed_keys(database, deployer.names)
            seed.seed_products(database, deployer.names)
            live = Live(emulator.http_url, keys, deployer, deployment, fake, emulator.endpoint, manifest, result)
            assert manifest.streaming
            name = deployment.functions[manifest.streaming]
            function = deployer.client("lambda").get_function_configuration(FunctionName=name)
            log = tmp_path_factory.mktemp("stream") / "log"
            with Server(manifest.streaming, function["Environment"]["Variables"], name, log) as server:
                yield Made(live, recorder, daemon, frozenset({*local, *overrides["health"], HOST_VARIABLE}), server)
    finally:
        emulator.stop()


@pytest.fixture(scope="session")
def everything(made: Made) -> Made:
    """The gateway after it did everything that it can do once."""
    do_everything(made)
    return made


@pytest.fixture(scope="session")
def local(made: Made) -> Facts:
    """The facts of the local deployer's gateway, without the variables that it has only because it is local."""
    facts = emulated.facts(made.live.deployer.client, made.live.deployment)
    for function in facts["functions"].values():
        given = function["environment"]
        function["environment"] = {name: value for name, value in given.items() if name not in made.local}
    return facts
