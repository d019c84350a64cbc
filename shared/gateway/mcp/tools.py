"""The catalogue's tools: one registry for MCP, for `GET /api/v1/mcp/tools`, and for any later user of tools.

A tool is a plain function of a catalogue and checked arguments. Its schemas come from its models.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Annotated, Any, Generic, TypeVar

from msgspec import Struct
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
_CATEGORY = (
    "The category, by its name (Headphones) or its path (electronics/audio), in any case. Products of the categories "
    "below it are included."
)
_QUERY = "A few words that describe the product, for example: wireless headphones."
_ID = "The id of the product, as another tool or the user gave it, for example prod-0001."
_CURSOR = "To get the next page, send the nextCursor of the last result, with all other arguments unchanged."
Cursor = Annotated[str, Field(max_length=1_024, description=_CURSOR)]
CategoryPath = Annotated[CategoryFilter, Field(description=_CATEGORY)]


class _Arguments(BaseModel):
    """Arguments of a tool. Null means the same as leaving an argument out, and 2.0 is read as 2."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    _nulls = model_validator(mode="before")(without_nulls)


class _Filtered(_Arguments):
    minPrice: Annotated[Amount | None, Field(description="The lowest price after the discount.")] = None  # noqa: N815  on the wire
    maxPrice: Annotated[Amount | None, Field(description="The highest price after the discount.")] = None  # noqa: N815  on the wire
    availability: Availability | None = None
    cursor: Cursor | None = None

    def filters(self, category: str | None) -> Filters:
        prices = PriceRange(min=self.minPrice, max=self.maxPrice)
        return Filters(category=category, price_range=prices, availability=self.availability)


class SearchArguments(_Filtered):
    """The arguments of product_search."""

    query: Annotated[str, Field(min_length=1, max_length=MOST_SEARCHED, description=_QUERY), TEXT]
    category: CategoryPath | None = None
    limit: Annotated[int, Field(ge=1, le=50, strict=True), WHOLE] = 10


class CategoryArguments(_Filtered):
    """The arguments of get_category_products."""

    category: CategoryPath
    limit: Annotated[int, Field(ge=1, le=MOST_LISTED, strict=True), WHOLE] = 20


class ListArguments(_Filtered):
    """Parameters of `GET /api/v1/products`, which lists the products of a category, or all products."""

    category: CategoryPath | None = None
    limit: Annotated[int, Field(ge=1, le=MOST_LISTED, strict=True), WHOLE] = 20


class ProductArguments(_Arguments):
    """The arguments of get_product."""

    productId: Annotated[ProductId, Field(description=_ID)]  # noqa: N815  on the wire


class Products(BaseModel):
    """A page of products. `nextCursor` is null on the last page."""

    model_config = ConfigDict(frozen=True)

    products: tuple[Product, ...]
    nextCursor: str | None = None  # noqa: N815  on the wire


class OneProduct(BaseModel):
    """One product."""

    model_config = ConfigDict(frozen=True)

    product: Product


class Tool(Struct, Generic[A], frozen=True, dict=True):
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
    "Finds products by words, the best match first. Use it when you know what the user wants, but not a product's id. "
    "You may narrow the search by category, price and availability.",
    SearchArguments,
    Products,
    search_products,
)
_ONE = Tool(
    "get_product",
    "Get a product",
    "Returns everything about one product: price, availability, specifications, rating and seller. Use it when you "
    "have the id of the product, for example from product_search.",
    ProductArguments,
    OneProduct,
    _get,
)
_CATEGORY_PRODUCTS = Tool(
    "get_category_products",
    "List a category",
    "Lists the products of a category and of the categories below it, the cheapest first. Use it when the user wants "
    "to browse a category or asks for the cheapest products. You may narrow the list by price and availability.",
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
