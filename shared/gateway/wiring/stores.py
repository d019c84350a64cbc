"""The base of a gateway: its settings, its connections, and everything that stores data in a table."""

from __future__ import annotations

import time
from functools import lru_cache
from typing import TYPE_CHECKING

from gateway.settings import environment_credentials
from gateway.wiring.once import once

if TYPE_CHECKING:
    from gateway.aws.http import AwsHttp
    from gateway.aws.secrets import SecretStore
    from gateway.aws.sigv4 import Credentials
    from gateway.billing.store import UsageStore
    from gateway.breakers.store import BreakerStore
    from gateway.catalogue.store import ProductStore
    from gateway.config.store import ConfigStore
    from gateway.dynamodb.client import Database
    from gateway.health.store import HealthStore
    from gateway.identity.store import KeyStore
    from gateway.identity.verification import Identity
    from gateway.keys.uses_store import UseStore
    from gateway.ledger.limits_store import LimitsStore
    from gateway.ledger.rows_store import RowStore
    from gateway.settings import Settings


def own_credentials() -> Credentials:
    """The execution role's credentials, looked up once a second: they are renewed while a container lives."""
    return _credentials(int(time.monotonic()))


@lru_cache(maxsize=1)
def _credentials(_second: int) -> Credentials:
    found = environment_credentials()
    if found is None:
        # Plain Lambda never gets here. SnapStart serves them at a container endpoint, which botocore can read.
        from gateway.aws.chain import chain_credentials

        found = chain_credentials()
    return found


class Stores:
    """The base of a gateway."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def http(self, service: str) -> AwsHttp:
        """A client that sends signed requests to one AWS service."""
        from gateway.aws.http import AwsHttp

        config = self.settings
        return AwsHttp(service, config.region, config.endpoint(service), own_credentials)

    @once
    def database(self) -> Database:
        from gateway.dynamodb.client import DynamoDB

        return DynamoDB(self.http("dynamodb"), timeout=self.settings.store_timeout)

    @once
    def secrets(self) -> SecretStore:
        from gateway.aws.secrets import SecretStore

        return SecretStore(self.http("secretsmanager"))

    @once
    def key_store(self) -> KeyStore:
        from gateway.identity.store import KeyStore

        return KeyStore(self.database, self.settings.table("api-keys"))

    @once
    def identity(self) -> Identity:
        from gateway.identity.verification import Identity

        return Identity(self.key_store, time.time)

    @once
    def use_store(self) -> UseStore:
        from gateway.keys.uses_store import UseStore

        return UseStore(self.database, self.settings.table("state"))

    @once
    def limits_store(self) -> LimitsStore:
        from gateway.ledger.limits_store import LimitsStore

        config = self.settings
        return LimitsStore(self.database, config.table("limits"), config.table("api-keys"))

    @once
    def row_store(self) -> RowStore:
        from gateway.ledger.rows_store import RowStore

        return RowStore(self.database, self.settings.table("request-analytics"))

    @once
    def usage_store(self) -> UsageStore:
        from gateway.billing.store import UsageStore

        return UsageStore(self.database, self.settings.table("usage"))

    @once
    def breaker_store(self) -> BreakerStore:
        from gateway.breakers.store import BreakerStore

        return BreakerStore(self.database, self.settings.table("state"))

    @once
    def config_store(self) -> ConfigStore:
        from gateway.config.store import ConfigStore

        return ConfigStore(self.database, self.settings.table("state"))

    @once
    def health_store(self) -> HealthStore:
        from gateway.health.store import HealthStore

        return HealthStore(self.database, self.settings.table("state"))

    @once
    def product_store(self) -> ProductStore:
        from gateway.catalogue.store import ProductStore

        return ProductStore(self.database, self.settings.table("product-catalog"))
