"""Identifies the caller. Limits and scopes are decided where the call is served."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

from msgspec import Struct

from gateway.errors import Unauthorized
from gateway.identity import key_text as keys
from gateway.identity.addresses import check_address
from gateway.identity.caller import Caller
from gateway.identity.store import DAMAGED, KeyRecord, TeamRecord, UserRecord

UNVERIFIED: Final = "unverified"  # context of a call that was let through because the key table did not answer
REFUSED: Final = "The API key is unknown, expired or revoked. An administrator can say which, or create another."


class KeyReader(Protocol):
    def get(self, key_id: str) -> KeyRecord | None: ...
    def team(self, team_id: str) -> TeamRecord | None: ...
    def user(self, user_id: str) -> UserRecord | None: ...


class Identity(Struct, frozen=True):
    """`clock` gives seconds since the epoch."""

    keys: KeyReader
    clock: Callable[[], float]

    def verify(self, key: str) -> Caller | None:
        """The caller of a key, or None. The form and the checksum are checked before any read.

        Raises StoreUnavailable if the record can't be read.
        """
        identifier = keys.key_id(key)
        if identifier is None:
            return None
        record = self.keys.get(identifier)
        generation = record.generation_of(key) if record else None
        if record is None or generation is None or not record.usable(generation, self.clock()):
            return None
        return caller_of(record, self.keys, generation)

    def fresh(self, caller: Caller) -> Caller:
        """The caller by its record as it is now, whatever an authorizer has cached. Raises Unauthorized, Forbidden
        (address), StoreUnavailable."""
        return current(caller, self.keys, self.clock())[1]


def current(caller: Caller, records: KeyReader, now: float) -> tuple[KeyRecord, Caller]:
    """A caller's record, and the caller built from it, as they are at `now` (seconds since the epoch). Raises
    Unauthorized, Forbidden if the request comes from an address that the record does not allow, StoreUnavailable."""
    record = records.get(caller.key_id)
    if record is not None and record.usable(caller.generation, now):
        check_address(record.allowed_ips, record.id)
        fresh = caller_of(record, records, caller.generation)
        if fresh is not None:
            return record, fresh
    raise Unauthorized(REFUSED)


def caller_of(record: KeyRecord, records: KeyReader, generation: int | None = None) -> Caller | None:
    """A record's caller with the limits of its team and user. None if its team is gone or its user's record can't be
    read, because its limits are then unknown. A user without limits has no record."""
    team = records.team(record.team_id) if record.team_id else None
    user = records.user(record.user_id) if record.user_id else None
    if (record.team_id and team is None) or (user is not None and user.state == DAMAGED):
        return None
    return record.caller(team, generation, user)
