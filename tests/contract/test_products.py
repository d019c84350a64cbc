"""The catalogue's expressions on DynamoDB Local."""

import threading
from typing import Any

import pytest

from gateway.aws.http import AwsHttp, HttpError, HttpReply
from gateway.aws.sigv4 import Credentials
from gateway.catalogue.admin import ProductAdmin, stored_form
from gateway.catalogue.catalogue import Catalogue
from gateway.catalogue.products import Filters
from gateway.catalogue.store import EVERYTHING, ProductStore, Slice, Stored
from gateway.dynamodb.attributes import to_item
from gateway.dynamodb.client import Database, DynamoDB
from gateway.errors import BadRequest, Conflict, NotFound
from gateway.identity.caller import Caller
from tests.contract.conftest import Tables
from tests.fakes.products import described, product

BY = Caller("admin1", "enterprise", ("admin",), version=1)
ALL = Slice(EVERYTHING, 0, 10**11)


@pytest.fixture
def store(tables: Tables) -> ProductStore:
    return ProductStore(tables.database, tables["product-catalog"])


def items(database: Database, table: str, identifier: str) -> list[str]:
    """The parts of a product that exist."""
    request = {
        "TableName": table,
        "KeyConditionExpression": "id = :id",
        "ExpressionAttributeValues": to_item({":id": identifier}),
    }
    return [item["part"]["S"] for item in database.call("Query", request)["Items"]]


def stored(identifier: str, cents: int = 100, version: int = 1, **changes: object) -> Stored:
    made = product(id=identifier, price={"amount": cents / 100}, **changes)
    return stored_form(made, version)


def test_a_product_is_kept_whole_and_goes_whole(store: ProductStore, tables: Tables) -> None:
    first = stored("a")
    store.save(first, None)
    assert store.get("a") == first
    other = stored("a", 200, version=2, name="Mug", category={"path": ["home"]}, tags=[], description="", seller="")
    store.save(other, first)
    assert store.get("a") == other
    assert set(items(tables.database, tables["product-catalog"], "a")) == {"product", *other.entries()}
    assert store.postings("wireless") == []
    store.delete(other)
    assert items(tables.database, tables["product-catalog"], "a") == []
    assert store.get("a") is None


def test_the_largest_product_fits_a_transaction(store: ProductStore) -> None:
    words = " ".join(f"word{n}" for n in range(200))
    path = [f"level-{n}" for n in range(6)]
    old = stored("a", description=words, category={"path": path})
    store.save(old, None)
    other = " ".join(f"other{n}" for n in range(200))
    new = stored("a", version=2, name="x", description=other, category={"path": [f"new-{n}" for n in range(6)]})
    store.save(new, old)
    assert store.get("a") == new


def test_a_version_is_written_once(store: ProductStore) -> None:
    first = stored("a")
    store.save(first, None)
    with pytest.raises(Conflict):
        store.save(first, None)
    outcomes: list[str] = []

    def write(cents: int) -> None:
        try:
            store.save(stored("a", cents, version=2), first)
            outcomes.append("written")
        except Conflict:
            outcomes.append("conflict")

    threads = [threading.Thread(target=write, args=(200 + n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["conflict"] * 7 + ["written"]
    with pytest.raises(Conflict):
        store.delete(first)


class LossyHttp(AwsHttp):
    """Applies every call and loses the first reply."""

    lost = False

    def post(self, *arguments: Any, **named: Any) -> HttpReply:
        reply = super().post(*arguments, **named)
        if self.lost:
            return reply
        self.lost = True
        raise HttpError("the reply was lost")


def test_a_lost_reply_is_no_conflict_with_itself(store: ProductStore, tables: Tables, dynamodb_endpoint: str) -> None:
    http = LossyHttp("dynamodb", "us-east-1", dynamodb_endpoint, lambda: Credentials("x", "y"))
    ProductStore(DynamoDB(http, timeout=30), tables["product-catalog"]).save(stored("a"), None)
    assert http.lost
    assert store.get("a") == stored("a")


def test_listings_by_category_price_and_availability(store: ProductStore) -> None:
    for n in range(9):
        path = ["electronics", "audio"] if n % 2 else ["electronics", "phones"]
        availability = "in_stock" if n % 3 else "limited"
        store.save(stored(f"p-{n}", 100 * n, category={"path": path}, availability=availability), None)
    assert store.listed(ALL, 100, None)[0] == [f"p-{n}" for n in range(9)]
    assert store.listed(Slice("audio", 0, 10**11), 100, None)[0] == ["p-1", "p-3", "p-5", "p-7"]
    assert store.listed(Slice("electronics", 200, 400), 100, None)[0] == ["p-2", "p-3", "p-4"]
    assert store.listed(Slice("audio", 0, 10**11, "limited"), 100, None)[0] == ["p-3"]
    assert store.listed(Slice("audio", 0, 10**11, None, "electronics/audio"), 2, None)[0] == ["p-1", "p-3"]
    assert store.listed(Slice("audio", 0, 10**11, None, "home/audio"), 2, None)[0] == []


def test_pages_hold_each_product_once_and_cursors_belong_to_their_listing(store: ProductStore) -> None:
    for n in range(7):
        store.save(stored(f"p-{n}", 100 * n), None)
    seen: list[str] = []
    cursor = None
    while True:
        found, cursor = store.listed(ALL, 3, cursor)
        seen += found
        if cursor is None:
            break
        for other in (Slice("audio", 0, 10**11), Slice(EVERYTHING, 10**9, 10**10)):
            with pytest.raises(BadRequest):
                store.listed(other, 3, cursor)
    assert seen == [f"p-{n}" for n in range(7)]


def test_many_by_key_in_the_order_asked_for(store: ProductStore) -> None:
    for n in range(3):
        store.save(stored(f"p-{n}"), None)
    wanted = ["p-2", *(f"none-{n}" for n in range(120)), "p-0", "p-2"]
    assert [each.id for each in store.get_many(wanted)] == ["p-2", "p-0"]
    assert store.get_many([]) == []


def test_postings_are_heaviest_first(store: ProductStore) -> None:
    store.save(stored("light", name="Case", description="for wireless things"), None)
    store.save(stored("heavy"), None)
    assert [(each.id, each.weight) for each in store.postings("wireless")] == [("heavy", 8), ("light", 1)]


def test_the_services_on_the_real_store(store: ProductStore) -> None:
    admin, catalogue = ProductAdmin(store), Catalogue(store)
    admin.create(described(), BY)
    admin.create(described(id="p-2", name="Wireless Mouse", category={"path": ["electronics", "mice"]}), BY)
    assert [each.id for each in catalogue.search("wireless headphones noise canceling", Filters()).products] == ["p-1"]
    assert catalogue.categories() == ["electronics/audio/headphones", "electronics/mice"]
    admin.change("p-1", {"availability": "out_of_stock"}, BY, if_match=1)
    assert catalogue.listing(Filters(availability="out_of_stock")).products[0].id == "p-1"
    admin.delete("p-1", BY, if_match=2)
    assert [each.id for each in catalogue.listing(Filters()).products] == ["p-2"]
    with pytest.raises(NotFound):
        catalogue.get("p-1")
