"""Admit, hold, settle, release: no key spends more than its budget or calls more often than it may.

admit: one conditional update of the key's item (the hold), then the row, OPEN, before any provider is called
settle: the row SETTLED if it is OPEN; whoever wins that gives the rest of the hold back
release: the same at a cost of nothing, for a call that never went out
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from gateway import observability
from gateway.config.document import TierLimits
from gateway.errors import (
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
from gateway.ledger.admission import Booking, Demand, Terms, Windows, stale_names
from gateway.ledger.answers import report_shadowed
from gateway.ledger.holds import Account, AdmissionRequest, Admitted, Hold, Outcome, key_account, row_of, team_account
from gateway.ledger.limits_store import Release
from gateway.ledger.memory import Known, Memory
from gateway.ledger.moves import Guess, Variant, kept_busy, variant_of
from gateway.ledger.refusals import refusal_of, shadow_refusals
from gateway.ledger.rows_store import LENGTHS, SETTLED, Row, settled_facts
from gateway.ledger.tags import new_marks, set_name
from gateway.ledger.top_up import top_up

_TRIES = 12  # the second fits as a rule; more are for callers that come out of order, and for changes of the record
_PAUSE_SECONDS = 0.02
_CHANCE = random.SystemRandom()
_BUSY_MICROSECONDS = 5_000_000
_SECOND = 1_000_000


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
    def top_up(self, account: str, booking: Booking, more: int, most: int | None) -> bool: ...
    def set_state(self, account: str, state: str, version: int) -> None: ...


class Rows(Protocol):
    def open(self, row: Row) -> None: ...
    def raise_est(self, row: Row, more: int) -> bool: ...
    def close(self, minute: str, rid: str, state: str, facts: Mapping[str, Any]) -> dict[str, Any] | None: ...


@dataclass(slots=True)
class Ledger:
    """`clock` gives microseconds since the epoch, `pause` waits that many seconds."""

    limits: Limits
    rows: Rows
    keys: KeyReader
    clock: Callable[[], int]
    pause: Callable[[float], None] = time.sleep
    memory: Memory = field(default_factory=Memory)

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
        row = row_of(caller, key, team, request)
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
            report_shadowed(each.shadowed, scope=whose.scope, tier=whose.tier, rid=row.rid, key_id=row.key)
        return hold

    def check(self, caller: Caller, tiers: Callable[[str], TierLimits], demand: Demand) -> None:
        """What is known here to be refused just now, without asking: it costs no write. Raises as `admit`."""
        if caller.team is not None:
            self._check_known(_member(caller), team_account(caller.team_id, caller.team), demand)
        self._check_known(caller.key_id, key_account(caller, tiers), demand)

    def top_up(self, hold: Hold, more: int) -> Hold:
        """Hold so many micro-dollars more for a call under way; the hold as it is then. Raises BudgetExceeded where
        there is no room, StoreUnavailable."""
        return top_up(self.limits, self.rows, hold, more)

    def settle(self, hold: Hold, outcome: Outcome) -> None:
        """Book the outcome and give the rest of the hold back. Never raises: what fails here is swept later."""
        facts = settled_facts(
            outcome.usage,
            outcome.prompt_cost,
            outcome.completion_cost,
            outcome.status,
            outcome.latency_ms,
            self.clock(),
        ) | dict(outcome.facts)
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
            return key_account(current, tiers)

        def reread() -> Account:
            nonlocal current
            current = self._fresh(current)
            return account()

        admitted = self._admitted(account(), demand, self.memory.of(caller.key_id), reread, self.clock)
        return current, admitted

    def _check_team(self, caller: Caller, team: Team, demand: Demand) -> None:
        """What no waiting can help is refused by a team before its key counts the call."""
        account, known = team_account(caller.team_id, team), self.memory.of(_member(caller))
        windows = Windows.at(self.clock(), account.terms.duration)
        if known.asks_too_much(account, demand, windows):
            account = self._team_record(caller.team_id)
            known.read(account.version, windows.now)
            known.asks_too_much(account, demand, windows)

    def _check_known(self, name: str, account: Account, demand: Demand) -> None:
        known, windows = self.memory.of(name), Windows.at(self.clock(), account.terms.duration)
        if not known.asks_too_much(account, demand, windows):
            known.check_refused(account, demand, windows)

    def _team(self, caller: Caller, team: Team, key: Admitted, demand: Demand) -> Admitted:
        """The team's admission. What it refuses, the key gives back: the money and the place. The call stays counted
        among the key's: it was made."""
        try:
            return self._admitted(
                team_account(caller.team_id, team),
                replace(demand, tags=()),  # a key's alone
                self.memory.of(_member(caller)),
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
        known: Known,
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
            if known.asks_too_much(account, demand, windows):
                account = reread()
                known.read(account.version, windows.now)
                continue
            known.check_refused(account, demand, windows)
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
                    raise account.refused(refusal, demand, item, windows) from None
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
        return team_account(record.id, Team(record.version, record.limits))

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


def _member(caller: Caller) -> str:
    # What a team refuses is remembered by key: another key of it may ask for less.
    return f"{team_item(caller.team_id)}/{caller.key_id}"
