"""The admin's views of API keys."""

from __future__ import annotations

from functions.admin.asked import identifier
from gateway.api.message import Request, Response
from gateway.identity.caller import Caller
from gateway.identity.key_text import KEY_ID
from gateway.identity.store import KeyRecord
from gateway.keys.key_fields import shown
from gateway.wiring import gateway


def list_keys(request: Request, caller: Caller) -> Response:
    records, cursor = gateway().keys.listed(caller, request.limit(), request.query.get("cursor"))
    return Response(200, {"object": "list", "data": [shown(record) for record in records], "next_cursor": cursor})


def create_key(request: Request, caller: Caller) -> Response:
    text, record = gateway().keys.create(request.json(), caller)
    return _secret(text, record, status=201)


def get_key(request: Request, caller: Caller) -> Response:
    return _shown(gateway().keys.seen(_id(request), caller))


def change_key(request: Request, caller: Caller) -> Response:
    return _shown(gateway().keys.change(_id(request), request.json(), caller, request.if_match()))


def rotate_key(request: Request, caller: Caller) -> Response:
    text, record = gateway().keys.rotate(_id(request), request.optional_json(), caller)
    return _secret(text, record, status=200)


def revoke_key(request: Request, caller: Caller) -> Response:
    return _shown(gateway().keys.revoke(_id(request), caller))


def delete_key(request: Request, caller: Caller) -> Response:
    key_id = _id(request)
    gateway().keys.delete(key_id, caller)
    return Response(200, {"id": key_id, "deleted": True})


def _id(request: Request) -> str:
    return identifier(request, KEY_ID, "key")


def _shown(record: KeyRecord) -> Response:
    return Response(200, shown(record), {"etag": f'"{record.version}"'})


def _secret(text: str, record: KeyRecord, status: int) -> Response:
    headers = {"cache-control": "no-store", "etag": f'"{record.version}"'}
    return Response(status, {"key": text, **shown(record)}, headers)
