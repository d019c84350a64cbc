"""Two measurements for the README, on DynamoDB Local with 50 threads: calls against a limit, money against a budget.

The ledger is the one that is deployed, the clock is the machine's, each thread is its own container. The
figures are kept in docs/pictures/measured.json, so that the pictures can be drawn again without another run.
"""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Callable
from typing import Any

from gateway.config.document import TierLimits
from gateway.errors import BudgetExceeded, RateLimited
from gateway.identity.caller import KeyLimits
from tests.contract.tables import Pool, Tables
from tests.contract.world import World, at_once, paid
from tools import dynamodb_local
from tools.local.emulator import ROOT

SEEN = ROOT / "docs" / "pictures" / "measured.json"
THREADS, SECONDS = 50, 6.0
A_MINUTE, BURST = 600, 60
BUDGET, MOST_A_CALL = 1_000_000, 15_000  # micro-dollars


def measure() -> dict[str, Any]:
    """Both runs; writes what was seen."""
    with dynamodb_local.running() as endpoint:
        pool = Pool(endpoint)
        _warm(pool.take())
        seen = {"threads": THREADS, "limit": _limit(pool.take()), "budget": _budget(pool.take())}
    SEEN.parent.mkdir(exist_ok=True)
    SEEN.write_text(json.dumps(seen, separators=(",", ":")) + "\n", encoding="utf-8")
    return seen


def _warm(tables: Tables) -> None:
    """DynamoDB Local is slow until its code is compiled: that is not measured."""
    world, goes_on = World(tables, tiers={"free": World.open_tier()}, clock=_clock), _until(3.0, time.monotonic())

    def container() -> None:
        ledger = world.ledger()
        while goes_on():
            ledger.settle(world.admit(ledger), paid(1))

    at_once(THREADS, container)


def _clock() -> int:
    return time.time_ns() // 1_000


def _until(seconds: float, started: float) -> Callable[[], bool]:
    return lambda: time.monotonic() - started < seconds


def _limit(tables: Tables) -> dict[str, Any]:
    """Each thread asks without a pause, except for 30 ms after a refusal. Seconds at which calls were asked for and let
    in."""
    tiers = {"free": TierLimits(requests_per_minute=A_MINUTE, burst=BURST)}
    world = World(tables, tiers=tiers, clock=_clock)
    started, asked, admitted = time.monotonic(), [], []

    def container() -> None:
        ledger, goes_on = world.ledger(), _until(SECONDS, started)
        while goes_on():
            asked.append(time.monotonic() - started)
            try:
                world.admit(ledger)
            except RateLimited:
                time.sleep(0.03)
            else:
                admitted.append(time.monotonic() - started)

    at_once(THREADS, container)
    return {
        "per_minute": A_MINUTE,
        "burst": BURST,
        "asked": len(asked),
        "asked_at": _thinned(sorted(asked)),
        "admitted_at": [round(each, 3) for each in sorted(admitted)],
    }


def _thinned(times: list[float]) -> list[list[float]]:
    """Some fifty of many times, each with how many had come by then."""
    step = max(len(times) // 50, 1)
    return [[round(times[at], 3), at + 1] for at in range(0, len(times), step)]


def _budget(tables: Tables) -> dict[str, Any]:
    """Calls hold 1.5 cents, take 0.2 to 0.8 s, and cost up to what they hold. The key's item is read all the while."""
    own = KeyLimits(max_budget=BUDGET, budget_duration="total")
    world = World(tables, own, tiers={"free": World.open_tier()}, clock=_clock)
    started, counted = time.monotonic(), {"admitted": 0, "refused": 0}
    moments: list[list[float]] = []
    ended, lock = threading.Event(), threading.Lock()

    def look() -> None:
        while not ended.is_set():
            item = world.item()
            used, spent = item.get("used_total", 0), item.get("spent_total", 0)
            moments.append([round(time.monotonic() - started, 3), spent, used - spent])
            time.sleep(0.05)

    def container() -> None:
        ledger, goes_on, chance = world.ledger(), _until(SECONDS, started), random.Random(threading.get_ident())  # noqa: S311
        while goes_on():
            try:
                hold = world.admit(ledger, MOST_A_CALL)
            except (RateLimited, BudgetExceeded):
                with lock:
                    counted["refused"] += 1
                time.sleep(0.1)
                continue
            with lock:
                counted["admitted"] += 1
            time.sleep(chance.uniform(0.2, 0.8))
            ledger.settle(hold, paid(chance.randrange(MOST_A_CALL + 1)))

    looking = threading.Thread(target=look)
    looking.start()
    at_once(THREADS, container)
    ended.set()
    looking.join()
    return {"limit": BUDGET, "held_by_a_call": MOST_A_CALL, **counted, "moments": moments}
