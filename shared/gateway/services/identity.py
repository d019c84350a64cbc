"""Who is calling. Identity only: limits and scopes are decided where the call is served."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from gateway.domain import keys
from gateway.domain.identity import Caller
from gateway.stores.keys import KeyRecord

UNVERIFIED: Final = "unverified"  # context of a call let through because the key table did not answer


class KeyReader(Protocol):
    def get(self, key_id: str) -> KeyRecord | None: ...


@dataclass(frozen=True, slots=True)
class Identity:
    """`clock` gives seconds since the epoch."""

    keys: KeyReader
    clock: Callable[[], float]

    def verify(self, key: str) -> Caller | None:
        """The caller of a key, or None. Form and checksum are checked before any read.

        Raises StoreUnavailable where the record can't be read.
        """
        identifier = keys.key_id(key)
        if identifier is None:
            return None
        record = self.keys.get(identifier)
        if record is None or not keys.matches(key, record.digest) or not record.active(self.clock()):
            return None
        return record.caller()
