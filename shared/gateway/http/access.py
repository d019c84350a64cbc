"""Who is calling, and may they. Scopes are checked here: the authorizer's cached answer covers all routes."""

from __future__ import annotations

import time
from collections.abc import Callable

from gateway.domain.identity import Caller
from gateway.errors import Forbidden, StoreUnavailable, Unauthorized
from gateway.http.message import Request
from gateway.services.identity import UNVERIFIED, Identity


def caller_of(request: Request, scope: str | None, identity: Callable[[], Identity]) -> Caller:
    """The caller, who must have the scope, if one is named. Raises Unauthorized, Forbidden (scope), StoreUnavailable.

    Where the authorizer could not read the key table it lets the call through unverified, so that a store's failure
    is a 503 and not a refusal; the check is then made here.
    """
    if request.context.get(UNVERIFIED):
        caller = identity().verify(_sent_key(request))
    else:
        try:
            caller = Caller.from_context(request.context)
        except (KeyError, ValueError):
            raise Unauthorized("No API key was checked for this call.") from None
    if caller is None or (caller.expires and time.time() >= caller.expires):  # the context may be a minute old
        raise Unauthorized("The API key is unknown, expired or revoked.")
    return caller if scope is None else with_scope(caller, scope)


def with_scope(caller: Caller, scope: str) -> Caller:
    """The caller again, who must have the scope. Raises Forbidden."""
    if not caller.may(scope):
        raise Forbidden(f"This API key lacks the scope '{scope}'.")
    return caller


def _sent_key(request: Request) -> str:
    key = request.headers.get("x-api-key")
    if key is None:
        kind, _, key = request.headers.get("authorization", "").partition(" ")
        if kind.lower() != "bearer":
            raise StoreUnavailable("The API key can't be checked now; try again.", retry_after=1)
    return key.strip()
