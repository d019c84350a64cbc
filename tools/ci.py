"""`python -m tools.ci`: run every check, in parallel lanes. A table at the end has each step's seconds and CPU.

The machine has two cores. Deploying, planning and waiting use one at most, so a second lane, with the steps that have
two workers, uses the rest. A step that fails ends the other lane too. Run `make venv` first: two steps must not make
one environment at the same time.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from tools.local.emulator import ROOT

LOGS = ROOT / ".local" / "ci"


@dataclass(frozen=True, slots=True)
class Step:
    """A target of make. `needs` are commands of the machine. If one is missing, the step is skipped and reported."""

    target: str
    needs: tuple[str, ...] = ()
    lack: str = ""


JAVA = ("java", "mvn"), "Java and Maven: no DynamoDB expression was judged on DynamoDB Local"
CONTENTION = Step("contention", *JAVA)
TERRAFORM = Step("terraform-check", ("terraform",), "Terraform: its configuration was not checked")
ADAPTER = Step("adapter", ("cargo",), "Rust: the streaming door was not tried behind the real Lambda Web Adapter")
GUIDES = Step("guides")  # after Terraform's step in its lane: both build the stub provider
WORKERS = *map(Step, ("lint", "prose", "docs", "types", "imports", "lock-check", "unit")), Step("expressions", *JAVA)
DEPLOYED = TERRAFORM, GUIDES, ADAPTER, *map(Step, ("upgrade-check", "integration", "newman", "clients"))
# Stages of lanes. The step that measures contention between callers has the machine to itself, on both cores.
STAGES = ((WORKERS, DEPLOYED), ((CONTENTION,),))


@dataclass(slots=True)
class Ran:
    """A step that ended. `began`: seconds since the run's start. `seconds`: wall time. `cpu`: with all its children."""

    target: str
    began: float
    seconds: float
    cpu: float
    status: int


class Run:
    """The running lanes. The first step that fails, or `end`, ends the others."""

    def __init__(self, command: Sequence[str], logs: Path) -> None:
        self.started = time.monotonic()
        self.ran: list[Ran] = []
        self.missing: list[str] = []
        self._command, self._logs = command, logs
        self._ending = False
        self._groups: set[int] = set()
        self._changed = threading.Condition()

    @property
    def ok(self) -> bool:
        return not self._ending and all(each.status == 0 for each in self.ran)

    def lane(self, steps: Sequence[Step]) -> None:
        """Run the steps one after another, until a step fails in any lane."""
        for step in steps:
            if not all(map(shutil.which, step.needs)):
                self.missing.append(step.lack)
            elif not self._ending:
                self._step(step.target)

    def end(self) -> None:
        """End every step and its children: first like Ctrl-C, so that a step stops its servers, then by force."""
        self._ending = True
        for sent, patience in ((signal.SIGINT, 20.0), (signal.SIGTERM, 10.0), (signal.SIGKILL, 10.0)):
            with self._changed:
                for group in self._groups:
                    with suppress(ProcessLookupError):
                        os.killpg(group, sent)
                if self._changed.wait_for(lambda: not self._groups, patience):
                    return

    def _step(self, target: str) -> None:
        log, began = self._logs / f"{target}.log", time.monotonic()
        print(f"-- {target} begins ({began - self.started:.0f} s)", flush=True)
        with log.open("wb") as out:
            status, cpu = self._made(target, out)
        seconds, ended = time.monotonic() - began, self._ending
        self.ran.append(Ran(target, began - self.started, seconds, cpu, status))
        verdict = "" if not status else ", ended: another step failed" if ended else f", FAILED with {status}"
        text = log.read_text(encoding="utf-8", errors="replace")
        print(f"\n== {target} ({seconds:.0f} s, {cpu:.0f} s of CPU{verdict})\n{text}", flush=True)
        if status and not ended:
            self.end()

    def _made(self, target: str, out: BinaryIO) -> tuple[int, float]:
        """Run a target in its own process group. Returns its exit code and CPU seconds, with all reaped children."""
        with self._changed:
            if self._ending:
                return 1, 0.0
            process = subprocess.Popen(
                [*self._command, target], cwd=ROOT, stdin=subprocess.DEVNULL, stdout=out, stderr=out, process_group=0
            )
            self._groups.add(process.pid)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        with self._changed:
            self._groups.discard(process.pid)
            self._changed.notify_all()
        return process.returncode, used.ru_utime + used.ru_stime


def table(ran: Sequence[Ran]) -> str:
    """A line for each step, in the order of their starts."""
    lines = [f"{'step':<18} {'begins':>7} {'takes':>7} {'CPU':>7}   seconds"]
    lines += [
        f"{each.target:<18} {each.began:7.0f} {each.seconds:7.0f} {each.cpu:7.0f}"
        + ("   FAILED" if each.status else "")
        for each in sorted(ran, key=lambda each: each.began)
    ]
    return "\n".join(lines)


def checked(stages: Iterable[Sequence[Sequence[Step]]], command: Sequence[str], logs: Path) -> int:
    """Run each stage's lanes in parallel. Print each step and the table. Returns the exit code."""
    logs.mkdir(parents=True, exist_ok=True)
    run = Run(command, logs)
    for lanes in stages:
        with ThreadPoolExecutor(len(lanes)) as pool:
            under_way = [pool.submit(run.lane, steps) for steps in lanes]
            try:
                for lane in under_way:
                    lane.result()
            except BaseException:  # an interrupt, or a lane that crashed
                run.end()
                raise
    print(f"\n{table(run.ran)}\n== done in {time.monotonic() - run.started:.0f} s")
    for lack in dict.fromkeys(run.missing):
        print(f"NOT CHECKED, this machine lacks {lack}")
    return int(not run.ok or bool(run.missing and os.environ.get("CI")))


def main() -> int:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    # A shell's background jobs ignore these signals, and steps would inherit that: then no step could be ended.
    for sent in (signal.SIGINT, signal.SIGTERM):
        signal.signal(sent, interrupted)
    return checked(STAGES, ["make"], LOGS)


if __name__ == "__main__":
    sys.exit(main())
