"""The environment, read once and only here."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from gateway.aws.sigv4 import Credentials
from gateway.tracing import Tracing


@dataclass(frozen=True, slots=True)
class Settings:
    """One function's environment. Empty strings mean "not set"."""

    environment: str
    table_prefix: str
    version: str
    region: str
    function: str
    memory_mb: int
    store_timeout: float
    log_level: str
    providers: tuple[str, ...]
    openai_base_url: str
    openai_secret_id: str
    bedrock_region: str
    bedrock_secret_id: str
    endpoints: Mapping[str, str]
    budget_topic_arn: str = ""
    mcp_allowed_origins: tuple[str, ...] = ()
    mcp_allowed_hosts: tuple[str, ...] = ()
    openai_pass_fields: tuple[str, ...] = ()

    def table(self, name: str) -> str:
        """The real name of a table of shared/tables.json."""
        return f"{self.table_prefix}-{name}"

    def endpoint(self, service: str, region: str = "") -> str:
        """Where a service answers: AWS_ENDPOINT_URL_<SERVICE>, else AWS_ENDPOINT_URL, else AWS's own host."""
        variable = "AWS_ENDPOINT_URL_" + service.upper().replace("-", "_")
        region = region or self.region
        suffix = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
        return (
            self.endpoints.get(variable)
            or self.endpoints.get("AWS_ENDPOINT_URL")
            or f"https://{service}.{region}.{suffix}"
        )


def read_settings(environ: Mapping[str, str]) -> Settings:
    """Settings of a given environment. Raises KeyError naming a variable that must be there."""
    region = environ.get("AWS_REGION") or environ["AWS_DEFAULT_REGION"]
    return Settings(
        environment=environ["GATEWAY_ENVIRONMENT"],
        table_prefix=environ["GATEWAY_TABLE_PREFIX"],
        version=environ.get("GATEWAY_VERSION", "0.0.0"),
        region=region,
        function=environ.get("AWS_LAMBDA_FUNCTION_NAME", ""),
        memory_mb=int(environ.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE") or 0),
        store_timeout=float(environ.get("GATEWAY_STORE_TIMEOUT_SECONDS") or 2),
        log_level=environ.get("LOG_LEVEL", "INFO"),
        providers=_listed(environ, "GATEWAY_PROVIDERS"),
        openai_base_url=environ.get("OPENAI_BASE_URL", ""),
        openai_secret_id=environ.get("OPENAI_SECRET_ID", ""),
        bedrock_region=environ.get("BEDROCK_REGION", "") or region,
        bedrock_secret_id=environ.get("BEDROCK_SECRET_ID", ""),
        endpoints={name: value for name, value in environ.items() if name.startswith("AWS_ENDPOINT_URL") and value},
        budget_topic_arn=environ.get("BUDGET_TOPIC_ARN", ""),
        mcp_allowed_origins=_listed(environ, "MCP_ALLOWED_ORIGINS"),
        mcp_allowed_hosts=_listed(environ, "MCP_ALLOWED_HOSTS"),
        openai_pass_fields=_listed(environ, "OPENAI_PASS_FIELDS"),
    )


def _listed(environ: Mapping[str, str], name: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in environ.get(name, "").split(",") if part.strip())


@lru_cache(maxsize=1)
def settings() -> Settings:
    """The process's settings, read on first use."""
    return read_settings(os.environ)


def environment_credentials() -> Credentials | None:
    """The execution role's credentials, which Lambda puts into the environment; None where they come otherwise.

    Read at every call: SnapStart and long-lived containers see them renewed.
    """
    access, secret = os.environ.get("AWS_ACCESS_KEY_ID"), os.environ.get("AWS_SECRET_ACCESS_KEY")
    return Credentials(access, secret, os.environ.get("AWS_SESSION_TOKEN")) if access and secret else None


def tracing(header: str | None = None) -> Tracing:
    """Where a run's trace goes. Read at every run: Lambda gives each a trace of its own. With a `header`, the trace of
    a run that began with it."""
    trace = os.environ.get("_X_AMZN_TRACE_ID", "") if header is None else header
    return Tracing(trace, os.environ.get("AWS_XRAY_DAEMON_ADDRESS", ""))
