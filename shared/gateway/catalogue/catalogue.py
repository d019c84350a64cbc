"""The catalogue for callers: one product, a category, a search. The part for admins is gateway.catalogue.admin."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct

from gateway.catalogue import search
from gateway.catalogue.context import McpContext
from gateway.catalogue.products import Filters, Product
from gateway.catalogue.prompt import MOST_PRODUCTS
from gateway.catalogue.store import EVERYTHING, Posting, Slice, Stored
from gateway.dynamodb import cursors
from gateway.errors import BadRequest, NotFound

_CANDIDATES = 100  # products that are read by key for one search
_MOST_NAMED = 100  # categories that an error message lists
MOST_LISTED = 100


class Records(Protocol):
    def get(self, identifier: str) -> Stored | None: ...
    def get_many(self, identifiers: Sequence[str]) -> list[Stored]: ...
    def listed(self, wanted: Slice, limit: int, cursor: str | None) -> tuple[list[str], str | None]: ...
    def postings(self, term: str) -> list[Posting]: ...
    def categories(self) -> list[str]: ...


class Page(Struct, frozen=True):
    """Products in order, and the cursor of the next page, which is None on the last page."""

    products: tuple[Product, ...]
    next_cursor: str | None = None


class Catalogue(Struct, frozen=True):
    """All methods raise StoreUnavailable if the table does not answer."""

    records: Records

    def get(self, identifier: str) -> Product:
        """Raises NotFound."""
        stored = self.records.get(identifier)
        if stored is None:
            raise NotFound("There is no such product.", param="id")
        return product(stored)

    def get_many(self, identifiers: Sequence[str]) -> list[Product]:
        """The products that exist, in the order of the ids."""
        return [product(stored) for stored in self.records.get_many(identifiers)]

    def listing(self, filters: Filters, limit: int = 20, cursor: str | None = None) -> Page:
        """Products of a category (of all categories if none is given), cheapest first. Raises BadRequest for a foreign
        cursor, and for an unknown category; that error lists the known ones."""
        page = self.page(filters, limit, cursor)
        if not page.products and page.next_cursor is None:
            self._check_category(filters)
        return page

    def page(self, filters: Filters, limit: int, cursor: str | None = None) -> Page:
        """Like `listing`, but an unknown category gives no products instead of an error."""
        _check_range(filters)
        if filters.category == "":
            return Page(())
        low, high = filters.price_range.cents
        path = filters.category or EVERYTHING
        below = path if "/" in path else None
        wanted = Slice(path.rpartition("/")[2], low, high, filters.availability, below)
        found, following = self.records.listed(wanted, limit, cursor)
        # An index lags: a product that was changed a moment ago is checked by its own record.
        return Page(tuple(_meant(self.records.get_many(found), filters)), following)

    def search(self, query: str, filters: Filters, limit: int = 10, cursor: str | None = None) -> Page:
        """Products that match a query, best first; none for a query without any search term (an emoji, "the best").
        Raises BadRequest like `listing`."""
        _check_range(filters)
        skipped = _offset(cursor)
        ranked = self._ranked(search.query_terms(query), filters)
        if not ranked:
            self._check_category(filters)
        shown = ranked[skipped : skipped + limit]
        more = skipped + limit < len(ranked)
        return Page(tuple(shown), cursors.encode({"after": skipped + limit}) if more else None)

    def _ranked(self, wanted: Sequence[str], filters: Filters) -> list[Product]:
        found: dict[str, dict[str, int]] = {}
        hits: dict[str, int] = {}
        for term in wanted:
            postings = self.records.postings(term)
            hits[term] = len(postings)
            for posting in postings:
                if filters.match(posting.path, posting.cents, posting.availability):
                    found.setdefault(posting.id, {})[term] = posting.weight
        best = [identifier for identifier, _ in search.scored(found, hits)[:_CANDIDATES]]
        stored = {each.id: each for each in _kept(self.records.get_many(best), filters)}
        # Scored again from the records: the list of a common term may have been cut before it reached a candidate.
        exact = {identifier: _terms_of(each, wanted) for identifier, each in stored.items()}
        ranking = search.scored({identifier: terms for identifier, terms in exact.items() if terms}, hits)
        return [product(stored[identifier]) for identifier, _ in ranking]

    def context(self, wanted: McpContext) -> list[Product]:
        """Products that a completion refers to: first those named, then those found, without duplicates. Raises
        BadRequest."""
        filters = wanted.filters or Filters()
        found = self.get_many(wanted.product_ids)
        try:
            if wanted.search_query:
                found += self.search(wanted.search_query, filters, MOST_PRODUCTS).products
            elif wanted.filters is not None:
                found += self.listing(filters, MOST_PRODUCTS).products
        except BadRequest as error:
            where = f"mcpContext.filters.{error.param}"
            raise BadRequest(f"mcpContext.filters.{error.message}", param=where, code=error.code) from None
        return list({each.id: each for each in found}.values())

    def knows(self, filters: Filters) -> bool:
        """Whether the requested category, if there is one, ever had a product."""
        return filters.category is None or any(map(filters.holds, self.categories()))

    def _check_category(self, filters: Filters) -> None:
        # Called only if nothing was found: a category that has products needs no further read.
        if not self.knows(filters):
            known = self.categories()
            listed = ", ".join(known[:_MOST_NAMED]) + (", ..." if len(known) > _MOST_NAMED else "")
            message = f"category: there is no such category; the categories are {listed or 'none yet'}"
            raise BadRequest(message, param="category", code="unknown_category")

    def categories(self) -> list[str]:
        """Category paths with slashes, for example electronics/audio/headphones."""
        return self.records.categories()


def product(stored: Stored) -> Product:
    return Product.model_validate_json(stored.document)


def _check_range(filters: Filters) -> None:
    low, high = filters.price_range.cents
    if low > high:
        raise BadRequest("priceRange: min is above max", param="priceRange")


def _kept(stored: Sequence[Stored], filters: Filters) -> list[Stored]:
    return [each for each in stored if filters.match(each.path, each.cents, each.availability)]


def _meant(stored: Sequence[Stored], filters: Filters) -> list[Product]:
    return [product(each) for each in _kept(stored, filters)]


def _terms_of(stored: Stored, wanted: Sequence[str]) -> dict[str, int]:
    return {term: stored.terms[term] for term in wanted if term in stored.terms}


def _offset(cursor: str | None) -> int:
    offset = cursors.decode(cursor, {"after": int})["after"] if cursor else 0
    if not 0 <= offset <= _CANDIDATES:
        raise cursors.wrong()
    return int(offset)
