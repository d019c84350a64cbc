"""The ledger as a state machine on DynamoDB Local, against an oracle in plain arithmetic.

Whatever the order of admissions, settlements, deaths, lost requests and replies, sweeps, reconciles, revocations,
changes of the config and of the clock: every decision is the oracle's, every sum is the oracle's, and the bill counts
each row once.
"""

import os
import random
from dataclasses import dataclass, field
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from gateway.domain.admission import Windows
from gateway.domain.config import TierLimits
from gateway.domain.identity import KeyLimits
from gateway.errors import BudgetExceeded, RateLimited, Unauthorized
from gateway.services.keys import Keys
from gateway.services.ledger import Hold
from gateway.services.rollup import Rollup
from gateway.stores.attributes import to_item
from gateway.stores.dynamodb import Database
from gateway.stores.sweep import SweepCursor
from gateway.stores.usage import UsageStore
from tests.contract.conftest import DroppingDatabase, LossyDatabase, Tables
from tests.contract.test_keys import ADMIN
from tests.contract.world import NOW, World, paid
from tests.functions.stream_driver import drive

EXAMPLES = 200 if os.environ.get("PROVE") else 12
MINUTE, HOUR, DAY = 60_000_000, 3_600_000_000, 86_400_000_000


@dataclass
class Call:
    """What the oracle knows of an admitted call. `booked`: its release reached the items."""

    hold: Hold
    est: int
    state: str = "OPEN"
    actual: int = 0
    booked: bool = False


@dataclass
class Oracle:
    """Limits by plain arithmetic: a list of calls, and a bucket that drains."""

    rpm: int
    budgets: dict[str, int | None]
    durations: dict[str, str]
    level: int = 0  # microseconds until the bucket is empty
    drained: int = NOW
    revoked: bool = False
    calls: list[Call] = field(default_factory=list)

    def bucket(self, now: int) -> int:
        return max(0, self.level - (now - self.drained))

    def used(self, scope: str, now: int) -> int:
        window = Windows.at(now, self.durations[scope]).budget
        mine = [call for call in self.calls if self.window(scope, call) == window]
        return sum(call.actual if call.booked else call.est for call in mine)

    def window(self, scope: str, call: Call) -> str:
        return call.hold.row.window if scope == "key" else call.hold.row.team_window

    def expected(self, est: int, now: int) -> str:
        """What must become of a call: admitted, or refused for what."""
        if self.revoked:
            return "revoked"
        for scope in ("team", "key"):  # more than a whole budget is refused without a write
            limit = self.budgets[scope]
            if limit is not None and est > limit:
                return "money"
        step = MINUTE // self.rpm
        if self.bucket(now) + step > step * self.rpm:
            return "rate"
        if self.over("key", est, now):
            return "money"
        self.level, self.drained = self.bucket(now) + step, now  # the key's part is done, whatever the team says
        return "money" if self.over("team", est, now) else "admitted"

    def over(self, scope: str, est: int, now: int) -> bool:
        limit = self.budgets[scope]
        return limit is not None and self.used(scope, now) + est > limit


class Machine(RuleBasedStateMachine):
    tables: Tables
    number = 0
    holds = Bundle("holds")

    @initialize(
        rpm=st.sampled_from([6, 60, 600]),
        key=st.one_of(st.none(), st.integers(100, 3_000)),
        team=st.integers(100, 5_000),
        durations=st.tuples(st.sampled_from(["daily", "total"]), st.sampled_from(["daily", "monthly", "weekly"])),
    )
    def begin(self, rpm: int, key: int | None, team: int, durations: tuple[str, str]) -> None:
        Machine.number += 1
        tiers = {"free": TierLimits(requests_per_minute=rpm)}
        limits = [KeyLimits(max_budget=m, budget_duration=d) for m, d in zip((key, team), durations, strict=True)]
        self.world = World(self.tables, limits[0], team=limits[1], tiers=tiers, key=f"key{Machine.number:04d}")
        self.oracle = Oracle(rpm, {"key": key, "team": team}, {"key": durations[0], "team": durations[1]})
        self.admin = Keys(
            self.world.keys, self.world.limits_store, self.world.tiers.__getitem__, lambda: self.world.now / 1_000_000
        )
        self.delivered: list[dict[str, Any]] = []
        self.changes: list[dict[str, Any]] = []

    @rule(by=st.sampled_from([1, 999, 250_000, 1_000_000, 10_000_000, MINUTE, 7 * MINUTE, HOUR, DAY + HOUR]))
    def time_passes(self, by: int) -> None:
        self.world.now += by

    @rule(target=holds, est=st.integers(1, 1_500))
    def admit(self, est: int) -> Any:
        wanted = self.oracle.expected(est, self.world.now)
        hold, became = None, "admitted"
        try:
            hold = self.world.admit(self.world.ledger(), est)
        except Unauthorized:
            became = "revoked"
        except BudgetExceeded:
            became = "money"
        except RateLimited as error:
            became = "money" if error.code == "budget_held" else "rate"
        assert became == wanted
        if hold is None:
            return None
        call = Call(hold, est)
        self.oracle.calls.append(call)
        return call

    @rule(call=holds, part=st.floats(0, 1), fate=st.sampled_from(["ok", "ok", "drop", "lose"]), at=st.integers(1, 3))
    def settle(self, call: Call | None, part: float, fate: str, at: int) -> None:
        """Also a second time, also after it was swept; a request or a reply may get lost at any of its three writes."""
        if call is None:
            return
        actual = int(call.est * part)
        database: Database = self.tables.database
        if fate == "drop":
            database = DroppingDatabase(database, lambda _operation, number: number == at)
        elif fate == "lose":
            database = LossyDatabase(database, lambda _operation, number: number == at)
        self.world.ledger(database).settle(call.hold, paid(actual))
        if call.state != "OPEN" or (fate == "drop" and at == 1):
            return
        call.state, call.actual = "SETTLED", actual
        if fate == "lose" and at == 1:
            return  # nobody knows that it was settled
        if fate == "drop" and at > 1:
            # Only one of the two items got its release: the oracle books it when the reconcile has put that right.
            self._reconciled_soon(call)
            return
        call.booked = True

    def _reconciled_soon(self, call: Call) -> None:
        """Brings the clock past the call's hour and reconciles, so that both items are whole again."""
        self.world.now = max(self.world.now, call.hold.key.windows.booking.ends + 6 * MINUTE)
        self.sweep()
        self.reconcile()

    @rule()
    def sweep(self) -> None:
        due = self.world.now // MINUTE - 3
        waiting = sorted({call.hold.row.created // MINUTE for call in self.oracle.calls if call.state == "OPEN"})
        for minute in waiting:
            if minute <= due:
                # As the run of that minute would have found it: days without calls are not gone through here.
                SweepCursor(self.tables.database, self.tables["state"]).write(minute - 1)
                self.world.sweeper().sweep()
        for call in self.oracle.calls:
            if call.state == "OPEN" and call.hold.row.created // MINUTE <= due:
                call.state, call.actual, call.booked = "EXPIRED", call.est, True

    @rule()
    def reconcile(self) -> None:
        self.world.reconcile()
        over = [call for call in self.oracle.calls if call.hold.key.windows.booking.ends + 5 * MINUTE <= self.world.now]
        for call in over:
            hour = call.hold.row.hour
            if not any(other.state == "OPEN" for other in over if other.hold.row.hour == hour):
                call.booked = True

    @rule(budget=st.one_of(st.none(), st.integers(100, 4_000)))
    def change_the_budget(self, budget: int | None) -> None:
        if not self.oracle.revoked:
            body = {"max_budget": None if budget is None else budget / 1_000_000}
            self.admin.change(self.world.key, body | {"budget_duration": self.oracle.durations["key"]}, ADMIN)
            self.oracle.budgets["key"] = budget

    @rule(rpm=st.sampled_from([6, 60, 600]))
    def change_the_config(self, rpm: int) -> None:
        self.world.tiers["free"] = TierLimits(requests_per_minute=rpm)
        self.oracle.rpm = rpm

    @rule(chance=st.integers(0, 9))
    def revoke(self, chance: int) -> None:
        if chance == 0:
            self.admin.revoke(self.world.key, ADMIN)
            self.oracle.revoked = True

    @rule(seed=st.integers(0, 10_000))
    def deliver(self, seed: int) -> None:
        """The stream's records so far: some again, in any order, in batches of any size."""
        choice = random.Random(seed)
        seen = {record["rid"] for record in self.changes}
        self.changes += [row for row in self.world.rows() if row["state"] != "OPEN" and row["rid"] not in seen]
        batch = [row for row in self.changes if row not in self.delivered or choice.random() < 0.3]
        choice.shuffle(batch)
        self._consume(batch)
        self.delivered += [row for row in batch if row not in self.delivered]

    def _consume(self, rows: list[dict[str, Any]]) -> None:
        store = UsageStore(self.tables.database, self.tables["usage"], self.tables["state"])
        rollup = Rollup(store, now=lambda: self.world.now / 1_000_000, pause=lambda _seconds: None)
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
        for scope, account in (("key", self.world.key), ("team", f"team#{self.world.team_id}")):
            item = self.world.item(account)
            for window in {self.oracle.window(scope, call) for call in self.oracle.calls}:
                mine = [call for call in self.oracle.calls if self.oracle.window(scope, call) == window]
                if f"used_{window}" not in item:  # long gone, or nothing was ever held
                    continue
                spent = sum(call.actual for call in mine if call.booked)
                held = sum(call.est for call in mine if not call.booked)
                assert (item.get(f"spent_{window}", 0), item[f"used_{window}"]) == (spent, spent + held)
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
        day = to_item({"pk": f"key#{self.world.key}"})["pk"]
        query = {
            "TableName": self.tables["usage"],
            "KeyConditionExpression": "pk = :pk",
            "ExpressionAttributeValues": {":pk": day},
        }
        billed = self.tables.database.call("Query", query)["Items"]
        costs = sum(int(item["*|*|cost"]["N"]) for item in billed if "*|*|cost" in item)
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
            # Shrinking takes minutes; PROVE=1 does it.
            phases=list(Phase) if os.environ.get("PROVE") else [Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )
