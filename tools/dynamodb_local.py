"""DynamoDB Local, which checks our expressions. Maven fetches it once; it listens on a loopback port."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from tools.local.emulator import ROOT, free_port

JARS = ROOT / ".local" / "dynamodb-local"
_POM = ROOT / "tests" / "contract" / "dynamodb_local" / "pom.xml"
_READY_SECONDS = 60.0
_STARTS = 3  # another process may take the free port first


def fetch() -> Path:
    """The folder with its jars. Maven downloads them the first time."""
    if not (JARS / ".complete").exists():
        JARS.mkdir(parents=True, exist_ok=True)
        command = ["mvn", "--batch-mode", "--quiet", "-f", str(_POM), "dependency:copy-dependencies"]
        subprocess.run([*command, f"-DoutputDirectory={JARS}"], check=True)
        (JARS / ".complete").touch()
    return JARS


@contextmanager
def running() -> Iterator[str]:
    """An empty server for the duration of the block. Yields its endpoint."""
    with tempfile.TemporaryFile() as log:
        process, port = _started(log)
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            _end(process)


def _started(log: IO[bytes]) -> tuple[subprocess.Popen[bytes], int]:
    jars = fetch()
    # Only the C1 compiler: a run is too short for C2 to pay off. The serial collector, with much
    # room for the garbage of requests, takes about a tenth less CPU than the default.
    command = ["java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xms512m", "-Xmx512m", "-Xmn256m"]
    command += [f"-Djava.library.path={jars}", "-cp", f"{jars}/*"]
    command += ["com.amazonaws.services.dynamodbv2.local.main.ServerRunner"]
    command += ["-inMemory", "-sharedDb", "-disableTelemetry", "-port"]
    environment = {"PATH": os.environ["PATH"], "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "y"}
    for _ in range(_STARTS):
        port = free_port()
        process = subprocess.Popen([*command, str(port)], stdout=log, stderr=log, env=environment)
        if _ready(process, port):
            return process, port
        _end(process)
    log.seek(0)
    raise RuntimeError(f"DynamoDB Local does not start:\n{log.read().decode(errors='replace')[-2_000:]}")


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()


def _ready(process: subprocess.Popen[bytes], port: int) -> bool:
    deadline = time.monotonic() + _READY_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=2).close()
        except urllib.error.HTTPError as answer:  # it is up: it refuses a request without an operation
            answer.close()
            return True
        except OSError:
            time.sleep(0.1)
    return False


if __name__ == "__main__":
    print(fetch())
