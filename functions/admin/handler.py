"""What admins do: config, keys, circuit breakers, metrics, usage. Every route needs the admin scope."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from functions.admin import products
from gateway import wiring
from gateway.domain.identity import Caller
from gateway.errors import BadRequest
from gateway.http.access import caller_of
from gateway.http.door import Route, door
from gateway.http.message import Request, Response
from gateway.services.keys import shown

Action = Callable[[Request, Caller], Response]
_ETAG = re.compile(r'(?:W/)?"?(\d{1,12})"?', re.ASCII)


def _admin(action: Action) -> Route:
    return lambda request: action(request, caller_of(request, "admin", wiring.identity))


def _get_config(_request: Request, _caller: Caller) -> Response:
    return _config(*wiring.config_admin().effective())


def _post_config(request: Request, caller: Caller) -> Response:
    now = datetime.now(UTC).isoformat(timespec="seconds")
    changed = wiring.config_admin().update(
        request.json(), by=caller.key_id, at=now, if_match=_version(request.headers.get("if-match"))
    )
    return _config(*changed)


def _config(version: int, document: dict[str, Any]) -> Response:
    return Response(200, {"version": version, "config": document}, {"etag": f'"{version}"'})


def _version(if_match: str | None) -> int | None:
    if if_match is None or if_match.strip() == "*":
        return None
    match = _ETAG.fullmatch(if_match.strip())
    if match is None:
        raise BadRequest("If-Match must hold the ETag of a config answer.", param="If-Match")
    return int(match[1])


def _metrics(request: Request, _caller: Caller) -> Response:
    return Response(200, wiring.reports().metrics(request.query))


def _usage(request: Request, _caller: Caller) -> Response:
    if request.query.get("format") == "csv":
        page = wiring.reports().usage_csv(request.query)
        return Response(200, page.text, page.headers, media_type="text/csv; charset=utf-8")
    return Response(200, wiring.reports().usage(request.query))


def _get_breakers(_request: Request, _caller: Caller) -> Response:
    return Response(200, wiring.breaker_admin().states())


def _post_breakers(request: Request, caller: Caller) -> Response:
    return Response(200, wiring.breaker_admin().act(request.json(), caller))


def _list_keys(request: Request, _caller: Caller) -> Response:
    limit = request.query.get("limit", "100")
    if not limit.isascii() or not limit.isdigit() or not 1 <= int(limit) <= 1000:
        raise BadRequest("limit: must be a number from 1 to 1000", param="limit")
    records, cursor = wiring.keys().list(int(limit), request.query.get("cursor"))
    return Response(200, {"object": "list", "data": [shown(record) for record in records], "next_cursor": cursor})


def _create_key(request: Request, caller: Caller) -> Response:
    text, record = wiring.keys().create(request.json(), caller)
    return Response(201, {"key": text, **shown(record)}, {"cache-control": "no-store"})


def _get_key(request: Request, _caller: Caller) -> Response:
    return Response(200, shown(wiring.keys().get(request.parameters["id"])))


def _revoke_key(request: Request, caller: Caller) -> Response:
    return Response(200, shown(wiring.keys().revoke(request.parameters["id"], caller)))


ROUTES = {
    "GET /api/v1/admin/config": _admin(_get_config),
    "POST /api/v1/admin/config": _admin(_post_config),
    "GET /api/v1/admin/metrics": _admin(_metrics),
    "GET /api/v1/admin/usage": _admin(_usage),
    "GET /api/v1/admin/circuit-breakers": _admin(_get_breakers),
    "POST /api/v1/admin/circuit-breakers": _admin(_post_breakers),
    "GET /api/v1/admin/keys": _admin(_list_keys),
    "POST /api/v1/admin/keys": _admin(_create_key),
    "GET /api/v1/admin/keys/{id}": _admin(_get_key),
    "POST /api/v1/admin/keys/{id}/revoke": _admin(_revoke_key),
    "POST /api/v1/admin/products": _admin(products.create_product),
    "POST /api/v1/admin/products/import": _admin(products.import_products),
    "GET /api/v1/admin/products/{id}": _admin(products.get_product),
    "PUT /api/v1/admin/products/{id}": _admin(products.replace_product),
    "PATCH /api/v1/admin/products/{id}": _admin(products.change_product),
    "DELETE /api/v1/admin/products/{id}": _admin(products.delete_product),
}
handler = door("admin", ROUTES)
