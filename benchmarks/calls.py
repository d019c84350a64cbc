"""The cost of a paid call, compared with a bare proxy that only passes it on: CPU by process, and the time added to the
median of an upstream that answers at once. All in one run, in alternating rounds, so that the ratios are right. The
proxy stands on httpx and uvicorn. Next to it is one on httpx2, the successor of httpx, which takes less.

Ours is the whole function, from the event to the answer: key, config, limits, ledger, breaker, provider, log, metrics.
Its DynamoDB answers at once too: on AWS each exchange that a call waits for takes 2 to 5 ms.

Run: python benchmarks/calls.py [another checkout of the project, which is measured in the same rounds]
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

ROOT = Path(__file__).parent.parent
# A script's own folder stands on the path, not the project's: what is imported from it comes behind this.
sys.path[:0] = [str(ROOT), str(ROOT / "shared")]

from benchmarks.parts.place import MODELS, PATH, Function, Place, Server, bare_proxy, function, place  # noqa: E402

ROUNDS, CALLS, WARM_UP, COUNTED = 12, 100, 200, 20
BARE = "httpx"  # what the others are compared with
BODY = {"max_tokens": 100, "messages": [{"role": "user", "content": "Hello!"}]}
CONVERSE = {"messages": [{"role": "user", "content": [{"text": "Hello!"}]}], "inferenceConfig": {"maxTokens": 100}}


@dataclass(slots=True)
class Way:
    """One way of making a call: `cpu` says how many seconds its process has used, `direct` which other way it is
    compared with in time."""

    name: str
    call: Callable[[], None]
    cpu: Callable[[], float] | None = None
    direct: str = ""
    function: Function | None = None
    spent: list[float] = field(default_factory=list)  # ms of CPU a call, by round
    took: list[float] = field(default_factory=list)  # ms, by call

    def round(self) -> None:
        before = self.cpu() if self.cpu else 0.0
        for _ in range(CALLS):
            started = time.perf_counter()
            self.call()
            self.took.append((time.perf_counter() - started) * 1e3)
        self.spent.append(((self.cpu() if self.cpu else 0.0) - before) / CALLS * 1e3)

    def exchanges(self) -> str:
        """How many requests to DynamoDB a call waits for, one after the other."""
        if self.function is None:
            return "0"
        before = self.function.ask("exchanges")
        for _ in range(COUNTED):
            self.call()
        return f"{(self.function.ask('exchanges') - before) / COUNTED:.1f}"


def ways(stack: ExitStack, where: Place, others: list[Path]) -> list[Way]:
    upstream = Server(where.upstream)
    proxies = {library: stack.enter_context(bare_proxy(where, library)) for library in (BARE, "httpx2")}
    bedrock = Server(where.upstream, "AWS4-HMAC-SHA256 Credential=x")  # as much as the fake asks for
    chat = json.dumps(BODY | {"model": MODELS["OpenAI"]}).encode()
    converse = json.dumps(CONVERSE).encode()
    found = [
        Way("upstream, OpenAI", lambda: upstream.post(PATH, chat)),
        Way("upstream, Bedrock", lambda: bedrock.post("/model/m/converse", converse)),
    ]
    for library, proxy in proxies.items():
        found.append(Way(_proxy(library), partial(proxy.post, PATH, chat), proxy.cpu, "upstream, OpenAI"))
    for checkout in (ROOT, *others):
        named = "" if checkout == ROOT else f" ({checkout.name})"
        for vendor, model in MODELS.items():
            ours, event = stack.enter_context(function(where, checkout)), where.event(model)
            call = partial(ours.call, event)
            found.append(Way(f"ours, {vendor}{named}", call, ours.cpu, f"upstream, {vendor}", ours))
    return found


def _proxy(library: str) -> str:
    return f"bare proxy on {library}"


def main() -> None:
    with place() as where, ExitStack() as stack:
        measured = ways(stack, where, [Path(each).resolve() for each in sys.argv[1:]])
        for way in measured:
            for _ in range(WARM_UP):
                way.call()
        for number in range(ROUNDS):
            for way in measured if number % 2 else reversed(measured):
                way.round()
        medians = {way.name: statistics.median(way.took) for way in measured}
        bare = next(way for way in measured if way.name == _proxy(BARE))
        print(f"| a call | CPU, ms | of the {_proxy(BARE)}'s | added p50, ms | serial exchanges with DynamoDB |")
        print("|---|---|---|---|---|")
        for way in measured:
            if way.cpu:
                ratio = statistics.median(one / other for one, other in zip(way.spent, bare.spent, strict=True))
                added = medians[way.name] - medians[way.direct]
                cpu = statistics.median(way.spent)
                print(f"| {way.name} | {cpu:.2f} | {ratio:.2f} | {added:.1f} | {way.exchanges()} |", flush=True)


if __name__ == "__main__":
    main()
