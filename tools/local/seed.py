"""Demo data: a key of each tier and an admin key, the emulator's models under every alias, a product catalogue."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from functools import cache

from gateway import observability
from gateway.aws.http import AwsHttp
from gateway.aws.sigv4 import Credentials
from gateway.catalogue.admin import ProductAdmin
from gateway.catalogue.store import ProductStore
from gateway.config.document import parse_config
from gateway.config.service import defaults
from gateway.config.store import ConfigStore, Overrides
from gateway.dynamodb.client import Database, DynamoDB
from gateway.identity import key_text as keys
from gateway.identity.caller import SCOPES, TIERS, Caller
from gateway.identity.store import KeyRecord, KeyStore
from gateway.models.cards import Cards
from gateway.models.endpoints import endpoints_of
from gateway.models.model_names import ModelNames
from gateway.models.prices import PriceBook
from gateway.models.vendors import packaged
from gateway.times import rfc3339
from tools.local.products import products
from tools.manifest import Names

# The models of the demo's Bedrock that serve aliases of other providers' models.
_STAND_IN = "bedrock/amazon.nova-lite-v1:0"
_EMBEDS = "bedrock/amazon.titan-embed-text-v2:0"
_OF_THE_DEMO = ("converse", "titan", "cohere")  # dialects


def database(endpoint: str, region: str, account: str) -> Database:
    """The emulator's database, through the gateway's own client."""
    credentials = Credentials(account, "test")
    return DynamoDB(AwsHttp("dynamodb", region, endpoint, lambda: credentials), timeout=10)


def seed_keys(database: Database, names: Names) -> dict[str, str]:
    """Make a key of each tier, and one that may call everything. Returns their texts by name."""
    store = KeyStore(database, names.table("api-keys"))
    usual = tuple(scope for scope in SCOPES if scope != "admin")
    made = {tier: _key(store, f"demo {tier}", tier, usual) for tier in TIERS}
    return made | {"admin": _key(store, "demo admin", "enterprise", SCOPES)}


def _key(store: KeyStore, name: str, tier: str, scopes: tuple[str, ...]) -> str:
    text = keys.new_key()
    identifier = keys.key_id(text) or ""
    store.create(
        KeyRecord(
            id=identifier,
            digest=keys.digest(text),
            name=name,
            tier=tier,
            scopes=scopes,
            created=rfc3339(time.time()),
        )
    )
    return text


def seed_models(
    database: Database, names: Names, target: str = _STAND_IN, price: Mapping[str, float] | None = None
) -> None:
    """Point the aliases that the demo's Bedrock does not serve at `target`, so that they need only that one. With a
    `price` for it, point all aliases of chat models at it. Aliases of embedding models lead to those of the demo's
    Bedrock in either case. This writes a version of the config."""
    served, embed = served_by_the_demo(names.region), embedding_aliases()
    models: dict[str, dict[str, str]] = {}
    for alias in defaults()["models"]:
        if alias not in served or (price is not None and alias not in embed):
            models[alias] = {"target": _EMBEDS if alias in embed else target}
    changes: dict[str, object] = {"models": models} | ({"prices": {target: dict(price)}} if price is not None else {})
    now = rfc3339(time.time())
    store = ConfigStore(database, names.table("state"))
    store.save(Overrides(0, {}), changes, by="make run", at=now)


@cache
def embedding_aliases() -> set[str]:
    """The packaged aliases of embedding models."""
    cards, prices = Cards.load(), PriceBook.load()
    found = {alias: cards.named(said["models"][0]) for alias, said in defaults()["models"].items()}
    targets = {alias: f"{vendor}/{ids[0]}" for alias, card in found.items() if card for vendor, ids in card.at.items()}
    return {alias for alias, target in targets.items() if (price := prices.find(target)) and price.mode == "embedding"}


def served_by_the_demo(region: str) -> set[str]:
    """The packaged aliases that Bedrock serves in a dialect that the demo model speaks."""
    found = ModelNames(parse_config(defaults()), PriceBook.load(region), ("bedrock",), region)
    routes = (found.found(alias) for alias in defaults()["models"])
    vendor = packaged()["bedrock"]
    return {route.name for route in routes if route and endpoints_of(vendor, route.model)[0].dialect in _OF_THE_DEMO}


def seed_products(database: Database, names: Names) -> int:
    """Write the demo products, over existing ones too. Returns how many."""
    observability.configure("seed", "WARNING")
    admin = ProductAdmin(ProductStore(database, names.table("product-catalog")))
    by = Caller("make-run", "enterprise", ("admin",), version=1)
    report = admin.load(list(products()), by, lambda: math.inf)
    if report.refused:
        raise ValueError(f"a demo product was refused: {report.refused[0]}")
    return report.created + report.updated
