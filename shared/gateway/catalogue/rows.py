"""Products as rows of a CSV file, one line per product: turns what a spreadsheet exports into the JSON of a product.

Required columns: id, name, price, category (electronics/audio/headphones). Optional columns: description, currency,
discount, availability, specifications (a JSON object), images and tags (separated by |), rating, rating_count, seller.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from msgspec import Struct

from gateway.errors import BadRequest

REQUIRED = ("id", "name", "price", "category")
_OPTIONAL = (
    *("description", "currency", "discount", "availability", "specifications"),
    *("images", "tags", "rating", "rating_count", "seller"),
)


class UnreadLine(Struct, frozen=True):
    """A line that can't be read: the reason, and the id in it, if there is one."""

    error: BadRequest
    id: str | None


def rows_of_csv(text: str, most: int) -> list[dict[str, Any] | UnreadLine]:
    """A product's JSON per line, or why that line can't be read. Raises BadRequest where the header is wrong."""
    reader = csv.DictReader(io.StringIO(text.removeprefix("\ufeff"), newline=""), strict=True)
    try:
        header = list(reader.fieldnames or ())
        _check(header)
        return list(_read(reader, most))
    except csv.Error as error:
        raise BadRequest(f"The body is not valid CSV: {error}.", code="invalid_csv") from None


def _check(header: list[str]) -> None:
    missing = [name for name in REQUIRED if name not in header]
    unknown = [name for name in header if name not in REQUIRED and name not in _OPTIONAL]
    if missing or unknown or len(set(header)) != len(header):
        wrong = f"lacks {missing[0]}" if missing else "has an unknown column" if unknown else "has a column twice"
        raise BadRequest(
            f"The CSV header {wrong}; columns are {', '.join((*REQUIRED, *_OPTIONAL))}.", code="invalid_csv"
        )


def _read(reader: csv.DictReader[str], most: int) -> Iterator[dict[str, Any] | UnreadLine]:
    for number, line in enumerate(reader, start=1):
        if number > most:
            raise BadRequest(f"products: must be 1 to {most} rows", param="products")
        try:
            yield _row(line)
        except BadRequest as error:
            yield UnreadLine(error, (line.get("id") or "").strip() or None)


def _row(line: Mapping[Any, Any]) -> dict[str, Any]:
    if None in line or None in line.values():
        raise BadRequest("The line and the header have different numbers of columns.")
    text = {name: value.strip() for name, value in line.items() if value.strip()}
    row: dict[str, Any] = {
        name: text[name] for name in ("id", "name", "description", "availability", "seller") if name in text
    }
    row["price"] = {"amount": _number(text, "price")} | ({"currency": text["currency"]} if "currency" in text else {})
    if "discount" in text:
        row["price"]["discount"] = _whole(text, "discount")
    row["category"] = {"path": text.get("category", "").split("/")}
    row |= {name: [part.strip() for part in text[name].split("|")] for name in ("images", "tags") if name in text}
    if "specifications" in text:
        row["specifications"] = _object(text["specifications"])
    if "rating" in text:
        row["rating"] = {"average": _number(text, "rating"), "count": _whole(text, "rating_count")}
    return row


def _number(text: Mapping[str, str], column: str) -> Decimal:
    try:
        number = Decimal(text.get(column, ""))
    except InvalidOperation:
        raise BadRequest(f"{column}: must be a number", param=column) from None
    if not number.is_finite():
        raise BadRequest(f"{column}: must be a number", param=column)
    return number


def _whole(text: Mapping[str, str], column: str) -> int:
    value = text.get(column, "0")
    if not value.isascii() or not value.isdigit() or len(value) > 10:
        raise BadRequest(f"{column}: must be a whole number", param=column)
    return int(value)


def _object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise BadRequest("specifications: must be a JSON object", param="specifications")
    return value
