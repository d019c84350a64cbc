"""Admit, hold, settle, release: no key spends more than its budget or calls more often than it may.

admit: one conditional update of the key's item (the hold), then the row, OPEN, before any provider is called
settle: the row SETTLED if it is OPEN; whoever wins that gives the rest of the hold back
release: the same at a cost of nothing, for a call that never went out
"""

from __future__ import annotations

import math
import random
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol

from gateway import observability
from gateway.config.document import TierLimits
from gateway.errors import (
    BudgetExceeded,
    ConditionFailed,
    GatewayError,
    RateLimited,
    StoreError,
    StoreUnavailable,
    Unauthorized,
)
from gateway.identity.caller import Caller, Team
from gateway.identity.store import team_item
from gateway.identity.verification import KeyReader, current
from gateway.ledger import shadow
from gateway.ledger.admission import (
    Booking,
    Demand,
    Guess,
    Terms,
    Variant,
    Windows,
    kept_busy,
    stale_names,
    terms_of,
    terms_of_team,
    variant_of,
)
from gateway.ledger.limits_store import Release
from gateway.ledger.refusals import Refusal, refusal_of, shadow_refusals
from gateway.ledger.rows_store import LENGTHS, SETTLED, Row, settled_facts
from gateway.ledger.tags import counted_tags, new_marks, set_name
from gateway.models.money import usd
from gateway.models.usage import Usage
from gateway.times import rfc3339

_TRIES = 12  # the second fits as a rule; more are for callers that come out of order, and for changes of the record
_PAUSE_SECONDS = 0.02
_CHANCE = random.SystemRandom()
_BUSY_MICROSECONDS = 5_000_000
_REMEMBERED = 10_000  # keys a container remembers
_SECOND = 1_000_000
_NAMES = {
    "requests": "requests per minute",
    "tokens": "tokens per minute",
    "requests_hour": "requests per hour",
    "requests_day": "requests per day",
    "tokens_day": "tokens per day",
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

    def tokens(self, held: int) -> int:
        """Tokens used. Where nobody counted them: none of a call that costs nothing, else what was held."""
        if self.usage is not None:
            return self.usage.total_tokens
        return held if self.cost else 0


@dataclass(frozen=True, slots=True)
class Account:
    """Whose item of `limits` has to admit a call: a key's or a team's. `version` is that of its record, `tier` the
    key's; a team has none."""

    id: str
    version: int
    terms: Terms
    scope: Literal["key", "team"]
    tier: str


@dataclass(frozen=True, slots=True)
class Admitted:
    """An account that admitted a call: on what terms, in which windows, and its item as it was then. `shadowed` would
    have refused it, were they enforced."""

    account: Account
    windows: Windows
    item: Mapping[str, Any]
    shadowed: tuple[Refusal, ...] = ()

    @property
    def left(self) -> int | None:
        """Micro-dollars left of the budget, None where there is none; 0 where it was lowered below what is used."""
        budget = self.account.terms.budget
        return None if budget is None else max(0, budget - self.item.get(self.windows.booking.used, 0))


@dataclass(frozen=True, slots=True)
class Hold:
    """An admitted call: its row, and whose call it is by the freshest record."""

    row: Row
    caller: Caller
    key: Admitted
    team: Admitted | None = None

    def headers(self) -> dict[str, str]:
        """The rate limit headers, as OpenAI's: limits, what is left, and when the bucket is full again."""
        now, terms, item = self.key.windows.now, self.key.account.terms, self.key.item
        headers = _rate_headers(terms, item, now)
        for scope, admitted in (("key", self.key), ("team", self.team)):
            if admitted is not None and admitted.left is not None:
                headers[f"x-gateway-{scope}-remaining"] = f"{usd(admitted.left):.6f}"
        return headers


class Limits(Protocol):
    def admit(
        self,
        account: str,
        version: int,
        terms: Terms,
        demand: Demand,
        windows: Windows,
        variant: Variant,
        stale: list[str],
        marks: list[str],
    ) -> dict[str, Any]: ...
    def create(self, account: str, version: int) -> None: ...
    def release(self, account: str, release: Release) -> bool: ...
    def set_state(self, account: str, state: str, version: int) -> None: ...


class Rows(Protocol):
    def open(self, row: Row) -> None: ...
    def close(self, minute: str, rid: str, state: str, facts: Mapping[str, Any]) -> dict[str, Any] | None: ...


@dataclass(slots=True)
class _Known:
    """What a container remembers of a key: its item as last seen, when and at which version that refused a call, until
    when what the record said of a call that asks for too much is not asked again, and until when its buckets are taken
    for busy.

    No error is kept: each time it is raised it would hold another request's frames.
    """

    item: Mapping[str, Any]
    refused_at: int | None = None
    refused_version: int = 0
    read_version: int = 0
    read_until: int = 0
    busy_until: Mapping[str, int] = field(default_factory=dict)

    def read(self, version: int, now: int) -> None:
        self.read_version, self.read_until = version, now + _SECOND


@dataclass(slots=True)
class Ledger:
    """`clock` gives microseconds since the epoch, `pause` waits that many seconds."""

    limits: Limits
    rows: Rows
    keys: KeyReader
    clock: Callable[[], int]
    pause: Callable[[float], None] = time.sleep
    _known: OrderedDict[str, _Known] = field(default_factory=OrderedDict)

    def admit(self, caller: Caller, tiers: Callable[[str], TierLimits], request: AdmissionRequest) -> Hold:
        """Hold the estimate and write the row. Nothing is held when this raises.

        Raises RateLimited, BudgetExceeded, Unauthorized (revoked, expired), StoreUnavailable.
        """
        if request.deadline > self.clock() // _SECOND + max(LENGTHS.values()):
            raise ValueError("no call may take so long")
        demand = Demand(request.est, request.tokens, request.tags)
        if caller.team is not None:  # before its key counts the call; a key alone is checked by its admission
            self.check(caller, tiers, demand)
            self._check_team(caller, caller.team, demand)
        caller, key = self._key(caller, tiers, demand)
        team = self._team(caller, caller.team, key, demand) if caller.team else None
        row = _row(caller, key, team, request)
        hold = Hold(row, caller, key, team)
        try:
            self.rows.open(row)
        except (StoreUnavailable, StoreError) as error:
            # Without its row a call could not be billed.
            self._abandon(hold)
            raise StoreUnavailable("The call can't be recorded now; try again.", retry_after=1) from error
        if self.clock() >= row.opened_by:
            # Its minute may be swept, or its hour closed: nobody would look for it any more.
            self._abandon(hold)
            raise StoreUnavailable("The call was recorded too late; try again.", retry_after=1)
        for each in (key, team) if team else (key,):
            whose = each.account
            shadow.report(each.shadowed, scope=whose.scope, tier=whose.tier, rid=row.rid, key_id=row.key)
        return hold

    def check(self, caller: Caller, tiers: Callable[[str], TierLimits], demand: Demand) -> None:
        """What is known here to be refused just now, without asking: it costs no write. Raises as `admit`."""
        if caller.team is not None:
            self._check_known(_member(caller), _team_account(caller.team_id, caller.team), demand)
        self._check_known(caller.key_id, _key_account(caller, tiers), demand)

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
            self._lost("settle", row.rid, error)
            return
        if won:
            self._release(row, outcome.cost, outcome.tokens(row.tokens))
        if outcome.cost > row.est:
            observability.count("Overruns")
            observability.log.error(
                "overrun: the bill exceeds the hold", extra={"rid": row.rid, "est": row.est, "actual": outcome.cost}
            )

    def release(self, hold: Hold, status: str = "not_sent") -> None:
        """End a call that never went out: it costs nothing."""
        self.settle(hold, Outcome(None, 0, 0, status, 0))

    def _abandon(self, hold: Hold) -> None:
        """Give back the hold of a call whose row could not be written. The row may be there all the same, or come yet:
        it is closed first, and where it is not there it is written, so that a late write finds its place taken. Else
        the sweeper would give the hold back once more. Where nobody knows, the hold stays."""
        row, facts = hold.row, settled_facts(None, 0, 0, "not_recorded", 0, self.clock())
        try:
            closed = self.rows.close(row.minute, row.rid, SETTLED, facts)
            if closed is None:
                self.rows.open(row)
                closed = self.rows.close(row.minute, row.rid, SETTLED, facts)
        except (StoreUnavailable, StoreError) as error:
            self._lost("abandon", row.rid, error)
            return
        if closed is not None:
            self._release(row, actual=0, tokens=0)

    def _key(self, caller: Caller, tiers: Callable[[str], TierLimits], demand: Demand) -> tuple[Caller, Admitted]:
        current = caller

        def account() -> Account:
            return _key_account(current, tiers)

        def reread() -> Account:
            nonlocal current
            current = self._fresh(current)
            return account()

        admitted = self._admitted(account(), demand, self._remembered(caller.key_id), reread, self.clock)
        return current, admitted

    def _check_team(self, caller: Caller, team: Team, demand: Demand) -> None:
        """What no waiting can help is refused by a team before its key counts the call."""
        account, known = _team_account(caller.team_id, team), self._remembered(_member(caller))
        windows = Windows.at(self.clock(), account.terms.duration)
        if self._asks_too_much(known, account, demand, windows):
            account = self._team_record(caller.team_id)
            known.read(account.version, windows.now)
            self._asks_too_much(known, account, demand, windows)

    def _check_known(self, name: str, account: Account, demand: Demand) -> None:
        known, windows = self._remembered(name), Windows.at(self.clock(), account.terms.duration)
        if not self._asks_too_much(known, account, demand, windows):
            self._check_refused(known, account, demand, windows)

    def _team(self, caller: Caller, team: Team, key: Admitted, demand: Demand) -> Admitted:
        """The team's admission. What it refuses, the key gives back: the money and the place. The call stays counted
        among the key's: it was made."""
        try:
            return self._admitted(
                _team_account(caller.team_id, team),
                replace(demand, tags=()),  # a key's alone
                self._remembered(_member(caller)),
                lambda: self._team_record(caller.team_id),
                lambda: key.windows.now,  # one moment for both, so that one hour holds the money of both
            )
        except (GatewayError, StoreError):
            self._give_back(key.account.id, Release(demand.est, 0, key.windows.booking, demand.tokens), rid="")
            raise

    def _admitted(
        self,
        account: Account,
        demand: Demand,
        known: _Known,
        reread: Callable[[], Account],
        clock: Callable[[], int],
    ) -> Admitted:
        seen = known.item
        guess = Guess(seen, unknown=not seen, busy_until=known.busy_until)
        for number in range(_TRIES):
            if number > 1:  # by chance, so that those who hinder each other come apart
                self.pause(_CHANCE.uniform(0, _PAUSE_SECONDS))
            terms = account.terms
            windows = Windows.at(clock(), terms.duration)
            if self._asks_too_much(known, account, demand, windows):
                account = reread()
                known.read(account.version, windows.now)
                continue
            self._check_refused(known, account, demand, windows)
            variant = variant_of(guess, terms, demand, windows.now)
            stale = stale_names(guess.item, windows)
            marks = new_marks(demand.tags, guess.item.get(set_name(windows.day), ()))
            try:
                item = self.limits.admit(account.id, account.version, terms, demand, windows, variant, stale, marks)
            except ConditionFailed as refused:
                if refused.item is None:
                    account, guess = self._first(account, reread), Guess({}, unknown=True)
                    continue
                item = refused.item
                if item.get("st") != "A" or item.get("kv") != account.version:
                    account, guess = reread(), Guess(item)
                    if item.get("kv", 0) < account.version:  # who changed the record did not come to tell the item
                        self.limits.set_state(account.id, "A", account.version)
                    continue
                refusal = refusal_of(item, terms, demand, windows)
                if refusal is not None:
                    known.item, known.refused_at, known.refused_version = item, windows.now, account.version
                    raise _refused(account, refusal, demand, item, windows) from None
                guess = Guess(item, guess.refusals + 1, unknown=not seen)
            else:
                known.item, known.refused_at = item, None
                busy = kept_busy(seen, item, terms, demand, variant, windows.now)
                known.busy_until = dict.fromkeys(busy, windows.now + _BUSY_MICROSECONDS)
                shadowed = shadow_refusals(item, terms, demand, windows, variant)
                return Admitted(account, windows, item, shadowed)
        raise RateLimited("The key is too busy just now; try again.", code="contention", retry_after=0.1)

    def _first(self, account: Account, reread: Callable[[], Account]) -> Account:
        """Make the item of a first call; where the record changed or is gone, look at it."""
        try:
            self.limits.create(account.id, account.version)
        except ConditionFailed:
            return reread()
        return account

    def _fresh(self, caller: Caller) -> Caller:
        """The caller by its record as it is now. Raises Unauthorized."""
        return current(caller, self.keys, self.clock() / _SECOND)[1]

    def _team_record(self, team_id: str) -> Account:
        """The team's account by its record as it is now. Raises Unauthorized."""
        record = self.keys.team(team_id)
        if record is None:
            raise Unauthorized("The API key's team is gone.")
        return _team_account(record.id, Team(record.version, record.limits))

    @staticmethod
    def _check_refused(known: _Known, account: Account, demand: Demand, windows: Windows) -> None:
        """For a second after a refusal the item as it was then decides, so that a flood costs a write a second. A call
        that the item has room for is asked for; a raised limit holds at once, room that others made within the second.
        """
        at = known.refused_at
        if at is not None and known.refused_version == account.version and at <= windows.now < at + _SECOND:
            refusal = refusal_of(known.item, account.terms, demand, windows)
            if refusal is not None:
                raise _refused(account, refusal, demand, known.item, windows)

    @staticmethod
    def _asks_too_much(known: _Known, account: Account, demand: Demand, windows: Windows) -> bool:
        """Whether no waiting can help a call: it is refused without a write. True, so that the record is read, where
        the limits may come from an authorizer's answer of a minute ago; a moment after that it raises instead."""
        terms, item, refusal = account.terms, known.item, None
        if terms.tokens and terms.enforced("tokensPerMinute") and demand.tokens > terms.tokens.burst:
            used = terms.tokens.burst - terms.tokens.left(item.get("ttat", 0), windows.now)
            refusal = Refusal("tokens", terms.tokens.limit, used, None)
        elif terms.tokens_per_day and terms.enforced("tokensPerDay") and demand.tokens > terms.tokens_per_day:
            refusal = Refusal("tokens_day", terms.tokens_per_day, item.get(windows.booking.tokens, 0), None)
        elif terms.budget is not None and terms.enforced("budget") and demand.est > terms.budget:
            refusal = Refusal("budget", terms.budget, item.get(windows.booking.spent, 0), None)
        if refusal is not None and known.read_version == account.version and windows.now < known.read_until:
            raise _refused(account, refusal, demand, known.item, windows)
        return refusal is not None

    def _remembered(self, key_id: str) -> _Known:
        known = self._known.pop(key_id, None) or _Known({})
        self._known[key_id] = known
        if len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        return known

    def _release(self, row: Row, actual: int, tokens: int) -> None:
        # Nobody asks for the tokens of a day that is over.
        held = row.tokens if row.hour[:10] == Windows.at(self.clock()).day else tokens
        key = Booking(row.hour, row.window)
        self._give_back(row.key, Release(row.est, actual, key, held, tokens), row.rid)
        if row.team_window:
            team = Booking(row.hour, row.team_window)
            self._give_back(team_item(row.team), Release(row.est, actual, team, held, tokens), row.rid)

    def _give_back(self, account: str, release: Release, rid: str) -> None:
        try:
            self.limits.release(account, release)
        except (StoreUnavailable, StoreError) as error:
            self._lost("release", rid, error)

    @staticmethod
    def _lost(step: str, rid: str, error: Exception) -> None:
        observability.count("LedgerStepsLost")
        # Not repeated: a reply may be lost after the write was applied, and twice would be once too often.
        observability.log.error(
            "ledger step lost; reconcile finishes it", extra={"step": step, "rid": rid, "reason": str(error)}
        )


def _key_account(caller: Caller, tiers: Callable[[str], TierLimits]) -> Account:
    return Account(caller.key_id, caller.version, terms_of(tiers(caller.tier), caller.limits), "key", caller.tier)


def _team_account(team_id: str, team: Team) -> Account:
    return Account(team_item(team_id), team.version, terms_of_team(team.limits), "team", "team")


def _member(caller: Caller) -> str:
    # What a team refuses is remembered by key: another key of it may ask for less.
    return f"{team_item(caller.team_id)}/{caller.key_id}"


def _row(caller: Caller, key: Admitted, team: Admitted | None, request: AdmissionRequest) -> Row:
    windows = key.windows
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
        team_window=team.windows.budget if team else "",
        budget=key.account.terms.budget,
        team_budget=team.account.terms.budget if team else None,
        correlation=request.correlation_id,
        tags=counted_tags(request.tags, key.item.get(set_name(windows.day), ())),
        number=key.item.get(f"d_{windows.day}", 0),
        tokens=request.tokens,
    )


def _refused(
    account: Account, refusal: Refusal, demand: Demand, item: Mapping[str, Any], windows: Windows
) -> GatewayError:
    """The answer of a refusal: what was hit, how much is used and was asked for, and when it frees. Without an item,
    that is, where a call was refused that asks for more than there ever is, nobody looked what is used."""
    scope, now = account.scope, windows.now
    wait = None if refusal.wait is None else refusal.wait / _SECOND
    reset = None if wait is None else rfc3339(now / _SECOND + wait)
    headers = _rate_headers(account.terms, item, now) if item else {}
    spent = usd(refusal.used) if item else None
    money = {"scope": scope, "limit": usd(refusal.limit), "spent": spent, "needed": usd(demand.est)}
    if refusal.dimension == "budget":
        whole = f"more than the {scope}'s whole budget of {_dollars(refusal.limit)}"
        part = f"and {_dollars(refusal.used)} of the {scope}'s budget of {_dollars(refusal.limit)} is spent"
        return BudgetExceeded(
            f"This call may cost {_dollars(demand.est)}, {whole if demand.est > refusal.limit else part}.",
            headers=headers | {"x-should-retry": "false"},
            details=money | {"reset": reset},
        )
    if refusal.dimension == "budget_held":
        return RateLimited(
            f"What is left of the {scope}'s budget is held by calls under way.",
            code="budget_held",
            retry_after=wait,
            headers=headers,
            details=money,
        )
    needed = demand.tokens if refusal.dimension in ("tokens", "tokens_day") else 1
    used = refusal.used if item else None
    return _limited(scope, refusal, {"used": used, "needed": needed, "reset": reset}, headers)


def _limited(scope: str, refusal: Refusal, facts: Mapping[str, Any], headers: dict[str, str]) -> RateLimited:
    name = _NAMES[refusal.dimension]
    details = {"scope": scope, "dimension": refusal.dimension, "limit": refusal.limit, **facts}
    if refusal.wait is None:
        whole = f"the {scope}'s whole limit of {refusal.limit} {name}"
        return RateLimited(
            f"This call may take {facts['needed']} tokens, more than {whole}: lower max_tokens.",
            headers=headers | {"x-should-retry": "false"},
            details=details,
        )
    return RateLimited(
        f"The {scope}'s limit of {refusal.limit} {name} is reached.",
        retry_after=refusal.wait / _SECOND,
        headers=headers,
        details=details,
    )


def _dollars(micro: int) -> str:
    whole, _, part = f"{usd(micro):.6f}".partition(".")
    return f"${whole}.{part.rstrip('0').ljust(2, '0')}"


def _rate_headers(terms: Terms, item: Mapping[str, Any], now: int) -> dict[str, str]:
    headers: dict[str, str] = {}
    if terms.requests is not None:
        headers |= _bucket_headers("requests", terms.requests, item.get("tat", 0), now)
    if terms.tokens is not None:
        headers |= _bucket_headers("tokens", terms.tokens, item.get("ttat", 0), now)
    return headers


def _bucket_headers(kind: str, bucket: Any, arrival: int, now: int) -> dict[str, str]:
    return {
        f"x-ratelimit-limit-{kind}": str(bucket.limit),
        f"x-ratelimit-remaining-{kind}": str(bucket.left(arrival, now)),
        f"x-ratelimit-reset-{kind}": f"{math.ceil(bucket.refill(arrival, now) / 1_000)}ms",
    }
