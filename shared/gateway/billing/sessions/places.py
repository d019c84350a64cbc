"""Where a call of a session counts in addition to its key's day. Pure.

A session has separate items. Each item is for one key, session, hour, agent, class of request, user that the call
named, and slot of the call's number. All of these are in the row, so every process that counts it finds the same item
at any time. None of them needs its own counters, so an item stays within the 1 KB that one write unit covers.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from gateway.billing.places import Place, size_of_slot

PARTITION = "session#"
KEPT_SECONDS = 30 * 86_400  # from the start of the item's hour
# DynamoDB deletes no item before its expiry, by DynamoDB's clock. An item that may be gone takes no more rows: it would
# count the rows that it held a second time.
_MARGIN_SECONDS = 3_600
SLOTS = ((4_096, 32), (1 << 17, 64), (1 << 21, 512), (1 << 63, 4_096))
_MOST_BYTES = 400  # of counters: 1 KB together with 32 marks and the key of the item
HOUR = "%Y-%m-%dT%H"


class SessionPlace(Place, frozen=True):
    """`hour` is UTC (2026-11-24T15); `agent`, `request_class` and `user` are empty if the call named none."""

    session: str
    hour: str
    agent: str = ""
    request_class: str = ""
    user: str = ""

    @property
    def most_rows(self) -> int:
        return size_of_slot(int(self.chain), SLOTS) * 3 // 2  # at midnight, clocks may give two calls one number

    @property
    def most_bytes(self) -> int:
        return _MOST_BYTES

    def full(self, rows: int) -> bool:
        """Never: there is no sum to merge it into."""
        return False

    @property
    def ends(self) -> int:
        """When its item expires, in seconds since the epoch."""
        began = datetime.strptime(self.hour, HOUR).replace(tzinfo=UTC)
        return int((began + timedelta(seconds=KEPT_SECONDS)).timestamp())

    def open(self, now: float) -> bool:
        return now < self.ends - _MARGIN_SECONDS

    @property
    def item_key(self) -> dict[str, str]:
        parts = (self.session, self.hour, self.agent, self.request_class, self.user, self.team, self.slot)
        return {"pk": f"{PARTITION}{self.key}", "sk": "#".join(parts)}

    @property
    def facts(self) -> dict[str, Any]:
        return {"ttl": self.ends}


def place_of_item(item: Mapping[str, Any]) -> SessionPlace:
    """The place of an item. Raises ValueError for an item that is not a session's."""
    session, hour, agent, request_class, user, team, slot = item["sk"].split("#")
    key = item["pk"].removeprefix(PARTITION)
    return SessionPlace(hour[:10], key, team, slot, session, hour, agent, request_class, user)
