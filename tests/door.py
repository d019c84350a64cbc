"""The streaming door of a deployment on this machine: the function's own code and variables as they were deployed, as a
server on a port of its own or behind the adapter."""

from __future__ import annotations

import subprocess
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.integration.conftest import Live
from tools.local.emulator import ACCOUNT, REGION, VENV, free_port
from tools.local.host.deployed import Lambda

_READY_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Door:
    """How to start it: `command` in folder `code`, with the variables in `environment`."""

    command: tuple[str, ...]
    code: Path
    environment: Mapping[str, str] = field(repr=False)


def door_of(live: Live, folder: Path) -> Door:
    """The function as it was deployed, its code unpacked into `folder`."""
    deployed = Lambda(live.endpoint, REGION, ACCOUNT, folder).get(live.deployment.functions["stream"], "$LATEST")
    command = (str(VENV / "bin" / "python"), "-P", "-m", "functions.stream.server")
    return Door(command, deployed.code, deployed.environment)


@contextmanager
def listening(door: Door, log: Path, threads: int = 32) -> Iterator[str]:
    """The door on a free port for as long as the block lasts. Gives its address."""
    port = free_port()
    given = {**door.environment, "PORT": str(port), "GATEWAY_THREADS": str(threads)}
    with log.open("ab") as out:
        process = subprocess.Popen(door.command, cwd=door.code, env=given, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
    try:
        _await(port, process)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(30)


def _await(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _READY_SECONDS
    while True:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/ready", timeout=5).close()  # noqa: S310  ours
        except OSError:
            assert process.poll() is None, "the door ended while it started"
            assert time.monotonic() < deadline, "the door did not get ready"
            time.sleep(0.05)
        else:
            return
