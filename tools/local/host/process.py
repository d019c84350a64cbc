"""Starts, calls and ends a process that runs a function."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, cast

from tools.local.host.deployed import Deployed

_START_SECONDS = 60.0


class Failed(Exception):
    """A function failed. `facts` has Lambda's error fields."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.facts = {"errorType": kind, "errorMessage": message}


class Worker:
    """A process of a function. Only one thread may call it at a time."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self._events, self._answers = cast(IO[bytes], process.stdin), cast(IO[bytes], process.stdout)
        self._unfit: Failed | None = None

    @classmethod
    def start(cls, deployed: Deployed, log: Callable[[str], None]) -> Worker:
        """A process that has imported the function. If the import fails, the first call raises the failure."""
        process = subprocess.Popen(
            [sys.executable, "-P", str(Path(__file__).with_name("worker.py"))],
            cwd=deployed.code,
            env=dict(deployed.environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        threading.Thread(target=_follow, args=(process, log), daemon=True).start()
        worker = cls(process)
        try:
            worker._read(time.time() + _START_SECONDS)
        except Failed as failure:
            worker._unfit = failure
        return worker

    def ask(self, event: bytes, facts: dict[str, Any]) -> bytes:
        """The answer to an event (one line of JSON), as JSON. After Failed, the process must be ended."""
        if self._unfit is not None:
            raise self._unfit
        try:
            self._events.write(b'{"event": %s, "context": %s}\n' % (event, json.dumps(facts).encode()))
            self._events.flush()
        except OSError:
            raise Failed("Runtime.ExitError", "the process ended") from None
        return self._read(facts["deadline"])

    def _read(self, deadline: float) -> bytes:
        """The next line of the process. If none comes in time, the process is killed. Raises Failed."""
        clock = threading.Timer(max(0.0, deadline - time.time()), self._process.kill)
        clock.start()
        try:
            line = self._answers.readline()
        finally:
            clock.cancel()
        word, _, said = line.partition(b" ")
        if word == b"failed":
            facts = json.loads(said)
            raise Failed(facts["errorType"], facts["errorMessage"])
        if not line.endswith(b"\n"):
            timed_out = time.time() >= deadline
            raise Failed("Sandbox.Timedout" if timed_out else "Runtime.ExitError", "the process ended")
        return said

    def end(self) -> None:
        self._process.kill()
        self._process.wait()
        self._answers.close()
        with suppress(OSError):  # closing can't send the rest of its buffer any more
            self._events.close()


def _follow(process: subprocess.Popen[bytes], log: Callable[[str], None]) -> None:
    with cast(IO[bytes], process.stderr) as lines:
        for line in lines:
            log(line.decode(errors="replace").rstrip("\n"))
