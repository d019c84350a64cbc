"""What a container remembers about accounts, so that a call that it knows to be refused costs no write."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from msgspec import Struct, field

from gateway.ledger.accounts import Account
from gateway.ledger.admission import Demand, Windows
from gateway.ledger.refusals import fits, hopeless, refusal_of

_REMEMBERED = 10_000  # keys
_SECOND = 1_000_000


class Known(Struct):
    """The facts that a container remembers about an account: its item as last seen, and when and at which version that
    item refused a call. They also say until when the record is not read again for a call that asks for too much, and
    until when the account's buckets count as busy.

    No error object is kept: each time it is raised, it would keep another request's frames alive.
    """

    item: Mapping[str, Any]
    refused_at: int | None = None
    refused_version: int = 0
    read_version: int = 0
    read_until: int = 0
    busy_until: Mapping[str, int] = field(default_factory=dict)

    def read(self, version: int, now: int) -> None:
        self.read_version, self.read_until = version, now + _SECOND

    def check_refused(self, account: Account, demand: Demand, windows: Windows) -> None:
        """For a second after a refusal, the item as it was then decides, so that a flood costs one write per second. A
        call for which that item has room still goes to the store. A raised limit applies at once, room that other calls
        make within the second.
        """
        at = self.refused_at
        if at is not None and self.refused_version == account.version and at <= windows.now < at + _SECOND:
            refusal = refusal_of(self.item, account.terms, demand, windows)
            if refusal is not None:
                raise account.refused(refusal, demand, self.item, windows)

    def asks_too_much(self, account: Account, demand: Demand, windows: Windows) -> bool:
        """Whether no waiting can help a call, which is then refused without a write. It returns True, so that the
        record is read, if the limits may come from an authorizer's answer of a minute ago. For a second after such a
        reading it raises instead."""
        if fits(account.terms, demand):
            return False
        refusal = next(hopeless(self.item, account.terms, demand, windows), None)
        if refusal is not None and self.read_version == account.version and windows.now < self.read_until:
            raise account.refused(refusal, demand, self.item, windows)
        return refusal is not None


class Memory(Struct):
    """The accounts that a container has used most recently."""

    _known: OrderedDict[str, Known] = field(default_factory=OrderedDict)

    def of(self, name: str) -> Known:
        """What is remembered under a name, which becomes the most recent one."""
        known = self._known.pop(name, None)
        if known is None:
            known = Known({})
            if len(self._known) >= _REMEMBERED:
                self._known.popitem(last=False)
        self._known[name] = known
        return known
