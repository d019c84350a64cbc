"""Finds the caller and checks its rights. Scopes are checked here: the authorizer's cached answer covers all routes."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from gateway.api.message import Request
from gateway.api.routes import Callers
from gateway.errors import Forbidden, Unauthorized
from gateway.identity import key_text as keys
from gateway.identity.addresses import check_address, within
from gateway.identity.caller import Caller
from gateway.identity.verification import REFUSED, UNVERIFIED, Identity

if TYPE_CHECKING:
    from gateway.api.pace import Pace

_SHOWN = "GET /v1/key shows what a key may do."


def caller_of(
    request: Request,
    scope: str | None,
    identity: Callable[[], Identity],
    *,
    fresh: bool = False,
    callers: Callers | None = None,
    pace: Callable[[], Pace] | None = None,
) -> Caller:
    """Return the caller, which must have `scope` if one is named. Raises Unauthorized, RateLimited, Forbidden (scope,
    address), StoreUnavailable.

    With `fresh` the caller's record is read again now; the authorizer's answer may be a minute old. `callers` finds
    the caller at a door that has no authorizer. `pace` counts the request, whatever its outcome.

    If the authorizer could not read the key table, it lets the call through unverified, so that a failure of the store
    is a 503 and not a refusal. The check is then made here.
    """
    caller = _sent(request, identity, callers)
    if caller is None or (caller.expires and time.time() >= caller.expires):  # the context may be a minute old
        raise Unauthorized(REFUSED)
    counted = pace() if pace else None
    if counted:
        counted.count(caller)
    if scope is not None and scope not in caller.scopes:
        raise _lacks(caller, scope)
    if not fresh and caller.allowed_ips and not within(request.source, caller.allowed_ips):
        # A network that was just added is valid at once, so the record is read again; in a flood, once a second.
        if counted and not counted.may_ask(f"{caller.key_id} {request.source}"):
            check_address(caller.allowed_ips, caller.key_id)
        fresh = True
    if fresh:
        caller = identity().fresh(caller)
        if scope is not None and scope not in caller.scopes:
            raise _lacks(caller, scope)
    return caller


def _sent(request: Request, identity: Callable[[], Identity], callers: Callers | None) -> Caller | None:
    if callers is not None:
        return callers(request, identity())
    if request.context.get(UNVERIFIED):
        return _verified(request, identity())
    try:
        return Caller.from_context(request.context)
    except (AttributeError, KeyError, TypeError, ValueError):
        raise Unauthorized("No API key was sent: use the header X-API-Key or Authorization: Bearer.") from None


def _lacks(caller: Caller, scope: str) -> Forbidden:
    return Forbidden(f"This API key lacks the scope '{scope}'; it has {', '.join(caller.scopes) or 'none'}. {_SHOWN}")


def _verified(request: Request, identity: Identity) -> Caller | None:
    """The caller of the key that the authorizer could not check. No other header and no other key is accepted."""
    header = str(request.context[UNVERIFIED])
    caller = identity.verify(keys.in_header(header, request.headers.get(header, "")))
    return caller if caller is not None and caller.key_id == request.context.get("keyId") else None
