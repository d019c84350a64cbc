"""Runs functions that listen on a port. Each is a process with the deployed code, layers and variables."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import IO, cast

from tools.local.host.deployed import Deployed

THREADS = "256"  # on this machine, one process serves all streams
_READY_SECONDS = 60.0
_END_SECONDS = 8.0  # for open streams to be settled
_OF_LAMBDA = ("AWS_LWA_", "AWS_LAMBDA_EXEC_WRAPPER")  # there is no adapter before it here


class Listening:
    """One function's server on a port. It restarts for each version."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._process: subprocess.Popen[bytes] | None = None
        self._turn = threading.Lock()

    def start(self, deployed: Deployed, log: Callable[[str], None]) -> None:
        """End the previous server, serve this version, and return once it is ready. Raises TimeoutError, OSError."""
        with self._turn:
            self._end()
            given = {name: text for name, text in deployed.environment.items() if not name.startswith(_OF_LAMBDA)}
            given |= {"HOST": "127.0.0.1", "PORT": str(self._port)}
            given.setdefault("GATEWAY_THREADS", THREADS)
            folder = re.split("[./]", deployed.environment["_HANDLER"])[1]
            self._process = process = subprocess.Popen(
                [sys.executable, "-P", "-m", f"functions.{folder}.server"],
                cwd=deployed.code,
                env=given,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
            )
            threading.Thread(target=_follow, args=(process, log), daemon=True).start()
            self._await(process)

    def end(self) -> None:
        with self._turn:
            self._end()

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _await(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + _READY_SECONDS
        while time.monotonic() < deadline:
            if process.poll() is not None:
                raise OSError(f"the server ended by itself ({process.returncode}); its log says why")
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self._port}/ready", timeout=5) as reply:
                    reply.read()
                    return
            except (urllib.error.URLError, OSError):
                time.sleep(0.02)
        raise TimeoutError(f"the server did not get ready in {_READY_SECONDS:.0f} s")


def _follow(process: subprocess.Popen[bytes], log: Callable[[str], None]) -> None:
    with cast(IO[bytes], process.stdout) as lines:
        for line in lines:
            log(line.decode(errors="replace").rstrip("\n"))
