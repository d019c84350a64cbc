"""The environment, read once and only here."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from msgspec import Struct

from gateway.aws.sigv4 import Credentials
from gateway.tracing import Tracing


class ProviderSettings(Struct, frozen=True):
    """What the deployment sets for one of its providers, in variables that begin with the provider's name: another base
    URL, the id of its secret, fields that may pass to its host, the region that it is called in."""

    base_url: str = ""
    secret_id: str = ""
    pass_fields: tuple[str, ...] = ()
    region: str = ""


class Settings(Struct, frozen=True):
    """One function's environment. Empty strings mean "not set".

    `adapter`: the function runs on Lambda, behind AWS's Lambda Web Adapter. `host`, `port`, `threads`,
    `stream_seconds`, `patience_seconds` and `cors_origins` are for a function that listens on a port.
    """

    environment: str
    table_prefix: str
    version: str
    region: str
    function: str
    memory_mb: int
    store_timeout: float
    log_level: str
    providers: tuple[str, ...]
    by_provider: Mapping[str, ProviderSettings]
    endpoints: Mapping[str, str]
    budget_topic_arn: str = ""
    mcp_allowed_origins: tuple[str, ...] = ()
    mcp_allowed_hosts: tuple[str, ...] = ()
    loopback_providers: bool = False
    runtime_api: str = ""
    adapter: bool = False
    host: str = "127.0.0.1"
    port: int = 8080
    threads: int = 8
    stream_seconds: float = 890.0
    patience_seconds: float = 240.0
    cors_origins: tuple[str, ...] = ()
    table_names: Mapping[str, str] = {}  # for tables that were restored under another name

    def table(self, name: str) -> str:
        """The real name of a table that shared/tables.json lists."""
        return self.table_names.get(name) or f"{self.table_prefix}-{name}"

    @property
    def ends_of_life(self) -> bool:
        """Whether a model may reach its end of life. With simulated providers on this machine it never does."""
        return not self.loopback_providers

    @property
    def model_region(self) -> str:
        """The region that models are called in, at providers that have regions."""
        return next((said.region for said in self.by_provider.values() if said.region), self.region)

    def provider_secret(self, name: str) -> str:
        """The secret id for a name that a provider in the config gives; the prefix keeps other secrets out of reach."""
        return f"{self.table_prefix}/providers/{name}"

    def endpoint(self, service: str) -> str:
        """A service's endpoint: the one that the environment sets, else AWS's own host."""
        return self.override(service) or f"https://{service}.{self.region}.{domain(self.region)}"

    def override(self, service: str) -> str:
        """AWS_ENDPOINT_URL_<SERVICE>, else AWS_ENDPOINT_URL, else nothing."""
        variable = "AWS_ENDPOINT_URL_" + service.upper().replace("-", "_")
        return self.endpoints.get(variable) or self.endpoints.get("AWS_ENDPOINT_URL") or ""


def domain(region: str) -> str:
    """The domain of AWS's hosts in a region."""
    return "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"


def read_settings(environ: Mapping[str, str]) -> Settings:
    """The settings in an environment. Raises KeyError with the name of a required variable that is missing."""
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
        providers=(providers := _listed(environ, "GATEWAY_PROVIDERS")),
        by_provider={name: _provider(environ, name.upper().replace("-", "_")) for name in providers},
        endpoints={name: value for name, value in environ.items() if name.startswith("AWS_ENDPOINT_URL") and value},
        budget_topic_arn=environ.get("BUDGET_TOPIC_ARN", ""),
        mcp_allowed_origins=_listed(environ, "MCP_ALLOWED_ORIGINS"),
        mcp_allowed_hosts=_listed(environ, "MCP_ALLOWED_HOSTS"),
        loopback_providers=environ.get("GATEWAY_LOOPBACK_PROVIDERS", "") == "allow",
        runtime_api=(runtime_api := environ.get("AWS_LAMBDA_RUNTIME_API", "")),
        adapter=bool(runtime_api and environ.get("AWS_LWA_INVOKE_MODE")),
        host=environ.get("HOST") or "127.0.0.1",
        port=int(environ.get("AWS_LWA_PORT") or environ.get("PORT") or 8080),
        threads=int(environ.get("GATEWAY_THREADS") or 8),
        stream_seconds=float(environ.get("GATEWAY_STREAM_SECONDS") or 890),
        patience_seconds=float(environ.get("GATEWAY_PATIENCE_SECONDS") or 240),
        cors_origins=_listed(environ, "GATEWAY_CORS_ORIGINS"),
        table_names=dict(each.split("=", 1) for each in _listed(environ, "GATEWAY_TABLE_NAMES")),
    )


def _provider(environ: Mapping[str, str], prefix: str) -> ProviderSettings:
    return ProviderSettings(
        base_url=environ.get(f"{prefix}_BASE_URL", ""),
        secret_id=environ.get(f"{prefix}_SECRET_ID", ""),
        pass_fields=_listed(environ, f"{prefix}_PASS_FIELDS"),
        region=environ.get(f"{prefix}_REGION", ""),
    )


def _listed(environ: Mapping[str, str], name: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in environ.get(name, "").split(",") if part.strip())


@lru_cache(maxsize=1)
def settings() -> Settings:
    """The process's settings, read on first use."""
    return read_settings(os.environ)


def environment_credentials() -> Credentials | None:
    """The execution role's credentials, which Lambda puts into the environment; None if they are not there."""
    environ = os.environ
    try:
        access, secret = environ["AWS_ACCESS_KEY_ID"], environ["AWS_SECRET_ACCESS_KEY"]
    except KeyError:
        return None
    return Credentials(access, secret, environ.get("AWS_SESSION_TOKEN")) if access and secret else None


# os.environ encodes a name and decodes a value at each look-up, and raises two errors for a variable that is not set:
# too much work for a variable that is read at each request. This is the dictionary in it.
_VARIABLES: Final[Mapping[bytes, bytes]] = vars(os.environ)["_data"]


def trace_header() -> str:
    """Lambda's trace header. It is read at every run, since Lambda gives each run its own."""
    return _VARIABLES.get(b"_X_AMZN_TRACE_ID", b"").decode(errors="surrogateescape")


def tracing(header: str) -> Tracing:
    """Where the trace of a run that began with this header goes."""
    return Tracing(header, os.environ.get("AWS_XRAY_DAEMON_ADDRESS", ""))
