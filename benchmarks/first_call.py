"""What the first call of OpenAI's API costs a new process, and each later one: our own transport against the SDK.

Run: python benchmarks/first_call.py
Prints CPU milliseconds, the median of several processes; both talk to the fake upstream on this machine.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
from collections.abc import Mapping

from tests.upstream import FakeUpstream

PROCESSES, CALLS = 5, 200
_MEASURE = """
import sys, time
start = time.process_time()
{make}
{call}
first = time.process_time() - start
later = time.process_time()
for _ in range({calls}):
    {call}
print(first * 1_000, (time.process_time() - later) * 1_000 / {calls})
"""
WAYS: Mapping[str, tuple[str, str]] = {
    "own transport": (
        "from gateway.vendors import Connection, connect\n"
        "from gateway.vendors.base import ModelCall\n"
        "provider = connect('openai', Connection(sys.argv[1], api_key=lambda: 'k'))\n"
        "asked = ModelCall('m', {'messages': [{'role': 'user', 'content': 'hi'}]}, 10, 10.0)",
        "list(provider.send(provider.prepare(asked)))",
    ),
    "SDK": (
        "import openai\nclient = openai.OpenAI(base_url=sys.argv[1], api_key='k', max_retries=0)",
        "client.chat.completions.create(model='m', messages=[{'role': 'user', 'content': 'hi'}])",
    ),
}


def measured(url: str, make: str, call: str) -> tuple[float, float]:
    """CPU milliseconds of the first call, imports included, and of a later one."""
    program = _MEASURE.format(make=make, call=call, calls=CALLS)
    runs = []
    for _ in range(PROCESSES):
        done = subprocess.run([sys.executable, "-c", program, url], capture_output=True, text=True, check=True)
        runs.append([float(part) for part in done.stdout.split()])
    first, later = (statistics.median(column) for column in zip(*runs, strict=True))
    return first, later


def main() -> None:
    with FakeUpstream() as fake:
        for name, (make, call) in WAYS.items():
            first, later = measured(fake.openai_url, make, call)
            print(f"{name:14} first call {first:6.0f} ms, each later one {later:5.2f} ms")


if __name__ == "__main__":
    main()
