"""A REST API whose integration streams: a client's request becomes a proxy event, and the function's prelude and pieces
become the answer, as they come.

It copies the habits of API Gateway that an app must cope with. Paths arrive without the stage, without the base path of
a custom domain, or unchanged. The source address is in the context. Nobody learns that a client hung up. The API itself
refuses a request that Lambda does not accept.
"""

from __future__ import annotations

import base64
import queue
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

from tests.adapter.runtime_api import EnvironmentDied, Invocation, RuntimeApi

STAGE = "live"
_MOST_EVENT = 6 * 1024 * 1024  # the maximum for an invocation, with its body as it is written in the event
_SILENCE_SECONDS = 60.0
_HOP = ("content-length", "transfer-encoding", "connection")


class RestApi:
    """A context manager. `base_path` is a custom domain's mapping, which is removed from paths that begin with it;
    `/<stage>` is removed, as at the API's own host. `invocations` has every invocation, in order."""

    def __init__(self, runtime: RuntimeApi, base_path: str = "") -> None:
        self.runtime = runtime
        self.base_path = base_path
        self.invocations: list[Invocation] = []
        self._server = _Server(("127.0.0.1", 0), self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> RestApi:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 512

    def __init__(self, address: tuple[str, int], api: RestApi) -> None:
        self.api = api
        super().__init__(address, _Handler)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def log_message(self, format: str, *args: object) -> None:
        """Logs nothing, because `invocations` is the log."""

    def do_GET(self) -> None:
        self._serve()

    def do_HEAD(self) -> None:
        self._serve()

    def do_OPTIONS(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        event = self._event(body)
        if len(event["body"] or "") > _MOST_EVENT:
            self._refuse(413, b'{"message":"Request Too Long"}')
            return
        invocation = self.server.api.runtime.invoke(event)
        self.server.api.invocations.append(invocation)
        try:
            prelude, pieces = invocation.answer(_SILENCE_SECONDS)
        except (EnvironmentDied, queue.Empty):
            self._refuse(502, b'{"message":"Internal server error"}')
            return
        # The function does not learn that a client hung up, and goes on. If the function dies, its answer is cut off.
        with suppress(ConnectionError, EnvironmentDied):
            self._pass_on(prelude, pieces)
            return
        self.close_connection = True

    def _event(self, body: bytes) -> dict[str, Any]:
        """A proxy event of payload format 1.0."""
        given, _, query = self.path.partition("?")
        path = self._mapped(given)
        every: dict[str, list[str]] = {}
        for name, value in self.headers.items():
            every.setdefault(name, []).append(value)
        source = self.client_address[0]
        every |= {"X-Forwarded-For": [source], "X-Forwarded-Proto": ["https"], "X-Forwarded-Port": ["443"]}
        asked = parse_qs(query, keep_blank_values=True)
        try:
            text, encoded = body.decode(), False
        except UnicodeDecodeError:
            text, encoded = base64.b64encode(body).decode(), True
        return {
            "resource": "/{proxy+}",
            "path": path,
            "httpMethod": self.command,
            "headers": {name: values[-1] for name, values in every.items()},
            "multiValueHeaders": every,
            "queryStringParameters": {name: values[-1] for name, values in asked.items()} or None,
            "multiValueQueryStringParameters": asked or None,
            "pathParameters": {"proxy": path.lstrip("/")},
            "stageVariables": None,
            "requestContext": {
                "accountId": "000000000000",
                "apiId": "a1b2c3d4e5",
                "domainName": self.headers.get("host", ""),
                "stage": STAGE,
                "requestId": str(uuid.uuid4()),
                "extendedRequestId": "AbCdEfGhIjKlMnO=",
                "requestTimeEpoch": int(time.time() * 1_000),
                "resourceId": "x1y2z3",
                "resourcePath": "/{proxy+}",
                "httpMethod": self.command,
                "path": given,
                "protocol": "HTTP/1.1",
                "identity": {"sourceIp": source, "userAgent": self.headers.get("user-agent", "")},
            },
            "body": text or None,
            "isBase64Encoded": encoded,
        }

    def _mapped(self, path: str) -> str:
        for prefix in (f"/{STAGE}", self.server.api.base_path):
            if prefix and path.startswith(f"{prefix}/"):
                return path.removeprefix(prefix)
        return path

    def _pass_on(self, prelude: dict[str, Any], pieces: Iterator[bytes]) -> None:
        self.send_response(int(prelude.get("statusCode") or 200))
        for name, value in _headers(prelude):
            self.send_header(name, value)
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        if self.command == "HEAD":
            return
        for piece in pieces:
            if piece:
                self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
        self.wfile.write(b"0\r\n\r\n")

    def _refuse(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _headers(prelude: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """The prelude's headers, including those with several values, without those that belong to one connection."""
    several = {name.lower(): values for name, values in (prelude.get("multiValueHeaders") or {}).items()}
    single = {name.lower(): value for name, value in (prelude.get("headers") or {}).items()}
    for name, values in (single | several).items():
        if name not in _HOP:  # the adapter gives a list if a header came twice
            yield from ((name, str(value)) for value in (values if isinstance(values, list) else [values]))
    yield from (("set-cookie", str(cookie)) for cookie in prelude.get("cookies") or ())
