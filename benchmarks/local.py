"""How the local gateway copes with callers that come at once, on its own emulator.

Prints seconds until it is ready and until the last answer, the slowest answer, statuses, and processes and memory of
the functions: 50 first calls at once, then 200 calls by 20 callers.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).parent.parent
# A script's own folder stands on the path, not the project's: what is imported from it comes behind this.
sys.path[:0] = [str(ROOT), str(ROOT / "shared")]

from tools.local.gateway import Gateway, Steps, running  # noqa: E402

BODY = json.dumps({"model": "gpt-4", "messages": [{"role": "user", "content": "Hello!"}]}).encode()


def _ask(gateway: Gateway) -> tuple[int, float]:
    headers = {"authorization": f"Bearer {gateway.keys['enterprise']}", "content-type": "application/json"}
    request = urllib.request.Request(f"{gateway.emulator.base_url}/v1/chat/completions", BODY, headers)  # noqa: S310  loopback
    started = time.monotonic()
    try:
        with urllib.request.urlopen(request, timeout=300) as reply:  # noqa: S310  loopback
            reply.read()
            status = int(reply.status)
    except urllib.error.HTTPError as error:
        status = error.code
    return status, time.monotonic() - started


def _functions() -> tuple[int, int]:
    """Processes that run functions, and their memory in MB."""
    listed = subprocess.run(["/bin/ps", "-eo", "rss,args"], capture_output=True, text=True, check=True).stdout
    sizes = [int(line.split()[0]) for line in listed.splitlines() if "/host/worker.py" in line]
    return len(sizes), sum(sizes) // 1_024


def main() -> None:
    with running(None, "emulator", Steps()) as gateway:
        print("\n| calls | at once | seconds | slowest | statuses | processes | MB |\n|---|---|---|---|---|---|---|")
        for calls, callers in ((50, 50), (200, 20)):
            started = time.monotonic()
            with ThreadPoolExecutor(callers) as threads:
                answers = list(threads.map(lambda _: _ask(gateway), range(calls)))
            seconds = time.monotonic() - started
            statuses = dict(Counter(status for status, _ in answers))
            processes, memory = _functions()
            slowest = max(elapsed for _, elapsed in answers)
            print(f"| {calls} | {callers} | {seconds:.1f} | {slowest:.1f} | {statuses} | {processes} | {memory} |")


if __name__ == "__main__":
    main()
