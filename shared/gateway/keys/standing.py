"""The rights of a key and what is left of its limits (`GET /v1/key`). For admins, also what is left of limits that
several keys share. Only reads, from the records as they are now."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from msgspec import Struct

from gateway.config.document import TierLimits
from gateway.identity.account_ids import model_item, team_item, user_item
from gateway.identity.caller import Caller, KeyLimits, Shared
from gateway.identity.verification import KeyReader, current
from gateway.ledger.admission import Terms, Windows, terms_of, terms_of_limits
from gateway.limits import LIMITS
from gateway.models.money import usd
from gateway.times import rfc3339

_SECOND = 1_000_000


class Items(Protocol):
    def get(self, account: str) -> dict[str, Any]: ...


class Standing(Struct, frozen=True):
    """`clock` returns microseconds since the epoch."""

    limits: Items
    keys: KeyReader
    clock: Callable[[], int]

    def of(self, caller: Caller, tiers: Callable[[str], TierLimits]) -> dict[str, Any]:
        """A key with each limit, what is used and left of it, and when it frees. Raises Unauthorized, StoreUnavailable.

        A limit per minute is a token bucket: `remaining` calls may come at once, and it is full again at `reset`.
        """
        record, fresh = current(caller, self.keys, self.clock() / _SECOND)
        terms = terms_of(tiers(fresh.tier), fresh.limits)
        return {
            "object": "key",
            "id": fresh.key_id,
            "name": record.name,
            "tier": fresh.tier,
            "scopes": list(fresh.scopes),
            "models": list(fresh.models),
            "expires": rfc3339(fresh.expires) if fresh.expires else None,
            "allowed_ips": list(fresh.allowed_ips),
            **self._account(fresh.key_id, terms),
            "model_limits": {
                each.name: self._account(model_item(fresh.key_id, each.name), terms_of_limits(each.limits))
                for each in fresh.model_limits
            },
            "user": self._shared(fresh.user_id, user_item(fresh.user_id), fresh.user),
            "team": self._shared(fresh.team_id, team_item(fresh.team_id), fresh.team),
        }

    def shared(self, account: str, limits: KeyLimits) -> dict[str, Any]:
        """The state of a team's or user's limits, in the same form as in `of`. Raises StoreUnavailable."""
        return self._account(account, terms_of_limits(limits))

    def _shared(self, identifier: str, account: str, shared: Shared | None) -> dict[str, Any] | None:
        """The limits that several keys share; None if the key has no such team or user."""
        if not identifier:
            return None
        return {"id": identifier} | (self._account(account, terms_of_limits(shared.limits)) if shared else {})

    def _account(self, account: str, terms: Terms) -> dict[str, Any]:
        windows = Windows.at(self.clock(), terms.duration)
        item = self.limits.get(account)
        return {"limits": _limits(item, terms, windows), "budget": _budget(item, terms, windows)}


def _limits(item: Mapping[str, Any], terms: Terms, windows: Windows) -> dict[str, Any]:
    shown: dict[str, Any] = {}
    for limit in LIMITS:
        most, facts = terms.most(limit), dict[str, Any]()
        if most is None or limit.kind == "money":
            continue
        bucket = terms.bucket(limit)
        if bucket is not None:
            arrival = item.get(limit.attribute, 0)
            facts = {"burst": bucket.burst, "remaining": bucket.left(arrival, windows.now)}
            ends: int | None = windows.now + bucket.refill(arrival, windows.now)
        else:
            facts = {"remaining": max(0, most - item.get(windows.attribute(limit), 0))}
            ends = windows.ends(limit)
        shown[limit.field] = {"limit": most, **facts, "reset": _moment(ends), "enforced": terms.enforced(limit.name)}
    return shown


def _budget(item: Mapping[str, Any], terms: Terms, windows: Windows) -> dict[str, Any]:
    spent, used = item.get(windows.booking.spent, 0), item.get(windows.booking.used, 0)
    budget, raised = terms.budget_at(windows.now), terms.raise_at(windows.now)
    return {
        "limit": None if budget is None else usd(budget),
        "spent": usd(spent),
        "held": usd(used - spent),
        "remaining": None if budget is None else usd(max(0, budget - used)),
        "duration": terms.duration,
        "reset": _moment(windows.budget_ends),
        "enforced": None if budget is None else terms.enforced("budget"),
        "raised": None if raised is None else {"amount": usd(raised.by), "until": rfc3339(raised.until)},
        "currency": "USD",
    }


def _moment(micro: int | None) -> str | None:
    return None if micro is None else rfc3339(micro / _SECOND)
