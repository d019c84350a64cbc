"""From a request and its steering to what goes on the wire: one place for both vendors' routes and their faults."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote

from tests.upstream import bedrock_api, eventstream, hosts, openai_api
from tests.upstream.converse_judge import faults
from tests.upstream.steering import Steer

SECRET = "secretsmanager.GetSecretValue"
_REQUEST_ID = "3f2b8a56-0000-4000-8000-00000000fa4e"


@dataclass(frozen=True, slots=True)
class Reply:
    """Status, headers, and either a body or the parts of a stream."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    parts: Iterator[bytes] | None = None


def secret(value: str | None) -> Reply:
    """Secrets Manager's answer; None is a secret that is not there."""
    body = {"__type": "ResourceNotFoundException"} if value is None else {"SecretString": value}
    return Reply(400 if value is None else 200, {"content-type": "application/x-amz-json-1.1"}, _dump(body))


def answer(method: str, path: str, headers: Mapping[str, str], body: Mapping[str, Any], steer: Steer) -> Reply:
    """What the fake says to a request."""
    path = path.partition("?")[0]
    if path.startswith("/model/"):
        return _bedrock(path, headers, body, steer)
    if path.startswith("/hosts/") and path.endswith("/chat/completions"):
        status, extra, whole = hosts.answer(path.split("/")[2], headers, body, steer)
        return Reply(status, {"content-type": "application/json"} | extra, whole)
    if not headers.get("authorization", "").startswith("Bearer "):
        return _openai_error(401, Steer(code="invalid_api_key"))
    if steer.status != 200:
        return _openai_error(steer.status, steer)
    if (method, path) == ("GET", "/v1/models"):
        return _json(openai_api.models(), steer)
    if (method, path) == ("POST", "/v1/embeddings"):
        return _json(openai_api.embeddings(body), steer)
    if (method, path) == ("POST", "/v1/chat/completions"):
        if body.get("stream"):
            return Reply(200, {"content-type": "text/event-stream; charset=utf-8"}, parts=_sse(body, steer))
        return _json(openai_api.completion(body, steer), steer)
    return _openai_error(404, Steer(code="unknown_url"))


def _bedrock(path: str, headers: Mapping[str, str], body: Mapping[str, Any], steer: Steer) -> Reply:
    model, _, operation = path.removeprefix("/model/").rpartition("/")
    status, steer = _bedrock_verdict(unquote(model), headers, body, steer)
    request_id = {"x-amzn-requestid": _REQUEST_ID}
    if 300 <= status < 400:
        return _json({}, steer, status, request_id)
    if status != 200:
        kind, fault = bedrock_api.error(status, steer)
        typed = {"x-amzn-errortype": f"{kind}:http://internal.amazon.com/coral/{kind}/"}
        return _json(fault, steer, status, request_id | typed)
    if operation == "converse-stream":
        streamed = {"content-type": "application/vnd.amazon.eventstream", **request_id}
        return Reply(200, streamed, parts=_event_stream(body, steer))
    return _json(bedrock_api.converse(body, steer), steer, 200, request_id)


def _bedrock_verdict(
    model: str, headers: Mapping[str, str], body: Mapping[str, Any], steer: Steer
) -> tuple[int, Steer]:
    # What Bedrock itself checks comes before what a test asks for.
    if not headers.get("authorization", "").startswith(("AWS4-HMAC-SHA256 Credential=", "Bearer ")):
        return 403, Steer(error_type="MissingAuthenticationTokenException")
    found = faults(body) if model else ["modelId: is empty"]
    if found:
        return 400, Steer(message=f"{len(found)} validation error(s) detected: {found[0]}")
    return steer.status, steer


def _sse(request: Mapping[str, Any], steer: Steer) -> Iterator[bytes]:
    for number, chunk in enumerate(openai_api.chunks(request, steer)):
        if steer.stream_error and number == steer.after:
            yield _data(openai_api.error(500, Steer(message=steer.stream_error)))
            return
        yield _data(chunk)
    yield b"data: [DONE]\n\n"


def _data(value: Mapping[str, Any]) -> bytes:
    return b"data: " + _dump(value) + b"\n\n"


def _event_stream(request: Mapping[str, Any], steer: Steer) -> Iterator[bytes]:
    for number, (kind, payload) in enumerate(bedrock_api.events(request, steer)):
        if steer.stream_error and number == steer.after:
            yield eventstream.exception(steer.stream_error, _dump({"message": "The fake ends this stream."}))
            return
        yield eventstream.event(kind, _dump(payload))


def _openai_error(status: int, steer: Steer) -> Reply:
    return _json(openai_api.error(status, steer), steer, status)


def _json(value: Mapping[str, Any], steer: Steer, status: int = 200, headers: Mapping[str, str] | None = None) -> Reply:
    extra = {"content-type": "application/json", **(headers or {})}
    asked = {"retry-after": steer.retry_after, "retry-after-ms": steer.retry_after_ms, "location": steer.location}
    extra |= {name: text for name, text in asked.items() if text}
    if steer.header:
        name, _, text = steer.header.partition(":")
        extra[name] = text.strip(" ")
    body = _damaged(_dump(value), steer)
    if steer.body == "gzip":
        extra["content-encoding"] = "gzip"
    return Reply(status, extra, body)


def _damaged(body: bytes, steer: Steer) -> bytes:
    if steer.exact:
        return steer.exact.encode("latin-1")
    return {
        "malformed": b'{"choices": [{"message": ',
        "schema": b'{"choices": "none", "output": 5, "stopReason": []}',
        "list": b"[1, 2]",
        "nan": b'{"choices": [{"message": {}, "x": NaN}], "output": {"message": {"content": []}}, "stopReason": NaN}',
        "empty": b"",
        "huge": b'{"padding": "' + b"x" * (steer.size if steer.body == "huge" else 0) + b'"}',
        "gzip": gzip.compress(body + b" " * steer.size) if steer.body == "gzip" else b"",
    }.get(steer.body, body)


def _dump(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def reason(status: int) -> str:
    """The phrase of a status line."""
    return HTTPStatus(status).phrase if status in {known.value for known in HTTPStatus} else "Unknown"
