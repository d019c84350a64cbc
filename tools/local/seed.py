"""Demo data: a key of each tier and an admin's, the emulator's models under every alias, a product catalogue."""

from __future__ import annotations

import time
from decimal import Decimal
from itertools import islice
from typing import Any

from gateway.aws.http import AwsHttp
from gateway.aws.sigv4 import Credentials
from gateway.domain import keys
from gateway.domain.identity import SCOPES, TIERS
from gateway.domain.times import rfc3339
from gateway.services.config import defaults
from gateway.stores.attributes import to_item
from gateway.stores.config import ConfigStore, Overrides
from gateway.stores.dynamodb import Database, DynamoDB
from gateway.stores.keys import KeyRecord, KeyStore
from tools.local.products import products
from tools.manifest import Names

# What the emulator's Bedrock answers for models that are not Bedrock's own.
_STAND_IN = "bedrock/amazon.nova-lite-v1:0"
_BATCH = 25  # DynamoDB's limit


def database(endpoint: str, region: str, account: str) -> Database:
    """A database of the emulator, by the gateway's own client."""
    credentials = Credentials(account, "test")
    return DynamoDB(AwsHttp("dynamodb", region, endpoint, lambda: credentials), timeout=10)


def seed_keys(database: Database, names: Names) -> dict[str, str]:
    """One key of each tier and one that may call everything. Returns their texts by name."""
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


def seed_models(database: Database, names: Names) -> None:
    """Point every alias at Bedrock, so that each works with the emulator alone. It's a version of the config."""
    models = {
        alias: {"target": _STAND_IN}
        for alias, model in defaults()["models"].items()
        if not model["target"].startswith("bedrock/")
    }
    now = rfc3339(time.time())
    store = ConfigStore(database, names.table("state"))
    store.save(Overrides(0, {}), {"models": models}, by="make run", at=now)


def seed_products(database: Database, names: Names) -> int:
    """Write the product catalogue; returns how many products."""
    table, count = names.table("product-catalog"), 0
    source = iter(products())
    while batch := list(islice(source, _BATCH)):
        requests = [{"PutRequest": {"Item": to_item(_stored(product))}} for product in batch]
        while requests:
            reply = database.call("BatchWriteItem", {"RequestItems": {table: requests}}, attempts=3)
            requests = reply.get("UnprocessedItems", {}).get(table, [])
        count += len(batch)
    return count


def _stored(product: dict[str, Any]) -> dict[str, Any]:
    rating = {"average": Decimal(product["rating"]["average"]), "count": product["rating"]["count"]}
    return product | {"price": Decimal(product["price"]), "rating": rating}
