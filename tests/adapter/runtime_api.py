"""Lambda's Runtime API on a loopback port, with response streaming: an environment asks it for the next event, and
sends it the answer, piece by piece.

Several environments (each an adapter and its app) poll one API, and each takes one event at a time, as on Lambda. No
environment learns that a caller hung up, because Lambda does not say so either.
"""

from __future__ import annotations

import itertools
import json
import queue
import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal

FUNCTION_ARN = "arn:aws:lambda:us-east-1:000000000000:function:stream"
_SEPARATOR = b"\0" * 8  # between the prelude (status and headers as JSON) and the body
_DEADLINE_MS = 900_000


class EnvironmentDied(Exception):
    """An answer that was not completed, or that never began."""


@dataclass(slots=True)
class Invocation:
    """One event in progress. The environment that took it fills `pieces`. The last piece is None, or False if the
    environment died."""

    event: dict[str, Any]
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    pieces: queue.SimpleQueue[bytes | Literal[False] | None] = field(default_factory=queue.SimpleQueue)
    ended: threading.Event = field(default_factory=threading.Event)

    def answer(self, seconds: float) -> tuple[dict[str, Any], Iterator[bytes]]:
        """The prelude when it has come, and the body as it comes. Raises EnvironmentDied, and queue.Empty after this
        many seconds of silence."""
        seen, pieces = b"", self._pieces(seconds)
        while _SEPARATOR not in seen:
            piece = next(pieces, None)
            if piece is None:  # an error that the runtime reported instead of an answer
                raise EnvironmentDied(seen.decode("utf-8", "replace"))
            seen += piece
        head, _, rest = seen.partition(_SEPARATOR)
        prelude: dict[str, Any] = json.loads(head)
        return prelude, itertools.chain([rest] if rest else [], pieces)

    def _pieces(self, seconds: float) -> Iterator[bytes]:
        while (piece := self.pieces.get(timeout=seconds)) is not None:
            if piece is False:
                raise EnvironmentDied
            yield piece


class RuntimeApi:
    """A context manager. `address` is the value for AWS_LAMBDA_RUNTIME_API."""

    def __init__(self) -> None:
        self.waiting: queue.SimpleQueue[Invocation | None] = queue.SimpleQueue()
        self.taken: dict[str, Invocation] = {}
        self.closing = threading.Event()
        self._server = _Server(("127.0.0.1", 0), self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._server.server_address[1]}"

    def invoke(self, event: dict[str, Any]) -> Invocation:
        """Gives an event to the environment that asks next."""
        invocation = Invocation(event)
        self.waiting.put(invocation)
        return invocation

    def __enter__(self) -> RuntimeApi:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False  # an environment that was killed leaves its request behind
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], api: RuntimeApi) -> None:
        self.api = api
        super().__init__(address, _Handler)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def log_message(self, format: str, *args: object) -> None:
        """Logs nothing, because the tests look at invocations."""

    def do_GET(self) -> None:
        api = self.server.api
        if self.path == "/2020-01-01/extension/event/next":
            api.closing.wait()  # an extension never gets an event: its connection is held open, as on Lambda
            return
        invocation = self._next()
        if invocation is None:
            return
        api.taken[invocation.id] = invocation
        told = {
            "Lambda-Runtime-Aws-Request-Id": invocation.id,
            "Lambda-Runtime-Deadline-Ms": str(int(time.time() * 1_000) + _DEADLINE_MS),
            "Lambda-Runtime-Invoked-Function-Arn": FUNCTION_ARN,
            "Lambda-Runtime-Trace-Id": f"Root=1-{int(time.time()):08x}-{uuid.uuid4().hex[:24]};Sampled=0",
        }
        self._say(200, json.dumps(invocation.event).encode(), told)

    def do_POST(self) -> None:
        if self.path == "/2020-01-01/extension/register":
            b"".join(self._chunks())
            self._say(200, b"{}", {"Lambda-Extension-Identifier": str(uuid.uuid4())})
            return
        parts = self.path.split("/")  # /2018-06-01/runtime/invocation/<id>/response, or .../error
        invocation = self.server.api.taken.pop(parts[4], None) if len(parts) == 6 else None
        if invocation is None:
            b"".join(self._chunks())
            self._say(403, b"{}")
            return
        try:
            for piece in self._chunks():
                invocation.pieces.put(piece)
            invocation.pieces.put(None)
            self._say(202, b'{"status":"OK"}')
        except ConnectionError:
            invocation.pieces.put(False)
            self.close_connection = True
        finally:
            invocation.ended.set()

    def _next(self) -> Invocation | None:
        while not self.server.api.closing.is_set():
            try:
                return self.server.api.waiting.get(timeout=0.1)
            except queue.Empty:
                continue
        return None

    def _chunks(self) -> Iterator[bytes]:
        """The body of a request as it arrives. Raises ConnectionError if it breaks off."""
        if "chunked" not in self.headers.get("transfer-encoding", "").lower():
            yield self.rfile.read(int(self.headers.get("content-length") or 0))
            return
        while size := self._size():
            yield self.rfile.read(size)
            self.rfile.readline()
        while self.rfile.readline().strip():
            continue  # trailers

    def _size(self) -> int:
        line = self.rfile.readline()
        if not line:
            raise ConnectionAbortedError
        return int(line.partition(b";")[0], 16)

    def _say(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {
            "content-type": "application/json",
            "content-length": str(len(body)),
            **(headers or {}),
        }.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
