"""The catalogue's tools: one registry for MCP, for `GET /api/v1/mcp/tools`, and for any later user of tools.

A tool is a plain function of a catalogue and checked arguments. Its schemas come from its models.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field, model_validator

from gateway.catalogue.catalogue import MOST_LISTED, Catalogue, Page
from gateway.catalogue.products import (
    MOST_SEARCHED,
    TEXT,
    WHOLE,
    Amount,
    Availability,
    CategoryFilter,
    Filters,
    PriceRange,
    Product,
    ProductId,
    without_nulls,
)
from gateway.config.reasons import validated
from gateway.errors import BadRequest

A = TypeVar("A", bound=BaseModel)
_CATEGORY = "Name or path of a category in any case, for example Headphones or electronics/audio."
_QUERY = "What to look for, in a few words."
_CURSOR = "nextCursor of the page before; the other arguments must be the same."
Cursor = Annotated[str, Field(max_length=1_024, description=_CURSOR)]
CategoryPath = Annotated[CategoryFilter, Field(description=_CATEGORY)]


class _Arguments(BaseModel):
    """Arguments of a tool: null is as left out, 2.0 is 2."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    _nulls = model_validator(mode="before")(without_nulls)


class _Filtered(_Arguments):
    minPrice: Annotated[Amount | None, Field(description="Least price after discount.")] = None  # noqa: N815  on the wire
    maxPrice: Annotated[Amount | None, Field(description="Highest price after discount.")] = None  # noqa: N815  on the wire
    availability: Availability | None = None
    cursor: Cursor | None = None

    def filters(self, category: str | None) -> Filters:
        prices = PriceRange(min=self.minPrice, max=self.maxPrice)
        return Filters(category=category, price_range=prices, availability=self.availability)


class SearchArguments(_Filtered):
    """Arguments of product_search."""

    query: Annotated[str, Field(min_length=1, max_length=MOST_SEARCHED, description=_QUERY), TEXT]
    category: CategoryPath | None = None
    limit: Annotated[int, Field(ge=1, le=50, strict=True), WHOLE] = 10


class CategoryArguments(_Filtered):
    """Arguments of get_category_products."""

    category: CategoryPath
    limit: Annotated[int, Field(ge=1, le=MOST_LISTED, strict=True), WHOLE] = 20


class ListArguments(_Filtered):
    """What `GET /api/v1/products` takes: a category's products, or all."""

    category: CategoryPath | None = None
    limit: Annotated[int, Field(ge=1, le=MOST_LISTED, strict=True), WHOLE] = 20


class ProductArguments(_Arguments):
    """Arguments of get_product."""

    productId: Annotated[ProductId, Field(description="The product's id.")]  # noqa: N815  on the wire


class Products(BaseModel):
    """A page of products; `nextCursor` is null on the last."""

    model_config = ConfigDict(frozen=True)

    products: tuple[Product, ...]
    nextCursor: str | None = None  # noqa: N815  on the wire


class OneProduct(BaseModel):
    """A product."""

    model_config = ConfigDict(frozen=True)

    product: Product


@dataclass(frozen=True)
class Tool(Generic[A]):
    """`run` raises GatewayErrors."""

    name: str
    title: str
    description: str
    arguments: type[A]
    result: type[BaseModel]
    run: Callable[[Catalogue, A], BaseModel]

    def call(self, catalogue: Catalogue, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """The structured result. Raises BadRequest, which names the argument, and what `run` raises."""
        return self.run(catalogue, validated(self.arguments, arguments)).model_dump(mode="json")

    @cached_property
    def described(self) -> dict[str, Any]:
        """The tool as MCP lists it."""
        return {
            "name": self.name,
            "title": self.title,
            "description": self.description,
            "inputSchema": self.arguments.model_json_schema(),
            "outputSchema": self.result.model_json_schema(mode="serialization"),
            "annotations": {"readOnlyHint": True, "openWorldHint": False},
        }


def search_products(catalogue: Catalogue, wanted: SearchArguments) -> Products:
    page = catalogue.search(wanted.query, wanted.filters(wanted.category), wanted.limit, wanted.cursor)
    return _products(page)


def list_products(catalogue: Catalogue, wanted: ListArguments | CategoryArguments) -> Products:
    page = catalogue.listing(wanted.filters(wanted.category), wanted.limit, wanted.cursor)
    return _products(page)


def _get(catalogue: Catalogue, wanted: ProductArguments) -> OneProduct:
    return OneProduct(product=catalogue.get(wanted.productId))


def _products(page: Page) -> Products:
    return Products(products=page.products, nextCursor=page.next_cursor)


_SEARCH = Tool(
    "product_search",
    "Search products",
    "Find products by words, best match first; may be narrowed by category, price and availability.",
    SearchArguments,
    Products,
    search_products,
)
_ONE = Tool(
    "get_product",
    "Get a product",
    "Everything about one product: price, availability, specifications, rating, seller.",
    ProductArguments,
    OneProduct,
    _get,
)
_CATEGORY_PRODUCTS = Tool(
    "get_category_products",
    "List a category",
    "Products of a category and of those below it, cheapest first; may be narrowed by price and availability.",
    CategoryArguments,
    Products,
    list_products,
)
TOOLS: Mapping[str, Tool[Any]] = {tool.name: tool for tool in (_SEARCH, _ONE, _CATEGORY_PRODUCTS)}


def tool(name: str) -> Tool[Any]:
    """The tool of this name. Raises BadRequest for an unknown name."""
    if name not in TOOLS:
        raise BadRequest(
            f"Unknown tool: {name[:64]}. The tools are {', '.join(TOOLS)}.", param="name", code="unknown_tool"
        )
    return TOOLS[name]
