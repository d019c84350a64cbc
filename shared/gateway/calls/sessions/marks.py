"""Marks by the secret of their month: for the facts about a session in a call's row, and for the user an admin asks
about."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from gateway import observability
from gateway.calls.sessions.facts import mark, names, person, session_facts
from gateway.errors import StoreError, StoreUnavailable

_LIVES = timedelta(days=31)  # a session's items live almost this long, so they are of this month or the one before
_AGAIN_SECONDS = 30  # after a failure: no call waits for a store that is down


class Secrets(Protocol):
    def get(self, month: str) -> bytes | None: ...
    def make(self, month: str) -> bytes: ...


@dataclass(slots=True)
class Marks:
    """`now` gives seconds since the epoch."""

    secrets: Secrets
    now: Callable[[], float] = time.time
    _known: dict[str, bytes] = field(default_factory=dict, repr=False)
    _failed: float = field(default=0.0, repr=False)

    def facts(self, key_id: str, headers: Mapping[str, str], body: Mapping[str, Any]) -> dict[str, Any]:
        """As `session_facts`. If no secret can be had, whatever needs a mark is left out: no call is refused for
        that."""
        if names().isdisjoint(headers):  # as of most clients
            return {}

        def marking(kind: str, text: str) -> str:
            secret = self._current()
            return mark(secret, key_id, kind, text) if secret else ""

        return session_facts(headers, body, marking)

    def of_user(self, key_id: str, user: str) -> list[str]:
        """The marks under which a client's user may be stored. Raises StoreUnavailable."""
        today = datetime.fromtimestamp(self.now(), UTC)
        months = dict.fromkeys(
            (_month(today), _month(today - _LIVES), _month(today.replace(day=1) - timedelta(days=1)))
        )
        found = (self.secrets.get(month) for month in months)
        return [mark(secret, key_id, "user", person(user)) for secret in found if secret]

    def _current(self) -> bytes | None:
        now = self.now()
        month = _month(datetime.fromtimestamp(now, UTC))
        if month not in self._known and now - self._failed >= _AGAIN_SECONDS:
            try:
                self._known = {month: self.secrets.make(month)}
            except (StoreUnavailable, StoreError) as error:
                observability.log.warning("marks can't be made", extra={"reason": str(error)})
                self._failed = now
        return self._known.get(month)


def _month(day: datetime) -> str:
    return f"{day:%Y-%m}"
