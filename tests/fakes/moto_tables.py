"""moto's DynamoDB behind a loopback endpoint: what the ledger is judged on where there is no Java.

It is asked below its HTTP layer, which costs 2 ms of CPU a call and changes nothing. Calls go one after another,
because moto loses updates of threads at once: what it answers says nothing of concurrency.
"""

from __future__ import annotations

import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from moto.dynamodb.responses import DynamoHandler
from werkzeug.exceptions import HTTPException

ACCOUNT, REGION = "000000000000", "us-east-1"


class MotoTables:
    """The endpoint of an empty DynamoDB, for as long as the block lasts."""

    def __init__(self) -> None:
        self._server = _Server(("127.0.0.1", 0), _Answering)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self) -> str:
        self._thread.start()
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 512


class _Answering(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        operation = self.headers["x-amz-target"].rpartition(".")[2]
        status, answer = answered(operation, json.loads(body))
        self.send_response(status)
        self.send_header("content-type", "application/x-amz-json-1.0")
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: Any) -> None:
        pass


_one_at_a_time = threading.Lock()


def answered(operation: str, request: dict[str, Any]) -> tuple[int, bytes]:
    """Status and body of an answer of DynamoDB."""
    handler = DynamoHandler()
    handler.current_account, handler.region = ACCOUNT, REGION
    handler.body = handler.params = request
    with _one_at_a_time:
        try:
            result = getattr(handler, re.sub(r"(?<!^)(?=[A-Z])", "_", operation).lower())()
            return 200, json.dumps(result.result, default=str).encode()
        except HTTPException as error:
            return 400, str(error.description).encode()
