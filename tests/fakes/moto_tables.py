"""moto's DynamoDB behind a loopback endpoint, on which the ledger is tested if there is no Java.

It is called below its HTTP layer, which costs 2 ms of CPU a call and changes nothing. Calls run one after another,
because moto loses updates of simultaneous threads. So its answers prove nothing about concurrency.
"""

from __future__ import annotations

import base64
import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from moto.dynamodb.responses import DynamoHandler
from werkzeug.exceptions import HTTPException

ACCOUNT, REGION = "000000000000", "us-east-1"


class MotoTables:
    """The endpoint of an empty DynamoDB, which exists until the block ends."""

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
    handler.body = handler.params = _with_bytes(request)
    method = getattr(handler, re.sub(r"(?<!^)(?=[A-Z])", "_", operation).lower())
    with _one_at_a_time:
        try:
            return 200, json.dumps(method().result, default=_text).encode()
        except HTTPException as error:
            return 400, str(error.description).encode()
        except Exception as error:  # noqa: BLE001  an answer that says what moto could not do, not a broken connection
            return 500, json.dumps({"__type": "InternalServerError", "message": repr(error)}).encode()


def _with_bytes(value: Any) -> Any:
    """A request with binary values as bytes, as moto's HTTP layer passes them on."""
    match value:
        case {"B": str(text), **rest} if not rest:
            return {"B": base64.b64decode(text)}
        case {"BS": [str(), *_] as texts, **rest} if not rest:
            return {"BS": [base64.b64decode(text) for text in texts]}
        case dict():
            return {name: _with_bytes(each) for name, each in value.items()}
        case list():
            return [_with_bytes(each) for each in value]
    return value


def _text(value: Any) -> str:
    return base64.b64encode(value).decode() if isinstance(value, bytes) else str(value)
