"""The parts that answer callers: paid calls, the ledger under them, models, the catalogue."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from gateway.errors import StoreError, StoreUnavailable
from gateway.limits import BUCKETS
from gateway.times import utc_date
from gateway.wiring.once import once
from gateway.wiring.stores import Stores, own_credentials

if TYPE_CHECKING:
    from gateway.api.pace import Pace
    from gateway.calls.completions import Completions
    from gateway.calls.idempotency import Idempotency
    from gateway.calls.sessions.marks import Marks
    from gateway.catalogue.catalogue import Catalogue
    from gateway.config.service import ConfigSource
    from gateway.destinations import Destinations
    from gateway.health.health import Health
    from gateway.identity.caller import Caller
    from gateway.keys.standing import Standing
    from gateway.ledger.ledger import Ledger
    from gateway.mcp.server import McpServer
    from gateway.models.prices import PriceBook
    from gateway.models.vendors import Vendor
    from gateway.vendors.registry import Vendors


_PACED = BUCKETS[0].name  # the limit that a key's requests of any kind follow


class Calls(Stores):
    """The parts that answer callers."""

    @once
    def ledger(self) -> Ledger:
        from gateway.ledger.ledger import Ledger

        clock = lambda: time.time_ns() // 1_000  # noqa: E731  microseconds
        return Ledger(self.limits_store, self.row_store, self.key_store, clock, targets=self.target_of)

    def target_of(self, name: str, residency: str = "") -> str | None:
        """The target of a model's name today. `residency` is the geography that the key's calls are bound to. None if
        nothing has this name."""
        from gateway.models.geographies import strictest
        from gateway.models.model_names import ModelNames

        config, settings = self.config_source.get(), self.settings
        today = utc_date(time.time()) if settings.ends_of_life else ""
        names = ModelNames(config, self.prices, settings.providers, settings.model_region, today)
        route = names.found(name, residency=strictest(residency, config.residency or ""))
        return route.target if route else None

    @once
    def config_source(self) -> ConfigSource:
        from gateway.config.service import ConfigSource

        return ConfigSource(self.config_store)

    @once
    def pace(self) -> Pace:
        from gateway.api.pace import Pace
        from gateway.config.service import packaged

        def rate(caller: Caller) -> tuple[int, int] | None:
            try:
                config = self.config_source.get()
            except (StoreUnavailable, StoreError):  # plain counting must need no store
                config = packaged()
            tier, limits = config.tier(caller.tier), caller.limits
            if _PACED in tier.shadow or _PACED in limits.shadow:  # a shadow limit refuses nobody
                return None
            own = limits.rpm_limit
            limit = own or tier.requests_per_minute
            return limit, limits.burst_limit or own or tier.burst or limit

        return Pace(rate)

    @once
    def prices(self) -> PriceBook:
        from gateway.models.prices import PriceBook

        return PriceBook.load(self.settings.model_region)

    @once
    def completions(self) -> Completions:
        from gateway.breakers.breakers import Breakers
        from gateway.calls.completions import Completions

        return Completions(
            config=self.config_source,
            prices=self.prices,
            providers=self.settings.providers,
            region=self.settings.model_region,
            ends=self.settings.ends_of_life,
            provider=self.vendors.provider,
            ledger=self.ledger,
            breakers=Breakers(self.breaker_store, lambda: time.time_ns() // 1_000_000),
            catalogue=lambda: self.catalogue,
        )

    @once
    def destinations(self) -> Destinations:
        from gateway.destinations import Destinations

        return Destinations(loopback=self.settings.loopback_providers, runtime_api=self.settings.runtime_api)

    @once
    def vendors(self) -> Vendors:
        from gateway.vendors.registry import Vendors

        def configured() -> Mapping[str, Vendor]:
            return self.config_source.get().providers

        return Vendors(self.settings, configured, lambda: self.secrets, own_credentials, self.destinations)

    @once
    def idempotency(self) -> Idempotency:
        from gateway.calls.idempotency import Idempotency
        from gateway.calls.idempotency_store import ClaimStore

        return Idempotency(ClaimStore(self.database, self.settings.table("state")), time.time)

    @once
    def marks(self) -> Marks:
        from gateway.calls.sessions.marks import Marks
        from gateway.calls.sessions.secrets_store import MarkSecrets

        return Marks(MarkSecrets(self.database, self.settings.table("state")))

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
