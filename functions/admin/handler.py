"""What admins do: config, keys, teams, users, products, breakers, metrics, usage. Every route needs the admin scope.

What a key may do with it is in `gateway/keys/rights.py`: reads and writes of keys and teams ask there themselves."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from functions.admin import billing, keys, products, teams, users
from functions.admin.asked import checked, seen
from gateway import wiring
from gateway.api.access import caller_of, with_scope
from gateway.api.door import Route, door
from gateway.api.message import Request, Response
from gateway.identity.caller import Caller
from gateway.keys.rights import Area, check_area

Action = Callable[[Request, Caller], Response]


def _admin(action: Action) -> Route:
    """A route for admins. Each asks for the key's record as it is now: by an answer that the authorizer has cached, a
    key that was revoked a moment ago would read on, or make itself another."""

    def route(request: Request) -> Response:
        caller = caller_of(request, "admin", wiring.identity)
        caller = with_scope(wiring.identity().fresh(caller), "admin")
        return action(checked(request), caller)

    return route


def _sets(area: Area, action: Action) -> Route:
    """A route that changes what holds for everybody."""

    def permitted(request: Request, caller: Caller) -> Response:
        check_area(area, caller)
        return action(request, caller)

    return _admin(permitted)


def _get_config(_request: Request, _caller: Caller) -> Response:
    return _config(*wiring.config_admin().effective())


def _post_config(request: Request, caller: Caller) -> Response:
    now = datetime.now(UTC).isoformat(timespec="seconds")
    changed = wiring.config_admin().update(request.json(), by=caller.key_id, at=now, if_match=request.if_match())
    return _config(*changed)


def _config(version: int, document: dict[str, Any]) -> Response:
    return Response(200, {"version": version, "config": document}, {"etag": f'"{version}"'})


def _metrics(request: Request, caller: Caller) -> Response:
    return Response(200, wiring.reports().metrics(seen(request, caller)))


def _usage(request: Request, caller: Caller) -> Response:
    query = seen(request, caller)
    if query.get("format") == "csv":
        page = wiring.reports().usage_csv(query)
        return Response(200, page.text, page.headers, media_type="text/csv; charset=utf-8")
    return Response(200, wiring.reports().usage(query))


def _get_breakers(_request: Request, _caller: Caller) -> Response:
    return Response(200, wiring.breaker_admin().states())


def _post_breakers(request: Request, caller: Caller) -> Response:
    return Response(200, wiring.breaker_admin().act(request.json(), caller))


ROUTES = {
    "GET /api/v1/admin/config": _admin(_get_config),
    "POST /api/v1/admin/config": _sets("config", _post_config),
    "GET /api/v1/admin/metrics": _admin(_metrics),
    "GET /api/v1/admin/usage": _admin(_usage),
    "GET /api/v1/admin/circuit-breakers": _admin(_get_breakers),
    "POST /api/v1/admin/circuit-breakers": _sets("breakers", _post_breakers),
    "GET /api/v1/admin/keys": _admin(keys.list_keys),
    "POST /api/v1/admin/keys": _admin(keys.create_key),
    "GET /api/v1/admin/keys/{id}": _admin(keys.get_key),
    "PATCH /api/v1/admin/keys/{id}": _admin(keys.change_key),
    "DELETE /api/v1/admin/keys/{id}": _admin(keys.delete_key),
    "POST /api/v1/admin/keys/{id}/rotate": _admin(keys.rotate_key),
    "POST /api/v1/admin/keys/{id}/revoke": _admin(keys.revoke_key),
    "GET /api/v1/admin/corrections": _admin(billing.list_corrections),
    "POST /api/v1/admin/corrections": _sets("corrections", billing.create_correction),
    "GET /api/v1/admin/teams/{id}/statements": _admin(billing.statement),
    "GET /api/v1/admin/teams": _admin(teams.list_teams),
    "POST /api/v1/admin/teams": _admin(teams.create_team),
    "GET /api/v1/admin/teams/{id}": _admin(teams.get_team),
    "PATCH /api/v1/admin/teams/{id}": _admin(teams.change_team),
    "DELETE /api/v1/admin/teams/{id}": _admin(teams.delete_team),
    "GET /api/v1/admin/users": _admin(users.list_users),
    "GET /api/v1/admin/users/{id}": _admin(users.get_user),
    "PUT /api/v1/admin/users/{id}": _admin(users.put_user),
    "DELETE /api/v1/admin/users/{id}": _admin(users.delete_user),
    "POST /api/v1/admin/products": _sets("products", products.create_product),
    "POST /api/v1/admin/products/import": _sets("products", products.import_products),
    "GET /api/v1/admin/products/{id}": _admin(products.get_product),
    "PUT /api/v1/admin/products/{id}": _sets("products", products.replace_product),
    "PATCH /api/v1/admin/products/{id}": _sets("products", products.change_product),
    "DELETE /api/v1/admin/products/{id}": _sets("products", products.delete_product),
}
handler = door("admin", ROUTES)
