"""The cost of a stream at the streaming door, compared with a bare proxy on httpx2 and uvicorn that only passes it on.

- CPU of a stream of 22 and of 400 chunks, of which the provider makes one in 2 ms.
- The time to the first byte and the gaps between chunks, where it needs 200 ms to the first and 100 ms to each other.
- The memory that is held after many streams, and how soon sockets are free again when half of 200 clients hang up.

All in one run, in alternating rounds. The door is the deployed one, except for the adapter: `python -m
functions.stream.server`, with a DynamoDB that answers at once. The time that each exchange with a real one would take
is printed separately.

Run: python benchmarks/streams.py [number of streams for memory, 10000 unless said]
"""

from __future__ import annotations

import http.client
import json
import os
import statistics
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import pairwise
from pathlib import Path
from urllib.parse import urlsplit

ROOT = Path(__file__).parent.parent
# A script's own folder stands on the path, not the project's: what is imported from it comes behind this.
sys.path[:0] = [str(ROOT), str(ROOT / "shared")]

from benchmarks.parts.place import PATH, Place, bare_proxy_process, door, place  # noqa: E402

ROUNDS, WARM_UP = 5, 10
STREAMS = {22: 20, 400: 4}  # a round's streams, by their chunks
AROUND = 4  # chunks that have no word of the text: role, finish, usage, [DONE]
STEPS = 12  # chunks of a stream whose gaps are measured
SLOW = 0.005  # seconds: an exchange with a DynamoDB on AWS
_TICKS = os.sysconf("SC_CLK_TCK")


def cpu(pid: int) -> float:
    """Seconds that a process has used, all its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def megabytes(pid: int) -> float:
    """Of memory that a process holds."""
    (line,) = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS")]
    return int(line.split()[1]) / 1024


def connected(url: str) -> int:
    """Connections that are open to a server on this machine."""
    port = f":{urlsplit(url).port:04X}"
    lines = (line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:])
    return sum(remote.endswith(port) and state == "01" for _, _, remote, state, *_ in lines)


class Client:
    """Streams over one kept-alive connection."""

    def __init__(self, url: str, key: str, dialect: str = "chat") -> None:
        self._connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)
        self._key, self._path = key, PATH if dialect == "chat" else "/v1/messages"

    def begin(self, model: str, chunks: int, *, delay: float = 0.0, step: float = 0.002) -> http.client.HTTPResponse:
        words = " ".join(["word"] * (chunks - AROUND))
        steer = f'[[fake delay={delay} chunk-delay={step} text="{words}"]]'
        asked = {"model": model, "stream": True, "max_tokens": 1_000, "stream_options": {"include_usage": True}}
        body = json.dumps(asked | {"messages": [{"role": "user", "content": steer}]})
        headers = {"content-type": "application/json", "authorization": f"Bearer {self._key}"}
        self._connection.request("POST", self._path, body, headers)
        reply = self._connection.getresponse()
        if reply.status != 200:
            raise SystemExit(f"a stream failed: {reply.status} {reply.read()!r}")
        return reply

    def whole(self, model: str, chunks: int, **more: float) -> list[float]:
        """When parts of its text came, in seconds since it was asked for."""
        started, came = time.perf_counter(), list[float]()
        reply = self.begin(model, chunks, **more)
        said = b""
        while piece := reply.read1(65_536):
            if b"word" in piece:
                came.append(time.perf_counter() - started)
            said += piece
        if b"[DONE]" not in said or b'"error"' in said:
            raise SystemExit(f"a stream was not whole: {said[-300:]!r}")
        return came

    def leave(self) -> None:
        self._connection.close()


def costs(where: Place, bare: tuple[str, int], ours: tuple[str, int]) -> None:
    ways = [
        ("bare proxy", *bare, "gpt-4"),
        ("ours, chat over chat", *ours, "gpt-4"),
        ("ours, chat over Converse", *ours, "claude-3-sonnet"),
    ]
    print("| a stream | chunks | CPU, ms | of the bare proxy's | CPU a chunk, ms |\n|---|---|---|---|---|")
    spent: dict[tuple[str, int], list[float]] = {}
    for _, url, _, model in ways:
        client = Client(url, where.key)
        for _ in range(WARM_UP):
            client.whole(model, 22)
    for number in range(ROUNDS):
        for name, url, pid, model in ways if number % 2 else reversed(ways):
            for chunks, times in STREAMS.items():
                client, before = Client(url, where.key), cpu(pid)
                for _ in range(times):
                    client.whole(model, chunks)
                spent.setdefault((name, chunks), []).append((cpu(pid) - before) / times * 1e3)
    for name, *_ in ways:
        few, many = (statistics.median(spent[name, chunks]) for chunks in STREAMS)
        for chunks, ms in zip(STREAMS, (few, many), strict=True):
            ratio = ms / statistics.median(spent["bare proxy", chunks])
            each = (many - few) / (400 - 22)
            print(f"| {name} | {chunks} | {ms:.1f} | {ratio:.2f} | {each:.3f} |", flush=True)


def first_bytes(where: Place, urls: dict[str, str]) -> None:
    print("\n| 200 ms to the first token, 100 ms to others | its text after, ms | of direct | gaps, ms: median, most |")
    print("|---|---|---|---|")
    clients = {name: Client(url, where.key) for name, url in urls.items()}
    for client in clients.values():
        for _ in range(WARM_UP):
            client.whole("gpt-4", 6)
    firsts, gaps = {name: list[float]() for name in urls}, {name: list[float]() for name in urls}
    for _ in range(ROUNDS):
        for name, client in clients.items():
            came = client.whole("gpt-4", STEPS, delay=0.1, step=0.1)
            firsts[name].append(came[0] * 1e3)
            gaps[name] += [(after - before) * 1e3 for before, after in pairwise(came)]
    direct = statistics.median(firsts["direct"])
    for name in urls:
        first = statistics.median(firsts[name])
        told = f"{statistics.median(gaps[name]):.1f}, {max(gaps[name]):.1f}"
        print(f"| {name} | {first:.1f} | {first / direct:.2f} | {told} |", flush=True)


def hang_ups(where: Place, ours: tuple[str, int]) -> None:
    clients, whole, barrier = [Client(ours[0], where.key) for _ in range(200)], list[int](), threading.Barrier(201)
    idle = connected(where.upstream)

    def run(number: int) -> None:
        reply = clients[number].begin("gpt-4", 60, step=0.1)
        if number % 2:
            reply.read(100)
            barrier.wait()
            reply.close()
        else:
            barrier.wait()
            whole.append(len(reply.read()))
        clients[number].leave()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(200)]
    for thread in threads:
        thread.start()
    barrier.wait()
    left, most = time.perf_counter(), connected(where.upstream)
    free = _until(lambda: connected(where.upstream) <= most - 100)
    for thread in threads:
        thread.join()
    ended = time.perf_counter()
    print(
        f"\n200 streams at once, of which 100 hang up: {idle} connections to the provider before, then {most}; the 100 "
        f"have ended after {free - left:.2f} s, the other {len(whole)} came whole in {ended - left:.1f} s; the thread "
        "of each is free with them"
    )


def _until(reached: Callable[[], bool], seconds: float = 30.0) -> float:
    deadline = time.perf_counter() + seconds
    while not reached() and time.perf_counter() < deadline:
        time.sleep(0.01)
    return time.perf_counter()


def memory(where: Place, ours: tuple[str, int], streams: int) -> None:
    url, pid = ours
    held = [megabytes(pid)]

    def run(times: int) -> None:
        client = Client(url, where.key)
        for number in range(times):
            client.whole(("gpt-4", "claude-3-sonnet")[number % 2], 22, step=0.0)

    for _ in range(4):
        threads = [threading.Thread(target=run, args=(streams // 16,)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        held.append(megabytes(pid))
    print(f"\nmemory after each quarter of {streams} streams, MB: " + ", ".join(f"{each:.1f}" for each in held))


@contextmanager
def both(takes: float = 0.0) -> Iterator[tuple[Place, tuple[str, int], tuple[str, int]]]:
    with place(takes) as where, ExitStack() as stack:
        yield where, stack.enter_context(bare_proxy_process(where, "httpx2")), stack.enter_context(door(where))


def main() -> None:
    streams = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    with both() as (where, bare, ours), both(SLOW) as (slow, _, slowly):
        costs(where, bare, ours)
        first_bytes(where, {"direct": where.upstream, "bare proxy": bare[0], "ours": ours[0]})
        print(f"\nthe same where each exchange with DynamoDB takes {SLOW * 1e3:.0f} ms:")
        first_bytes(slow, {"direct": slow.upstream, "ours": slowly[0]})
        hang_ups(where, ours)
        with door(where, GATEWAY_THREADS="8") as few:  # each thread that is used for the first time takes some, too
            memory(where, few, streams)


if __name__ == "__main__":
    main()
