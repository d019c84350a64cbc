"""A proxy between the deployed functions and the emulators of AWS, which records the calls of each function.

Each function gets the proxy's address with its own name as the first part of the path, so a call shows who made it.
"""

from __future__ import annotations

import http.client
import json
import re
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from tests.terraform.rights import Right
from tools.local.emulator import ROOT
from tools.manifest import load

_SCOPE = re.compile(r"Credential=[^/]+/[^/]+/(?P<region>[^/]+)/(?P<service>[^/]+)/aws4_request")
_PASSED_ON = ("authorization", "content-type", "x-amz-target", "x-amz-date", "x-amz-security-token", "accept")
_TRANSACTED = {"Put": "PutItem", "Update": "UpdateItem", "Delete": "DeleteItem", "ConditionCheck": "ConditionCheckItem"}
_PROFILE = re.compile(r"(us|eu|apac|global|us-gov)\.(?P<model>.+)")


@dataclass(frozen=True, slots=True)
class Call:
    """One signed call: the function that made it, the service, and the request."""

    function: str
    service: str
    target: str
    path: str
    body: Mapping[str, Any]

    def rights(self, region: str, account: str) -> set[Right]:
        """The rights that AWS would require of the caller's role. Raises KeyError for a service whose rights are not
        known here."""
        readers = {
            "dynamodb": self._on_tables,
            "secretsmanager": self._on_secrets,
            "bedrock": self._on_models,
            "sns": self._on_topics,
        }
        return set(readers[self.service](region, account))

    def _on_tables(self, region: str, account: str) -> Iterator[Right]:
        operation = self.target.partition(".")[2]
        for action, table, partition in _table_actions(operation, self.body):
            yield Right(f"dynamodb:{action}", f"arn:aws:dynamodb:{region}:{account}:table/{table}", partition)

    def _on_secrets(self, region: str, account: str) -> Iterator[Right]:
        secret = f"arn:aws:secretsmanager:{region}:{account}:secret:{self.body['SecretId']}-AbCdEf"
        yield Right(f"secretsmanager:{self.target.partition('.')[2]}", secret)

    def _on_topics(self, _region: str, _account: str) -> Iterator[Right]:
        yield Right(f"sns:{self.body['Action']}", self.body["TopicArn"])

    def _on_models(self, region: str, account: str) -> Iterator[Right]:
        # Converse is authorised as InvokeModel. A profile needs the right on itself and on its model in every region of
        # its geography.
        named = self.path.startswith("/model/")
        model = unquote(self.path.split("/")[2]) if named else str(self.body["model"])
        action = "bedrock:InvokeModel" + ("WithResponseStream" if self.path.endswith("-stream") else "")
        if self.path.endswith("/count-tokens"):
            action = "bedrock:CountTokens"
        profile = _PROFILE.fullmatch(model)
        if profile is None:
            yield Right(action, f"arn:aws:bedrock:{region}::foundation-model/{model}")
            return
        arn = f"arn:aws:bedrock:{region}:{account}:inference-profile/{model}"
        yield Right(action, arn)
        for there in (region, "eu-north-1", ""):
            yield Right(action, f"arn:aws:bedrock:{there}::foundation-model/{profile['model']}", profile=arn)


def _table_actions(operation: str, body: Mapping[str, Any]) -> Iterator[tuple[str, str, str | None]]:
    """Action, table (or table/index/name) and partition of every item that an operation names or asks for. A Scan has
    no partition, because IAM sees none in it."""
    if operation == "TransactWriteItems":
        for item in body["TransactItems"]:
            ((kind, request),) = item.items()
            yield _TRANSACTED[kind], request["TableName"], _partition(request)
    elif operation == "TransactGetItems":
        for item in body["TransactItems"]:
            yield "GetItem", item["Get"]["TableName"], _partition(item["Get"])
    elif operation == "BatchGetItem":
        for table, asked in body["RequestItems"].items():
            yield from ((operation, table, _partition({"TableName": table, "Key": key})) for key in asked["Keys"])
    elif operation == "BatchWriteItem":
        for table, writes in body["RequestItems"].items():
            for ((_, request),) in (write.items() for write in writes):
                yield operation, table, _partition({"TableName": table} | request)
    else:
        index = f"/index/{body['IndexName']}" if "IndexName" in body else ""
        yield operation, body["TableName"] + index, None if operation == "Scan" else _partition(body)


def _partition(request: Mapping[str, Any]) -> str:
    """The partition that a request names: in its key, in the item that it puts, or in the condition of its query."""
    name = _partition_key(request["TableName"], request.get("IndexName", ""))
    if "KeyConditionExpression" not in request:
        return _text(request.get("Key", request.get("Item", {}))[name])
    names = request.get("ExpressionAttributeNames", {})
    for part in request["KeyConditionExpression"].split(" AND "):
        left, _, right = part.strip().partition(" = ")
        if names.get(left, left) == name:
            return _text(request["ExpressionAttributeValues"][right.strip()])
    raise ValueError(f"a query without its partition: {request['KeyConditionExpression']}")


@lru_cache
def _partition_key(table: str, index: str) -> str:
    """The name of the partition key of a table, or of one of its indexes; `table` has the deployment's prefix."""
    facts = next(facts for name, facts in load(ROOT).tables.items() if table.endswith(f"-{name}"))
    return next(iter(facts.indexes[index].key if index else facts.key))


def _text(value: Mapping[str, str]) -> str:
    ((_, text),) = value.items()
    return text


class Recorder:
    """A context manager. `upstreams` has the base URL to use for each service; the key "" is for all others.

    Calls of the functions in `cut_off` are answered with a server error.
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
        """Records the call, forwards it, and returns the answer."""
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
        """Logs nothing."""
