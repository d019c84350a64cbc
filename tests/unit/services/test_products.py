"""The catalogue as callers see it."""

from typing import Any

import pytest

from gateway.domain.product_context import McpContext
from gateway.domain.products import Filters, Product
from gateway.errors import BadRequest, NotFound
from gateway.services.products import Catalogue
from tests.fakes.products import MemoryProducts, product
from tools.local.products import products

HEADPHONES = "wireless headphones noise canceling"


@pytest.fixture(scope="module")
def seeded() -> Catalogue:
    return Catalogue(MemoryProducts(*(product(**each) for each in products())))


def filters(**fields: Any) -> Filters:
    return Filters.model_validate(fields)


def test_one_product_or_none() -> None:
    catalogue = Catalogue(MemoryProducts(product()))
    assert catalogue.get("p-1") == product()
    with pytest.raises(NotFound):
        catalogue.get("p-2")


def test_a_search_finds_what_has_all_words_first(seeded: Catalogue) -> None:
    names = [each.name for each in seeded.search(HEADPHONES, Filters(), 50).products]
    assert len(names) > 5
    assert all("Wireless Noise Canceling" in name for name in names[:5])
    kinds = [("Headphones" in name) for name in names]
    assert kinds == sorted(kinds, reverse=True)  # earbuds, which stand among headphones, come after
    assert names == [each.name for each in seeded.search("noise-cancelling HEADPHONE wireless", Filters(), 50).products]


def test_a_search_may_be_narrowed(seeded: Catalogue) -> None:
    wanted = filters(category="electronics/audio", priceRange={"max": 200}, availability="in_stock")
    found = seeded.search("wireless", wanted, 50).products
    assert found
    for each in found:
        assert each.price.final <= 200
        assert (each.availability, each.category.path[:2]) == ("in_stock", ("electronics", "audio"))
    assert seeded.search(HEADPHONES, filters(category="coffee")).products == ()


def test_pages_of_a_search_are_its_one_ranking(seeded: Catalogue) -> None:
    whole = seeded.search("waterproof backpack", Filters(), 50).products
    paged: list[Product] = []
    cursor = None
    while True:
        page = seeded.search("waterproof backpack", Filters(), 3, cursor)
        paged += page.products
        if (cursor := page.next_cursor) is None:
            break
    assert tuple(paged)[:50] == whole


@pytest.mark.parametrize("cursor", ["x", "e30", "eyJhZnRlciI6LTF9", "eyJhZnRlciI6MTAxfQ", "eyJhZnRlciI6dHJ1ZX0"])
def test_a_forged_cursor_of_a_search_is_refused(seeded: Catalogue, cursor: str) -> None:
    with pytest.raises(BadRequest):
        seeded.search("wireless", Filters(), 3, cursor)


def test_a_query_without_words_is_refused(seeded: Catalogue) -> None:
    with pytest.raises(BadRequest) as refused:
        seeded.search("the !", Filters())
    assert refused.value.param == "query"


def test_a_listing_is_by_final_price_and_holds_categories_below(seeded: Catalogue) -> None:
    listed = seeded.listing(filters(category="electronics/audio"), 100).products
    prices = [each.price.final for each in listed]
    assert prices == sorted(prices)
    assert {each.category.name for each in listed} == {"headphones", "speakers"}
    assert len(seeded.listing(Filters(), 100).products) == 100


def test_a_range_that_is_upside_down_is_refused(seeded: Catalogue) -> None:
    with pytest.raises(BadRequest) as refused:
        seeded.listing(filters(priceRange={"min": 2, "max": 1}))
    assert refused.value.param == "priceRange"


def test_a_context_has_what_is_named_then_what_is_found(seeded: Catalogue) -> None:
    context = McpContext(product_ids=("prod-0300", "nowhere"), search_query=HEADPHONES, filters=Filters())
    found = [each.id for each in seeded.context(context)]
    assert found[0] == "prod-0300"
    assert len(found) == len(set(found)) > 3
    only = seeded.context(McpContext(filters=filters(category="shoes")))
    assert {each.category.name for each in only} == {"shoes"}
    assert seeded.context(McpContext()) == []
