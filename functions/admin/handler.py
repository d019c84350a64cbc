"""The admin's routes: config, keys, teams, users, products, breakers, metrics, usage. All need the admin scope.

`gateway/keys/rights.py` decides what a key may do with that scope. Reads and writes of keys and teams call it."""

from __future__ import annotations

from collections.abc import Callable

from functions.admin import billing, keys, operations, products, sessions, teams, users
from functions.admin.asked import checked
from gateway import wiring
from gateway.api.http_api import http_api
from gateway.api.message import Request, Response
from gateway.api.routes import Described, Route, Schema
from gateway.identity.caller import Caller
from gateway.keys.rights import Area, check_area

Action = Callable[[Request, Caller], Response]


_ANSWERS = "functions.admin.answers"
_PATCH = f"{_ANSWERS}:Patch"
_PRODUCT = "gateway.catalogue.products:Product"
_IF_MATCH = ("if-match",)
_CHANGED = (409, 412)  # somebody else changed it in the meantime
_TEXT: Schema = {"type": "string"}
_WORD: Schema = {"type": "string", "minLength": 1}
_DATE: Schema = {"type": "string", "format": "date"}
_FORMAT: Schema = {"enum": ["json", "csv"]}
_PAGE: dict[str, Schema] = {"limit": {"type": "integer", "minimum": 1, "maximum": 1000}, "cursor": _TEXT}
_DAYS: dict[str, Schema] = {"from": _DATE, "to": _DATE, "key": _TEXT, "team": _TEXT}
_WHOSE: dict[str, Schema] = {"key": _TEXT, "user_id": _TEXT}  # one of the two
_CSV = ("text/csv",)


def _admin(method_path: str, action: Action, described: Described) -> Route:
    """A route for admins. Each reads the key's current record, not the authorizer's cached answer. With the cached
    answer, a key that was just revoked could still read, or create another key for itself."""
    method, path = method_path.split(" ")
    return Route(
        method_path=f"{method} /api/v1/admin/{path}",
        handler=lambda request: action(checked(request), request.caller),
        auth="api-key",
        scope="admin",
        fresh=True,
        errors="gateway",
        described=described,
    )


def _sets(area: Area, method_path: str, action: Action, described: Described) -> Route:
    """A route that changes settings of the whole gateway."""

    def permitted(request: Request, caller: Caller) -> Response:
        check_area(area, caller)
        return action(request, caller)

    return _admin(method_path, permitted, described)


def _answer(name: str, status: int = 200) -> dict[int, Schema]:
    return {status: f"{_ANSWERS}:{name}"}


ROUTES = (
    _admin(
        "GET config",
        operations.get_config,
        Described(summary="Shows the config that is in force, and its version.", answers=_answer("VersionedConfig")),
    ),
    _sets(
        "config",
        "POST config",
        operations.post_config,
        Described(
            summary="Changes the config by a JSON merge patch.",
            body=f"{_ANSWERS}:ConfigPatch",
            headers=_IF_MATCH,
            answers=_answer("VersionedConfig"),
            errors=_CHANGED,
        ),
    ),
    _admin(
        "GET metrics",
        operations.metrics,
        Described(
            summary="Reports requests, errors, latency, tokens and cost: in total, and by model, provider and tier.",
            query=_DAYS,
            answers=_answer("Metrics"),
        ),
    ),
    _admin(
        "GET usage",
        operations.usage,
        Described(
            summary="Reports spending over UTC days, grouped by key, model, team and others, as JSON or CSV.",
            query={
                "group_by": {"enum": ["key", "model", "provider", "tier", "tag", "team", "day", "hour", "total"]},
                **_DAYS,
                "format": _FORMAT,
                "limit": {"type": "integer", "minimum": 1, "maximum": 10000},
                "cursor": _TEXT,
            },
            answers=_answer("Usage"),
            media=_CSV,
        ),
    ),
    _admin(
        "GET usage/sessions",
        sessions.list_sessions,
        Described(
            summary="Lists coding agents' sessions of the last 30 days. Name a `key` or a `user_id`.",
            query=_WHOSE | {"team": _TEXT} | _PAGE,
            answers=_answer("Sessions"),
        ),
    ),
    _admin(
        "GET usage/sessions/{id}",
        sessions.get_session,
        Described(
            summary="Shows the cost of one session, by key, agent, class, user and model. Name a `key` or a `user_id`.",
            query=_WHOSE | {"team": _TEXT},
            answers=_answer("Session"),
        ),
    ),
    _sets(
        "sessions",
        "DELETE usage/sessions",
        sessions.erase_sessions,
        Described(
            summary="Erases the costs of sessions of a `key` or a `user_id`. The bill of the key stays as it is.",
            query=_WHOSE | {"session": _TEXT, "user": _TEXT},
            answers=_answer("Erased"),
        ),
    ),
    _admin(
        "GET circuit-breakers",
        operations.get_breakers,
        Described(summary="Shows the state of each circuit breaker.", answers=_answer("Breakers")),
    ),
    _sets(
        "breakers",
        "POST circuit-breakers",
        operations.post_breakers,
        Described(
            summary="Closes or opens circuit breakers.",
            body=f"{_ANSWERS}:BreakerAction",
            answers=_answer("Breakers"),
            errors=(409,),
        ),
    ),
    _admin(
        "GET keys",
        keys.list_keys,
        Described(
            summary="Lists the API keys, the newest first. With `user_id` it lists those of one user.",
            query=_PAGE | {"user_id": _WORD},
            answers=_answer("Keys"),
        ),
    ),
    _admin(
        "POST keys",
        keys.create_key,
        Described(
            summary="Creates an API key. Only this answer shows the key itself.",
            body="gateway.keys.key_fields:NewKey",
            answers=_answer("KeyWithSecret", 201),
        ),
    ),
    _admin(
        "GET keys/{id}",
        keys.get_key,
        Described(summary="Shows one API key, without its secret.", answers=_answer("Key")),
    ),
    _admin(
        "PATCH keys/{id}",
        keys.change_key,
        Described(
            summary="Changes a key by a JSON merge patch, from its next paid call on.",
            body=_PATCH,
            headers=_IF_MATCH,
            answers=_answer("Key"),
            errors=_CHANGED,
        ),
    ),
    _admin(
        "DELETE keys/{id}",
        keys.delete_key,
        Described(summary="Revokes a key and deletes its record.", answers=_answer("Deleted"), errors=(409,)),
    ),
    _admin(
        "POST keys/{id}/rotate",
        keys.rotate_key,
        Described(
            summary="Gives a key a new secret. The old one works for some hours more (`overlap_hours`).",
            body="gateway.keys.key_fields:Rotation",
            optional=True,
            answers=_answer("KeyWithSecret"),
            errors=(409,),
        ),
    ),
    _admin(
        "POST keys/{id}/revoke",
        keys.revoke_key,
        Described(summary="Revokes a key. It is refused from its next paid call on.", answers=_answer("Key")),
    ),
    _admin(
        "GET corrections",
        billing.list_corrections,
        Described(
            summary="Lists the corrections of a month.",
            query={"month": _TEXT, "team": _TEXT, "key": _TEXT} | _PAGE,
            answers=_answer("Corrections"),
        ),
    ),
    _sets(
        "corrections",
        "POST corrections",
        billing.create_correction,
        Described(
            summary="Corrects the bill of a key by an entry with a reason.",
            body="gateway.billing.statements:NewCorrection",
            answers=_answer("Correction") | _answer("Correction", 201),
            errors=(
                404,
                409,
            ),
        ),
    ),
    _admin(
        "GET teams/{id}/statements",
        billing.statement,
        Described(
            summary="Shows the amount that a team has to pay for a month. The team `-` stands for keys without one.",
            query={"month": {"type": "string", "pattern": r"^20[0-9]{2}-(0[1-9]|1[0-2])$"}, "format": _FORMAT},
            answers=_answer("Statement"),
            media=_CSV,
        ),
    ),
    _admin(
        "GET teams",
        teams.list_teams,
        Described(summary="Lists the teams, the newest first.", query=_PAGE, answers=_answer("Teams")),
    ),
    _admin(
        "POST teams",
        teams.create_team,
        Described(
            summary="Creates a team.", body="gateway.keys.teams:NewTeam", answers=_answer("Team", 201), errors=(409,)
        ),
    ),
    _admin(
        "GET teams/{id}",
        teams.get_team,
        Described(
            summary="Shows one team, and how much of its limits is used and left.", answers=_answer("TeamStanding")
        ),
    ),
    _admin(
        "PATCH teams/{id}",
        teams.change_team,
        Described(
            summary="Changes a team by a JSON merge patch.",
            body=_PATCH,
            headers=_IF_MATCH,
            answers=_answer("Team"),
            errors=_CHANGED,
        ),
    ),
    _admin(
        "DELETE teams/{id}",
        teams.delete_team,
        Described(summary="Deletes a team that has no keys.", answers=_answer("Deleted"), errors=(409,)),
    ),
    _admin(
        "GET users",
        users.list_users,
        Described(summary="Lists the users that have limits, the newest first.", query=_PAGE, answers=_answer("Users")),
    ),
    _admin(
        "GET users/{id}",
        users.get_user,
        Described(
            summary="Shows the limits of one user, and how much of them is used and left.",
            answers=_answer("UserStanding"),
        ),
    ),
    _admin(
        "PUT users/{id}",
        users.put_user,
        Described(
            summary="Sets the limits of a user, which all of their keys share. It replaces earlier limits.",
            body="gateway.keys.users:UserFields",
            headers=_IF_MATCH,
            answers=_answer("User"),
            errors=_CHANGED,
        ),
    ),
    _admin(
        "DELETE users/{id}",
        users.delete_user,
        Described(
            summary="Removes the limits of a user. The keys of the user stay.",
            answers=_answer("Deleted"),
            errors=(409,),
        ),
    ),
    _sets(
        "products",
        "POST products",
        products.create_product,
        Described(
            summary="Creates a product.",
            body="gateway.catalogue.products:NewProduct",
            answers={201: _PRODUCT},
            errors=(409,),
        ),
    ),
    _sets(
        "products",
        "POST products/import",
        products.import_products,
        Described(
            summary="Imports up to 1,000 products, as JSON or CSV, and reports the rows that were refused.",
            body=f"{_ANSWERS}:ProductImport",
            answers=_answer("Imported"),
        ),
    ),
    _admin(
        "GET products/{id}",
        products.get_product,
        Described(summary="Shows one product, with its ETag.", answers={200: _PRODUCT}),
    ),
    _sets(
        "products",
        "PUT products/{id}",
        products.replace_product,
        Described(
            summary="Replaces a product.",
            body="gateway.catalogue.products:ProductFields",
            headers=_IF_MATCH,
            answers={200: _PRODUCT},
            errors=_CHANGED,
        ),
    ),
    _sets(
        "products",
        "PATCH products/{id}",
        products.change_product,
        Described(
            summary="Changes a product by a JSON merge patch.",
            body=_PATCH,
            headers=_IF_MATCH,
            answers={200: _PRODUCT},
            errors=_CHANGED,
        ),
    ),
    _sets(
        "products",
        "DELETE products/{id}",
        products.delete_product,
        Described(summary="Deletes a product.", headers=_IF_MATCH, answers=_answer("Deleted"), errors=_CHANGED),
    ),
)
handler = http_api("admin", ROUTES, wiring.identity, wiring.pace)
