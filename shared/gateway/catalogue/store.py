"""The table `product-catalog`. A product's item collection has the product, an entry per category and an entry per
search term.

All parts are written in one transaction, so a listing never shows a product that does not exist for longer than an
index lags. Entries contain the attributes that filters use (price, availability, path); products are then read by key.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from msgspec import Struct

from gateway.catalogue.products import PRODUCT_ID
from gateway.dynamodb import cursors
from gateway.dynamodb.attributes import from_item, to_item
from gateway.dynamodb.client import Database, pages, read_all
from gateway.errors import Conflict, StoreUnavailable, TransactionCanceled

EVERYTHING = "*"  # the category that holds all products
PRODUCT = "product"
_CATEGORIES = "#categories"  # can't be a product's id: those begin with a letter or digit
_POSTINGS = 200  # products read for a term: those with the largest weight
_ROUNDS = 10  # index pages read for one page of a filtered listing
_CURSOR = {"id": str, "part": str, "category": str, "price": int}


class Stored(Struct, frozen=True):
    """A product as stored: its JSON `document`, everything that it is found by, and the version, which every write
    raises.

    `path` is the whole category path with slashes, `cents` the final price, `terms` the weights by term.
    """

    id: str
    document: str
    path: str
    cents: int
    availability: str
    terms: Mapping[str, int]
    version: int = 1

    def entries(self) -> dict[str, dict[str, Any]]:
        """The attributes of every entry, by the part of its key."""
        facts = {"price": self.cents, "availability": self.availability, "path": self.path}
        names = (EVERYTHING, *dict.fromkeys(self.path.split("/")))
        found = {f"category#{name}": {"category": name} | facts for name in names}
        return found | {f"term#{term}": {"term": term, "weight": heavy} | facts for term, heavy in self.terms.items()}

    def item(self) -> dict[str, Any]:
        facts = {"path": self.path, "cents": self.cents, "availability": self.availability, "terms": dict(self.terms)}
        return {"id": self.id, "part": PRODUCT, "document": self.document, "version": self.version} | facts


class Posting(Struct, frozen=True):
    """A product that has a term, with the attributes that filters use."""

    id: str
    weight: int
    path: str
    cents: int
    availability: str


class Slice(Struct, frozen=True):
    """What a listing asks for: a category (EVERYTHING for all), bounds of the price in cents, and further
    conditions."""

    category: str
    low: int
    high: int
    availability: str | None = None
    path: str | None = None


class ProductStore:
    """Raises StoreUnavailable if the table does not answer."""

    def __init__(self, database: Database, table: str) -> None:
        self._database = database
        self._table = table

    def get(self, identifier: str) -> Stored | None:
        """A strongly consistent read: it sees a product that was just written."""
        request = {"TableName": self._table, "Key": _key(identifier, PRODUCT), "ConsistentRead": True}
        reply = self._database.call("GetItem", request, attempts=2)
        return _stored(from_item(reply["Item"])) if "Item" in reply else None

    def get_many(self, identifiers: Sequence[str]) -> list[Stored]:
        """The products that exist, in the order of the ids."""
        wanted, found = list(dict.fromkeys(identifiers)), {}
        keys = [{"id": identifier, "part": PRODUCT} for identifier in wanted]
        for item in read_all(self._database, self._table, keys, consistent=False):
            found[item["id"]] = _stored(item)
        return [found[identifier] for identifier in wanted if identifier in found]

    def listed(self, wanted: Slice, limit: int, cursor: str | None) -> tuple[list[str], str | None]:
        """Ids of a category, cheapest first, and the next page's cursor. A page may be short if filters remove many
        products.

        Raises BadRequest for a cursor that does not belong to this listing.
        """
        request = self._listing(wanted)
        if cursor:
            request["ExclusiveStartKey"] = to_item(_start(cursor, wanted))
        found: list[str] = []
        for _round in range(_ROUNDS):
            reply = self._database.call("Query", request | {"Limit": limit - len(found)}, attempts=2)
            found += [item["id"]["S"] for item in reply["Items"]]
            last = reply.get("LastEvaluatedKey")
            if last is None:
                return found, None
            request["ExclusiveStartKey"] = last
            if len(found) >= limit:
                break
        return found, cursors.encode(from_item(request["ExclusiveStartKey"]))

    def _listing(self, wanted: Slice) -> dict[str, Any]:
        values: dict[str, Any] = {":category": wanted.category, ":low": wanted.low, ":high": wanted.high}
        conditions, names = [], {}
        if wanted.availability:
            conditions.append("availability = :availability")
            values[":availability"] = wanted.availability
        if wanted.path:
            conditions.append("(#path = :path OR begins_with(#path, :below))")
            names["#path"] = "path"
            values |= {":path": wanted.path, ":below": f"{wanted.path}/"}
        request: dict[str, Any] = {
            "TableName": self._table,
            "IndexName": "by-category",
            "KeyConditionExpression": "category = :category AND price BETWEEN :low AND :high",
            "ExpressionAttributeValues": to_item(values),
        }
        if conditions:
            request["FilterExpression"] = " AND ".join(conditions)
        return request | ({"ExpressionAttributeNames": names} if names else {})

    def postings(self, term: str) -> list[Posting]:
        """Products that have a term, those with the largest weight first."""
        request = {
            "TableName": self._table,
            "IndexName": "by-term",
            "KeyConditionExpression": "term = :term",
            "ExpressionAttributeValues": to_item({":term": term}),
            "ScanIndexForward": False,
            "Limit": _POSTINGS,
        }
        items = self._database.call("Query", request, attempts=2)["Items"]
        return [_posting(from_item(item)) for item in items]

    def categories(self) -> list[str]:
        """Paths of the categories that ever had products, in order."""
        request: dict[str, Any] = {
            "TableName": self._table,
            "KeyConditionExpression": "id = :categories",
            "ExpressionAttributeValues": to_item({":categories": _CATEGORIES}),
        }
        return [str(item["part"]) for item in pages(self._database, request)]

    def add_categories(self, paths: Iterable[str]) -> None:
        """Record categories; repeating one changes nothing. They are not in the products' transaction: one hot item
        would slow all writes."""
        for path in paths:
            item = {"TableName": self._table, "Item": _key(_CATEGORIES, path)}
            self._database.call("PutItem", item, attempts=2)

    def save(self, product: Stored, old: Stored | None) -> None:
        """Write all parts of a product: a new product if `old` is None, else in place of that version. Raises
        Conflict."""
        entries, gone = product.entries(), set(old.entries()) if old else set()
        actions = [self._put(product.item(), old)]
        actions += [self._put({"id": product.id, "part": part} | entry) for part, entry in entries.items()]
        actions += [self._delete(product.id, part) for part in sorted(gone - set(entries))]
        self._transact(actions)

    def delete(self, old: Stored) -> None:
        """Delete all parts of a product, if it still has this version. Raises Conflict."""
        version = {"ExpressionAttributeValues": to_item({":version": old.version})}
        first = self._delete(old.id, PRODUCT)
        first["Delete"] |= {"ConditionExpression": "version = :version"} | version
        self._transact([first, *(self._delete(old.id, part) for part in old.entries())])

    def _put(self, item: Mapping[str, Any], old: Stored | None = None) -> dict[str, Any]:
        put: dict[str, Any] = {"TableName": self._table, "Item": to_item(item)}
        if item["part"] == PRODUCT and old is None:
            put["ConditionExpression"] = "attribute_not_exists(id)"
        elif old is not None:
            put["ConditionExpression"] = "version = :version"
            put["ExpressionAttributeValues"] = to_item({":version": old.version})
        return {"Put": put}

    def _delete(self, identifier: str, part: str) -> dict[str, Any]:
        return {"Delete": {"TableName": self._table, "Key": _key(identifier, part)}}

    def _transact(self, actions: list[dict[str, Any]]) -> None:
        # With the token, a retry after a lost reply is the same transaction and does not conflict with itself.
        request = {"TransactItems": actions, "ClientRequestToken": str(uuid.uuid4())}
        try:
            self._database.call("TransactWriteItems", request, attempts=2)
        except TransactionCanceled as refused:
            if refused.reasons and refused.reasons[0] == "ConditionalCheckFailed":
                raise Conflict("The product was changed or created meanwhile; read it again.", param="id") from None
            raise StoreUnavailable("The product is being written by another call; try again.", retry_after=1) from None


def _key(identifier: str, part: str) -> dict[str, Any]:
    return to_item({"id": identifier, "part": part})


def _start(cursor: str, wanted: Slice) -> dict[str, Any]:
    key = cursors.decode(cursor, _CURSOR)
    fits = key["category"] == wanted.category and key["part"] == f"category#{wanted.category}"
    if not fits or not re.fullmatch(PRODUCT_ID, key["id"]) or not wanted.low <= key["price"] <= wanted.high:
        raise cursors.wrong()
    return key


def _stored(item: Mapping[str, Any]) -> Stored:
    return Stored(
        id=item["id"],
        document=item["document"],
        path=item["path"],
        cents=item["cents"],
        availability=item["availability"],
        terms=item["terms"],
        version=item["version"],
    )


def _posting(item: Mapping[str, Any]) -> Posting:
    return Posting(item["id"], item["weight"], item["path"], item["price"], item["availability"])
