"""The one place that picks concrete classes. Everything is made on first use and imported there: the authorizer and
health never load pydantic, nobody loads openai before it is called."""

from __future__ import annotations

import time
from functools import lru_cache
from typing import TYPE_CHECKING

from gateway.settings import environment_credentials, settings

if TYPE_CHECKING:
    from gateway.aws.http import AwsHttp
    from gateway.aws.secrets import SecretStore
    from gateway.aws.sigv4 import Credentials
    from gateway.billing.alerts import Alerts
    from gateway.billing.consumer import Rollup
    from gateway.billing.reports import Reports
    from gateway.billing.statements import Billing
    from gateway.breakers.admin import BreakerAdmin
    from gateway.breakers.store import BreakerStore
    from gateway.calls.completions import Completions
    from gateway.calls.idempotency import Idempotency
    from gateway.catalogue.admin import ProductAdmin
    from gateway.catalogue.catalogue import Catalogue
    from gateway.catalogue.store import ProductStore
    from gateway.config.service import ConfigAdmin, ConfigSource
    from gateway.config.store import ConfigStore
    from gateway.dynamodb.client import DynamoDB
    from gateway.health.health import Health
    from gateway.health.store import HealthStore
    from gateway.identity.store import KeyStore
    from gateway.identity.verification import Identity
    from gateway.keys.keys import Keys
    from gateway.keys.standing import Standing
    from gateway.keys.teams import Teams
    from gateway.keys.users import Users
    from gateway.ledger.closing.reconcile import Reconciler
    from gateway.ledger.closing.sweeper import Sweeper
    from gateway.ledger.ledger import Ledger
    from gateway.ledger.limits_store import LimitsStore
    from gateway.mcp.server import McpServer
    from gateway.models.prices import PriceBook
    from gateway.vendors.base import Provider


def _credentials() -> Credentials:
    found = environment_credentials()
    if found is None:
        # Not on plain Lambda: SnapStart hands them out by a container endpoint, which botocore knows how to ask.
        from gateway.aws.chain import chain_credentials

        found = chain_credentials()
    return found


def _http(service: str) -> AwsHttp:
    from gateway.aws.http import AwsHttp

    config = settings()
    return AwsHttp(service, config.region, config.endpoint(service), _credentials)


@lru_cache(maxsize=1)
def database() -> DynamoDB:
    from gateway.dynamodb.client import DynamoDB

    return DynamoDB(_http("dynamodb"), timeout=settings().store_timeout)


@lru_cache(maxsize=1)
def key_store() -> KeyStore:
    from gateway.identity.store import KeyStore

    return KeyStore(database(), settings().table("api-keys"))


@lru_cache(maxsize=1)
def identity() -> Identity:
    from gateway.identity.verification import Identity

    return Identity(key_store(), time.time)


@lru_cache(maxsize=1)
def health() -> Health:
    from gateway.health.health import Health

    config = settings()
    return Health(
        version=config.version,
        environment=config.environment,
        region=config.region,
        providers=config.providers,
        memory_mb=config.memory_mb,
        store=health_store,
    )


@lru_cache(maxsize=1)
def health_store() -> HealthStore:
    from gateway.health.store import HealthStore

    return HealthStore(database(), settings().table("state"))


@lru_cache(maxsize=1)
def breaker_store() -> BreakerStore:
    from gateway.breakers.store import BreakerStore

    return BreakerStore(database(), settings().table("state"))


@lru_cache(maxsize=1)
def config_store() -> ConfigStore:
    from gateway.config.store import ConfigStore

    return ConfigStore(database(), settings().table("state"))


@lru_cache(maxsize=1)
def config_source() -> ConfigSource:
    from gateway.config.service import ConfigSource

    return ConfigSource(config_store(), region=settings().bedrock_region)


@lru_cache(maxsize=1)
def limits_store() -> LimitsStore:
    from gateway.ledger.limits_store import LimitsStore

    config = settings()
    return LimitsStore(database(), config.table("limits"), config.table("api-keys"))


@lru_cache(maxsize=1)
def ledger() -> Ledger:
    from gateway.ledger.ledger import Ledger
    from gateway.ledger.rows_store import RowStore

    rows = RowStore(database(), settings().table("request-analytics"))
    return Ledger(limits_store(), rows, key_store(), lambda: time.time_ns() // 1_000, targets=_target)


@lru_cache(maxsize=1)
def price_book() -> PriceBook:
    from gateway.models.prices import PriceBook

    return PriceBook.load(settings().bedrock_region)


def _target(name: str) -> str | None:
    """What a model's name stands for now."""
    from gateway.models.catalog import Catalog

    route = Catalog(config_source().get(), price_book(), settings().providers).found(name)
    return route.target if route else None


@lru_cache(maxsize=1)
def secrets() -> SecretStore:
    from gateway.aws.secrets import SecretStore

    return SecretStore(_http("secretsmanager"))


@lru_cache(maxsize=1)
def completions() -> Completions:
    from gateway.breakers.breakers import Breakers
    from gateway.calls.completions import Completions

    return Completions(
        config=config_source(),
        prices=price_book(),
        providers=settings().providers,
        provider=provider,
        ledger=ledger(),
        breakers=Breakers(breaker_store(), lambda: time.time_ns() // 1_000_000),
        catalogue=catalogue,
    )


@lru_cache(maxsize=8)
def provider(name: str) -> Provider:
    """The adapter of a configured provider. Credentials are read at every call: a rotated secret takes effect."""
    from gateway.vendors import Connection, connect
    from gateway.vendors.credentials import ProviderCredentials

    config = settings()
    held = ProviderCredentials(secrets)
    if name == "openai":
        endpoint = config.openai_base_url or "https://api.openai.com/v1"
        key = lambda: held.api_key(name, config.openai_secret_id)  # noqa: E731  as below, asked at every call
        return connect(name, Connection(endpoint, api_key=key, pass_fields=config.openai_pass_fields))
    region = config.bedrock_region
    secret = config.bedrock_secret_id
    credentials = (lambda: held.aws(name, secret)) if secret else (lambda: held.own(name, _credentials))
    endpoint = config.endpoint("bedrock-runtime", region)
    return connect(name, Connection(endpoint, region=region, credentials=credentials))


def region_of(provider_name: str) -> str:
    """The region a provider's answer came from; only Bedrock has one."""
    return settings().bedrock_region if provider_name == "bedrock" else "global"


@lru_cache(maxsize=1)
def keys() -> Keys:
    from gateway.keys.keys import Keys

    config = config_source()
    return Keys(key_store(), limits_store(), lambda tier: config.get().tier(tier), targets=_target)


@lru_cache(maxsize=1)
def config_admin() -> ConfigAdmin:
    from gateway.config.service import ConfigAdmin

    return ConfigAdmin(config_store(), price_book(), settings().providers, settings().bedrock_region)


@lru_cache(maxsize=1)
def breaker_admin() -> BreakerAdmin:
    from gateway.breakers.admin import BreakerAdmin

    return BreakerAdmin(breaker_store(), settings().providers)


@lru_cache(maxsize=1)
def reports() -> Reports:
    from gateway.billing.reports import Reports
    from gateway.billing.store import UsageStore

    return Reports(UsageStore(database(), settings().table("usage")))


@lru_cache(maxsize=1)
def rollup() -> Rollup:
    from gateway.billing.consumer import Rollup
    from gateway.billing.counting import Counting
    from gateway.billing.last_used import LastUsed
    from gateway.billing.parked_store import ParkedStore
    from gateway.billing.store import UsageStore
    from gateway.health.observed import Observed

    config = settings()
    counting = Counting(UsageStore(database(), config.table("usage")))
    parked = ParkedStore(database(), config.table("state"))
    after = (LastUsed(key_store()).note, Observed(health_store()).note, alerts().check)
    return Rollup(counting, parked, after=after)


@lru_cache(maxsize=1)
def sweeper() -> Sweeper:
    from gateway.ledger.closing.sweep_store import SweepCursor
    from gateway.ledger.closing.sweeper import Sweeper
    from gateway.ledger.rows_store import RowStore

    config = settings()
    rows = RowStore(database(), config.table("request-analytics"))
    cursor = SweepCursor(database(), config.table("state"))
    return Sweeper(rows, limits_store(), cursor, lambda: time.time_ns() // 1_000)


@lru_cache(maxsize=1)
def reconciler() -> Reconciler:
    from gateway.ledger.closing.reconcile import Reconciler
    from gateway.ledger.rows_store import RowStore

    rows = RowStore(database(), settings().table("request-analytics"))
    return Reconciler(limits_store(), rows, lambda: time.time_ns() // 1_000)


@lru_cache(maxsize=1)
def alerts() -> Alerts:
    from gateway.billing.alerts import Alerts
    from gateway.billing.alerts_store import AlertStore, Topic

    config = settings()
    topic = Topic(_http("sns"), config.budget_topic_arn) if config.budget_topic_arn else None
    claims = AlertStore(database(), config.table("state"))
    return Alerts(limits_store(), claims, topic.publish if topic else lambda _subject, _text: None, time.time)


@lru_cache(maxsize=1)
def billing() -> Billing:
    from gateway.billing.statements import Billing
    from gateway.billing.store import UsageStore
    from gateway.ledger.rows_store import RowStore

    config = settings()
    rows = RowStore(database(), config.table("request-analytics"))
    usage = UsageStore(database(), config.table("usage"))
    return Billing(rows, usage, key_store())


@lru_cache(maxsize=1)
def teams() -> Teams:
    from gateway.keys.teams import Teams

    return Teams(key_store(), limits_store())


@lru_cache(maxsize=1)
def users() -> Users:
    from gateway.keys.users import Users

    return Users(key_store(), limits_store())


@lru_cache(maxsize=1)
def standing() -> Standing:
    from gateway.keys.standing import Standing

    return Standing(limits_store(), key_store(), lambda: time.time_ns() // 1_000)


@lru_cache(maxsize=1)
def idempotency() -> Idempotency:
    from gateway.calls.idempotency import Idempotency
    from gateway.calls.idempotency_store import ClaimStore

    return Idempotency(ClaimStore(database(), settings().table("state")), time.time)


@lru_cache(maxsize=1)
def product_store() -> ProductStore:
    from gateway.catalogue.store import ProductStore

    return ProductStore(database(), settings().table("product-catalog"))


@lru_cache(maxsize=1)
def catalogue() -> Catalogue:
    from gateway.catalogue.catalogue import Catalogue

    return Catalogue(product_store())


@lru_cache(maxsize=1)
def product_admin() -> ProductAdmin:
    from gateway.catalogue.admin import ProductAdmin

    return ProductAdmin(product_store())


@lru_cache(maxsize=1)
def mcp() -> McpServer:
    from gateway.mcp.server import McpServer

    return McpServer(catalogue(), settings().version)


def reset() -> None:
    """Forget everything made so far, for a process that changes its environment: tests."""
    for made in list(globals().values()):
        if hasattr(made, "cache_clear") and getattr(made, "__module__", "") == __name__:
            made.cache_clear()
