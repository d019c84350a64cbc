"""The cost of a new process: CPU until the function completions is ready, of its first call, and of each later one.
For comparison, the cost of importing only the vendor's SDK and calling it once.

Run: python benchmarks/first_call.py [other checkouts of the project, which are measured in turn with this one]
Prints CPU milliseconds, the least of several processes, on upstreams that answer at once and without TLS.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
# A script's own folder stands on the path, not the project's: what is imported from it comes behind this.
sys.path[:0] = [str(ROOT), str(ROOT / "shared")]

from benchmarks.parts.place import MODELS, Place, function, place  # noqa: E402

PROCESSES, LATER = 6, 20
_SDK = """
import sys, time
start = time.process_time()
import openai
imported = time.process_time()
client = openai.OpenAI(base_url=sys.argv[1], api_key='k', max_retries=0)
ask = lambda: client.chat.completions.create(model='m', messages=[{{'role': 'user', 'content': 'hi'}}])
ask()
first = time.process_time()
for _ in range({later}):
    ask()
print((imported - start) * 1e3, (first - imported) * 1e3, (time.process_time() - first) * 1e3 / {later})
"""


def ours(where: Place, checkout: Path, model: str) -> list[float]:
    """CPU milliseconds of the imports, the first call and a later one, of one process."""
    event = where.event(model)
    with function(where, checkout) as process:
        began = process.ask("cpu")
        process.call(event)
        first = process.cpu()
        for _ in range(LATER):
            process.call(event)
        later = (process.cpu() - first) / LATER
    return [began["imported"] * 1e3, (first - began["all"]) * 1e3, later * 1e3]


def sdk(where: Place) -> list[float]:
    command = [sys.executable, "-c", _SDK.format(later=LATER), f"{where.upstream}/v1"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return [float(part) for part in done.stdout.split()]


def main() -> None:
    checkouts = {"": ROOT} | {f" ({Path(each).name})": Path(each).resolve() for each in sys.argv[1:]}
    runs: dict[str, list[list[float]]] = {}
    with place() as where:
        for _ in range(PROCESSES):
            for named, checkout in checkouts.items():
                for vendor, model in MODELS.items():
                    runs.setdefault(f"ours, {vendor}{named}", []).append(ours(where, checkout, model))
            runs.setdefault("the SDK of OpenAI alone", []).append(sdk(where))
    print("| CPU, ms | imports | first call | a later call |\n|---|---|---|---|")
    for name, each in runs.items():
        imports, first, later = (min(column) for column in zip(*each, strict=True))
        print(f"| {name} | {imports:.0f} | {first:.0f} | {later:.1f} |")


if __name__ == "__main__":
    main()
