"""The admin's views of the limits of users."""

from __future__ import annotations

import re

from functions.admin.asked import identifier
from gateway.api.message import Request, Response
from gateway.errors import BadRequest
from gateway.identity.account_ids import user_item
from gateway.identity.caller import Caller
from gateway.identity.store import UserRecord
from gateway.keys.users import USER_ID, shown
from gateway.wiring import gateway


def list_users(request: Request, caller: Caller) -> Response:
    records, cursor = gateway().users.listed(caller, request.limit(), request.query.get("cursor"))
    return Response(200, {"object": "list", "data": [shown(record) for record in records], "next_cursor": cursor})


def get_user(request: Request, caller: Caller) -> Response:
    record = gateway().users.seen(_id(request), caller)
    shared = gateway().standing.shared(user_item(record.id), record.limits)
    return Response(200, {**shown(record), "standing": shared}, _etag(record))


def put_user(request: Request, caller: Caller) -> Response:
    user_id = request.parameters["id"]
    if not re.fullmatch(USER_ID, user_id):  # PUT creates users, so a 404 would say nothing here
        raise BadRequest("id: must be 1 to 64 letters, digits and . _ @ -, other than . and ..", param="id")
    return _shown(gateway().users.put(user_id, request.json(), caller, request.if_match()))


def delete_user(request: Request, caller: Caller) -> Response:
    user_id = _id(request)
    gateway().users.remove(user_id, caller)
    return Response(200, {"id": user_id, "deleted": True})


def _id(request: Request) -> str:
    return identifier(request, USER_ID, "user")


def _shown(record: UserRecord) -> Response:
    return Response(200, shown(record), _etag(record))


def _etag(record: UserRecord) -> dict[str, str]:
    return {"etag": f'"{record.version}"'}
