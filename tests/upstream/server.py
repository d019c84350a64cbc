"""The HTTP server: records requests, and sends answers with the timing and the interruptions that a test asks for."""

from __future__ import annotations

import json
import socket
import struct
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.upstream import embeddings_api
from tests.upstream.answers import SECRET, Reply, answer, reason, secret
from tests.upstream.bedrock_api import counted_of
from tests.upstream.delivered import Delivery
from tests.upstream.responses_api import last_input_text
from tests.upstream.steering import Steer, last_user_text, steer_from

_MOST_BODY = 32_000_000


@dataclass(frozen=True, slots=True)
class Seen:
    """One request as it arrived. Header names are lower-case. `body` is {} if it is not a JSON object. `client` is the
    port of the sender, which is the same for requests over one connection."""

    method: str
    path: str
    headers: dict[str, str]
    raw: bytes
    body: dict[str, Any]
    client: int


class FakeUpstream:
    """A fake of OpenAI and Bedrock on its own loopback port; a context manager.

    `url` is for Bedrock, `openai_url` ends in /v1. `seen` has every request in order, `deliveries` everything that was
    sent for each. `script` queues answers, one for each request; they take precedence over a request's own headers and
    words. `decide` may give a Steer for a request. `gone` is set when a connection was broken on purpose. `let` allows
    one more event of a held stream.

    It is also a fake of Secrets Manager: `secrets` has values by id (any other secret is "sk-fake", None is one that
    does not exist), and `secret_reads` the ids that were requested.
    """

    def __init__(self, port: int = 0) -> None:
        self.seen: list[Seen] = []
        self.deliveries: list[Delivery] = []
        self.decide: Callable[[Seen], Steer | None] = lambda seen: None
        self.secrets: dict[str, str | None] = {}
        self.secret_reads: list[str] = []
        self.closing = threading.Event()
        self.gone = threading.Event()
        self.permits = threading.Semaphore(0)
        self._queue: deque[Steer] = deque()
        self._server = _Server(("127.0.0.1", port), self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def openai_url(self) -> str:
        return f"{self.url}/v1"

    def script(self, *steers: Steer) -> None:
        """The next requests are answered like this, in this order."""
        self._queue.extend(steers)

    def let(self, events: int = 1) -> None:
        """Allows this many events of held streams."""
        self.permits.release(events)

    def reset(self) -> None:
        """Forgets all requests and scripts."""
        self.permits = threading.Semaphore(0)
        self.seen.clear()
        self.deliveries.clear()
        self.secrets.clear()
        self.secret_reads.clear()
        self._queue.clear()
        self.decide = lambda seen: None

    def steer(self, seen: Seen) -> Steer:
        """The steering of a request. Raises ValueError for an unknown directive."""
        if self._queue:
            return self._queue.popleft()
        asked = counted_of(seen.body) or seen.body
        said = last_user_text(asked.get("messages") or []) or last_input_text(asked.get("input"))
        said = said or embeddings_api.said(seen.body)
        return self.decide(seen) or steer_from(seen.headers, said)

    def serve(self) -> None:
        """Serves in this thread, until interrupted."""
        self._server.serve_forever()

    def __enter__(self) -> FakeUpstream:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 512

    def __init__(self, address: tuple[str, int], fake: FakeUpstream) -> None:
        self.fake = fake
        self._open: set[socket.socket] = set()
        super().__init__(address, _Handler)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._open.discard(request)

    def server_close(self) -> None:
        # Kept-alive connections would block their threads, for which a caller waits.
        for connection in list(self._open):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # the other side was faster
        super().server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        # Many tests are about clients that hang up, so only other errors are printed.
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def log_message(self, format: str, *args: object) -> None:
        """Logs nothing, because `seen` is the log."""

    def _serve(self) -> None:
        fake = self.server.fake
        seen = self._read()
        if seen.headers.get("x-amz-target") == SECRET:
            secret_id = str(seen.body["SecretId"])
            fake.secret_reads.append(secret_id)
            self._send(secret(fake.secrets.get(secret_id, "sk-fake")), Delivery.of(seen, Steer()))
            return
        fake.seen.append(seen)
        try:
            steer = fake.steer(seen)
        except ValueError as error:
            self._send(Reply(599, {}, f"bad steering: {error}".encode()), Delivery.of(seen, Steer()))
            return
        delivery = Delivery.of(seen, steer)
        fake.deliveries.append(delivery)
        try:
            self._answer(delivery)
        finally:
            delivery.ended = True

    def _answer(self, delivery: Delivery) -> None:
        seen, steer = delivery.seen, delivery.steer
        self.server.fake.closing.wait(steer.delay)
        if steer.reset == "before":
            self._break()
            return
        if steer.wire:
            self.connection.sendall(steer.wire.encode("latin-1"))
            self._end()
            return
        self._send(answer(seen.method, seen.path, seen.headers, seen.body, steer), delivery)

    def _read(self) -> Seen:
        length = min(int(self.headers.get("content-length") or 0), _MOST_BODY)
        raw = self.rfile.read(length)
        try:
            body = json.loads(raw)
        except ValueError:
            body = None
        headers = {name.lower(): value for name, value in self.headers.items()}
        fields = body if isinstance(body, dict) else {}
        return Seen(self.command, self.path, headers, raw, fields, self.client_address[1])

    def _send(self, reply: Reply, delivery: Delivery) -> None:
        steer, head = delivery.steer, self._head(reply)
        if steer.reset == "headers":
            self._write(head[: len(head) // 2], 0)
            self._break()
            return
        delivery.head(reply.status, reply.headers, streams=reply.parts is not None)
        if reply.parts is None and not steer.drip and steer.reset != "body" and steer.body != "cut":
            delivery.body = reply.body
            self._write(head + reply.body, 0)
            if steer.reset == "after":
                self._end()
            return
        self._write(head, steer.drip if steer.drip_from == "headers" else 0)
        if reply.parts is not None:
            self._stream(reply.parts, delivery)
        elif steer.reset == "body":
            self._write(reply.body[: len(reply.body) // 2], 0)
            self._break()
        elif steer.body == "cut":
            self._write(reply.body[: len(reply.body) // 2], 0)
            self.close_connection = True
        else:
            delivery.body = reply.body
            self._write(reply.body, steer.drip)

    def _head(self, reply: Reply) -> bytes:
        length = {"content-length": str(len(reply.body))} if reply.parts is None else {"transfer-encoding": "chunked"}
        lines = [f"HTTP/1.1 {reply.status} {reason(reply.status)}"]
        lines += [f"{name}: {value}" for name, value in (reply.headers | length).items()]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")

    def _stream(self, parts: Iterator[bytes], delivery: Delivery) -> None:
        steer = delivery.steer
        for number, part in enumerate(parts):
            if steer.reset == "body" and number == steer.after:
                self._break()
                return
            if steer.reset == "end" and number == steer.after:
                break
            if number:
                self.server.fake.closing.wait(steer.chunk_delay)
            if steer.held and number >= steer.held:
                delivery.held = True
                self._permitted()
            delivery.part(part)
            self._write(f"{len(part):x}\r\n".encode() + part + b"\r\n", steer.drip)
        self._write(b"0\r\n\r\n", 0)

    def _permitted(self) -> None:
        fake = self.server.fake
        while not fake.permits.acquire(timeout=0.05):
            if fake.closing.is_set():
                raise ConnectionAbortedError("the fake is closing")

    def _write(self, data: bytes, drip: float) -> None:
        if not drip:
            self.connection.sendall(data)
            return
        for index in range(len(data)):
            if self.server.fake.closing.wait(drip):
                raise ConnectionAbortedError("the fake is closing")
            self.connection.sendall(data[index : index + 1])

    def _end(self) -> None:
        # An orderly close that was not announced, because a reset could overtake the answer.
        self.connection.shutdown(socket.SHUT_RDWR)
        self.close_connection = True
        self.server.fake.gone.set()

    def _break(self) -> None:
        # Closing with linger 0 sends a reset, not an orderly end.
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.connection.close()
        self.server.fake.gone.set()
