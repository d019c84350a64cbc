"""The streaming function's own server, in its own process, for tests that end it."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from tools.local.emulator import ROOT, free_port

THREADS = 220
CHAT = {"model": "it", "messages": [{"role": "user", "content": "Hello!"}], "max_tokens": 50, "stream": True}


class Server:
    """The function's own server, on a free port."""

    def __init__(self) -> None:
        self.given: list[http.client.HTTPResponse] = []
        self._told = tempfile.TemporaryFile()  # noqa: SIM115  as long as the process
        self.port = free_port()
        variables = {"HOST": "127.0.0.1", "PORT": str(self.port), "GATEWAY_THREADS": str(THREADS), "LOG_LEVEL": "ERROR"}
        environment = os.environ | variables | {"PYTHONPATH": f"{ROOT / 'shared'}:{ROOT}"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "functions.stream.server"],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=self._told,
        )
        until(lambda: self._ready(), "the server answers")

    def close(self) -> None:
        self._told.close()
        for response in self.given:
            response.close()

    def _ready(self) -> bool:
        assert self.process.poll() is None
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)) as connection:
            try:
                connection.request("GET", "/ready")
                with connection.getresponse() as response:
                    return response.status == 200
            except OSError:
                return False

    @property
    def told(self) -> str:
        """Its output, except for its log lines."""
        self._told.seek(0)
        return self._told.read().decode()

    @property
    def threads(self) -> int:
        return len(list(Path(f"/proc/{self.process.pid}/task").iterdir()))

    @property
    def sockets(self) -> int:
        links = list(Path(f"/proc/{self.process.pid}/fd").iterdir())
        return sum("socket:" in str(each.readlink()) for each in links if each.is_symlink())

    def post(
        self, key: str, path: str = "/v1/chat/completions", body: Any = CHAT, **headers: str
    ) -> http.client.HTTPResponse:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        sent = {"authorization": f"Bearer {key}", "content-type": "application/json", "connection": "close"}
        sent |= {name.replace("_", "-"): text for name, text in headers.items()}
        connection.request("POST", path, json.dumps(body), sent)
        response = connection.getresponse()
        self.given.append(response)
        return response


def until(true: Callable[[], bool], what: str, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    pause = threading.Event()
    while not true():
        assert time.monotonic() < deadline, what
        pause.wait(0.05)
