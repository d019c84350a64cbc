"""The gateway that the local deployer made for these tests, and what was seen of it."""

from __future__ import annotations

import json
import socket
import threading
from dataclasses import dataclass
from typing import Any

from tests.integration.conftest import Live
from tests.terraform.recording import Recorder


class Daemon:
    """What stands for the X-Ray daemon: a context manager that keeps every document it was sent."""

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


@dataclass(frozen=True, slots=True)
class Made:
    """`local` names the variables that it has for being local."""

    live: Live
    recorder: Recorder
    daemon: Daemon
    local: frozenset[str]

    def logged(self) -> list[dict[str, Any]]:
        """Every JSON line that any function wrote."""
        lines: list[dict[str, Any]] = []
        pages = self.live.deployer.client("logs").get_paginator("filter_log_events")
        for name in self.live.deployment.functions.values():
            for page in pages.paginate(logGroupName=f"/aws/lambda/{name}"):
                lines += [json.loads(event["message"]) for event in page["events"] if event["message"].startswith("{")]
        return lines
