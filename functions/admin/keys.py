"""The admin's views of API keys."""

from __future__ import annotations

from gateway import wiring
from gateway.domain.identity import Caller
from gateway.http.message import Request, Response
from gateway.services.keys import shown
from gateway.stores.keys import KeyRecord


def list_keys(request: Request, _caller: Caller) -> Response:
    records, cursor = wiring.keys().list(request.limit(), request.query.get("cursor"))
    return Response(200, {"object": "list", "data": [shown(record) for record in records], "next_cursor": cursor})


def create_key(request: Request, caller: Caller) -> Response:
    text, record = wiring.keys().create(request.json(), caller)
    return _secret(text, record, status=201)


def get_key(request: Request, _caller: Caller) -> Response:
    return _shown(wiring.keys().get(request.parameters["id"]))


def change_key(request: Request, caller: Caller) -> Response:
    return _shown(wiring.keys().change(request.parameters["id"], request.json(), caller, request.if_match()))


def rotate_key(request: Request, caller: Caller) -> Response:
    text, record = wiring.keys().rotate(request.parameters["id"], request.optional_json(), caller)
    return _secret(text, record, status=200)


def revoke_key(request: Request, caller: Caller) -> Response:
    return _shown(wiring.keys().revoke(request.parameters["id"], caller))


def delete_key(request: Request, caller: Caller) -> Response:
    wiring.keys().delete(request.parameters["id"], caller)
    return Response(200, {"id": request.parameters["id"], "deleted": True})


def _shown(record: KeyRecord) -> Response:
    return Response(200, shown(record), {"etag": f'"{record.version}"'})


def _secret(text: str, record: KeyRecord, status: int) -> Response:
    headers = {"cache-control": "no-store", "etag": f'"{record.version}"'}
    return Response(status, {"key": text, **shown(record)}, headers)
