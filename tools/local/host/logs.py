"""Writes lines of functions' logs to the emulator's CloudWatch Logs, in batches, from one thread."""

from __future__ import annotations

import queue
import threading
import time
from contextlib import suppress
from typing import Any

_MOST = 500  # events in one request


class Logs:
    def __init__(self, client: Any) -> None:
        self._client = client
        self._lines: queue.SimpleQueue[tuple[str, str, int, str]] = queue.SimpleQueue()
        self._streams: set[tuple[str, str]] = set()
        threading.Thread(target=self._run, daemon=True).start()

    def write(self, function: str, stream: str, line: str) -> None:
        self._lines.put((function, stream, int(time.time() * 1_000), line))

    def _run(self) -> None:
        while True:
            batches: dict[tuple[str, str], list[dict[str, Any]]] = {}
            found = 0
            line: tuple[str, str, int, str] | None = self._lines.get()
            while line is not None and found < _MOST:
                function, stream, moment, text = line
                batches.setdefault((function, stream), []).append({"timestamp": moment, "message": text or " "})
                found += 1
                try:
                    line = self._lines.get_nowait() if found < _MOST else None
                except queue.Empty:
                    line = None
            for place, events in batches.items():
                with suppress(Exception):  # the group or the emulator has gone, so no reader is left
                    self._put(*place, events)

    def _put(self, function: str, stream: str, events: list[dict[str, Any]]) -> None:
        place = {"logGroupName": f"/aws/lambda/{function}", "logStreamName": stream}
        if (function, stream) not in self._streams:
            self._streams.add((function, stream))
            self._client.create_log_stream(**place)
        self._client.put_log_events(**place, logEvents=events)
