"""A catalogue in memory, and products for it. The real store is tested on DynamoDB Local."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from gateway.catalogue.admin import stored_form
from gateway.catalogue.products import Product, parse_new, product_of
from gateway.catalogue.store import EVERYTHING, Posting, Slice, Stored
from gateway.dynamodb import cursors
from gateway.errors import Conflict

CREATED = "2026-11-24T00:00:00.000Z"


def described(**changes: Any) -> dict[str, Any]:
    """A product as an admin sends it."""
    return {
        "id": "p-1",
        "name": "Aurel Wireless Noise Canceling Headphones",
        "description": "Over-ear headphones with a battery for 30 hours.",
        "price": {"amount": 199.99, "currency": "USD", "discount": 10},
        "availability": "in_stock",
        "category": {"path": ["electronics", "audio", "headphones"]},
        "specifications": {"battery": "30 h"},
        "images": ["https://images.example.com/p-1.jpg"],
        "rating": {"average": 4.5, "count": 12},
        "seller": "Gateway Store",
        "tags": ["travel"],
    } | changes


def product(**changes: Any) -> Product:
    fields = parse_new(described(**changes))
    return product_of(fields.id or "p-1", fields, CREATED, CREATED)


class MemoryProducts:
    """The methods of a ProductStore that services use; `reads` counts calls."""

    def __init__(self, *products: Product) -> None:
        self.items = {each.id: stored_form(each, 1) for each in products}
        self.paths = {each.path for each in self.items.values()}
        self.reads = 0

    def get(self, identifier: str) -> Stored | None:
        self.reads += 1
        return self.items.get(identifier)

    def get_many(self, identifiers: Sequence[str]) -> list[Stored]:
        self.reads += 1
        return [self.items[each] for each in dict.fromkeys(identifiers) if each in self.items]

    def listed(self, wanted: Slice, limit: int, cursor: str | None) -> tuple[list[str], str | None]:
        self.reads += 1
        skipped = cursors.decode(cursor, {"n": int})["n"] if cursor else 0
        found = [each.id for each in sorted(self.items.values(), key=lambda each: each.cents) if _is(each, wanted)]
        more = len(found) > skipped + limit
        return found[skipped : skipped + limit], cursors.encode({"n": skipped + limit}) if more else None

    def postings(self, term: str) -> list[Posting]:
        self.reads += 1
        having = [each for each in self.items.values() if term in each.terms]
        return [Posting(each.id, each.terms[term], each.path, each.cents, each.availability) for each in having]

    def categories(self) -> list[str]:
        return sorted(self.paths)

    def add_categories(self, paths: Iterable[str]) -> None:
        self.paths |= set(paths)

    def save(self, product: Stored, old: Stored | None) -> None:
        current = self.items.get(product.id)
        if (current.version if current else None) != (old.version if old else None):
            raise Conflict("The product was changed or created meanwhile; read it again.", param="id")
        self.items[product.id] = product

    def delete(self, old: Stored) -> None:
        del self.items[old.id]


def _is(each: Stored, wanted: Slice) -> bool:
    right = wanted.availability in (None, each.availability)
    within = wanted.category == EVERYTHING or wanted.category in each.path.split("/")
    below = wanted.path is None or f"{each.path}/".startswith(f"{wanted.path}/")
    return right and within and below and wanted.low <= each.cents <= wanted.high
