"""A real deployment for the whole session, on an emulator that is started for it or on the one that runs at ENDPOINT.

The fake upstream plays both vendors, so that a prompt can ask for any answer and failure.
"""

from __future__ import annotations

import json
import os
import secrets
import signal
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from tests.reply import Reply
from tests.upstream import FakeUpstream
from tools.build import BuildResult
from tools.local import seed
from tools.local.deploy import ALIAS, Deployer, Deployment, Options
from tools.local.emulator import ACCOUNT, REGION, ROOT, listen, start
from tools.local.gateway import built, session
from tools.local.modes import STORE_SECONDS
from tools.manifest import Manifest, load

OPENAI_KEY = "sk-canary-openai-" + secrets.token_hex(16)

ANOTHER_KEY = "sk-canary-another-" + secrets.token_hex(16)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "integration" in item.path.parts:
            item.add_marker(pytest.mark.integration)


@dataclass(frozen=True, slots=True)
class Place:
    """Where to deploy. `base_url` returns the URL of an API for its id. `doors` has the names of the doors that answer
    /v1, if the streaming one can run."""

    endpoint: str
    base_url: Callable[[str], str]
    api_id: str | None
    host_url: str | None = None
    doors: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Live:
    """A deployed gateway and its parts that tests need. `keys` by name: free, basic, premium, enterprise, admin.
    Requests below /v1 go to `v1_url`, which is one of `doors`."""

    base_url: str
    keys: Mapping[str, str]
    deployer: Deployer
    deployment: Deployment
    fake: FakeUpstream
    endpoint: str
    manifest: Manifest
    built: BuildResult = field(repr=False)
    v1_url: str = ""
    doors: Mapping[str, str] = field(default_factory=dict)

    def url(self, path: str) -> str:
        """The URL for a path."""
        return (self.v1_url if self.v1_url and path.startswith("/v1/") else self.base_url) + path

    def call(self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Reply:
        sent = dict(headers or {})
        data = None
        if body is not None:
            data = body if isinstance(body, bytes) else json.dumps(body).encode()
            sent.setdefault("content-type", "application/json")
        request = urllib.request.Request(self.url(path), data, sent, method=method)  # noqa: S310  loopback
        try:
            with urllib.request.urlopen(request, timeout=240) as reply:  # noqa: S310  loopback
                return _reply(reply.status, reply.headers, reply.read())
        except urllib.error.HTTPError as error:
            with error:
                return _reply(error.code, error.headers, error.read())

    def admin(self, method: str, path: str, body: Any = None, **headers: str) -> Reply:
        """A call of an admin route."""
        sent = {"x-api-key": self.keys["admin"]} | {name.replace("_", "-"): text for name, text in headers.items()}
        return self.call(method, f"/api/v1/admin{path}", body, sent)

    def new_key(self, **fields: Any) -> tuple[str, str]:
        """A new key, so that no test meets another test's limits. Returns its text and id."""
        reply = self.admin("POST", "/keys", {"name": "test", "tier": "enterprise"} | fields)
        assert reply.status == 201, reply.text
        return reply.body["key"], reply.body["id"]

    def complete(self, key: str, prompt: str = "hello", model: str = "gpt-4", **fields: Any) -> Reply:
        """A completion on the gateway's own route."""
        body = {"model": model, "messages": [{"role": "user", "content": prompt}]} | fields
        return self.call("POST", "/api/v1/completions", body, {"x-api-key": key})


def _reply(status: int, headers: Any, body: bytes) -> Reply:
    return Reply(status, {name.lower(): value for name, value in headers.items()}, body.decode())


@pytest.fixture(scope="session", autouse=True)
def as_from_a_terminal() -> Iterator[None]:
    """Processes that are started here obey the signals of a terminal, even if this run ignores them: under `nohup`, or
    in the background of a script. A process inherits the signals that its parent ignores."""
    ignored = [sent for sent in (signal.SIGHUP, signal.SIGINT) if signal.getsignal(sent) is signal.SIG_IGN]
    for sent in ignored:
        signal.signal(sent, signal.SIG_DFL)
    yield
    for sent in ignored:
        signal.signal(sent, signal.SIG_IGN)


@pytest.fixture(scope="session")
def place() -> Iterator[Place]:
    endpoint = os.environ.get("ENDPOINT", "").rstrip("/")
    if endpoint:
        yield Place(endpoint, lambda api: f"{endpoint}/_aws/execute-api/{api}/$default", None)
        return
    emulator = start()
    try:
        doors = {"one": emulator.base_url, "http": emulator.http_url, "stream": emulator.stream_url}
        yield Place(emulator.endpoint, lambda _api: emulator.base_url, emulator.api_id, emulator.host_url, doors)
    finally:
        emulator.stop()


@pytest.fixture(scope="session")
def live(place: Place) -> Iterator[Live]:
    with FakeUpstream() as fake:
        manifest, result = load(ROOT), built()
        deployer = Deployer(session(place.endpoint), manifest, f"it-{secrets.token_hex(3)}")
        deployment = deployer.deploy(result, _options(deployer, place, fake))
        database = seed.database(place.endpoint, REGION, ACCOUNT)
        keys = seed.seed_keys(database, deployer.names)
        seed.seed_products(database, deployer.names)
        base_url = place.base_url(deployment.api_id)
        if place.host_url:
            listen(place.host_url, deployment.functions["stream"], ALIAS)
        yield Live(
            base_url,
            keys,
            deployer,
            deployment,
            fake,
            place.endpoint,
            manifest,
            result,
            doors=place.doors or {"http": base_url},
        )
        deployer.remove(deployment)


def _options(deployer: Deployer, place: Place, fake: FakeUpstream) -> Options:
    names = deployer.names
    values = {
        "GATEWAY_ENVIRONMENT": names.environment,
        "GATEWAY_TABLE_PREFIX": names.prefix,
        "GATEWAY_VERSION": "0.1.0",
        "LOG_LEVEL": "DEBUG",
        "GATEWAY_STORE_TIMEOUT_SECONDS": STORE_SECONDS,
        "GATEWAY_LOOPBACK_PROVIDERS": "allow",
        "GATEWAY_CORS_ORIGINS": "*",
        "GATEWAY_PROVIDERS": "openai,bedrock",
        "OPENAI_SECRET_ID": names.secret("openai"),
        "BUDGET_TOPIC_ARN": names.budget_topic,
        "OPENAI_BASE_URL": fake.openai_url,
        "OPENAI_PASS_FIELDS": "something_new",
    }
    return Options(
        values=values,
        secrets={"openai": OPENAI_KEY, "providers/another": ANOTHER_KEY},
        overrides={name: {"AWS_ENDPOINT_URL_BEDROCK_RUNTIME": fake.url} for name in ("completions", "stream")},
        api_id=place.api_id,
        host_url=place.host_url,
    )


# The doors that answer /v1: both on one port, and each separately, as on AWS without a custom domain.
DOORS = ("http",) if os.environ.get("ENDPOINT") else ("one", "http", "stream")


@pytest.fixture(params=DOORS)
def doors(request: pytest.FixtureRequest, gateway: Live) -> Live:
    """The gateway; /v1 is tested at each of its doors."""
    return replace(gateway, v1_url=gateway.doors[request.param])


@pytest.fixture(params=[door for door in DOORS if door != "http"])
def streaming(request: pytest.FixtureRequest, gateway: Live) -> Live:
    """The gateway; /v1 is tested at the streaming door."""
    return replace(gateway, v1_url=gateway.doors[request.param])


@pytest.fixture
def gateway(live: Live) -> Iterator[Live]:
    """The deployed gateway, with an upstream that does what prompts ask for, and with closed breakers."""
    live.fake.reset()
    yield replace(live)
    live.fake.reset()
    assert live.admin("POST", "/circuit-breakers", {"action": "reset"}).status == 200
