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
        Described(summary="The effective config and its version.", answers=_answer("VersionedConfig")),
    ),
    _sets(
        "config",
        "POST config",
        operations.post_config,
        Described(
            summary="Change the config by a JSON merge patch.",
            body=f"{_ANSWERS}:ConfigPatch",
            headers=_IF_MATCH,
            answers=_answer("VersionedConfig"),
            errors=_CHANGED,
        ),
    ),
    _admin(
        "GET metrics",
        operations.metrics,
        Described(summary="Requests, errors, latency, tokens and cost.", query=_DAYS, answers=_answer("Metrics")),
    ),
    _admin(
        "GET usage",
        operations.usage,
        Described(
            summary="Spend by a dimension over UTC days, as JSON or CSV.",
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
            summary="Coding agents' sessions of the last 30 days, of a key or of a user's keys.",
            query=_WHOSE | {"team": _TEXT} | _PAGE,
            answers=_answer("Sessions"),
        ),
    ),
    _admin(
        "GET usage/sessions/{id}",
        sessions.get_session,
        Described(
            summary="What one session came to, by key, agent, class, user and model.",
            query=_WHOSE | {"team": _TEXT},
            answers=_answer("Session"),
        ),
    ),
    _sets(
        "sessions",
        "DELETE usage/sessions",
        sessions.erase_sessions,
        Described(
            summary="Erase what sessions came to, of a key or of a person.",
            query=_WHOSE | {"session": _TEXT, "user": _TEXT},
            answers=_answer("Erased"),
        ),
    ),
    _admin(
        "GET circuit-breakers",
        operations.get_breakers,
        Described(summary="The state of each circuit breaker.", answers=_answer("Breakers")),
    ),
    _sets(
        "breakers",
        "POST circuit-breakers",
        operations.post_breakers,
        Described(
            summary="Reset or open circuit breakers.",
            body=f"{_ANSWERS}:BreakerAction",
            answers=_answer("Breakers"),
            errors=(409,),
        ),
    ),
    _admin(
        "GET keys",
        keys.list_keys,
        Described(
            summary="API keys, newest first; or one user's.",
            query=_PAGE | {"user_id": _WORD},
            answers=_answer("Keys"),
        ),
    ),
    _admin(
        "POST keys",
        keys.create_key,
        Described(
            summary="A new API key; its text is shown this once.",
            body="gateway.keys.key_fields:NewKey",
            answers=_answer("KeyWithSecret", 201),
        ),
    ),
    _admin("GET keys/{id}", keys.get_key, Described(summary="One API key.", answers=_answer("Key"))),
    _admin(
        "PATCH keys/{id}",
        keys.change_key,
        Described(
            summary="Change a key; it holds at the key's next paid call.",
            body=_PATCH,
            headers=_IF_MATCH,
            answers=_answer("Key"),
            errors=_CHANGED,
        ),
    ),
    _admin(
        "DELETE keys/{id}",
        keys.delete_key,
        Described(summary="Revoke a key and forget its record.", answers=_answer("Deleted"), errors=(409,)),
    ),
    _admin(
        "POST keys/{id}/rotate",
        keys.rotate_key,
        Described(
            summary="A new secret; the old one works for the overlap.",
            body="gateway.keys.key_fields:Rotation",
            optional=True,
            answers=_answer("KeyWithSecret"),
            errors=(409,),
        ),
    ),
    _admin(
        "POST keys/{id}/revoke",
        keys.revoke_key,
        Described(summary="Revoke a key: refused from its next paid call on.", answers=_answer("Key")),
    ),
    _admin(
        "GET corrections",
        billing.list_corrections,
        Described(
            summary="A month's corrections.",
            query={"month": _TEXT, "team": _TEXT, "key": _TEXT} | _PAGE,
            answers=_answer("Corrections"),
        ),
    ),
    _sets(
        "corrections",
        "POST corrections",
        billing.create_correction,
        Described(
            summary="Correct the bill by an entry with a reason.",
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
            summary="What a team has to pay for a month; - for keys without a team.",
            query={"month": {"type": "string", "pattern": r"^20[0-9]{2}-(0[1-9]|1[0-2])$"}, "format": _FORMAT},
            answers=_answer("Statement"),
            media=_CSV,
        ),
    ),
    _admin(
        "GET teams", teams.list_teams, Described(summary="Teams, newest first.", query=_PAGE, answers=_answer("Teams"))
    ),
    _admin(
        "POST teams",
        teams.create_team,
        Described(
            summary="A new team.", body="gateway.keys.teams:NewTeam", answers=_answer("Team", 201), errors=(409,)
        ),
    ),
    _admin(
        "GET teams/{id}",
        teams.get_team,
        Described(summary="One team, and what is left of its limits.", answers=_answer("TeamStanding")),
    ),
    _admin(
        "PATCH teams/{id}",
        teams.change_team,
        Described(summary="Change a team.", body=_PATCH, headers=_IF_MATCH, answers=_answer("Team"), errors=_CHANGED),
    ),
    _admin(
        "DELETE teams/{id}",
        teams.delete_team,
        Described(summary="Delete a team that has no keys.", answers=_answer("Deleted"), errors=(409,)),
    ),
    _admin(
        "GET users",
        users.list_users,
        Described(summary="What limits users, newest first.", query=_PAGE, answers=_answer("Users")),
    ),
    _admin(
        "GET users/{id}",
        users.get_user,
        Described(summary="What limits one user, and what is left of it.", answers=_answer("UserStanding")),
    ),
    _admin(
        "PUT users/{id}",
        users.put_user,
        Described(
            summary="Set what limits a user, over all of their keys.",
            body="gateway.keys.users:UserFields",
            headers=_IF_MATCH,
            answers=_answer("User"),
            errors=_CHANGED,
        ),
    ),
    _admin(
        "DELETE users/{id}",
        users.delete_user,
        Described(summary="Let nothing limit a user any more.", answers=_answer("Deleted"), errors=(409,)),
    ),
    _sets(
        "products",
        "POST products",
        products.create_product,
        Described(
            summary="A new product.",
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
            summary="Many products, as JSON or CSV, with a report of refused rows.",
            body=f"{_ANSWERS}:ProductImport",
            answers=_answer("Imported"),
        ),
    ),
    _admin(
        "GET products/{id}",
        products.get_product,
        Described(summary="One product, with its ETag.", answers={200: _PRODUCT}),
    ),
    _sets(
        "products",
        "PUT products/{id}",
        products.replace_product,
        Described(
            summary="Replace a product.",
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
            summary="Change a product.", body=_PATCH, headers=_IF_MATCH, answers={200: _PRODUCT}, errors=_CHANGED
        ),
    ),
    _sets(
        "products",
        "DELETE products/{id}",
        products.delete_product,
        Described(summary="Delete a product.", headers=_IF_MATCH, answers=_answer("Deleted"), errors=_CHANGED),
    ),
)
handler = http_api("admin", ROUTES, wiring.identity, wiring.pace)
