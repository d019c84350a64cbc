"""A route: what may be requested, who may request it, and what is answered. This is the single source: `answer` uses
it, tools/openapi builds the OpenAPI document from it, and a function's function.json, which Terraform reads, must agree
with it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal

from msgspec import Struct, field

from gateway.api.message import Dialect, Request, Response

if TYPE_CHECKING:
    from gateway.api.pace import Pace
    from gateway.identity.caller import Caller
    from gateway.identity.verification import Identity

# api-key, bearer: an authorizer of the API has checked the header X-API-Key, or Authorization. key: the app checks the
# key itself, in whichever header it was sent.
Auth = Literal["public", "api-key", "bearer", "key"]
Handler = Callable[[Request], Response]
Callers = Callable[[Request, "Identity"], "Caller"]
# A schema, or the place of a type that has one ("gateway.keys.key_fields:NewKey"): a pydantic model or a TypedDict.
# The type is named, not imported, since functions must not load what only the document needs.
Schema = str | Mapping[str, Any]


class Described(Struct, frozen=True, kw_only=True, eq=False):
    """What a route accepts and answers in addition to what all routes do. It serves the OpenAPI document only.

    `answers` maps statuses to schemas, `query` parameters to schemas. `headers` are names that tools/openapi explains,
    `errors` are statuses. `optional` says that the body may be left out. `media` are an answer's media types other than
    JSON.
    """

    summary: str
    answers: Mapping[int, Schema]
    body: Schema | None = None
    optional: bool = False
    query: Mapping[str, Schema] = field(default_factory=dict)
    headers: tuple[str, ...] = ()
    errors: tuple[int, ...] = ()
    media: tuple[str, ...] = ()


class Route(Struct, frozen=True, kw_only=True, eq=False):
    """`method_path` has API Gateway's form: "GET /v1/models/{id+}". `scope` is the scope that the key must have, None
    for any key; it has no default, so that no route omits it by mistake. With `fresh` the key's record is read at each
    call; a cached answer would let a key pass that was revoked a moment ago. `errors` is the dialect of errors; if it
    depends on the request, `errors_by` decides it."""

    method_path: str
    handler: Handler
    auth: Auth
    scope: str | None
    described: Described
    errors: Dialect = "openai"
    errors_by: Callable[[Request], Dialect] | None = None
    fresh: bool = False

    def __post_init__(self) -> None:
        if self.auth == "public" and (self.scope or self.fresh):
            raise ValueError(f"{self.method_path} is public, so it can ask for no scope and no key's record.")


class Service(Struct, frozen=True):
    """What a function serves. `name` is its name in logs, `routes` are by `method_path`, `identity` knows the caller of
    a key, and `pace` counts the requests of keys. `callers` finds the caller by the request's own headers, at a door
    that has no authorizer in front of it."""

    name: str
    routes: Mapping[str, Route]
    identity: Callable[[], Identity] | None = None
    callers: Callers | None = None
    pace: Callable[[], Pace] | None = None


def service(
    name: str,
    routes: Iterable[Route],
    identity: Callable[[], Identity] | None = None,
    callers: Callers | None = None,
    *,
    pace: Callable[[], Pace] | None = None,
) -> Service:
    """A service of these routes. Raises ValueError if a route occurs twice, or if it asks for a key and there is no
    `identity` or no `pace`."""
    found: dict[str, Route] = {}
    for route in routes:
        if found.setdefault(route.method_path, route) is not route:
            raise ValueError(f"{route.method_path} is there twice.")
        if route.auth != "public" and identity is None:
            raise ValueError(f"{route.method_path} asks for a key, but {name} knows no keys.")
        if route.auth != "public" and pace is None:
            raise ValueError(f"{route.method_path} asks for a key, but {name} counts no requests.")
    return Service(name, found, identity, callers, pace)
