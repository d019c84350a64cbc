"""Admit, hold, settle, release: no key spends more than its budget or calls more often than it may.

admit: one conditional update of each account's item (the hold), then the row, OPEN, before any provider is called
settle: the row becomes SETTLED if it is OPEN; whoever makes that change gives the rest of the hold back
release: the same with a cost of 0, for a call that was never sent
top_up, lower: hold more for a further attempt, or less once the prompt's usage is known
passing: a request that costs nothing is counted and takes a place while it lasts; it has no hold and no row
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from typing import Any, Protocol

from msgspec import Struct, field

from gateway import observability
from gateway.dynamodb.attributes import to_item
from gateway.errors import StoreError, StoreUnavailable
from gateway.identity.caller import Caller
from gateway.identity.verification import KeyReader
from gateway.ledger import admitting
from gateway.ledger.accounts import Targets
from gateway.ledger.admission import Demand, Windows
from gateway.ledger.admitting import Admissions, Tiers
from gateway.ledger.answers import report_shadowed
from gateway.ledger.holds import AdmissionRequest, Admitted, Hold, Outcome, row_of
from gateway.ledger.limits_store import Release
from gateway.ledger.memory import Memory
from gateway.ledger.resizing import resizer
from gateway.ledger.resizing.resizer import Resizer
from gateway.ledger.resizing.row_estimates import settled_facts
from gateway.ledger.rows_store import LENGTHS, SETTLED, Row

_SECOND = 1_000_000
_LONGEST = max(LENGTHS.values())


class Limits(admitting.Items, resizer.Items, Protocol):
    def release(self, account: str, release: Release) -> bool: ...


class Rows(resizer.Rows, Protocol):
    def open(self, row: Row) -> None: ...
    def close(self, minute: str, rid: str, state: str, facts: Mapping[str, Any]) -> bool: ...


def _no_alias(_name: str, _residency: str) -> None:
    return None


class Ledger(Struct, frozen=True, dict=True):
    """`clock` gives microseconds since the epoch. `pause` waits for a number of seconds. `targets` says what a model's
    name stands for now."""

    limits: Limits
    rows: Rows
    keys: KeyReader
    clock: Callable[[], int]
    pause: Callable[[float], None] = time.sleep
    memory: Memory = field(default_factory=Memory)
    targets: Targets = _no_alias

    @cached_property
    def admissions(self) -> Admissions:
        return Admissions(self.limits, self.keys, self.clock, self.targets, self._undo, self.pause, self.memory)

    @property
    def resizer(self) -> Resizer:
        return Resizer(self.limits, self.rows, self._lost, self.clock)

    def admit(self, caller: Caller, tiers: Tiers, request: AdmissionRequest) -> Hold:
        """Hold the estimate and write the row. Nothing is held when this raises.

        Raises RateLimited, BudgetExceeded, Unauthorized (revoked, expired), StoreUnavailable.
        """
        now = self.clock()
        if request.deadline > now // _SECOND + _LONGEST:
            raise ValueError("no call may take so long")
        demand = Demand(request.est, request.tokens, request.tags, request.typical)
        models = request.models or (request.target,)
        caller, admitted, est = self.admissions.admit(caller, tiers, demand, models, now)
        row = row_of(caller, admitted, request, est)
        hold = Hold(row, caller, admitted, request.est, est < request.est)
        try:
            self.rows.open(row)
        except (StoreUnavailable, StoreError) as error:
            # A call without a row could not be billed.
            self._abandon(hold)
            raise StoreUnavailable("The call can't be recorded now; try again.", retry_after=1) from error
        if row.is_late(self.clock()):
            # Its minute may already be swept, or its hour closed: then nothing looks for the row any more.
            self._abandon(hold)
            raise StoreUnavailable("The call was recorded too late; try again.", retry_after=1)
        for each in admitted:
            if not each.shadowed:
                continue
            whose = each.account
            report_shadowed(each.shadowed, scope=whose.scope, tier=whose.tier, rid=row.rid, key_id=row.key)
        return hold

    def check(self, caller: Caller, tiers: Tiers, demand: Demand, models: Collection[str] = ()) -> None:
        """Refuse what this container already knows to be refused now: this costs no write. Raises as `admit`."""
        self.admissions.check(caller, tiers, demand, models)

    @contextmanager
    def passing(self, caller: Caller, tiers: Tiers, models: Collection[str]) -> Iterator[Caller]:
        """A request about these models that costs nothing. It counts against the request limits, and takes a place
        among the parallel requests until this block ends. There is no row: if a crash leaves the place taken, it is
        given back when its hour is reconciled. Gives the caller by the latest record. Raises as `admit`."""
        nothing = Demand(0, 0)
        caller, admitted, _ = self.admissions.admit(caller, tiers, nothing, models, self.clock())
        try:
            yield caller
        finally:
            for each in reversed(admitted):
                self._undo(each, nothing)

    def top_up(self, hold: Hold, more: int) -> Hold:
        """Hold `more` micro-dollars in addition for a call under way, in its own hour and window, on the terms that
        admitted it. This comes before an attempt that follows one which may be billed. If it raises, nothing more is
        held, except for an amount that a lost reply leaves to the reconcile, and no further attempt may be made.

        Raises BudgetExceeded, RateLimited (`budget_held`), StoreUnavailable (also if the row has ended)."""
        if more < 0:
            raise ValueError("a top-up takes nothing away")
        return self.resizer.top_up(hold, more) if more else hold

    def lower(self, hold: Hold, est: int) -> Hold:
        """Hold only `est` from now on, if that is less. It is called once, when the prompt's usage is known, if
        `hold.worth_lowering(est)`. Never raises: if it fails, or a reply is lost, more stays held than needed."""
        return self.resizer.lower(hold, est)

    def settle(self, hold: Hold, outcome: Outcome) -> None:
        """Book the outcome and give the rest of the hold back. Never raises: the sweeper or reconcile finishes what
        fails here."""
        row, now, prompt, completion = hold.row, self.clock(), outcome.prompt_cost, outcome.completion_cost
        facts = settled_facts(outcome.usage, prompt, completion, outcome.status, outcome.latency_ms, now)
        facts |= to_item(outcome.facts)
        try:
            won = self.rows.close(row.minute, row.rid, SETTLED, facts)
        except (StoreUnavailable, StoreError) as error:
            self._lost("settle", row.rid, error)
            return
        cost = prompt + completion
        if won:
            self._release(hold, cost, outcome.tokens(row.tokens), now)
        if cost > row.est and cost > hold.bound:
            observability.count("Overruns")
            observability.log.error(
                "overrun: the bill exceeds the hold", extra={"rid": row.rid, "est": row.est, "actual": cost}
            )

    def release(self, hold: Hold, status: str = "not_sent") -> None:
        """End a call that was never sent: it costs nothing."""
        self.settle(hold, Outcome(None, 0, 0, status, 0))

    def _abandon(self, hold: Hold) -> None:
        """Give back the hold of a call whose row could not be written. The row may be there all the same, or a late
        write may still arrive. So the row is closed first; if it is not there, it is written and closed, and a late
        write finds its place taken. Otherwise the sweeper would give the hold back a second time. If the outcome of
        these steps is unknown, the hold stays."""
        row, now = hold.row, self.clock()
        facts = settled_facts(None, 0, 0, "not_recorded", 0, now)
        try:
            closed = self.rows.close(row.minute, row.rid, SETTLED, facts)
            if not closed:
                self.rows.open(row)
                closed = self.rows.close(row.minute, row.rid, SETTLED, facts)
        except (StoreUnavailable, StoreError) as error:
            self._lost("abandon", row.rid, error)
            return
        if closed:
            self._release(hold, 0, 0, now)

    def _undo(self, admitted: Admitted, demand: Demand) -> None:
        booking = admitted.windows.booking
        release = Release(demand.est, 0, booking, demand.tokens, counters=booking.tokens)
        self._give_back(admitted.account.id, release, rid="")

    def _release(self, hold: Hold, actual: int, tokens: int, now: int) -> None:
        """Give a hold back and book what was spent. `now` is when its call ended."""
        row, admitted = hold.row, hold.admitted
        est, held, rid, booking = row.est, row.tokens, row.rid, admitted[0].windows.booking
        counters = booking.tokens
        if now >= booking.ends:  # the tokens of a past window no longer matter to anybody
            of_now = Windows.at(now).booking.tokens
            counters = tuple([name for name in counters if name in of_now])
        for each in admitted:
            release = Release(est, actual, each.windows.booking, held, tokens, counters)
            self._give_back(each.account.id, release, rid)

    def _give_back(self, account: str, release: Release, rid: str) -> None:
        try:
            self.limits.release(account, release)
        except (StoreUnavailable, StoreError) as error:
            self._lost("release", rid, error)

    @staticmethod
    def _lost(step: str, rid: str, error: Exception) -> None:
        observability.count("LedgerStepsLost")
        # Not repeated: the write may have been applied before its reply was lost, and must not be applied twice.
        observability.log.error(
            "ledger step lost; reconcile finishes it", extra={"step": step, "rid": rid, "reason": str(error)}
        )
