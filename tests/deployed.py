"""A gateway as `make run` serves one. The fake upstream plays all of its providers: OpenAI, Anthropic and Bedrock."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.integration.conftest import Live
from tests.upstream import FakeUpstream, messages_judge, responses_judge
from tools.local import seed
from tools.local.deploy import ALIAS, Deployer, Options
from tools.local.emulator import ACCOUNT, REGION, ROOT, Emulator, start
from tools.local.gateway import BUILD, built, session
from tools.local.modes import STORE_SECONDS
from tools.manifest import Names, load

# A name for each wire format behind it: OpenAI's chat, Anthropic's Messages, Bedrock's InvokeModel and Converse.
MESSAGES = ("claude-sonnet", "bedrock/us.anthropic.claude-sonnet-4-6")
MODELS = ("gpt-4o", *MESSAGES, "nova-lite")
# An alias for OpenAI's Responses, in addition to the endpoints for which Responses is translated. The clients' gateway
# has it.
NATIVE = "native"
RESPONSES = (NATIVE, *MODELS)


@contextmanager
def deployed(build: Path = BUILD) -> Iterator[Live]:
    """The gateway, with both doors on one port, which runs until the block ends. `build`: the folder in which it is
    built; gateways that run at the same time need different ones."""
    with FakeUpstream() as fake:
        messages_judge.warm()  # the gateway waits five seconds for a count of tokens
        responses_judge.warm()
        emulator = start()
        try:
            yield _made(emulator, fake, build)
        finally:
            emulator.stop()


def _made(emulator: Emulator, fake: FakeUpstream, build: Path) -> Live:
    manifest, result = load(ROOT), built(build)
    deployer = Deployer(session(emulator.endpoint), manifest, f"cl-{secrets.token_hex(3)}")
    deployment = deployer.deploy(result, _options(deployer.names, emulator, fake))
    emulator.listen(deployment.functions["stream"], ALIAS)
    keys = seed.seed_keys(seed.database(emulator.endpoint, REGION, ACCOUNT), deployer.names)
    return Live(emulator.base_url, keys, deployer, deployment, fake, emulator.endpoint, manifest, result)


def _options(names: Names, emulator: Emulator, fake: FakeUpstream) -> Options:
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
    return Options(
        values=values,
        secrets={"openai": "sk-fake-openai", "anthropic": "sk-fake-anthropic"},
        overrides={name: {"AWS_ENDPOINT_URL_BEDROCK_RUNTIME": fake.url} for name in ("completions", "stream")},
        api_id=emulator.api_id,
        host_url=emulator.host_url,
    )
