"""The catalogue as callers see it."""

from typing import Any

import pytest

from gateway.catalogue.catalogue import Catalogue, Page
from gateway.catalogue.context import McpContext
from gateway.catalogue.products import Filters, Product
from gateway.errors import BadRequest, NotFound
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
    assert kinds == sorted(kinds, reverse=True)  # earbuds, whose category is headphones too, come after
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


@pytest.mark.parametrize(
    "query", ["🎧", "the !", "\u200b\u202e", "\u0301", "\ufe0f\u20e3", "?", " ", "\x00", "🏳️‍🌈 👩🏽‍💻", "\ufffd"]
)
def test_a_query_without_words_finds_nothing(seeded: Catalogue, query: str) -> None:
    assert seeded.search(query, Filters()) == Page(())
    assert seeded.context(McpContext(search_query=query, filters=filters(category="shoes"))) == []


def test_what_is_no_letter_is_no_part_of_a_query(seeded: Catalogue) -> None:
    plain = seeded.search(HEADPHONES, Filters()).products
    for query in ("🎧 wireless headphones noise canceling 🎧", "wire\u00adless head\u200bphones\u200f noise canceling"):
        assert seeded.search(query, Filters()).products == plain


@pytest.mark.parametrize(
    ("written", "path"),
    [
        ("Electronics", "electronics"),
        ("ELECTRONICS/Audio", "electronics/audio"),
        ("Electronics > Audio > Headphones", "electronics/audio/headphones"),
        (" /electronics/audio/ ", "electronics/audio"),
        ("Éléctronics", "electronics"),
        ("Elec\u00adtronics\u200e", "electronics"),
        ("Ｅｌｅｃｔｒｏｎｉｃｓ", "electronics"),
    ],
)
def test_a_category_may_be_written_in_any_way(seeded: Catalogue, written: str, path: str) -> None:
    wanted = filters(category=written)
    assert wanted.category == path
    found = seeded.listing(wanted, 100).products
    assert found == seeded.listing(filters(category=path), 100).products != ()
    assert (
        seeded.search("wireless", wanted).products == seeded.search("wireless", filters(category=path)).products != ()
    )
    assert (
        seeded.context(McpContext(filters=wanted)) == seeded.context(McpContext(filters=filters(category=path))) != []
    )


def test_a_category_s_display_name_is_its_name() -> None:
    catalogue = Catalogue(MemoryProducts(product(category={"path": ["Home & Kitchen", "Smart Home"]})))
    for written in ("home-kitchen", "Home & Kitchen", "SMART HOME", "smart_home", "Home & Kitchen/Smart Home"):
        assert len(catalogue.listing(filters(category=written)).products) == 1


@pytest.mark.parametrize(
    "category", ["Spaceships", "🎧", "", "electronics/shoes", "../etc", "電子機器", "a" * 60, "a/b/c/d/e/f/g/h"]
)
def test_an_unknown_category_is_refused_with_those_there_are(seeded: Catalogue, category: str) -> None:
    wanted = filters(category=category)
    for refused_by in (
        lambda: seeded.listing(wanted),
        lambda: seeded.search("wireless", wanted),
        lambda: seeded.search("🎧", wanted),
        lambda: seeded.context(McpContext(filters=wanted)),
        lambda: seeded.context(McpContext(search_query="wireless", filters=wanted)),
    ):
        with pytest.raises(BadRequest) as refused:
            refused_by()
        assert refused.value.code == "unknown_category"
        assert str(refused.value.param).endswith("category")
        assert "electronics/audio/headphones" in refused.value.message
    none = Catalogue(MemoryProducts())
    with pytest.raises(BadRequest, match="none yet"):
        none.listing(wanted)
    assert none.listing(Filters()).products == ()


def test_a_known_category_in_which_nothing_fits_is_empty(seeded: Catalogue) -> None:
    assert seeded.listing(filters(category="Electronics", priceRange={"min": 10**8})).products == ()
    assert seeded.search(HEADPHONES, filters(category="Shoes")).products == ()


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
    with pytest.raises(BadRequest) as refused:
        seeded.search(HEADPHONES, filters(priceRange={"min": 2, "max": 1}))
    assert refused.value.param == "priceRange"


def test_a_context_has_what_is_named_then_what_is_found(seeded: Catalogue) -> None:
    context = McpContext(product_ids=("prod-0300", "nowhere"), search_query=HEADPHONES, filters=Filters())
    found = [each.id for each in seeded.context(context)]
    assert found[0] == "prod-0300"
    assert len(found) == len(set(found)) > 3
    only = seeded.context(McpContext(filters=filters(category="shoes")))
    assert {each.category.name for each in only} == {"shoes"}
    assert seeded.context(McpContext()) == []
