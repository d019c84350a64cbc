"""The admin's views of API keys."""

from __future__ import annotations

from collections.abc import Mapping

from functions.admin.asked import identifier
from gateway import observability
from gateway.api.message import Request, Response
from gateway.errors import BadRequest, StoreError, StoreUnavailable
from gateway.identity.caller import Caller
from gateway.identity.key_text import KEY_ID
from gateway.identity.store import KeyRecord
from gateway.keys.key_fields import shown
from gateway.wiring import gateway


def list_keys(request: Request, caller: Caller) -> Response:
    user, following = request.query.get("user_id"), request.query.get("cursor")
    if user == "":  # a script with an empty user id must not revoke everybody's keys
        raise BadRequest("user_id: is empty; leave it out to list all keys", param="user_id")
    records, cursor = gateway().keys.listed(caller, request.limit(), following, user or "")
    uses = gateway().use_store.of([record.id for record in records])
    data = [shown(record, uses.get(record.id, 0)) for record in records]
    return Response(200, {"object": "list", "data": data, "next_cursor": cursor})


def create_key(request: Request, caller: Caller) -> Response:
    text, record = gateway().keys.create(request.json(), caller)
    return _secret(text, record, {}, status=201)


def get_key(request: Request, caller: Caller) -> Response:
    record = gateway().keys.seen(_id(request), caller)
    return _shown(record, gateway().use_store.of([record.id]))


def change_key(request: Request, caller: Caller) -> Response:
    record = gateway().keys.change(_id(request), request.json(), caller, request.if_match())
    return _shown(record, _last_use(record))


def rotate_key(request: Request, caller: Caller) -> Response:
    text, record = gateway().keys.rotate(_id(request), request.optional_json(), caller)
    return _secret(text, record, _last_use(record), status=200)


def revoke_key(request: Request, caller: Caller) -> Response:
    record = gateway().keys.revoke(_id(request), caller)
    return _shown(record, _last_use(record))


def delete_key(request: Request, caller: Caller) -> Response:
    key_id = _id(request)
    gateway().keys.delete(key_id, caller)
    return Response(200, {"id": key_id, "deleted": True})


def _id(request: Request) -> str:
    return identifier(request, KEY_ID, "key")


def _shown(record: KeyRecord, uses: Mapping[str, int]) -> Response:
    return Response(200, shown(record, uses.get(record.id, 0)), {"etag": f'"{record.version}"'})


def _last_use(record: KeyRecord) -> Mapping[str, int]:
    """The last use of a changed key. A failed read must not lose the answer, which may show a new secret."""
    try:
        return gateway().use_store.of([record.id])
    except (StoreError, StoreUnavailable) as error:
        observability.log.warning("a last use can't be read", extra={"reason": str(error)})
        return {}


def _secret(text: str, record: KeyRecord, uses: Mapping[str, int], status: int) -> Response:
    headers = {"cache-control": "no-store", "etag": f'"{record.version}"'}
    return Response(status, {"key": text, **shown(record, uses.get(record.id, 0))}, headers)
