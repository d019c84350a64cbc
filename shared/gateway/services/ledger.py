"""Admit, hold, settle, release: no key spends more than its budget or calls more often than it may.

admit: one conditional update of the key's item (the hold), then the row, OPEN, before any provider is called
settle: the row SETTLED if it is OPEN; whoever wins that gives the rest of the hold back
release: the same at a cost of nothing, for a call that never went out
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NoReturn, Protocol

from gateway import observability
from gateway.domain.admission import (
    Demand,
    Refusal,
    Terms,
    Variant,
    Windows,
    refusal_of,
    stale_names,
    terms_of,
    variant_of,
)
from gateway.domain.config import TierLimits
from gateway.domain.identity import Caller
from gateway.domain.money import usd
from gateway.domain.times import rfc3339
from gateway.domain.usage import Usage
from gateway.errors import (
    BudgetExceeded,
    ConditionFailed,
    GatewayError,
    RateLimited,
    StoreError,
    StoreUnavailable,
    Unauthorized,
)
from gateway.stores.keys import KeyRecord
from gateway.stores.limits import Release
from gateway.stores.rows import SETTLED, Row, settled_facts

_TRIES = 4
_REMEMBERED = 10_000  # keys a container remembers
_SECOND = 1_000_000
_NAMES = {
    "requests": "requests per minute",
    "tokens": "tokens per minute",
    "requests_hour": "requests per hour",
    "requests_day": "requests per day",
    "parallel": "parallel requests",
}


@dataclass(frozen=True, slots=True)
class AdmissionRequest:
    """One call to admit. `est` in micro-dollars, the upper bound; `deadline` in seconds since the epoch."""

    rid: str
    model: str
    target: str
    provider: str
    est: int
    tokens: int
    deadline: int
    correlation_id: str = ""
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a call ended. Costs in micro-dollars; `status` is "ok" or an error code."""

    usage: Usage | None
    prompt_cost: int
    completion_cost: int
    status: str
    latency_ms: int

    @property
    def cost(self) -> int:
        return self.prompt_cost + self.completion_cost

    def at(self, *, latency_ms: int) -> Outcome:
        return replace(self, latency_ms=latency_ms)


@dataclass(frozen=True, slots=True)
class Hold:
    """An admitted call: its row, whose call it is by the freshest record, and the key's item after the admission."""

    row: Row
    caller: Caller
    terms: Terms
    windows: Windows
    item: Mapping[str, Any]

    def headers(self) -> dict[str, str]:
        """The rate limit headers, as OpenAI's: limits, what is left, and when the bucket is full again."""
        now, terms = self.windows.now, self.terms
        headers = _bucket_headers("requests", terms.requests, self.item.get("tat", 0), now)
        if terms.tokens is not None:
            headers |= _bucket_headers("tokens", terms.tokens, self.item.get("ttat", 0), now)
        if terms.budget is not None:
            left = self.item.get(f"rem_{self.windows.budget}", terms.budget)
            headers["x-gateway-key-remaining"] = f"{usd(left):.6f}"
        return headers


class Limits(Protocol):
    def admit(
        self,
        key_id: str,
        version: int,
        terms: Terms,
        demand: Demand,
        windows: Windows,
        variant: Variant,
        stale: list[str],
    ) -> dict[str, Any]: ...
    def create(self, key_id: str, version: int) -> None: ...
    def release(self, key_id: str, release: Release) -> bool: ...


class Rows(Protocol):
    def open(self, row: Row) -> None: ...
    def close(self, minute: str, rid: str, state: str, facts: Mapping[str, Any]) -> dict[str, Any] | None: ...


class KeyReader(Protocol):
    def get(self, key_id: str) -> KeyRecord | None: ...


@dataclass(slots=True)
class _Known:
    """What a container remembers of a key: its item as last seen, and until when a refusal holds without asking."""

    item: Mapping[str, Any]
    refused: GatewayError | None = None
    refused_until: int = 0
    refused_version: int = 0


@dataclass(slots=True)
class Ledger:
    """`clock` gives microseconds since the epoch. `tier_of` gives a tier's limits, should a key's tier have changed."""

    limits: Limits
    rows: Rows
    keys: KeyReader
    clock: Callable[[], int]
    _known: OrderedDict[str, _Known] = field(default_factory=OrderedDict)

    def admit(self, caller: Caller, tiers: Callable[[str], TierLimits], request: AdmissionRequest) -> Hold:
        """Hold the estimate and write the row. Nothing is held when this raises.

        Raises RateLimited, BudgetExceeded, Unauthorized (revoked, expired), StoreUnavailable.
        """
        caller, terms, windows, item = self._admitted(caller, tiers, Demand(request.est, request.tokens))
        row = _row(caller, terms, windows, request)
        hold = Hold(row, caller, terms, windows, item)
        try:
            self.rows.open(row)
        except (StoreUnavailable, StoreError) as error:
            # Without its row a call could not be billed.
            self._abandon(hold)
            raise StoreUnavailable("The call can't be recorded now; try again.", retry_after=1) from error
        return hold

    def settle(self, hold: Hold, outcome: Outcome) -> None:
        """Book the outcome and give the rest of the hold back. Never raises: what fails here is swept later."""
        facts = settled_facts(
            outcome.usage,
            outcome.prompt_cost,
            outcome.completion_cost,
            outcome.status,
            outcome.latency_ms,
            self.clock(),
        )
        row = hold.row
        try:
            won = self.rows.close(row.minute, row.rid, SETTLED, facts) is not None
        except (StoreUnavailable, StoreError) as error:
            self._lost("settle", row, error)
            return
        if won:
            self._give_back(row, outcome.cost)
        if outcome.cost > row.est:
            observability.log.error(
                "overrun: the bill exceeds the hold", extra={"rid": row.rid, "est": row.est, "actual": outcome.cost}
            )

    def release(self, hold: Hold, status: str = "not_sent") -> None:
        """End a call that never went out: it costs nothing."""
        self.settle(hold, Outcome(None, 0, 0, status, 0))

    def _abandon(self, hold: Hold) -> None:
        """Give back the hold of a call whose row could not be written. The row may be there all the same: then it is
        closed first, lest the sweeper gave the hold back once more. Where nobody knows, the hold stays."""
        row, facts = hold.row, settled_facts(None, 0, 0, "not_recorded", 0, self.clock())
        try:
            self.rows.close(row.minute, row.rid, SETTLED, facts)
        except (StoreUnavailable, StoreError) as error:
            self._lost("abandon", row, error)
            return
        self._give_back(row, actual=0)

    def _admitted(
        self, caller: Caller, tiers: Callable[[str], TierLimits], demand: Demand
    ) -> tuple[Caller, Terms, Windows, dict[str, Any]]:
        terms = terms_of(tiers(caller.tier), caller.limits)
        known = self._remembered(caller.key_id)
        item: Mapping[str, Any] = known.item
        for _ in range(_TRIES):
            windows = Windows.at(self.clock(), terms.duration)
            self._check_refused(known, caller, windows.now)
            self._check_demand(terms, demand)
            variant = variant_of(item, terms, windows.now)
            stale = stale_names(item, windows)
            try:
                item = self.limits.admit(caller.key_id, caller.version, terms, demand, windows, variant, stale)
            except ConditionFailed as refused:
                if refused.item is None:
                    caller = self._first(caller)
                    terms, item = terms_of(tiers(caller.tier), caller.limits), {}
                    continue
                item = refused.item
                if item.get("st") != "A" or item.get("kv") != caller.version:
                    caller = self._fresh(caller)
                    terms = terms_of(tiers(caller.tier), caller.limits)
                    continue
                refusal = refusal_of(item, terms, demand, windows)
                if refusal is not None:
                    known.item = item
                    self._refuse(known, caller, refusal, windows.now)
            else:
                known.item, known.refused = item, None
                return caller, terms, windows, dict(item)
        raise RateLimited("The key is too busy just now; try again.", code="contention", retry_after=0.1)

    def _first(self, caller: Caller) -> Caller:
        """Make the item of a key's first call; on a key that changed or is gone, look at its record."""
        try:
            self.limits.create(caller.key_id, caller.version)
        except ConditionFailed:
            return self._fresh(caller)
        return caller

    def _fresh(self, caller: Caller) -> Caller:
        record = self.keys.get(caller.key_id)
        if record is None or not record.active(self.clock() / _SECOND):
            raise Unauthorized("The API key is unknown, expired or revoked.")
        return record.caller()

    def _check_refused(self, known: _Known, caller: Caller, now: int) -> None:
        # At most a second: a flood of refused calls costs a write a second, and a raised limit holds within one.
        if known.refused is not None and known.refused_version == caller.version and now < known.refused_until:
            raise known.refused

    @staticmethod
    def _check_demand(terms: Terms, demand: Demand) -> None:
        """What no waiting can help is refused without a write."""
        if terms.tokens and terms.enforced("tokensPerMinute") and terms.tokens.tau(demand.tokens) < -terms.tokens.slack:
            raise _refused(Refusal("tokens", terms.tokens.limit, demand.tokens, None), 0)
        if terms.budget is not None and terms.enforced("budget") and demand.est > terms.budget:
            raise _refused(Refusal("budget", terms.budget, 0, None), 0)

    def _refuse(self, known: _Known, caller: Caller, refusal: Refusal, now: int) -> NoReturn:
        error = _refused(refusal, now)
        known.refused, known.refused_version = error, caller.version
        known.refused_until = now + min(_SECOND, refusal.wait if refusal.wait is not None else _SECOND)
        raise error

    def _remembered(self, key_id: str) -> _Known:
        known = self._known.pop(key_id, None) or _Known({})
        self._known[key_id] = known
        if len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        return known

    def _give_back(self, row: Row, actual: int) -> None:
        release = Release(row.est, actual, row.hour, row.window, row.budgeted)
        try:
            self.limits.release(row.key, release)
        except (StoreUnavailable, StoreError) as error:
            self._lost("release", row, error)

    @staticmethod
    def _lost(step: str, row: Row, error: Exception) -> None:
        # Not repeated: a reply may be lost after the write was applied, and twice would be once too often.
        observability.log.error(
            "ledger step lost; reconcile finishes it", extra={"step": step, "rid": row.rid, "reason": str(error)}
        )


def _row(caller: Caller, terms: Terms, windows: Windows, request: AdmissionRequest) -> Row:
    return Row(
        rid=request.rid,
        key=caller.key_id,
        tier=caller.tier,
        model=request.model,
        target=request.target,
        provider=request.provider,
        hour=windows.hour,
        est=request.est,
        created=windows.now,
        deadline=request.deadline,
        team=caller.team_id,
        window=windows.budget,
        budgeted=terms.budget is not None,
        correlation=request.correlation_id,
        tags=request.tags,
    )


def _refused(refusal: Refusal, now: int) -> GatewayError:
    wait = None if refusal.wait is None else refusal.wait / _SECOND
    reset = None if wait is None else rfc3339(now / _SECOND + wait)
    if refusal.dimension == "budget":
        return BudgetExceeded(
            f"The key's budget of ${usd(refusal.limit):.2f} is used up (${usd(refusal.used):.2f} spent).",
            headers={"x-should-retry": "false"},
            details={"scope": "key", "limit": usd(refusal.limit), "spent": usd(refusal.used), "reset": reset},
        )
    if refusal.dimension == "budget_held":
        return RateLimited(
            "What is left of the key's budget is held by calls under way.",
            code="budget_held",
            retry_after=wait,
            details={"scope": "key", "limit": usd(refusal.limit), "spent": usd(refusal.used)},
        )
    name = _NAMES[refusal.dimension]
    details = {"dimension": refusal.dimension, "limit": refusal.limit, "used": refusal.used, "reset": reset}
    if wait is None:
        return RateLimited(
            f"One call may ask for {refusal.limit} {name} at most, this one for {refusal.used}; lower max_tokens.",
            headers={"x-should-retry": "false"},
            details=details,
        )
    return RateLimited(f"The limit of {refusal.limit} {name} is reached.", retry_after=wait, details=details)


def _bucket_headers(kind: str, bucket: Any, arrival: int, now: int) -> dict[str, str]:
    return {
        f"x-ratelimit-limit-{kind}": str(bucket.limit),
        f"x-ratelimit-remaining-{kind}": str(bucket.left(arrival, now)),
        f"x-ratelimit-reset-{kind}": f"{math.ceil(bucket.refill(arrival, now) / 1_000)}ms",
    }
