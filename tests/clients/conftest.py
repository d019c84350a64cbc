"""Clients as they are published, against a deployment whose providers are all the fake upstream.

The fake does what a request asks of it (`tests/upstream/obliging.py`), so that clients' own suites run unchanged.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest

from tests.door import door_of, listening
from tests.integration.conftest import Live, Place, place
from tests.upstream import FakeUpstream
from tests.upstream.obliging import oblige
from tools.local import seed
from tools.local.deploy import Deployer, Options
from tools.local.emulator import ACCOUNT, REGION, ROOT
from tools.local.gateway import built, session
from tools.local.modes import STORE_SECONDS
from tools.manifest import load

__all__ = ["place"]

# A name of each wire format behind the gateway: OpenAI's chat, Anthropic's Messages, Bedrock's InvokeModel and Converse.
NATIVE = ("claude-sonnet", "bedrock/us.anthropic.claude-sonnet-4-6")
MODELS = ("gpt-4o", *NATIVE, "nova-lite")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "clients" in item.path.parts:
            item.add_marker(pytest.mark.agents if "agents" in item.path.parts else pytest.mark.clients)


@dataclass(frozen=True, slots=True)
class Served:
    """A deployment, and the address that clients are given: its streaming door."""

    live: Live
    url: str

    @property
    def fake(self) -> FakeUpstream:
        return self.live.fake


@pytest.fixture(scope="session")
def served(place: Place, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("door")
    with FakeUpstream() as fake:
        manifest, result = load(ROOT), built()
        deployer = Deployer(session(place.endpoint), manifest, f"cl-{secrets.token_hex(3)}")
        names = deployer.names
        values = {
            "GATEWAY_ENVIRONMENT": names.environment,
            "GATEWAY_TABLE_PREFIX": names.prefix,
            "GATEWAY_VERSION": "0.1.0",
            "GATEWAY_STORE_TIMEOUT_SECONDS": STORE_SECONDS,
            "GATEWAY_LOOPBACK_PROVIDERS": "allow",
            "GATEWAY_PROVIDERS": "openai,anthropic,bedrock",
            "OPENAI_SECRET_ID": names.secret("openai"),
            "OPENAI_BASE_URL": fake.openai_url,
            "ANTHROPIC_SECRET_ID": names.secret("anthropic"),
            "ANTHROPIC_BASE_URL": fake.url,
            "BUDGET_TOPIC_ARN": names.budget_topic,
        }
        bedrock = {"AWS_ENDPOINT_URL_BEDROCK_RUNTIME": fake.url}
        options = Options(
            values=values,
            secrets={"openai": "sk-fake-openai", "anthropic": "sk-fake-anthropic"},
            overrides={"completions": bedrock, "stream": bedrock},
            api_id=place.api_id,
            host_url=place.host_url,
        )
        deployment = deployer.deploy(result, options)
        keys = seed.seed_keys(seed.database(place.endpoint, REGION, ACCOUNT), names)
        live = Live(place.base_url(deployment.api_id), keys, deployer, deployment, fake, place.endpoint, manifest, result)
        with listening(door_of(live, folder), folder / "log") as url:
            yield Served(live, url)
        deployer.remove(deployment)


@pytest.fixture
def gateway(served: Served) -> Iterator[Served]:
    served.fake.reset()
    served.fake.decide = oblige
    yield replace(served)
    served.fake.reset()
    assert served.live.admin("POST", "/circuit-breakers", {"action": "reset"}).status == 200
