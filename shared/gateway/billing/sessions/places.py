"""Where a call of a session counts beside its key's day. Pure.

A session's items are its own: of the key, the session, an hour, the agent, the class of request and the user that the
call named, and the slot of its number. All of these stand in the row, so whoever counts it, whenever, finds the same
item; and none of them needs counters of its own, so that an item stays within the KB that a write unit holds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from gateway.billing.places import Place, size_of_slot

PARTITION = "session#"
KEPT_SECONDS = 30 * 86_400  # from the beginning of the hour that an item is of
# DynamoDB removes nothing before its time, by its clock. An item that may be gone takes no rows any more: it would
# count what it had once more.
_MARGIN_SECONDS = 3_600
SLOTS = ((4_096, 32), (1 << 17, 64), (1 << 21, 512), (1 << 63, 4_096))
_MOST_BYTES = 400  # of counters: with 32 marks, and the key of the item, a KB
HOUR = "%Y-%m-%dT%H"


@dataclass(frozen=True, slots=True)
class SessionPlace(Place):
    """`hour` is UTC (2026-11-24T15); `agent`, `request_class` and `user` are empty where the call named none."""

    session: str
    hour: str
    agent: str = ""
    request_class: str = ""
    user: str = ""

    @property
    def most_rows(self) -> int:
        return size_of_slot(int(self.chain), SLOTS) * 3 // 2  # twins: clocks at midnight may number calls alike

    @property
    def most_bytes(self) -> int:
        return _MOST_BYTES

    def full(self, rows: int) -> bool:
        """Never: there is no sum that it could be merged into."""
        return False

    @property
    def ends(self) -> int:
        """When its item goes, in seconds since the epoch."""
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
    """Where an item stands. Raises ValueError for one that is none of a session."""
    session, hour, agent, request_class, user, team, slot = item["sk"].split("#")
    key = item["pk"].removeprefix(PARTITION)
    return SessionPlace(hour[:10], key, team, slot, session, hour, agent, request_class, user)
