"""A product of the catalogue, as admins write it and as callers read it. Strict: an unknown field is an error."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import ROUND_HALF_UP, Decimal
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    WithJsonSchema,
    computed_field,
    model_validator,
)

from gateway.catalogue.words import folded
from gateway.config.reasons import pattern, validated

_MOST_FIELDS = 100
PRODUCT_ID = pattern(
    r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$", "must be letters, digits and . _ -, a letter or digit first, at most 64"
)
CATEGORY = pattern(r"^[a-z0-9][a-z0-9-]{0,47}$", "must have a Latin letter or a digit, and at most 48 characters")
_LINE = pattern(r"^[^\x00-\x1f\x7f]+$", "must be one line, without control characters, and not empty")
_WORD = pattern(r"^[^\x00-\x1f\x7f,|]+$", "must be one line without commas, bars or control characters, and not empty")
_URL = pattern(r"^https?://[!-~]+$", "must be an address that begins with https:// or http://, in ASCII without blanks")
_CURRENCY = pattern(r"^[A-Z]{3}$", "must be the three capital letters of a currency, such as USD")
MOST_CENTS = 10**11
_RESERVED = ("search", "import")  # these are routes next to /products/{id}


def _number(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal)):
        raise ValueError("must be a number")
    return Decimal(str(value))


def slug(text: str) -> str:
    """A category's name as it is stored, whatever way it is written; empty where it has no Latin letter or digit.

    >>> slug("Home & Kitchen"), slug("ÉLECTRONICS")
    ('home-kitchen', 'electronics')
    """
    return "-".join(re.findall(r"[a-z0-9]+", folded(text)))


def category_path(text: str) -> str:
    """A category by its name or path, as clients write it ("Electronics", "electronics > Audio"), as it is stored."""
    return "/".join(part for each in re.split(r"[/>]", text) if (part := slug(each)))


def without_nulls(fields: Any) -> Any:
    """Treats null like a field that was left out; a required field is then missing. An object with more fields than any
    object here has is refused as a whole: otherwise each field would be an error that is kept with its path."""
    if not isinstance(fields, dict):
        return fields
    if len(fields) > _MOST_FIELDS:
        raise ValueError(f"must have at most {_MOST_FIELDS} fields")
    return {name: value for name, value in fields.items() if value is not None}


def _whole(value: Any) -> Any:
    """Turns 2.0 into 2: JSON has one kind of number, and some clients write each number with a decimal point."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _text(value: Any) -> Any:
    """Replaces halves of surrogate pairs by the replacement character, because nothing else accepts them as text."""
    return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace") if isinstance(value, str) else value


def _slugged(value: Any) -> Any:
    return slug(value) if isinstance(value, str) else value


def _path(value: Any) -> Any:
    return category_path(value) if isinstance(value, str) else value


def _code(value: Any) -> Any:
    return slug(value).replace("-", "_") if isinstance(value, str) else value


def _free(value: str) -> str:
    if value in _RESERVED:
        raise ValueError("is the name of a route")
    return value


def _in_json(schema: Mapping[str, Any]) -> tuple[PlainSerializer, WithJsonSchema]:
    # JSON has one kind of number: the value is exact inside, and outside the shortest float that prints the same.
    return PlainSerializer(float, return_type=float, when_used="json"), WithJsonSchema(dict(schema))


WHOLE = BeforeValidator(_whole)  # last of an int's annotations (TEXT: of a str's), so that bounds apply to the result
TEXT = BeforeValidator(_text)
MOST_SEARCHED = 500  # characters
Availability = Annotated[Literal["in_stock", "limited", "preorder", "out_of_stock"], BeforeValidator(_code)]
CategoryName = Annotated[str, Field(pattern=CATEGORY), BeforeValidator(_slugged)]
CategoryFilter = Annotated[str, Field(max_length=300), BeforeValidator(_path)]
ProductId = Annotated[str, Field(pattern=PRODUCT_ID)]
NewId = Annotated[ProductId, AfterValidator(_free)]
Amount = Annotated[
    Decimal,
    BeforeValidator(_number),
    Field(ge=0, lt=10**9, decimal_places=2, allow_inf_nan=False),
    *_in_json({"type": "number", "minimum": 0, "exclusiveMaximum": 10**9}),
]
Stars = Annotated[
    Decimal,
    BeforeValidator(_number),
    Field(ge=0, le=5, decimal_places=2, allow_inf_nan=False),
    *_in_json({"type": "number", "minimum": 0, "maximum": 5}),
]
_TEXT = pattern(r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*$", "must be text without control characters")
Line = Annotated[str, Field(min_length=1, max_length=200, pattern=_LINE)]
Tag = Annotated[str, Field(min_length=1, max_length=48, pattern=_WORD)]
Url = Annotated[str, Field(max_length=1_024, pattern=_URL)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Price(_Part):
    """The price of a product: the list price, its currency, and the discount."""

    amount: Amount
    currency: Annotated[str, Field(pattern=_CURRENCY)] = "USD"
    discount: Annotated[int, Field(ge=0, le=100, strict=True), WHOLE] = 0

    @property
    def cents(self) -> int:
        """The price after the discount, in hundredths. Ranges compare it, and listings are sorted by it."""
        final = self.amount * (100 - self.discount)
        return int(final.quantize(Decimal(1), ROUND_HALF_UP))


class OfferedPrice(Price):
    """The price of a product, with the price after the discount (`final`)."""

    @computed_field(json_schema_extra={"type": "number"})  # type: ignore[prop-decorator]  # pydantic's documented form
    @property
    def final(self) -> float:
        return self.cents / 100


class Rating(_Part):
    """How customers rate a product: the average of their ratings, and how many there are."""

    average: Stars
    count: Annotated[int, Field(ge=0, le=10**9, strict=True), WHOLE] = 0


class Category(_Part):
    """The category of a product: the names from the widest category to its own."""

    path: Annotated[tuple[CategoryName, ...], Field(min_length=1, max_length=6)]

    @property
    def name(self) -> str:
        return self.path[-1]


class ShownCategory(Category):
    """The category of a product, with its own name, which is the last of the path."""

    @computed_field  # type: ignore[prop-decorator]  # pydantic's documented form
    @property
    def name(self) -> str:
        return self.path[-1]


class ProductFields(_Part):
    """The facts about a product that an administrator sets."""

    name: Line
    description: Annotated[str, Field(max_length=10_000, pattern=_TEXT)] = ""
    price: Price
    availability: Availability = "in_stock"
    category: Category
    specifications: Annotated[dict[Line, Line], Field(max_length=64)] = Field(default_factory=dict)
    images: Annotated[tuple[Url, ...], Field(max_length=32)] = ()
    rating: Rating | None = None
    seller: Annotated[str, Field(max_length=200, pattern=_TEXT)] = ""
    tags: Annotated[tuple[Tag, ...], Field(max_length=32)] = ()


class NewProduct(ProductFields):
    """A product to create. Example: `{"name": "Mug", "price": {"amount": 5}, "category": {"path": ["home"]}}`."""

    id: NewId | None = None


class _Identified(_Part):
    id: ProductId


class Product(ProductFields, _Identified):
    """A product of the catalogue."""

    price: OfferedPrice
    category: ShownCategory
    created: str
    updated: str

    def fields(self) -> dict[str, Any]:
        """The fields that an admin may change, as the JSON that describes the product now."""
        return self.model_dump(mode="json", exclude={"id", "created", "updated"}, exclude_computed_fields=True)


class PriceRange(_Part):
    """A range of the price after the discount. Both bounds are included, and either may be left out."""

    min: Amount | None = None
    max: Amount | None = None

    @property
    def cents(self) -> tuple[int, int]:
        low = 0 if self.min is None else int(self.min * 100)
        return low, MOST_CENTS if self.max is None else int(self.max * 100)


class Filters(BaseModel):
    """Conditions that products must meet. A condition that is left out or null does not apply."""

    # An empty category comes from a name without any letter or digit. No category has such a name.

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    category: CategoryFilter | None = None
    price_range: PriceRange = Field(default=PriceRange(), alias="priceRange")
    availability: Availability | None = None

    _nulls = model_validator(mode="before")(without_nulls)

    def match(self, path: str, cents: int, availability: str) -> bool:
        """Whether a product with this category path, price and availability matches."""
        low, high = self.price_range.cents
        right = self.availability is None or availability == self.availability
        return right and low <= cents <= high and self.holds(path)

    def holds(self, path: str) -> bool:
        """Whether a category path lies in the wanted category: below the path, or below any category with the name."""
        if self.category is None:
            return True
        return f"{path}/".startswith(f"{self.category}/") if "/" in self.category else self.category in path.split("/")


def product_of(identifier: str, fields: ProductFields, created: str, updated: str) -> Product:
    """The complete product with the fields that an admin gave."""
    said = fields.model_dump(exclude={"id"})
    return Product(id=identifier, created=created, updated=updated, **said)


def parse_fields(body: Mapping[str, Any]) -> ProductFields:
    """Raises BadRequest naming the field."""
    return validated(ProductFields, body)


def parse_new(body: Mapping[str, Any]) -> NewProduct:
    """Raises BadRequest naming the field."""
    return validated(NewProduct, body)
