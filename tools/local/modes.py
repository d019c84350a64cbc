"""The modes of a local gateway, by where its models are: the emulator, this machine, an OpenAI-compatible host,
Anthropic, or Bedrock."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping

import boto3

from tools.local.deploy import Options
from tools.local.emulator import EmulatorError
from tools.manifest import Names

# An emulator that starts a process for each parallel call may keep a small machine busy far longer than AWS would.
STORE_SECONDS = "20"
BEDROCK_URL = "AWS_ENDPOINT_URL_BEDROCK_RUNTIME"
_PROVIDER_KEY = "PROVIDER_KEY_"
# The model in the first example commands: one that the mode serves, and a cheap one if the mode costs money.
FIRST_MODEL = {
    "emulator": "gpt-4",
    "local": "gpt-4",
    "openai": "gpt-mini",
    "anthropic": "claude-haiku",
    "bedrock": "nova-lite",
}
MODES = tuple(FIRST_MODEL)


def options(
    mode: str,
    names: Names,
    environ: Mapping[str, str] = os.environ,
    *,
    api_id: str | None = None,
    host_url: str | None = None,
) -> Options:
    """The deployment options of a mode. Raises EmulatorError if an environment variable is missing.

    By default, a Bedrock on this machine serves all models, at `BEDROCK_URL`. So nothing costs money by surprise.
    """
    values = {
        "GATEWAY_ENVIRONMENT": names.environment,
        "GATEWAY_TABLE_PREFIX": names.prefix,
        "GATEWAY_VERSION": "0.1.0",
        "LOG_LEVEL": environ.get("GATEWAY_LOG_LEVEL", "INFO"),
        "GATEWAY_STORE_TIMEOUT_SECONDS": STORE_SECONDS,
        "GATEWAY_LOOPBACK_PROVIDERS": "allow",
        "GATEWAY_CORS_ORIGINS": "*",
        "GATEWAY_PROVIDERS": "bedrock",
        "BUDGET_TOPIC_ARN": names.budget_topic,
    }
    secrets = _provider_keys(environ)
    overrides: dict[str, str] = {}
    if environ.get(BEDROCK_URL):
        overrides[BEDROCK_URL] = environ[BEDROCK_URL]
    if mode in ("openai", "local"):
        key = environ.get("OPENAI_API_KEY", "")
        if not key:
            raise EmulatorError("LLM=openai needs OPENAI_API_KEY (any text for a local server such as Ollama).")
        secrets["openai"] = key
        values |= {
            "GATEWAY_PROVIDERS": "openai,bedrock",
            "OPENAI_SECRET_ID": names.secret("openai"),
            "OPENAI_BASE_URL": environ.get("OPENAI_BASE_URL", ""),
            "OPENAI_PASS_FIELDS": environ.get("OPENAI_PASS_FIELDS", ""),
        }
    elif mode == "anthropic":
        key = environ.get("ANTHROPIC_API_KEY", "")
        if not key:
            raise EmulatorError("LLM=anthropic needs ANTHROPIC_API_KEY.")
        secrets["anthropic"] = key
        values |= {
            "GATEWAY_PROVIDERS": "anthropic,bedrock",
            "ANTHROPIC_SECRET_ID": names.secret("anthropic"),
            "ANTHROPIC_BASE_URL": environ.get("ANTHROPIC_BASE_URL", ""),
        }
    elif mode == "bedrock":
        region, credentials = _bedrock()
        secrets["bedrock"] = credentials
        values |= {"BEDROCK_SECRET_ID": names.secret("bedrock"), "BEDROCK_REGION": region}
        overrides.setdefault(BEDROCK_URL, f"https://bedrock-runtime.{region}.amazonaws.com")
    return Options(
        values=values,
        secrets=secrets,
        overrides={"completions": overrides, "stream": overrides},
        api_id=api_id,
        host_url=host_url,
    )


def _provider_keys(environ: Mapping[str, str]) -> dict[str, str]:
    """The secrets of providers that the config may add: PROVIDER_KEY_GROQ is the secret `groq`."""
    return {
        "providers/" + name.removeprefix(_PROVIDER_KEY).lower().replace("_", "-"): key
        for name, key in environ.items()
        if name.startswith(_PROVIDER_KEY) and key
    }


def _bedrock() -> tuple[str, str]:
    session = boto3.session.Session()
    credentials = session.get_credentials()
    if credentials is None or not session.region_name:
        raise EmulatorError("LLM=bedrock needs AWS credentials and a region (AWS_PROFILE, or the AWS_* variables).")
    frozen = credentials.get_frozen_credentials()
    secret = {"access_key_id": frozen.access_key, "secret_access_key": frozen.secret_key}
    return session.region_name, json.dumps(secret | ({"session_token": frozen.token} if frozen.token else {}))
