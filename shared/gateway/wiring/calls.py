"""What answers callers: paid calls, the ledger under them, models, the catalogue."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from gateway.wiring.once import once
from gateway.wiring.stores import Stores, own_credentials

if TYPE_CHECKING:
    from gateway.calls.completions import Completions
    from gateway.calls.idempotency import Idempotency
    from gateway.catalogue.catalogue import Catalogue
    from gateway.config.service import ConfigSource
    from gateway.health.health import Health
    from gateway.keys.standing import Standing
    from gateway.ledger.ledger import Ledger
    from gateway.mcp.server import McpServer
    from gateway.models.prices import PriceBook
    from gateway.vendors.base import Provider


class Calls(Stores):
    """What answers callers."""

    @once
    def ledger(self) -> Ledger:
        from gateway.ledger.ledger import Ledger

        return Ledger(self.limits_store, self.row_store, self.key_store, lambda: time.time_ns() // 1_000)

    @once
    def config_source(self) -> ConfigSource:
        from gateway.config.service import ConfigSource

        return ConfigSource(self.config_store, region=self.settings.bedrock_region)

    @once
    def prices(self) -> PriceBook:
        from gateway.models.prices import PriceBook

        return PriceBook.load(self.settings.bedrock_region)

    @once
    def completions(self) -> Completions:
        from gateway.breakers.breakers import Breakers
        from gateway.calls.completions import Completions

        return Completions(
            config=self.config_source,
            prices=self.prices,
            providers=self.settings.providers,
            provider=self.provider,
            ledger=self.ledger,
            breakers=Breakers(self.breaker_store, lambda: time.time_ns() // 1_000_000),
            catalogue=lambda: self.catalogue,
        )

    @once
    def _providers(self) -> dict[str, Provider]:
        return {}

    def provider(self, name: str) -> Provider:
        """The adapter of a configured provider. Credentials are read at every call: a rotated secret takes effect."""
        if name not in self._providers:
            self._providers[name] = self._connected(name)
        return self._providers[name]

    def _connected(self, name: str) -> Provider:
        from gateway.vendors import Connection, connect
        from gateway.vendors.credentials import ProviderCredentials

        config = self.settings
        held = ProviderCredentials(lambda: self.secrets)
        if name == "openai":
            endpoint = config.openai_base_url or "https://api.openai.com/v1"
            key = lambda: held.api_key(name, config.openai_secret_id)  # noqa: E731  as below, asked at every call
            return connect(name, Connection(endpoint, api_key=key, pass_fields=config.openai_pass_fields))
        region = config.bedrock_region
        secret = config.bedrock_secret_id
        credentials = (lambda: held.aws(name, secret)) if secret else (lambda: held.own(name, own_credentials))
        endpoint = config.endpoint("bedrock-runtime", region)
        return connect(name, Connection(endpoint, region=region, credentials=credentials))

    def region_of(self, provider_name: str) -> str:
        """The region a provider's answer came from; only Bedrock has one."""
        return self.settings.bedrock_region if provider_name == "bedrock" else "global"

    @once
    def idempotency(self) -> Idempotency:
        from gateway.calls.idempotency import Idempotency
        from gateway.calls.idempotency_store import ClaimStore

        return Idempotency(ClaimStore(self.database, self.settings.table("state")), time.time)

    @once
    def standing(self) -> Standing:
        from gateway.keys.standing import Standing

        return Standing(self.limits_store, self.key_store, lambda: time.time_ns() // 1_000)

    @once
    def catalogue(self) -> Catalogue:
        from gateway.catalogue.catalogue import Catalogue

        return Catalogue(self.product_store)

    @once
    def mcp(self) -> McpServer:
        from gateway.mcp.server import McpServer

        return McpServer(self.catalogue, self.settings.version)

    @once
    def health(self) -> Health:
        from gateway.health.health import Health

        config = self.settings
        return Health(
            version=config.version,
            environment=config.environment,
            region=config.region,
            providers=config.providers,
            memory_mb=config.memory_mb,
            store=lambda: self.health_store,
        )
