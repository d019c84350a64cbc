"""The catalogue for admins: create, replace, change, delete or import products. Listings follow within moments."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

from msgspec import Struct, field

from gateway import observability
from gateway.catalogue.catalogue import product
from gateway.catalogue.products import NewProduct, Product, ProductFields, parse_fields, parse_new, product_of
from gateway.catalogue.rows import UnreadLine
from gateway.catalogue.search import weighted_terms
from gateway.catalogue.store import Stored
from gateway.config.patches import merge_patch
from gateway.errors import BadRequest, Conflict, GatewayError, NotFound, PreconditionFailed
from gateway.identity.caller import Caller
from gateway.times import rfc3339

MOST_ROWS = 1_000
_LEAST_SECONDS = 2.0  # with less time left, no further row of an import is started


class Records(Protocol):
    def get(self, identifier: str) -> Stored | None: ...
    def save(self, product: Stored, old: Stored | None) -> None: ...
    def delete(self, old: Stored) -> None: ...
    def add_categories(self, paths: Iterable[str]) -> None: ...


class VersionedProduct(Struct, frozen=True):
    """A product with its stored version, which is the ETag of its answers."""

    product: Product
    version: int


class ImportReport(Struct):
    """`refused` has one entry per row that was refused: row (from 1), id if the row had one, code, param, message."""

    received: int
    created: int = 0
    updated: int = 0
    refused: list[dict[str, Any]] = field(default_factory=list)

    def refuse(self, row: int, sent: Any, error: GatewayError) -> None:
        identifier = sent.id if isinstance(sent, UnreadLine) else sent.get("id") if isinstance(sent, Mapping) else None
        facts = {"row": row, "id": identifier if isinstance(identifier, str) else None}
        self.refused.append(facts | {"code": error.code, "param": error.param, "message": error.message})


class ProductAdmin(Struct):
    """`now` gives seconds since the epoch."""

    records: Records
    now: Callable[[], float] = time.time
    _noted: set[str] = field(default_factory=set)

    def get(self, identifier: str) -> VersionedProduct:
        """Raises NotFound."""
        stored = self._stored(identifier, None)
        return VersionedProduct(product(stored), stored.version)

    def create(self, body: Mapping[str, Any], by: Caller) -> VersionedProduct:
        """Raises BadRequest that names the field, or Conflict if the id is taken."""
        wanted = parse_new(body)
        if wanted.id and self.records.get(wanted.id):
            raise Conflict("A product with this id already exists.", param="id")
        return _logged("created", self._written(wanted, wanted.id or f"prod_{uuid.uuid4().hex[:16]}", None), by)

    def replace(self, identifier: str, body: Mapping[str, Any], by: Caller, if_match: int | None) -> VersionedProduct:
        """Replace all fields. Raises BadRequest, NotFound, PreconditionFailed, Conflict."""
        wanted = parse_fields(_without_id(body, identifier))
        return _logged("replaced", self._written(wanted, identifier, self._stored(identifier, if_match)), by)

    def change(self, identifier: str, patch: Mapping[str, Any], by: Caller, if_match: int | None) -> VersionedProduct:
        """Apply a JSON merge patch (RFC 7396). Raises the same errors as `replace`."""
        old = self._stored(identifier, if_match)
        wanted = parse_fields(merge_patch(product(old).fields(), _without_id(patch, identifier)))
        return _logged("changed", self._written(wanted, identifier, old), by)

    def delete(self, identifier: str, by: Caller, if_match: int | None) -> None:
        """Raises NotFound, PreconditionFailed, Conflict."""
        self.records.delete(self._stored(identifier, if_match))
        observability.log.info("product deleted", extra={"product": identifier, "by": by.key_id})

    def load(self, rows: Sequence[Any], by: Caller, seconds_left: Callable[[], float]) -> ImportReport:
        """Create or replace one product per row; a refused row does not stop the others. Raises BadRequest for too many
        rows."""
        if not 1 <= len(rows) <= MOST_ROWS:
            raise BadRequest(f"products: must be 1 to {MOST_ROWS} rows", param="products")
        report = ImportReport(len(rows))
        for number, row in enumerate(rows, start=1):
            try:
                if seconds_left() < _LEAST_SECONDS:
                    raise Conflict("No time was left for this row; send it again.", code="not_attempted")
                if self._row(row):
                    report.created += 1
                else:
                    report.updated += 1
            except GatewayError as error:
                report.refuse(number, row, error)
        facts = {"created_count": report.created, "updated_count": report.updated, "refused": len(report.refused)}
        observability.log.info("products imported", extra=facts | {"by": by.key_id})
        return report

    def _row(self, row: Any) -> bool:
        if isinstance(row, UnreadLine):
            raise row.error
        if not isinstance(row, Mapping):
            raise BadRequest("A product must be a JSON object.")
        wanted = parse_new(row)
        if wanted.id is None:
            raise BadRequest("id: is required, so that a row sent twice is one product", param="id")
        old = self.records.get(wanted.id)
        self._written(wanted, wanted.id, old)
        return old is None

    def _stored(self, identifier: str, if_match: int | None) -> Stored:
        stored = self.records.get(identifier)
        if stored is None:
            raise NotFound("There is no such product.", param="id")
        if if_match is not None and if_match != stored.version:
            raise PreconditionFailed("The product was changed in the meantime; read it again.", param="If-Match")
        return stored

    def _written(self, wanted: ProductFields | NewProduct, identifier: str, old: Stored | None) -> VersionedProduct:
        now = rfc3339(self.now())
        made = product_of(identifier, wanted, product(old).created if old else now, now)
        new = stored_form(made, old.version + 1 if old else 1)
        missing = {new.path} - self._noted
        self.records.add_categories(missing)
        self._noted |= missing
        self.records.save(new, old)
        return VersionedProduct(made, new.version)


def _logged(what: str, kept: VersionedProduct, by: Caller) -> VersionedProduct:
    observability.log.info(f"product {what}", extra={"product": kept.product.id, "by": by.key_id})
    return kept


def stored_form(made: Product, version: int) -> Stored:
    """The stored form of a product, with everything that it is found by."""
    return Stored(
        id=made.id,
        document=made.model_dump_json(exclude_computed_fields=True),
        path="/".join(made.category.path),
        cents=made.price.cents,
        availability=made.availability,
        terms=weighted_terms(made),
        version=version,
    )


def _without_id(body: Mapping[str, Any], identifier: str) -> dict[str, Any]:
    """The id is in the path. The body may repeat it, but not give another one."""
    if body.get("id", identifier) != identifier:
        raise BadRequest("id: can't be changed", param="id")
    return {name: value for name, value in body.items() if name != "id"}
