"""The gateway that the local deployer made for these tests, and everything that it emitted."""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.integration.conftest import Live
from tests.integration.waiting import eventually
from tests.reply import Reply
from tests.terraform.recording import Recorder
from tools.local.emulator import ACCOUNT, REGION, ROOT, free_port


class Daemon:
    """A fake X-Ray daemon: a context manager that keeps every document that it receives."""

    def __init__(self) -> None:
        self.documents: list[Any] = []
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._receive, daemon=True)

    @property
    def address(self) -> str:
        """For AWS_XRAY_DAEMON_ADDRESS."""
        return f"127.0.0.1:{self._socket.getsockname()[1]}"

    def _receive(self) -> None:
        while datagram := self._socket.recv(65_535):
            header, _, document = datagram.partition(b"\n")
            assert json.loads(header) == {"format": "json", "version": 1}
            self.documents.append(json.loads(document))

    def __enter__(self) -> Daemon:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
            last.sendto(b"", self._socket.getsockname())
        self._thread.join()
        self._socket.close()


class Server:
    """The server of the streaming door, started as its function would be, with the variables with which it was
    deployed: a context manager. Its logs go to `log`."""

    def __init__(self, folder: str, variables: Mapping[str, str], name: str, log: Path) -> None:
        self.port = free_port()
        self._command = [sys.executable, "-m", f"functions.{folder}.server"]
        self._variables = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": f"{ROOT / 'shared'}:{ROOT}",
            "AWS_REGION": REGION,
            "AWS_ACCESS_KEY_ID": ACCOUNT,
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_LAMBDA_FUNCTION_NAME": name,
            "AWS_LAMBDA_RUNTIME_API": "127.0.0.1:1",  # the server is behind the adapter
            **variables,
            "AWS_LWA_PORT": str(self.port),
        }
        self.log = log
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Server:
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(self._command, cwd=ROOT, env=self._variables, stdout=log, stderr=log)

        def ready() -> bool:
            with suppress(OSError):
                return self.call("GET", self._variables["AWS_LWA_READINESS_CHECK_PATH"]).status == 200
            return False

        eventually(ready)
        return self

    def __exit__(self, *_error: object) -> None:
        assert self._process is not None
        self._process.terminate()
        self._process.wait()

    def call(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None, trace: str = ""
    ) -> Reply:
        """Sends one request as the adapter does, and reads the answer to its end."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        run = {"deadline": int(time.time() * 1_000) + 900_000} | ({"xray_trace_id": trace} if trace else {})
        sent = {"x-amzn-lambda-context": json.dumps(run), "x-amzn-request-context": "{}", **(headers or {})}
        data = None
        if body is not None:
            data, sent["content-type"] = json.dumps(body).encode(), "application/json"
        try:
            connection.request(method, path, data, sent)
            reply = connection.getresponse()
            return Reply(
                reply.status, {name.lower(): value for name, value in reply.getheaders()}, reply.read().decode()
            )
        finally:
            connection.close()


@dataclass(frozen=True, slots=True)
class Made:
    """`local` names the variables that it has only because it is local; `server` is the streaming door."""

    live: Live
    recorder: Recorder
    daemon: Daemon
    local: frozenset[str]
    server: Server

    def logged(self) -> list[dict[str, Any]]:
        """Every JSON line that any function wrote."""
        lines: list[dict[str, Any]] = []
        pages = self.live.deployer.client("logs").get_paginator("filter_log_events")
        for name in self.live.deployment.functions.values():
            for page in pages.paginate(logGroupName=f"/aws/lambda/{name}"):
                lines += [json.loads(event["message"]) for event in page["events"] if event["message"].startswith("{")]
        written = self.server.log.read_text(encoding="utf-8").split("\n")[:-1]  # the rest is half a line
        return lines + [json.loads(line) for line in written if line.startswith("{")]
