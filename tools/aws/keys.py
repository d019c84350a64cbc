"""Makes the first admin key, which no other key can make."""

from __future__ import annotations

import time
from collections.abc import Iterator

from gateway.identity import key_text as keys
from gateway.identity.caller import SCOPES
from gateway.identity.store import KeyRecord, KeyStore
from gateway.keys.rights import is_full
from gateway.times import rfc3339
from tools.aws.place import OperatorError, Place


def bootstrap(place: Place) -> str:
    """Make an admin key and return its text, which is kept nowhere. Raises OperatorError if a full admin key works."""
    store = KeyStore(place.database(), place.names.table("api-keys"))
    now = time.time()
    admins = (record for record in _records(store) if "admin" in record.scopes and record.active(now))
    # An admin key with bounds can't make an unbound one, as this command does.
    admin = next((record for record in admins if is_full(record.caller())), None)
    if admin is not None:
        raise OperatorError(
            f"There is an admin key already: {admin.id} ({admin.name}). It makes more with POST /api/v1/admin/keys."
            " If it is lost, set its item's `state` to `revoked` in the table api-keys and run this again."
        )
    text = keys.new_key()
    identifier = keys.key_id(text)
    if identifier is None:
        raise AssertionError("a key that was made a line ago has no id")
    record = KeyRecord(
        id=identifier,
        digest=keys.digest(text),
        name="first admin key",
        tier="enterprise",
        scopes=SCOPES,
        created=rfc3339(now),
    )
    store.create(record)
    return text


def _records(store: KeyStore) -> Iterator[KeyRecord]:
    cursor: str | None = None
    while True:
        records, cursor = store.list(100, cursor)
        yield from records
        if cursor is None:
            return
