"""`mcpContext` of a completion: which products it may ask for."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

from gateway.catalogue.products import MOST_SEARCHED, TEXT, Filters, ProductId, without_nulls
from gateway.catalogue.prompt import MOST_PRODUCTS
from gateway.config.reasons import FIRST


class McpContext(BaseModel):
    """The products to put into the prompt: first those named by id, then those that the search or the filters find. Ten
    fit at most. Every field is optional, and null means the same as leaving it out."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    product_ids: Annotated[tuple[ProductId, ...], FIRST, Field(max_length=MOST_PRODUCTS)] = Field(
        (), alias="productIds"
    )
    search_query: Annotated[str, Field(max_length=MOST_SEARCHED), TEXT] | None = Field(None, alias="searchQuery")
    filters: Filters | None = None

    _nulls = model_validator(mode="before")(without_nulls)
