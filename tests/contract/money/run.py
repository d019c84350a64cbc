"""One run of the proof. There are keys of users of a team, all with budgets, and many callers at once. Two servers of
the streaming door run, and one of them is killed. The functions of the other door run in this process. An observer
reads the accounts during the run."""

from __future__ import annotations

import random
import re
import threading
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from gateway.ledger.limits_store import LimitsStore
from tests.contract.front import Gateway
from tests.contract.money.callers import Read, ask
from tests.contract.money.drawn import Call, drawn
from tests.contract.money.owed import MODELS
from tests.contract.streaming_server import Server, until
from tests.upstream import Steer
from tests.upstream.delivered import Delivery
from tests.upstream.server import Seen

TEAM, USERS, KEYS = "crew", ("ann", "bob"), 5
CALLERS = 16  # callers at once
_MARK = re.compile(rb"call-\d+-\d+-")
_A_CALL = 1_000  # micro-dollars that a call costs on average: budgets are drawn around the cost of all calls


@dataclass(slots=True)
class Account:
    """An item of `limits` with a budget, in micro-dollars."""

    id: str
    budget: int
    most: int = 0  # the highest use that the observer saw


@dataclass
class Run:
    gateway: Gateway
    seed: int
    calls: list[Call]
    reads: dict[int, list[Read]] = field(default_factory=lambda: defaultdict(list))
    sent: dict[str, list[Delivery]] = field(default_factory=lambda: defaultdict(list))
    looks: int = 0
    _sorted: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)
    wrong: list[str] = field(default_factory=list)  # what the observer saw

    @classmethod
    def of(cls, gateway: Gateway, seed: int, calls: int, doomed: int) -> Run:
        run = cls(gateway, seed, drawn(seed, calls, doomed=doomed, callers=KEYS))
        run._prepare()
        return run

    def _prepare(self) -> None:
        gateway, chance = self.gateway, random.Random(-self.seed - 1)
        configured(gateway)
        whole = _A_CALL * len(self.calls)
        self.accounts: dict[str, Account] = {}

        def limited(share: float) -> dict[str, Any]:
            return {"max_budget": round(share * whole) / 1e6, "budget_duration": "total"}

        def known(name: str, said: dict[str, Any]) -> None:
            self.accounts[name] = Account(name, round(said["max_budget"] * 1e6))

        said = limited(chance.uniform(0.8, 1.0))
        assert gateway.post("/api/v1/admin/teams", {"id": TEAM, "name": TEAM} | said).status == 201
        known(f"team#{TEAM}", said)
        for user in USERS:
            said = limited(chance.uniform(0.3, 0.7))
            reply = gateway.ask("PUT", f"/api/v1/admin/users/{user}", {"name": user} | said)
            assert reply.status in (200, 201), reply.text
            known(f"user#{user}", said)
        self.keys: list[tuple[str, str]] = []
        for number in range(KEYS):
            said = limited(chance.uniform(0.08, 0.4))
            text, id = gateway.new_key(team_id=TEAM, user_id=USERS[number % len(USERS)], **said)
            known(id, said)
            self.keys.append((text, id))
        self.limits = LimitsStore(gateway.tables.database, gateway.tables["limits"], gateway.tables["api-keys"])
        self._steers = {call.mark: call.steers for call in self.calls}
        gateway.fake.decide = self._decide

    def _decide(self, seen: Seen) -> Steer:
        mark = self.mark_of(seen)
        steers, before = self._steers[mark], len(self.deliveries(mark))
        return steers[min(before, len(steers) - 1)]

    @staticmethod
    def mark_of(seen: Seen) -> str:
        found = _MARK.search(seen.raw)
        assert found is not None, seen
        return found[0].decode()

    def deliveries(self, mark: str) -> list[Delivery]:
        """The fake's deliveries for a call, one for each attempt, in order."""
        with self._lock:
            for each in self.gateway.fake.deliveries[self._sorted :]:
                self._sorted += 1
                self.sent[self.mark_of(each.seen)].append(each)
            return list(self.sent[mark])

    def make(self, first: Server, second: Server) -> None:
        """Makes all calls. The first server is killed when all calls except the doomed ones have ended."""
        half = len(self.calls) // 2
        with self._observed():
            doomed = [self._started(call, first) for call in self.calls[:half] if call.doomed]
            self._all([(call, first if call.number % 2 else second) for call in self.calls[:half] if not call.doomed])
            until(self._settled, "all but the doomed calls end")
            first.process.kill()
            first.process.wait()
            for thread in doomed:
                thread.join()
            self._all([(call, second) for call in self.calls[half:] if not call.doomed])
            until(self._settled, "all but the doomed calls end")

    def _settled(self) -> bool:
        """Whether no call is in progress except those that wait forever, by their rows and by the held amounts."""
        if not all(self._stands(call) for call in self.calls[: len(self.calls) // 2] if call.doomed):
            return False
        under_way = [row for row in self.gateway.rows() if row["state"] == "OPEN"]
        doomed = {call.mark for call in self.calls if call.doomed}
        return {row["correlation"] for row in under_way} <= doomed and all(
            self._held(account) == sum(row["est"] for row in held_by(account, under_way))
            for account in self.accounts.values()
        )

    def _held(self, account: Account) -> int:
        item = self.limits.get(account.id)
        return int(item.get("used_total", 0) - item.get("spent_total", 0))

    def _stands(self, call: Call) -> bool:
        """Whether a doomed call was refused, or waits for a provider that sends nothing more."""
        if self.reads[call.number]:
            return True
        sent = self.deliveries(call.mark)
        return bool(sent) and (sent[-1].held or sent[-1].steer.delay > 0 or sent[-1].ended)

    def _started(self, call: Call, server: Server) -> threading.Thread:
        thread = threading.Thread(target=self._call, args=(call, server), daemon=True)
        thread.start()
        return thread

    def _all(self, calls: list[tuple[Call, Server]]) -> None:
        waiting, lock = list(reversed(calls)), threading.Lock()

        def work() -> None:
            while True:
                with lock:
                    if not waiting:
                        return
                    call, server = waiting.pop()
                self._call(call, server)

        threads = [threading.Thread(target=work) for _ in range(CALLERS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _call(self, call: Call, server: Server) -> None:
        text = self.keys[call.caller][0]
        for _ in range(2 if call.twice else 1):
            if call.buffered:
                headers = {"x_correlation_id": call.mark} | ({"idempotency_key": call.mark} if call.twice else {})
                reply = self.gateway.ask("POST", call.path, call.asked.body, key=text, **headers)
                rid = reply.headers.get("x-gateway-request-id", "")
                read = Read(reply.status, rid, reply.text.encode(), ended=True)
            else:
                key = call.mark if call.twice else ""
                read = ask(server.port, text, call, lambda: self.deliveries(call.mark), idempotency=key)
            self.reads[call.number].append(read)

    @contextmanager
    def _observed(self) -> Iterator[None]:
        """The accounts are read again and again during the run."""
        over = threading.Event()

        def observe() -> None:
            while not over.is_set():
                for account in self.accounts.values():
                    self._look(account)
                over.wait(0.02)

        observer = threading.Thread(target=observe)
        observer.start()
        try:
            yield
        finally:
            over.set()
            observer.join()

    def _look(self, account: Account) -> None:
        item = self.limits.get(account.id)
        used, spent = item.get("used_total", 0), item.get("spent_total", 0)
        self.looks += 1
        account.most = max(account.most, used)
        if not 0 <= spent <= used <= account.budget:
            self.wrong.append(f"{account.id}: spent {spent}, used {used}, of {account.budget}")


def held_by(account: Account, rows: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The rows whose money an account holds."""
    return [row for row in rows if account.id in (row["key"], *(each["id"] for each in row["accounts"]))]


def configured(gateway: Gateway) -> None:
    """The models and prices of this proof, as a gateway's config."""
    gateway.fake.secrets[f"{gateway.tables.prefix}/providers/acme-key"] = "sk-acme"
    reply = gateway.post("/api/v1/admin/config", _config(gateway))
    assert reply.status == 200, reply.text
    gateway.restart()


def _config(gateway: Gateway) -> dict[str, Any]:
    models, prices = {}, {}
    for name, model in MODELS.items():
        models[name] = {each: model[each] for each in ("target", "endpoint", "regions") if each in model}
        # In the price list an end of life is a date; this proof has none.
        prices[model["target"]] = model["price"] | {"ends": "2099-01-01"}
    prices["acme/big-model"] |= {"capabilities": ["streaming"]}
    return {
        "vendors": {"acme": {"baseUrl": gateway.fake.openai_url, "secret": "acme-key"}},
        "models": models,
        "prices": prices,
        "circuitBreaker": {"failureThreshold": 10_000},
    }
