"""Products: checked strictly, priced exactly, and shown as they were described."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.catalogue.products import Filters, PriceRange, Product, parse_fields, parse_new
from gateway.errors import BadRequest
from tests.fakes.products import described, product


def test_a_product_is_shown_as_described_with_what_follows_from_it() -> None:
    shown = product().model_dump(mode="json")
    assert shown["price"] == {"amount": 199.99, "currency": "USD", "discount": 10, "final": 179.99}
    assert shown["category"] == {"path": ["electronics", "audio", "headphones"], "name": "headphones"}
    assert shown["created"] == shown["updated"]
    for name in ("id", "name", "description", "specifications", "images", "rating", "seller", "tags"):
        assert shown[name] == described()[name]


def test_what_is_stored_is_read_back_the_same() -> None:
    made = product()
    assert Product.model_validate_json(made.model_dump_json(exclude_computed_fields=True)) == made
    assert parse_fields(made.fields()) == parse_fields({k: v for k, v in described().items() if k != "id"})


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"id": "#categories"}, "id"),
        ({"id": "search"}, "id"),
        ({"id": "a" * 65}, "id"),
        ({"name": ""}, "name"),
        ({"name": "a\nb"}, "name"),
        ({"name": 5}, "name"),
        ({"price": {"amount": -1}}, "price.amount"),
        ({"price": {"amount": "12"}}, "price.amount"),
        ({"price": {"amount": True}}, "price.amount"),
        ({"price": {"amount": 1.005}}, "price.amount"),
        ({"price": {"amount": 10**9}}, "price.amount"),
        ({"price": {"amount": 1, "currency": "usd"}}, "price.currency"),
        ({"price": {"amount": 1, "discount": 101}}, "price.discount"),
        ({"price": {"amount": 1, "discount": True}}, "price.discount"),
        ({"availability": "sold"}, "availability"),
        ({"category": {"path": []}}, "category.path"),
        ({"category": {"path": ["🎧"]}}, "category.path[0]"),
        ({"category": {"path": ["electronics", 5]}}, "category.path[1]"),
        ({"category": {"path": ["a"] * 7}}, "category.path"),
        ({"images": ["javascript:alert(1)"]}, "images[0]"),
        ({"rating": {"average": 5.1}}, "rating.average"),
        ({"tags": ["a,b"]}, "tags[0]"),
        ({"created": "2020"}, "created"),
        ({"version": 3}, "version"),
    ],
)
def test_a_wrong_field_is_named(changes: dict[str, Any], param: str) -> None:
    with pytest.raises(BadRequest) as refused:
        parse_new(described(**changes))
    assert refused.value.param == param


@given(st.integers(0, 10**9 * 100 - 1), st.integers(0, 100))
def test_the_final_price_is_exact_to_half_a_cent(cents: int, discount: int) -> None:
    price = product(price={"amount": float(Decimal(cents) / 100), "discount": discount}).price
    assert abs(price.cents - Decimal(cents) * (100 - discount) / 100) <= Decimal("0.5")


@pytest.mark.parametrize(
    ("category", "held"),
    [
        (None, True),
        ("electronics", True),
        ("audio", True),
        ("headphones", True),
        ("head", False),
        ("electronics/audio", True),
        ("electronics/audio/headphones", True),
        ("audio/headphones", False),
        ("electronics/aud", False),
    ],
)
def test_a_category_is_a_name_or_a_path_from_the_top(category: str | None, held: bool) -> None:
    assert Filters(category=category).holds("electronics/audio/headphones") is held


def test_a_price_range_includes_its_bounds() -> None:
    filters = Filters(price_range=PriceRange(min=Decimal("1.50"), max=Decimal(2)))
    assert [filters.match("a", cents, "limited") for cents in (149, 150, 200, 201)] == [False, True, True, False]
    assert not Filters(availability="in_stock").match("a", 1, "limited")
