"""The admin's views of the product catalogue."""

from __future__ import annotations

import re

from gateway.api.message import Request, Response
from gateway.catalogue.admin import MOST_ROWS, VersionedProduct
from gateway.catalogue.products import PRODUCT_ID
from gateway.catalogue.rows import rows_of_csv
from gateway.errors import BadRequest, NotFound
from gateway.identity.caller import Caller
from gateway.wiring import gateway


def get_product(request: Request, _caller: Caller) -> Response:
    return _shown(gateway().product_admin.get(_id(request)))


def create_product(request: Request, caller: Caller) -> Response:
    return _shown(gateway().product_admin.create(request.json(), caller), status=201)


def replace_product(request: Request, caller: Caller) -> Response:
    kept = gateway().product_admin.replace(_id(request), request.json(), caller, request.if_match())
    return _shown(kept)


def change_product(request: Request, caller: Caller) -> Response:
    kept = gateway().product_admin.change(_id(request), request.json(), caller, request.if_match())
    return _shown(kept)


def delete_product(request: Request, caller: Caller) -> Response:
    identifier = _id(request)
    gateway().product_admin.delete(identifier, caller, request.if_match())
    return Response(200, {"id": identifier, "deleted": True})


def import_products(request: Request, caller: Caller) -> Response:
    """Import rows of JSON (`{"products": [...]}`) or CSV. Answers 200 with a report, even if some rows are refused."""
    report = gateway().product_admin.load(_rows(request), caller, request.seconds_left)
    counts = {"received": report.received, "created": report.created, "updated": report.updated}
    return Response(200, counts | {"refused": report.refused})


def _rows(request: Request) -> list[object]:
    if request.media_type() in ("text/csv", "application/csv"):
        try:
            return list(rows_of_csv(request.body.decode(), MOST_ROWS))
        except UnicodeDecodeError:
            raise BadRequest("The body is not UTF-8.", code="invalid_csv") from None
    body = request.json()
    if set(body) != {"products"} or not isinstance(body["products"], list):
        raise BadRequest('The body must be {"products": [...]}.', param="products")
    return list(body["products"])


def _shown(kept: VersionedProduct, status: int = 200) -> Response:
    return Response(status, kept.product.model_dump(mode="json"), {"etag": f'"{kept.version}"'})


def _id(request: Request) -> str:
    identifier = request.parameters["id"]
    if not re.fullmatch(PRODUCT_ID, identifier):
        raise NotFound("There is no such product.", param="id")
    return identifier
