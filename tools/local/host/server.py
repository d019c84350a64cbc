"""Runs the emulator's functions: unpacks their code once, keeps processes warm, and makes calls wait for one.

The emulator forwards each invocation here through its documented `MINISTACK_LAMBDA_PROXY_URL`. Its own workers would
unpack code and layers again for each parallel call, within its one process, and without limit. Here, a call takes a
free process of its function. If none is free, one is started, two at a time, and the first free process takes the call.
Code, layers, variables and limits are the deployed ones, from the emulator's Lambda API, by function and version.

A function that listens on a port gets no invocations. `POST /listening/<name>` starts its server on `STREAM_PORT`, or
restarts it with the current deployment.

It runs in the emulator's venv. `HOST_PORT`, `EMULATOR`, `REGION` and `ACCOUNT` configure it.
"""

from __future__ import annotations

import json
import os
import signal
import socketserver
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tools.local.host.deployed import Deployed, Lambda
from tools.local.host.listening import Listening
from tools.local.host.logs import Logs
from tools.local.host.process import Failed, Worker

_LISTENING = "/listening/"
_MOST_PROCESSES = 8  # for each function: more are no faster on a laptop, and each takes 30 MB
_AT_ONCE = threading.BoundedSemaphore(2)  # parallel starts


@dataclass(slots=True)
class Pool:
    """The processes of one version of a function."""

    deployed: Deployed
    log: Callable[[str], None]
    free: list[Worker] = field(default_factory=list)
    made: int = 0
    ended: bool = False
    changed: threading.Condition = field(default_factory=threading.Condition)

    def call(self, event: bytes, facts: dict[str, Any]) -> bytes:
        """The answer to an event. Raises Failed if the function fails, or no process is free by the deadline."""
        worker = self._take(facts["deadline"])
        try:
            answer = worker.ask(event, facts)
        except Failed:
            worker.end()
            with self.changed:
                self.made -= 1
                self.changed.notify()
            raise
        self._give(worker)
        return answer

    def _take(self, deadline: float) -> Worker:
        with self.changed:
            if self.free:
                return self.free.pop()
            if self.made < _MOST_PROCESSES:
                self.made += 1
                threading.Thread(target=self._start, daemon=True).start()
            while not self.free:
                if not self.changed.wait(deadline - time.time()):
                    raise Failed("Sandbox.Timedout", "no process of the function came free in time")
            return self.free.pop()

    def _start(self) -> None:
        with _AT_ONCE:
            worker = None
            with self.changed:
                waiting = not self.free
            if waiting:
                worker = Worker.start(self.deployed, self.log)
        if worker is not None:
            self._give(worker)
        else:
            with self.changed:
                self.made -= 1
                self.changed.notify()

    def _give(self, worker: Worker) -> None:
        with self.changed:
            if not self.ended:
                self.free.append(worker)
                self.changed.notify()
                return
        worker.end()

    def end(self) -> None:
        """Ends the pool: no more calls come, and running ones are still answered."""
        with self.changed:
            self.ended, free = True, self.free
            self.free = []
        for worker in free:
            worker.end()


class Host:
    """All pools by function and version. The first call of a newer version ends the older version's pool."""

    def __init__(self, functions: Lambda, logs: Logs, listening: Listening) -> None:
        self._functions, self._logs, self._listening = functions, logs, listening
        self._pools: dict[str, tuple[str, Pool]] = {}
        self._locks: dict[str, threading.Lock] = defaultdict(threading.Lock)

    def call(self, name: str, version: str, event: bytes, facts: dict[str, Any]) -> bytes:
        return self._pool(name, version).call(event, facts)

    def listen(self, name: str, version: str) -> None:
        """Serve a function on the port. Raises OSError, TimeoutError."""
        deployed = self._functions.get(name, version)
        self._listening.start(deployed, lambda line: self._logs.write(name, deployed.stream, line))

    def end(self) -> None:
        """Ends the listening server, which settles its open streams."""
        self._listening.end()

    def _pool(self, name: str, version: str) -> Pool:
        with self._locks[name]:
            known = self._pools.get(name)
            if known is not None and known[0] == version:
                return known[1]
            if known is not None:
                known[1].end()
            deployed = self._functions.get(name, version)
            pool = Pool(deployed, lambda line: self._logs.write(name, deployed.stream, line))
            self._pools[name] = (version, pool)
            return pool


class Handler(BaseHTTPRequestHandler):
    """Handles an invocation in the form that the emulator sends."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1  # buffered, so that headers and body are sent together
    disable_nagle_algorithm = True
    host: Host

    def do_POST(self) -> None:
        if self.path.startswith(_LISTENING):
            return self._listen(self.path.removeprefix(_LISTENING))
        return self._invoke()

    def _listen(self, named: str) -> None:
        name, _, version = named.partition("/")
        try:
            self.host.listen(name, version)
        except Exception as failure:  # noqa: BLE001  whoever asked is told
            self._answer(502, json.dumps(f"{type(failure).__name__}: {failure}").encode())
        else:
            self._answer(200, b"{}")

    def _invoke(self) -> None:
        event = self.rfile.read(int(self.headers["content-length"]))
        facts = {
            "deadline": int(self.headers["x-amzn-lambda-deadline-ms"]) / 1_000,
            "request_id": self.headers["x-amzn-lambda-request-id"],
            "arn": self.headers["x-amzn-lambda-function-arn"],
            "trace": self.headers.get("x-amzn-trace-id"),
        }
        name, version = (self.headers[f"x-amzn-lambda-function-{each}"] for each in ("name", "version"))
        try:
            status, answer = 200, self.host.call(name, version, event, facts)
        except Failed as failure:
            status, answer = 502, json.dumps(failure.facts).encode()
        self._answer(status, answer)

    def _answer(self, status: int, answer: bytes) -> None:
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *arguments: Any) -> None:
        """Logs nothing: the function's own log has everything."""


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 512

    def server_bind(self) -> None:
        socketserver.TCPServer.server_bind(self)  # HTTPServer's would ask DNS for this machine's name
        self.server_name, self.server_port = "127.0.0.1", self.server_address[1]


def main() -> None:
    functions = Lambda(os.environ["EMULATOR"], os.environ["REGION"], os.environ["ACCOUNT"])
    host = Handler.host = Host(functions, Logs(functions.client("logs")), Listening(int(os.environ["STREAM_PORT"])))
    server = Server(("127.0.0.1", int(os.environ["HOST_PORT"])), Handler)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        server.serve_forever()
    finally:
        host.end()


if __name__ == "__main__":
    main()
