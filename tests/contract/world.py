"""A ledger over real tables: a key, perhaps in a team, a clock that tests move, and the sums that must be right."""

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from gateway.config.document import TierLimits
from gateway.dynamodb.attributes import from_item
from gateway.dynamodb.client import Database
from gateway.identity.account_ids import model_item, team_item, user_item
from gateway.identity.caller import Caller, KeyLimits, ModelLimits
from gateway.identity.store import KeyRecord, KeyStore, TeamRecord, UserRecord
from gateway.identity.verification import KeyReader
from gateway.ledger.admission import Booking
from gateway.ledger.closing.reconcile import Reconciled, Reconciler
from gateway.ledger.closing.sweep_store import SweepCursor
from gateway.ledger.closing.sweeper import Sweeper
from gateway.ledger.holds import AdmissionRequest, Hold, Outcome
from gateway.ledger.ledger import Ledger
from gateway.ledger.limits_store import LimitsStore
from gateway.ledger.rows_store import OPEN, RowStore, accounts_of
from gateway.models.usage import Usage
from tests.contract.conftest import Tables

NOW = 1_800_000_000_000_000
SEEDS = range(200 if os.environ.get("PROVE") else 3)
TIERS = {
    "free": TierLimits(requests_per_minute=10),
    "basic": TierLimits(requests_per_minute=100),
    "premium": TierLimits(requests_per_minute=1_000, burst=100),
    "enterprise": TierLimits(requests_per_minute=10_000, burst=100),
}


@dataclass
class World:
    """A ledger over real tables, a key, and a clock that tests move (microseconds)."""

    tables: Tables
    limits: KeyLimits = field(default_factory=KeyLimits)
    tier: str = "free"
    now: int = NOW
    clock: Callable[[], int] | None = None
    tiers: dict[str, TierLimits] = field(default_factory=lambda: dict(TIERS))
    count: int = 0
    team: KeyLimits | None = None
    user: KeyLimits | None = None
    model_limits: tuple[ModelLimits, ...] = ()
    aliases: dict[str, str] = field(default_factory=dict)
    key: str = "key1"

    def __post_init__(self) -> None:
        self.keys = KeyStore(self.tables.database, self.tables["api-keys"])
        self.limits_store = LimitsStore(self.tables.database, self.tables["limits"], self.tables["api-keys"])
        self.row_store = RowStore(self.tables.database, self.tables["request-analytics"])
        if self.team is not None:
            self.caller_team = TeamRecord(self.team_id, "Blue", "2026-11-24T00:00:00.000Z", limits=self.team)
            self.keys.create_team(self.caller_team)
        if self.user is not None:
            self.caller_user = UserRecord(self.user_id, "", "2026-11-24T00:00:00.000Z", limits=self.user)
            self.keys.create_user(self.caller_user)
        self.record = KeyRecord(
            id=self.key,
            digest="0" * 64,
            name="test",
            tier=self.tier,
            scopes=("completions",),
            created="2026-11-24T00:00:00.000Z",
            team_id=self.team_id,
            user_id=self.user_id,
            limits=self.limits,
            model_limits=self.model_limits,
        )
        self.keys.create(self.record)
        self.lock = threading.Lock()

    @staticmethod
    def open_tier() -> TierLimits:
        """A tier whose rate no test reaches."""
        return TierLimits(requests_per_minute=1_000_000)

    @property
    def team_id(self) -> str:
        return "" if self.team is None else f"team-of-{self.key}"

    @property
    def user_id(self) -> str:
        return "" if self.user is None else f"user-of-{self.key}"

    @property
    def accounts(self) -> dict[str, str]:
        """The items of `limits` that may exist, by scope; of models only the first."""
        models = [model_item(self.key, each.name) for each in self.model_limits]
        return {
            "key": self.key,
            "model": models[0] if models else "",
            "user": user_item(self.user_id),
            "team": team_item(self.team_id),
        }

    @property
    def caller(self) -> Caller:
        """The key as an authorizer has cached it, from the records that the test stored last."""
        return self.record.caller(
            self.caller_team if self.team is not None else None,
            user=self.caller_user if self.user is not None else None,
        )

    def ledger(self, database: Database | None = None, keys: KeyReader | None = None) -> Ledger:
        """A container's ledger, with its own memory."""
        used = database or self.tables.database
        limits = LimitsStore(used, self.tables["limits"], self.tables["api-keys"])
        rows = RowStore(used, self.tables["request-analytics"])
        clock = self.clock or (lambda: self.now)
        return Ledger(limits, rows, keys or self.keys, clock, targets=lambda name, _rule: self.aliases.get(name))

    def request(self, est: int = 100, tokens: int = 10, seconds: int = 60) -> AdmissionRequest:
        with self.lock:
            self.count += 1
            rid = f"req_{self.key}_{self.count:06d}"
        now = self.clock() if self.clock else self.now
        return AdmissionRequest(rid, "gpt-4", "openai/gpt-4", "openai", est, tokens, now // 1_000_000 + seconds)

    def admit(self, ledger: Ledger, est: int = 100, tokens: int = 10, seconds: int = 60) -> Hold:
        """A call that may take this many seconds."""
        return ledger.admit(self.caller, self.tiers.__getitem__, self.request(est, tokens, seconds))

    def item(self, account: str | None = None) -> dict[str, Any]:
        return self.limits_store.get(account or self.key)

    def rows(self) -> list[dict[str, Any]]:
        reply = self.tables.database.call("Scan", {"TableName": self.tables["request-analytics"]})
        return [row for row in map(from_item, reply["Items"]) if row["key"] == self.key]

    def sweeper(self, database: Database | None = None) -> Sweeper:
        cursor = SweepCursor(self.tables.database, self.tables["state"])
        used = database or self.tables.database
        limits = LimitsStore(used, self.tables["limits"], self.tables["api-keys"])
        return Sweeper(RowStore(used, self.tables["request-analytics"]), limits, cursor, lambda: self.now)

    def reconcile(self) -> Reconciled:
        return Reconciler(self.limits_store, self.row_store, lambda: self.now).reconcile()

    def sums(self) -> dict[str, dict[str, tuple[int, int]]]:
        """The sums of the rows, by item of `limits` and budget window: micro-dollars spent, and held by OPEN rows."""
        sums: dict[str, dict[str, tuple[int, int]]] = {}
        for row in self.rows():
            for account, window in accounts_of(row):
                spent, held = sums.setdefault(account, {}).get(window, (0, 0))
                held += row["est"] if row["state"] == OPEN else 0
                sums[account][window] = (spent + row.get("actual", 0), held)
        return sums

    def drift(self) -> dict[str, int]:
        """The micro-dollars by which an item's sums differ from its rows, by item and window; only differences."""
        wrong: dict[str, int] = {}
        for account, windows in self.sums().items():
            item = self.item(account)
            for window, (spent, held) in windows.items():
                names = Booking("", window)
                for name, right in ((names.spent, spent), (names.used, spent + held)):
                    if item.get(name, 0) != right:
                        wrong[f"{account} {name}"] = item.get(name, 0) - right
        return wrong


def paid(cost: int) -> Outcome:
    return Outcome(Usage(input_tokens=1, output_tokens=2), cost, 0, "ok", 5)


def at_once(threads: int, work: Callable[[], None]) -> None:
    started = [threading.Thread(target=work) for _ in range(threads)]
    for thread in started:
        thread.start()
    for thread in started:
        thread.join()
