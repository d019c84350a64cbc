"""A route: what is asked for, who may ask, what is answered. The one place where it is said: `answer` goes by it, the
OpenAPI document is built from it (tools/openapi), and a function's function.json, which Terraform reads, must agree."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from gateway.api.message import Dialect, Request, Response

if TYPE_CHECKING:
    from gateway.api.pace import Pace
    from gateway.identity.caller import Caller
    from gateway.identity.verification import Identity

# api-key, bearer: an authorizer of the API's has checked the header X-API-Key, or Authorization. key: the app checks
# whichever header a key was sent in.
Auth = Literal["public", "api-key", "bearer", "key"]
Handler = Callable[[Request], Response]
Callers = Callable[[Request, "Identity"], "Caller"]
# A schema, or where the type stands that has one ("gateway.keys.key_fields:NewKey"): a pydantic model or a TypedDict.
# By name, since functions must not load what only the document is made of.
Schema = str | Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """What a route takes and answers beside what holds for all: for the OpenAPI document alone.

    `answers` by status; `query` by parameter; `headers` are names that tools/openapi explains; `errors` are statuses;
    `optional` says that the body may be left out; `media` are types of an answer's body beside JSON.
    """

    summary: str
    answers: Mapping[int, Schema]
    body: Schema | None = None
    optional: bool = False
    query: Mapping[str, Schema] = field(default_factory=dict)
    headers: tuple[str, ...] = ()
    errors: tuple[int, ...] = ()
    media: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """`method_path` as API Gateway has it: "GET /v1/models/{id+}". `scope` is what the key must have, None for any key;
    it is said of every route, so that none is left out by mistake. With `fresh` the key's record is read at each call:
    by an answer that was kept, a key that was revoked a moment ago would go on. `errors` is the dialect that errors are
    told in; where it depends on the request, `errors_by` says it."""

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


class Service(NamedTuple):
    """What a function answers: its name in logs, its routes by `method_path`, who knows whose key it is, and who counts
    the requests of keys. `callers` finds who calls by the request's own headers, at a door that has no authorizer
    before it."""

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
    """A service of these routes. Raises ValueError where one stands there twice, or asks for keys that nobody knows, or
    whose requests nobody counts."""
    found: dict[str, Route] = {}
    for route in routes:
        if found.setdefault(route.method_path, route) is not route:
            raise ValueError(f"{route.method_path} stands there twice.")
        if route.auth != "public" and identity is None:
            raise ValueError(f"{route.method_path} asks for a key, but {name} knows no keys.")
        if route.auth != "public" and pace is None:
            raise ValueError(f"{route.method_path} asks for a key, but {name} counts no requests.")
    return Service(name, found, identity, callers, pace)
