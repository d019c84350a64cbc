"""Admission by all accounts that have to admit a call: one conditional write each, all undone if one of them
refuses."""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Sequence
from typing import Any, Protocol

from msgspec import Struct
from msgspec.structs import replace

from gateway.config.document import TierLimits
from gateway.errors import ConditionFailed, GatewayError, RateLimited, StoreError, Unauthorized
from gateway.identity.caller import Caller, Shared
from gateway.identity.records import DAMAGED
from gateway.identity.verification import KeyReader, current
from gateway.ledger.accounts import (
    Account,
    Targets,
    further_accounts,
    key_account,
    model_account,
    team_account,
    user_account,
)
from gateway.ledger.admission import HOUR, Demand, Terms, Windows
from gateway.ledger.holds import Admitted
from gateway.ledger.memory import Known, Memory
from gateway.ledger.moves import NOBODY, Guess, Variant, kept_busy, variant_of
from gateway.ledger.refusals import fits, refusal_of, shadow_refusals
from gateway.ledger.stale import stale_names
from gateway.ledger.tags import new_marks, set_name

_TRIES = 12  # the second usually succeeds; more are for callers that come out of order, and for changes of the record
_PAUSE_SECONDS = 0.02
_CHANCE = random.SystemRandom()
_SECOND = 1_000_000
Tiers = Callable[[str], TierLimits]
Reread = Callable[[], Account | None]  # None: nothing limits it any more


class Items(Protocol):
    def admit(
        self,
        account: str,
        version: int,
        terms: Terms,
        demand: Demand,
        windows: Windows,
        variant: Variant,
        stale: Sequence[str],
        marks: Sequence[str],
    ) -> dict[str, Any]: ...
    def create(self, account: str, version: int) -> None: ...
    def set_state(self, account: str, state: str, version: int) -> None: ...


class Admissions(Struct):
    """`clock` gives microseconds since the epoch. `pause` waits for a number of seconds. `targets` says what a model's
    name stands for. `undo` gives back what an account holds for a call that another account refused."""

    limits: Items
    keys: KeyReader
    clock: Callable[[], int]
    targets: Targets
    undo: Callable[[Admitted, Demand], None]
    pause: Callable[[float], None]
    memory: Memory

    def admit(
        self, caller: Caller, tiers: Tiers, demand: Demand, models: Collection[str], now: int
    ) -> tuple[Caller, tuple[Admitted, ...], int]:
        """The caller by the latest record, the accounts that admitted the call (the key first), and the amount that
        each holds for it. `now` is what the clock has just said. Nothing is held when this raises.

        If an account refuses the call, those before it give back its money and its place. They still count the call,
        because it was made.
        """
        key = key_account(caller, tiers)
        further = [] if key.alone else further_accounts(caller, models, self.targets)
        asked = demand.of([key.terms, *[each.terms for each in further]]) if further or key.terms.typical else demand
        if further:  # before the key counts the call; a key without further accounts is checked by its admission
            self.check(caller, tiers, demand, models)
            for account in further:
                self._check_hopeless(account, caller, asked)
        if not key.alone:
            now = self.clock()  # records may have been read since
        caller, admitted = self._all(caller, key, tiers, asked, models, now)
        if asked.est < demand.est and demand.of([each.account.terms for each in admitted]).est > asked.est:
            # An account whose record was read again wants the upper bound held.
            self._undo(admitted, asked)
            asked = replace(asked, est=demand.est)
            caller, admitted = self._all(caller, key_account(caller, tiers), tiers, asked, models, self.clock())
        return caller, tuple(admitted), asked.est

    def _all(
        self, caller: Caller, account: Account, tiers: Tiers, demand: Demand, models: Collection[str], now: int
    ) -> tuple[Caller, list[Admitted]]:
        freshest = caller

        def reread() -> Account:
            nonlocal freshest
            freshest = self._fresh(freshest)
            return key_account(freshest, tiers)

        key = self._admitted(account, demand, self.memory.of(account.id), reread, now, self.clock)
        if key is None:
            raise AssertionError("a key's account is always there")
        admitted = [key]
        if key.account.alone:
            return freshest, admitted
        try:
            for further in further_accounts(freshest, models, self.targets):
                each = self._further(further, freshest, key, demand)
                admitted += [each] if each else []
        except (GatewayError, StoreError):
            self._undo(admitted, demand)
            raise
        return freshest, admitted

    def _undo(self, admitted: list[Admitted], demand: Demand) -> None:
        for each in reversed(admitted):
            self.undo(each, demand)

    def check(self, caller: Caller, tiers: Tiers, demand: Demand, models: Collection[str]) -> None:
        """Refuse what this container already knows to be refused now: this costs no write. Raises as `admit`."""
        accounts = (*further_accounts(caller, models, self.targets), key_account(caller, tiers))
        demand = demand.of(each.terms for each in accounts)
        for account in accounts:
            known, windows = self._known(account, caller), Windows.at(self.clock(), account.terms.duration)
            if not known.asks_too_much(account, demand, windows):
                known.check_refused(account, demand, windows)

    def _further(self, account: Account, caller: Caller, key: Admitted, demand: Demand) -> Admitted | None:
        return self._admitted(
            account,
            replace(demand, tags=()),  # only a key counts tags
            self._known(account, caller),
            lambda: self._again(account, caller),
            key.windows.now,
            lambda: key.windows.now,  # one moment for all accounts, so that the money of all is in the same hour
        )

    def _known(self, account: Account, caller: Caller) -> Known:
        # An account that several keys share is remembered separately for each key: another key may ask for less.
        return self.memory.of(account.id if account.scope == "key" else f"{account.id}/{caller.key_id}")

    def _check_hopeless(self, account: Account, caller: Caller, demand: Demand) -> None:
        """Let each account refuse a call that no waiting can help, before the key counts it."""
        known, windows = self._known(account, caller), Windows.at(self.clock(), account.terms.duration)
        if known.asks_too_much(account, demand, windows):
            fresh = self._again(account, caller)
            if fresh is not None:
                known.read(fresh.version, windows.now)
                known.asks_too_much(fresh, demand, windows)

    def _admitted(
        self, account: Account, demand: Demand, known: Known, reread: Reread, now: int, clock: Callable[[], int]
    ) -> Admitted | None:
        seen = known.item
        guess = Guess(seen, unknown=not seen, busy_until=known.busy_until)
        holder: Account | None = account
        for number in range(_TRIES):
            if holder is None:
                return None
            account = holder
            if number > 1:  # a random pause, so that callers that hinder each other drift apart
                self.pause(_CHANCE.uniform(0, _PAUSE_SECONDS))
            now, terms = clock() if number else now, account.terms
            windows = Windows.at(now, terms.duration)
            if not fits(terms, demand) and known.asks_too_much(account, demand, windows):
                holder = reread()
                if holder is not None:
                    known.read(holder.version, now)
                continue
            if known.refused_at is not None:
                known.check_refused(account, demand, windows)
            variant = variant_of(guess, terms, demand, now)
            stale, tags = stale_names(tuple(guess.item), now // HOUR), demand.tags
            marks = new_marks(tags, guess.item.get(set_name(windows.day), ())) if tags else ()
            try:
                item = self.limits.admit(account.id, account.version, terms, demand, windows, variant, stale, marks)
            except ConditionFailed as refused:
                if refused.item is None:
                    holder, guess = self._first(account, reread), Guess({}, unknown=True)
                    continue
                item = refused.item
                if item.get("st") != "A" or item.get("kv") != account.version:
                    holder, guess = reread(), Guess(item)
                    self._tell(holder, item)
                    continue
                if (refusal := refusal_of(item, terms, demand, windows)) is not None:
                    known.item, known.refused_at, known.refused_version = item, now, account.version
                    raise account.refused(refusal, demand, item, windows) from None
                guess = Guess(item, guess.refusals + 1, unknown=not seen)
            else:
                known.item, known.refused_at = item, None
                known.busy_until = kept_busy(seen, item, terms, demand, variant, now) if variant.moves else NOBODY
                shadowed = shadow_refusals(item, terms, demand, windows, variant) if terms.shadow else ()
                return Admitted(account, windows, item, shadowed, terms.budget_at(now))
        raise RateLimited("The key is too busy at the moment; try again.", code="contention", retry_after=0.1)

    def _tell(self, holder: Account | None, item: dict[str, Any]) -> None:
        # The change of the record never reached the item.
        if holder is not None and item.get("kv", 0) < holder.version:
            self.limits.set_state(holder.id, "A", holder.version)

    def _first(self, account: Account, reread: Reread) -> Account | None:
        """Create the item for an account's first call; if its record has changed or is gone, read that again."""
        try:
            self.limits.create(account.id, account.version)
        except ConditionFailed:
            return reread()
        return account

    def _fresh(self, caller: Caller) -> Caller:
        """The caller by its current record. Raises Unauthorized."""
        return current(caller, self.keys, self.clock() / _SECOND)[1]

    def _again(self, account: Account, caller: Caller) -> Account | None:
        """An account after the key's, by its current record; None if nothing limits it any more. Raises
        Unauthorized."""
        if account.scope == "model":
            fresh = self._fresh(caller)
            return next((model_account(fresh, each) for each in fresh.model_limits if each.name == account.model), None)
        if account.scope == "user":
            user = self.keys.user(caller.user_id)
            if user is not None and user.state == DAMAGED:
                raise Unauthorized("The limits of the API key's user can't be read.")
            return None if user is None else user_account(user.id, Shared(user.version, user.limits))
        team = self.keys.team(caller.team_id)
        if team is None:
            raise Unauthorized("The API key's team no longer exists.")
        return team_account(team.id, Shared(team.version, team.limits))
