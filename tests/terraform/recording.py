"""A proxy between the deployed functions and AWS's stand-ins that writes down what goes over the wire, by function.

Each function gets the proxy's address with its own name as the first part of the path: a call tells who made it.
"""

from __future__ import annotations

import http.client
import json
import re
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

_SCOPE = re.compile(r"Credential=[^/]+/[^/]+/(?P<region>[^/]+)/(?P<service>[^/]+)/aws4_request")
_PASSED_ON = ("authorization", "content-type", "x-amz-target", "x-amz-date", "x-amz-security-token", "accept")
_TRANSACTED = {"Put": "PutItem", "Update": "UpdateItem", "Delete": "DeleteItem", "ConditionCheck": "ConditionCheckItem"}
_PROFILE = re.compile(r"(us|eu|apac|global|us-gov)\.(?P<model>.+)")


@dataclass(frozen=True, slots=True)
class Call:
    """One signed call: which function made it, to which service, and what it asked for."""

    function: str
    service: str
    target: str
    path: str
    body: Mapping[str, Any]

    def rights(self, region: str, account: str) -> set[tuple[str, str]]:
        """The pairs of action and resource ARN that AWS would ask the caller's role for. Raises KeyError for a service
        whose rights this does not know."""
        readers = {
            "dynamodb": self._on_tables,
            "secretsmanager": self._on_secrets,
            "bedrock": self._on_models,
            "sns": self._on_topics,
        }
        return set(readers[self.service](region, account))

    def _on_tables(self, region: str, account: str) -> Iterator[tuple[str, str]]:
        operation = self.target.partition(".")[2]
        for action, table in _table_actions(operation, self.body):
            yield f"dynamodb:{action}", f"arn:aws:dynamodb:{region}:{account}:table/{table}"

    def _on_secrets(self, region: str, account: str) -> Iterator[tuple[str, str]]:
        action = self.target.partition(".")[2]
        yield (
            f"secretsmanager:{action}",
            f"arn:aws:secretsmanager:{region}:{account}:secret:{self.body['SecretId']}-AbCdEf",
        )

    def _on_topics(self, _region: str, _account: str) -> Iterator[tuple[str, str]]:
        yield f"sns:{self.body['Action']}", self.body["TopicArn"]

    def _on_models(self, region: str, account: str) -> Iterator[tuple[str, str]]:
        # Converse is authorised as InvokeModel; a profile on itself and on the models it may route to.
        model = unquote(self.path.split("/")[2])
        profile = _PROFILE.fullmatch(model)
        if profile:
            yield "bedrock:InvokeModel", f"arn:aws:bedrock:{region}:{account}:inference-profile/{model}"
        name = profile["model"] if profile else model
        yield "bedrock:InvokeModel", f"arn:aws:bedrock:{region}::foundation-model/{name}"


def _table_actions(operation: str, body: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if operation == "TransactWriteItems":
        for item in body["TransactItems"]:
            ((kind, request),) = item.items()
            yield _TRANSACTED[kind], request["TableName"]
    elif operation == "TransactGetItems":
        yield from (("GetItem", item["Get"]["TableName"]) for item in body["TransactItems"])
    elif operation in ("BatchGetItem", "BatchWriteItem"):
        yield from ((operation, table) for table in body["RequestItems"])
    else:
        index = f"/index/{body['IndexName']}" if "IndexName" in body else ""
        yield operation, body["TableName"] + index


class Recorder:
    """A context manager. `upstreams` gives the base URL that stands for a service; the key "" for all others.

    Calls of a function in `cut_off` are answered with a server's error.
    """

    def __init__(self, upstreams: Mapping[str, str]) -> None:
        self.calls: list[Call] = []
        self.cut_off: set[str] = set()
        self.upstreams = upstreams
        self._server = _Server(self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    def url(self, function: str) -> str:
        """The endpoint to give to a function."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/{function}"

    def __enter__(self) -> Recorder:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, recorder: Recorder) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.recorder = recorder


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_POST(self) -> None:
        """Write the call down, hand it on, and hand the answer back."""
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        _, function, path = self.path.split("/", 2)
        scope = _SCOPE.search(self.headers["authorization"])
        assert scope is not None, "an AWS call that is not signed"
        target = self.headers.get("x-amz-target", "")
        form = self.headers.get("content-type", "").startswith("application/x-www-form-urlencoded")
        fields = dict(parse_qsl(body.decode())) if form else json.loads(body or b"{}")
        call = Call(function, scope["service"], target, f"/{path}", fields)
        self.server.recorder.calls.append(call)
        status, headers, answer = self._forwarded(call, body)
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def _forwarded(self, call: Call, body: bytes) -> tuple[int, dict[str, str], bytes]:
        if call.function in self.server.recorder.cut_off:
            return 500, {"content-type": "application/x-amz-json-1.0"}, b'{"__type": "InternalServerError"}'
        upstreams = self.server.recorder.upstreams
        upstream = urlsplit(upstreams.get(call.service, upstreams[""]))
        connection = http.client.HTTPConnection(upstream.hostname or "", upstream.port, timeout=60)
        try:
            passed = {name: self.headers[name] for name in _PASSED_ON if name in self.headers}
            connection.request("POST", call.path, body, passed)
            reply = connection.getresponse()
            kept = {
                name: value for name, value in reply.getheaders() if name.lower().startswith(("content-type", "x-amz"))
            }
            return reply.status, kept, reply.read()
        finally:
            connection.close()

    def log_message(self, *_arguments: object) -> None:
        """Say nothing."""
