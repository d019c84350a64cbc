"""Runs MiniStack, the host of its functions, and a router before both doors, as child processes. They have their own
environment and folder, and leave nothing behind."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
VENV = ROOT / ".local" / "emulator"
ACCOUNT = "000000000000"
REGION = "us-east-1"
STAGE = "live"  # of the streaming door's API
_READY_SECONDS = 60.0


class EmulatorError(Exception):
    """The emulator can't start. The message says why and what to do."""


def free_port() -> int:
    """A free port of the loopback interface, for a server that is started later. The system gives the ports from 32768
    on to outgoing connections, and one of these could take such a port before the server does."""
    while True:
        port = 10_000 + secrets.randbelow(22_000)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


@dataclass(slots=True)
class Emulator:
    """`port` serves the gateway: both of its doors, or only the HTTP API. `http_port` and `stream_port` serve one door
    each. `control` serves the AWS APIs, and `host_url` runs functions. The API must be created with the id `api_id`.
    """

    port: int
    http_port: int
    stream_port: int
    control: int
    host_port: int
    api_id: str
    folder: Path
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list, repr=False)
    guard: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """MiniStack's process."""
        return self.processes[0]

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.control}"

    @property
    def host_url(self) -> str:
        return f"http://127.0.0.1:{self.host_port}"

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def http_url(self) -> str:
        """The URL of only the HTTP API, as on AWS without a custom domain."""
        return f"http://127.0.0.1:{self.http_port}"

    @property
    def stream_url(self) -> str:
        """The URL of only the streaming door, with its stage."""
        return f"http://127.0.0.1:{self.stream_port}/{STAGE}"

    def listen(self, function: str, version: str) -> None:
        """Serve the deployed version of a function that listens on a port. Raises EmulatorError."""
        listen(self.host_url, function, version)

    def log(self, lines: int = 20) -> str:
        """The last lines of the emulator's log."""
        text = (self.folder / "emulator.log").read_text(encoding="utf-8", errors="replace")
        return "\n".join(text.splitlines()[-lines:])

    def stop(self) -> None:
        """End the emulator and all its workers, and remove its folder."""
        for process in reversed(self.processes):
            _end(process)
        shutil.rmtree(self.folder, ignore_errors=True)
        if self.guard is not None:
            self.guard.communicate(b"done\n")

    def add(self, command: list[str], environment: dict[str, str], log: str) -> None:
        """Start a process in its own group. It ends with this process, however that ends."""
        with (self.folder / log).open("wb") as out:
            process = subprocess.Popen(
                command, cwd=Path(__file__).parent, env=environment, stdout=out, stderr=out, start_new_session=True
            )
        self.processes.append(process)
        self.tell_guard(f"group {process.pid}")

    def watch(self) -> None:
        """Start the guard, which ends all other processes if this one is killed."""
        script = str(Path(__file__).with_name("guard.py"))
        self.guard = subprocess.Popen([sys.executable, script], stdin=subprocess.PIPE, start_new_session=True)
        self.tell_guard(f"folder {self.folder}")

    def tell_guard(self, line: str) -> None:
        if self.guard is not None and self.guard.stdin is not None:
            self.guard.stdin.write(line.encode() + b"\n")
            self.guard.stdin.flush()


def listen(host_url: str, function: str, version: str) -> None:
    """Like `Emulator.listen`, for an emulator that another process started."""
    request = urllib.request.Request(f"{host_url}/listening/{function}/{version}", b"", method="POST")  # noqa: S310  ours
    try:
        with urllib.request.urlopen(request, timeout=_READY_SECONDS + 30) as reply:  # noqa: S310  ours
            reply.read()
    except urllib.error.HTTPError as error:
        with error:
            raise EmulatorError(f"{function} does not listen: {error.read().decode()}") from None


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a process and all its children."""
    for sent in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, sent)
            process.wait(timeout=8)
        except subprocess.TimeoutExpired:
            continue
        except ProcessLookupError:
            break


def start(port: int | None = None, venv: Path = VENV, *, split: bool = False) -> Emulator:
    """Start MiniStack with the gateway on `port` (a free one if None). `split` puts only the HTTP API there. Raises
    EmulatorError."""
    python = venv / "bin" / "python"
    if not python.exists():
        raise EmulatorError("The emulator is not installed; `make run` installs it.")
    port = port or free_port()
    _check_free(port)
    folder = Path(tempfile.mkdtemp(prefix="ai-gateway-"))
    control, host_port, stream_port, api_id = free_port(), free_port(), free_port(), secrets.token_hex(4)
    http_port = port if split else free_port()
    # An almost empty environment: MiniStack passes its variables to every function that it runs itself.
    environment = {"PATH": os.environ.get("PATH", ""), "HOME": str(folder), "TMPDIR": str(folder)}
    settings = {
        "GATEWAY_PORT": str(control),
        "FRONT_PORT": str(http_port),
        "FRONT_API": api_id,
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    command = [str(python), "-m", "hypercorn", "front:app", "--workers", "0"]
    command += ["--bind", f"127.0.0.1:{control}", "--bind", f"127.0.0.1:{http_port}"]
    emulator = Emulator(port, http_port, stream_port, control, host_port, api_id, folder)
    try:
        emulator.watch()
        emulator.add(command, environment | settings, "emulator.log")
        _add_doors(emulator, str(python), environment, split=split)
        _await(emulator)
    except BaseException:  # also Ctrl-C: a failed start must leave nothing behind
        emulator.stop()
        raise
    return emulator


def _add_doors(emulator: Emulator, python: str, environment: dict[str, str], *, split: bool) -> None:
    """Start the host of the functions, and the router before both doors."""
    settings = {
        "PYTHONPATH": str(ROOT),
        "HOST_PORT": str(emulator.host_port),
        "STREAM_PORT": str(emulator.stream_port),
        "EMULATOR": emulator.endpoint,
        "REGION": REGION,
        "ACCOUNT": ACCOUNT,
    }
    emulator.add([python, "-m", "tools.local.host.server"], environment | settings, "host.log")
    if not split:
        ports = {"HTTP_PORT": str(emulator.http_port), "STREAM_PORT": str(emulator.stream_port)}
        settings = {"ROUTER_PORT": str(emulator.port)} | ports
        emulator.add([python, str(Path(__file__).with_name("router.py"))], environment | settings, "router.log")


def _check_free(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            raise EmulatorError(f"Port {port} is in use. Choose another: make run PORT={free_port()}") from None


def _await(emulator: Emulator) -> None:
    deadline = time.monotonic() + _READY_SECONDS
    while time.monotonic() < deadline:
        if emulator.process.poll() is not None:
            raise EmulatorError(f"The emulator ended while starting:\n{emulator.log()}")
        try:
            with urllib.request.urlopen(f"{emulator.endpoint}/_ministack/ready", timeout=2) as reply:  # noqa: S310  ours
                if reply.status == 200:
                    return
        except (urllib.error.URLError, OSError):
            time.sleep(0.05)
    raise EmulatorError(f"The emulator did not get ready in {_READY_SECONDS:.0f} s:\n{emulator.log()}")
