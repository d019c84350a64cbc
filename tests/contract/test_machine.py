"""The ledger as a state machine on DynamoDB Local, against an oracle in plain arithmetic.

Admissions, settlements, deaths, lost requests and replies, sweeps, reconciles, revocations, and changes of the config
and of the clock come in any order. Every decision and every sum must be the oracle's, and the bill counts each row
once.
"""

import os
import random
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from gateway.billing.store import UsageStore
from gateway.config.document import TierLimits
from gateway.dynamodb.attributes import to_item
from gateway.dynamodb.client import Database
from gateway.errors import BudgetExceeded, RateLimited, StoreUnavailable, Unauthorized
from gateway.identity.caller import KeyLimits, ModelLimits
from gateway.keys.keys import Keys
from gateway.keys.teams import Teams
from gateway.ledger.admission import Windows
from gateway.ledger.closing.sweep_store import SweepCursor
from gateway.ledger.holds import Hold
from gateway.times import rfc3339
from tests.contract.conftest import DroppingDatabase, LossyDatabase, Tables
from tests.contract.test_consumer import consumer
from tests.contract.test_keys import ADMIN
from tests.contract.world import World, paid
from tests.functions.stream_driver import drive

EXAMPLES = 200 if os.environ.get("PROVE") else 12
PAID_TOKENS = 3  # of `paid`
MINUTE, HOUR, DAY = 60_000_000, 3_600_000_000, 86_400_000_000


@dataclass
class Call:
    """The oracle's record of an admitted call. `booked`: its release reached the items."""

    hold: Hold
    est: int
    tokens: int
    day: int
    state: str = "OPEN"
    actual: int = 0
    booked: bool = False
    lost: bool = False  # its function is gone, so it is never settled
    # The budgets that were enforced when it was admitted, with their raises.
    budgets: dict[str, tuple[int | None, tuple[int, int] | None]] = field(default_factory=dict)
    # by scope: the amount that its item holds too much, until the reconcile
    stray: Counter[str] = field(default_factory=Counter)

    @property
    def scopes(self) -> list[str]:
        return [each.account.scope for each in self.hold.admitted]

    @property
    def hour_ends(self) -> int:
        return self.hold.admitted[0].windows.booking.ends

    @property
    def windows(self) -> dict[str, str]:
        """The window of its money, by the scope of the account."""
        return {each.account.scope: each.windows.budget for each in self.hold.admitted}


def raised_budget(budget: int | None, raised: tuple[int, int] | None, now: int) -> int | None:
    return budget if budget is None or raised is None or now >= raised[1] * 1_000_000 else budget + raised[0]


@dataclass
class Bounds:
    """The limits of one item, and its counters: calls by UTC hour and day, tokens by day, and a bucket that drains."""

    budget: int | None
    duration: str
    raised: tuple[int, int] | None = None  # by this amount, until that second
    rate: tuple[int, int] | None = None  # calls a minute, and how many of these at once
    hour: int | None = None
    day: int | None = None
    tokens: int | None = None
    tokens_an_hour: int | None = None
    parallel: int | None = None
    shadow: frozenset[str] = frozenset()
    level: int = 0  # microseconds until the bucket is empty, as of `drained`
    drained: int = 0
    counted: Counter[tuple[str, int]] = field(default_factory=Counter)

    def bucket(self, now: int) -> int:
        return max(0, self.level - (now - self.drained))

    def at_rate(self, limit: int, burst: int) -> None:
        """Changes the rate. An arrival time is stored with the slack of its rate; from now on the slack of the new rate
        applies."""
        before, self.rate = self.slack, (limit, burst)
        self.level += self.slack - before

    @property
    def slack(self) -> int:
        return min(250_000, MINUTE // self.rate[0] * self.rate[1] // 2) if self.rate else 0

    def budget_at(self, now: int) -> int | None:
        return raised_budget(self.budget, self.raised, now)

    def hopeless(self, est: int, tokens: int, now: int) -> set[str]:
        """Every limit of which a call asks for more than the whole. Such a call is refused without a write."""
        parts = [("tokensPerDay", self.tokens, tokens), ("budget", self.budget_at(now), est)]
        parts.append(("tokensPerHour", self.tokens_an_hour, tokens))
        return {name for name, limit, part in parts if limit is not None and part > limit} - self.shadow

    def exceeded(self, est: int, tokens: int, now: int, used: int, under_way: int) -> set[str]:
        """Every limit that another call would exceed."""
        over = set()
        if self.rate and self.bucket(now) + MINUTE // self.rate[0] > MINUTE // self.rate[0] * self.rate[1]:
            over.add("requestsPerMinute")
        for name, limit, number in (
            ("requestsPerHour", self.hour, self.counted["hour", now // HOUR] + 1),
            ("requestsPerDay", self.day, self.counted["day", now // DAY] + 1),
            ("tokensPerHour", self.tokens_an_hour, self.counted["tokens an hour", now // HOUR] + tokens),
            ("tokensPerDay", self.tokens, self.counted["tokens", now // DAY] + tokens),
            ("maxParallelRequests", self.parallel, under_way + 1),
            ("budget", self.budget_at(now), used + est),
        ):
            if limit is not None and number > limit:
                over.add(name)
        return over

    def count(self, tokens: int, now: int, over: set[str]) -> None:
        self.counted["tokens", now // DAY] += tokens
        self.counted["tokens an hour", now // HOUR] += tokens
        self.counted["hour", now // HOUR] += 1
        self.counted["day", now // DAY] += 1
        # a call that exceeds a shadow limit counts as if the limit had refused it
        if self.rate and "requestsPerMinute" not in over:
            self.level, self.drained = self.bucket(now) + MINUTE // self.rate[0], now


@dataclass
class Oracle:
    """Limits in plain arithmetic over a list of calls. A key's own limits apply, or its tier's if it has none."""

    tier: TierLimits
    own: dict[str, Any]
    team: dict[str, Any]
    bounds: dict[str, Bounds]
    cached_team_budget: int  # the caller as an authorizer first saw it
    revoked: bool = False
    calls: list[Call] = field(default_factory=list)

    @property
    def scopes(self) -> list[str]:
        """The scopes in the order in which they are asked."""
        return [scope for scope in ("key", "model", "user", "team") if scope in self.bounds]

    def enforced_budget(self, scope: str) -> tuple[int | None, tuple[int, int] | None]:
        bounds = self.bounds[scope]
        return None if "budget" in bounds.shadow else bounds.budget, bounds.raised

    def settled(self) -> None:
        """Computes the limits that apply, after a change of the config, of the key or of the team."""
        key, team, own, tier = self.bounds["key"], self.bounds["team"], self.own, self.tier
        rate = tier.requests_per_minute
        key.at_rate(rate, own.get("burst_limit") or tier.burst or rate)
        key.hour = own.get("rph_limit") or tier.requests_per_hour
        key.day = own.get("rpd_limit") or tier.requests_per_day
        key.tokens = own.get("tpd_limit") or tier.tokens_per_day
        key.tokens_an_hour = own.get("tph_limit") or tier.tokens_per_hour
        key.parallel = own.get("max_parallel_requests") or tier.max_parallel_requests
        key.budget, key.duration = own.get("max_budget"), own["budget_duration"]
        if key.budget is None and tier.max_budget is not None:
            key.budget, key.duration = round(tier.max_budget * 1_000_000), tier.budget_duration
        key.shadow = frozenset(own.get("shadow", ())) | frozenset(tier.shadow)
        key.raised, team.raised = own.get("raised"), self.team.get("raised")
        team.hour, team.day, team.tokens, team.parallel = (
            self.team.get(name) for name in ("rph_limit", "rpd_limit", "tpd_limit", "max_parallel_requests")
        )
        team.budget, team.shadow = self.team["max_budget"], frozenset(self.team.get("shadow", ()))

    def used(self, scope: str, now: int) -> int:
        return self.used_in(scope, Windows.at(now, self.bounds[scope].duration).budget)

    def used_in(self, scope: str, window: str) -> int:
        mine = [call for call in self.calls if call.windows.get(scope) == window]
        return sum((call.actual if call.booked else call.est) + call.stray[scope] for call in mine)

    def expected(self, est: int, tokens: int, now: int) -> tuple[set[str], set[str]]:
        """The expected outcome of a call: the limits that may refuse it (none if it is admitted), and the shadow limits
        that are reported as exceeded."""
        # The key's record is not read if the team's cached limits, and then the team's record, can't admit such a call.
        for scope in self.scopes[1:]:
            cached = self.cached_team_budget if scope == "team" else self.bounds[scope].budget or 0
            hopeless = self.bounds[scope].hopeless(est, tokens, now) if est > cached else set()
            if hopeless:  # a limit on a model is in the key's record, which is then read
                return {"revoked"} if scope == "model" and self.revoked else hopeless, set()
        if self.revoked:
            return {"revoked"}, set()
        hopeless = self.bounds["key"].hopeless(est, tokens, now)
        if hopeless:
            return hopeless, set()
        shadowed = set()
        under_way = sum(not call.booked for call in self.calls)
        for number, scope in enumerate(self.scopes):
            bounds = self.bounds[scope]
            over = bounds.exceeded(est, tokens, now, self.used(scope, now), under_way)
            if over - bounds.shadow:
                for before in self.scopes[:number]:
                    self.bounds[before].counted["tokens", now // DAY] -= tokens  # given back
                    self.bounds[before].counted["tokens an hour", now // HOUR] -= tokens
                return over - bounds.shadow, set()
            bounds.count(tokens, now, over)  # the key has counted it, whatever the team decides
            shadowed |= over
        return set(), shadowed


REFUSED = {
    "requests": "requestsPerMinute",
    "requests_hour": "requestsPerHour",
    "requests_day": "requestsPerDay",
    "tokens_hour": "tokensPerHour",
    "tokens_day": "tokensPerDay",
    "parallel": "maxParallelRequests",
}
FEW = st.one_of(st.none(), st.integers(1, 8))
MONEY = st.one_of(st.none(), st.integers(100, 4_000))
TOKENS = st.one_of(st.none(), st.integers(10, 100))
SHADOW = st.lists(
    st.sampled_from(
        [
            "requestsPerMinute",
            "requestsPerHour",
            "requestsPerDay",
            "tokensPerHour",
            "tokensPerDay",
            "maxParallelRequests",
            "budget",
        ]
    ),
    unique=True,
    max_size=3,
)
RAISES = st.one_of(st.none(), st.tuples(st.integers(1, 3_000), st.sampled_from([1, 60, 3_600, 90_000])))
RATES = st.sampled_from([6, 60, 600])
PLAIN = RATES.map(lambda rate: TierLimits(requests_per_minute=rate))
TIERS = st.fixed_dictionaries(
    {
        "requests_per_minute": RATES,
        "burst": FEW,
        "requests_per_hour": FEW,
        "requests_per_day": st.one_of(st.none(), st.integers(5, 30)),
        "tokens_per_hour": TOKENS,
        "tokens_per_day": TOKENS,
        "max_parallel_requests": FEW,
        "max_budget": MONEY.map(lambda micro: None if micro is None else micro / 1_000_000),
        "budget_duration": st.sampled_from(["daily", "weekly"]),
        "shadow": SHADOW.map(tuple),
    }
).map(lambda fields: TierLimits(**fields))


def sent_raise(raised: tuple[int, int] | None) -> dict[str, Any]:
    """The raise as an admin sends it."""
    told = None if raised is None else {"amount": raised[0] / 1_000_000, "until": rfc3339(raised[1])}
    return {"budget_raise": told}


class Machine(RuleBasedStateMachine):
    tables: Tables
    number = 0
    holds = Bundle("holds")

    @initialize(
        tier=PLAIN,
        key=st.one_of(st.none(), st.integers(100, 3_000)),
        team=st.integers(100, 5_000),
        more=st.tuples(st.one_of(st.none(), st.integers(100, 4_000)), st.one_of(st.none(), st.integers(100, 4_000))),
        durations=st.tuples(st.sampled_from(["daily", "total"]), st.sampled_from(["daily", "monthly", "weekly"])),
    )
    def begin(
        self,
        tier: TierLimits,
        key: int | None,
        team: int,
        more: tuple[int | None, int | None],
        durations: tuple[str, str],
    ) -> None:
        Machine.number += 1
        limits = [KeyLimits(max_budget=m, budget_duration=d) for m, d in zip((key, team), durations, strict=True)]
        tiers = {"free": tier, "enterprise": World.open_tier()}  # the last one is the admin's
        user, model = (None if m is None else KeyLimits(max_budget=m, budget_duration="daily") for m in more)
        self.world = World(
            self.tables,
            limits[0],
            team=limits[1],
            user=user,
            model_limits=(ModelLimits("gpt", "openai/gpt-4", model),) if model else (),
            tiers=tiers,
            key=f"key{Machine.number:04d}",
        )
        own, shared = ({"max_budget": m, "budget_duration": d} for m, d in zip((key, team), durations, strict=True))
        bounds = {"key": Bounds(key, durations[0]), "team": Bounds(team, durations[1])}
        bounds |= {name: Bounds(m, "daily") for name, m in zip(("user", "model"), more, strict=True) if m is not None}
        self.oracle = Oracle(tier, own, shared, bounds, team)
        self.oracle.settled()
        self.admin = Keys(
            self.world.keys, self.world.limits_store, self.world.tiers.__getitem__, lambda: self.world.now / 1_000_000
        )
        self.teams = Teams(self.world.keys, self.world.limits_store, lambda: self.world.now / 1_000_000)
        self.delivered: list[dict[str, Any]] = []
        self.changes: list[dict[str, Any]] = []

    @rule(by=st.sampled_from([1, 999, 250_000, 1_000_000, 10_000_000, MINUTE, 7 * MINUTE, HOUR, DAY + HOUR]))
    def time_passes(self, by: int) -> None:
        self.world.now += by

    @rule(target=holds, est=st.integers(1, 1_500), tokens=st.integers(0, 40))
    def admit(self, est: int, tokens: int) -> Any:
        wanted, shadowed = self.oracle.expected(est, tokens, self.world.now)
        hold, became = None, None
        try:
            hold = self.world.admit(self.world.ledger(), est, tokens)
        except Unauthorized:
            became = "revoked"
        except BudgetExceeded:
            became = "budget"
        except RateLimited as error:
            became = "budget" if error.code == "budget_held" else REFUSED[error.details["dimension"]]
        assert (became in wanted) if wanted else (became is None)
        if hold is None:
            return None
        reported = {each.name for admitted in hold.admitted for each in admitted.shadowed}
        assert reported == shadowed
        call = Call(hold, est, tokens, self.world.now // DAY)
        call.budgets = {scope: self.oracle.enforced_budget(scope) for scope in call.scopes}
        assert call.scopes == self.oracle.scopes
        self.oracle.calls.append(call)
        return call

    @rule(call=holds, part=st.floats(0, 1), fate=st.sampled_from(["ok", "ok", "drop", "lose"]), at=st.integers(1, 5))
    def settle(self, call: Call | None, part: float, fate: str, at: int) -> None:
        """Also a second time, and also after it was swept. A request or a reply may be lost at any of its writes."""
        if call is None or call.lost:
            return
        actual = int(call.est * part)
        self.world.ledger(self._struck(fate, at)).settle(call.hold, paid(actual))
        if call.state != "OPEN" or (fate == "drop" and at == 1):
            return
        call.state, call.actual = "SETTLED", actual
        if fate == "lose" and at == 1:
            return  # nobody knows that it was settled
        for number, scope in enumerate(call.scopes, start=2):
            if (fate, at) != ("drop", number) and call.day == self.world.now // DAY:
                self.oracle.bounds[scope].counted["tokens", call.day] += PAID_TOKENS - call.tokens
                hour = call.hold.row.created // HOUR
                if hour == self.world.now // HOUR:
                    self.oracle.bounds[scope].counted["tokens an hour", hour] += PAID_TOKENS - call.tokens
        if fate == "drop" and at <= len(call.scopes) + 1:
            # Not every item got its release. The oracle books it after the reconcile has corrected that.
            self._reconciled_soon(call)
            return
        call.booked = True

    def _struck(self, fate: str, at: int) -> Database:
        """The database, in which one request or one reply is lost."""
        if fate == "drop":
            return DroppingDatabase(self.tables.database, lambda _operation, number: number == at)
        if fate == "lose":
            return LossyDatabase(self.tables.database, lambda _operation, number: number == at)
        return self.tables.database

    @rule(call=holds, more=st.integers(1, 1_500), fate=st.sampled_from(["ok", "drop", "lose"]), at=st.integers(1, 9))
    def top_up(self, call: Call | None, more: int, fate: str, at: int) -> None:
        """Changes items first, then the row. The amount is given back if that is known to be safe. It is also called
        for a call that has ended, and then does nothing."""
        if call is None or call.lost:
            return
        if call.state != "OPEN":
            fate = "ok"
        asked = list[str]()
        full = next((each for each in call.scopes if not self._room(call, each, more)), None)
        for number, scope in enumerate(call.scopes, start=1):
            if scope == full or (number == at and fate != "ok"):
                break
            asked.append(scope)
        whole = len(asked) == len(call.scopes) and call.state == "OPEN" and (fate == "ok" or at != len(asked) + 1)
        try:
            call.hold = self.world.ledger(self._struck(fate, at)).top_up(call.hold, more)
        except (BudgetExceeded, RateLimited, StoreUnavailable):
            assert not whole
        else:
            assert whole
            call.est += more
            return
        if call.state != "OPEN" or fate == "ok":
            return
        if len(asked) == len(call.scopes):  # the loss hit the write of the row
            call.lost = fate == "lose"
            call.est += more if call.lost else 0
            call.stray.update(dict.fromkeys([] if call.lost else call.scopes, more))
        elif at == len(asked) + 1:  # it hit the write of an item, which may have been full as well
            struck = call.scopes[len(asked)]
            call.stray[struck] += more if fate == "lose" and struck != full else 0
        elif fate == "drop" and len(asked) + 1 < at <= 2 * len(asked) + 1:  # a write that would have given back
            call.stray[asked[-(at - len(asked) - 1)]] += more

    def _room(self, call: Call, scope: str, more: int) -> bool:
        budget = raised_budget(*call.budgets[scope], self.world.now)
        return budget is None or self.oracle.used_in(scope, call.windows[scope]) + more <= budget

    @rule(call=holds, part=st.floats(0, 1), fate=st.sampled_from(["ok", "drop", "lose"]), at=st.integers(1, 5))
    def lower(self, call: Call | None, part: float, fate: str, at: int) -> None:
        """Changes the row first, then items."""
        if call is None or call.lost:
            return
        est = int(call.est * part)
        less = call.est - est
        call.hold = self.world.ledger(self._struck(fate, at)).lower(call.hold, est)
        if call.state != "OPEN" or not less or (fate == "drop" and at == 1):
            return
        call.est = est
        if fate == "lose" and at == 1:  # only the sweeper sees that the row was lowered
            call.lost = True
            call.stray.update(dict.fromkeys(call.scopes, less))
        elif fate == "drop" and at <= len(call.scopes) + 1:
            call.stray[call.scopes[at - 2]] += less

    def _reconciled_soon(self, call: Call) -> None:
        """Moves the clock past the call's hour and reconciles, so that both items are correct again."""
        self.world.now = max(self.world.now, call.hour_ends + 6 * MINUTE)
        self.sweep()
        self.reconcile()

    @rule()
    def sweep(self) -> None:
        due = self.world.now // MINUTE - 3
        waiting = sorted({call.hold.row.created // MINUTE for call in self.oracle.calls if call.state == "OPEN"})
        for minute in waiting:
            if minute <= due:
                # As the run of that minute would have found it, because days without calls are skipped here.
                SweepCursor(self.tables.database, self.tables["state"]).write(minute - 1)
                self.world.sweeper().sweep()
        for call in self.oracle.calls:
            if call.state == "OPEN" and call.hold.row.created // MINUTE <= due:
                call.state, call.actual, call.booked = "EXPIRED", call.est, True

    @rule()
    def reconcile(self) -> None:
        self.world.reconcile()
        over = [
            call
            for call in self.oracle.calls
            if call.hold.admitted[0].windows.booking.ends + 5 * MINUTE <= self.world.now
        ]
        for call in over:
            hour = call.hold.row.hour
            if not any(other.state == "OPEN" for other in over if other.hold.row.hour == hour):
                call.booked = True
                call.stray.clear()

    @rule(
        budget=MONEY,
        hour=FEW,
        day=FEW,
        tokens=TOKENS,
        tokens_an_hour=TOKENS,
        burst=FEW,
        parallel=FEW,
        shadow=SHADOW,
        more=RAISES,
    )
    def change_the_key(
        self,
        budget: int | None,
        hour: int | None,
        day: int | None,
        tokens: int | None,
        tokens_an_hour: int | None,
        burst: int | None,
        parallel: int | None,
        shadow: list[str],
        more: tuple[int, int] | None,
    ) -> None:
        if not self.oracle.revoked:
            own: dict[str, Any] = {
                "rph_limit": hour,
                "rpd_limit": day,
                "burst_limit": burst,
                "max_parallel_requests": parallel,
            }
            own |= {"tph_limit": tokens_an_hour}
            own |= {"tpd_limit": tokens, "shadow": shadow, "budget_duration": self.oracle.own["budget_duration"]}
            dollars = {"max_budget": None if budget is None else budget / 1_000_000}
            raised = self._raised(more)
            self.admin.change(self.world.key, own | dollars | sent_raise(raised), ADMIN)
            self.oracle.own = own | {"max_budget": budget, "raised": raised}
            self.oracle.settled()

    def _raised(self, more: tuple[int, int] | None) -> tuple[int, int] | None:
        """Raises by this amount, for this many seconds from now on."""
        return None if more is None else (more[0], self.world.now // 1_000_000 + more[1])

    @rule(budget=st.integers(100, 4_000), hour=FEW, day=FEW, tokens=TOKENS, parallel=FEW, shadow=SHADOW, more=RAISES)
    def change_the_team(
        self,
        budget: int,
        hour: int | None,
        day: int | None,
        tokens: int | None,
        parallel: int | None,
        shadow: list[str],
        more: tuple[int, int] | None,
    ) -> None:
        limits: dict[str, Any] = {
            "rph_limit": hour,
            "rpd_limit": day,
            "max_parallel_requests": parallel,
            "shadow": shadow,
        }
        limits["tpd_limit"] = tokens
        raised = self._raised(more)
        dollars = {"max_budget": budget / 1_000_000} | sent_raise(raised)
        self.teams.change(self.world.team_id, limits | dollars, ADMIN)
        self.oracle.team = limits | {"max_budget": budget, "raised": raised}
        self.oracle.settled()

    @rule(tier=st.one_of(PLAIN, TIERS))
    def change_the_config(self, tier: TierLimits) -> None:
        self.world.tiers["free"] = self.oracle.tier = tier
        self.oracle.settled()

    @rule(chance=st.integers(0, 9))
    def revoke(self, chance: int) -> None:
        if chance == 0:
            self.admin.revoke(self.world.key, ADMIN)
            self.oracle.revoked = True

    @rule(seed=st.integers(0, 10_000))
    def deliver(self, seed: int) -> None:
        """The stream's records so far: some of them again, in any order, in batches of any size."""
        choice = random.Random(seed)
        seen = {record["rid"] for record in self.changes}
        self.changes += [row for row in self.world.rows() if row["state"] != "OPEN" and row["rid"] not in seen]
        batch = [row for row in self.changes if row not in self.delivered or choice.random() < 0.3]
        choice.shuffle(batch)
        self._consume(batch)
        self.delivered += [row for row in batch if row not in self.delivered]

    def _consume(self, rows: list[dict[str, Any]]) -> None:
        rollup = consumer(self.tables)
        records = [
            {"eventName": "MODIFY", "dynamodb": {"SequenceNumber": f"{number:08d}", "NewImage": to_item(row)}}
            for number, row in enumerate(rows)
        ]
        assert (
            drive(records, lambda batch: {"batchItemFailures": [{"itemIdentifier": n} for n in rollup.apply(batch)]})
            == []
        )

    @invariant()
    def every_sum_is_the_oracle_s(self) -> None:
        if not hasattr(self, "oracle"):
            return
        for scope in self.oracle.scopes:
            item = self.world.item(self.world.accounts[scope])
            for window in {call.windows[scope] for call in self.oracle.calls}:
                mine = [call for call in self.oracle.calls if call.windows[scope] == window]
                if f"used_{window}" not in item:  # deleted long ago, or nothing was ever held
                    continue
                spent = sum(call.actual for call in mine if call.booked)
                held = sum(call.est for call in mine if not call.booked) + sum(call.stray[scope] for call in mine)
                assert (item.get(f"spent_{window}", 0), item[f"used_{window}"]) == (spent, spent + held)
            today = self.world.now // DAY
            tokens = item.get(f"t_{Windows.at(self.world.now).day}", 0)
            assert tokens == self.oracle.bounds[scope].counted["tokens", today]
            tokens = item.get(f"k_{Windows.at(self.world.now).hour}", 0)
            assert tokens == self.oracle.bounds[scope].counted["tokens an hour", self.world.now // HOUR]
            assert item.get("inflight", 0) == sum(not call.booked for call in self.oracle.calls)

    def teardown(self) -> None:
        if not hasattr(self, "oracle"):
            return
        self.world.now += 2 * DAY
        self.sweep()
        self.reconcile()
        assert all(call.booked for call in self.oracle.calls)
        self.every_sum_is_the_oracle_s()
        self.deliver(0)
        days = {f"{call.hold.row.minute[:10]}" for call in self.oracle.calls}
        usage = UsageStore(self.tables.database, self.tables["usage"])
        costs = sum(item.get("*|*|cost", 0) for day in days for item in usage.between(day, day, self.world.key))
        assert costs == sum(call.actual for call in self.oracle.calls)


def test_every_decision_and_every_sum_is_the_oracle_s(tables: Tables) -> None:
    class Here(Machine):
        pass

    Here.tables = tables
    run_state_machine_as_test(
        Here,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=25,
            deadline=None,
            derandomize=not os.environ.get("PROVE"),
            # Shrinking takes minutes; it is only done with PROVE=1.
            phases=list(Phase) if os.environ.get("PROVE") else [Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )
