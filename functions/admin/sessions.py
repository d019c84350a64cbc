"""The admin's views of sessions' bills. A session belongs to the owner of the key that made its calls."""

from __future__ import annotations

from functions.admin.asked import identifier, seen
from gateway.api.message import Request, Response
from gateway.billing.sessions.counted import ID
from gateway.identity.caller import Caller
from gateway.keys.rights import check_sight_of_user
from gateway.wiring import gateway


def list_sessions(request: Request, caller: Caller) -> Response:
    _check_user(request, caller)
    return Response(200, gateway().session_bills.listed(seen(request, caller), request.limit()))


def get_session(request: Request, caller: Caller) -> Response:
    _check_user(request, caller)
    return Response(200, gateway().session_bills.one(identifier(request, ID, "session"), seen(request, caller)))


def erase_sessions(request: Request, _caller: Caller) -> Response:
    return Response(200, gateway().session_bills.erase(request.query))


def _check_user(request: Request, caller: Caller) -> None:
    if "user_id" in request.query:
        check_sight_of_user(caller, request.query["user_id"])
