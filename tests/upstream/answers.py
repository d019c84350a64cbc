"""Makes the bytes of an answer from a request and its steering: one place for all vendors' routes and their faults."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote

from tests.upstream import anthropic_api, bedrock_api, embeddings_api, eventstream, hosts, openai_api, responses_api
from tests.upstream.converse_judge import faults
from tests.upstream.messages_judge import count_faults, version_faults
from tests.upstream.messages_judge import faults as message_faults
from tests.upstream.responses_judge import faults as response_faults
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
    """The answer of Secrets Manager; None means that the secret does not exist."""
    body = {"__type": "ResourceNotFoundException"} if value is None else {"SecretString": value}
    return Reply(400 if value is None else 200, {"content-type": "application/x-amz-json-1.1"}, _dump(body))


def answer(method: str, path: str, headers: Mapping[str, str], body: Mapping[str, Any], steer: Steer) -> Reply:
    """The fake's answer to a request."""
    path = path.partition("?")[0]
    if path.startswith("/model/"):
        return _bedrock(path, headers, body, steer)
    if path.startswith("/hosts/") and path.endswith("/chat/completions"):
        status, extra, whole = hosts.answer(path.split("/")[2], headers, body, steer)
        return Reply(status, {"content-type": "application/json"} | extra, whole)
    if path.startswith("/hosts/") and path.endswith("/responses"):
        status, refused = hosts.refusal(path.split("/")[2], headers, body, steer)
        if refused is None and (found := response_faults(body)):
            return _openai_error(400, Steer(message=found[0]))
        return _json(refused, steer, status) if refused is not None else _responses(body, steer)
    if path in ("/openai/v1/chat/completions", "/openai/v1/responses"):
        return _bedrock_openai(path, headers, body, steer)
    if path.startswith("/v1/messages"):
        return _anthropic(path, headers, body, steer)
    if not headers.get("authorization", "").startswith("Bearer "):
        return _openai_error(401, Steer(code="invalid_api_key"))
    if steer.status != 200:
        return _openai_error(steer.status, steer)
    if (method, path) == ("GET", "/v1/models"):
        return _json(openai_api.models(), steer)
    if (method, path) == ("POST", "/v1/embeddings"):
        found = embeddings_api.openai_faults(body)
        return (
            _openai_error(400, Steer(message=found[0])) if found else _json(embeddings_api.openai(body, steer), steer)
        )
    if (method, path) == ("POST", "/v1/chat/completions"):
        return _chat(body, steer)
    if (method, path) == ("POST", "/v1/responses"):
        found = response_faults(body)
        return _openai_error(400, Steer(message=found[0])) if found else _responses(body, steer)
    return _openai_error(404, Steer(code="unknown_url"))


def _chat(body: Mapping[str, Any], steer: Steer, headers: Mapping[str, str] | None = None) -> Reply:
    if body.get("stream"):
        streamed = {"content-type": "text/event-stream; charset=utf-8", **(headers or {})}
        return Reply(200, streamed, parts=_sse(body, steer))
    return _json(openai_api.completion(body, steer), steer, 200, headers)


def _responses(body: Mapping[str, Any], steer: Steer, headers: Mapping[str, str] | None = None) -> Reply:
    if body.get("stream"):
        streamed = {"content-type": "text/event-stream; charset=utf-8", **(headers or {})}
        return Reply(200, streamed, parts=(_named(event) for event in responses_api.events(body, steer)))
    return _json(responses_api.response(body, steer), steer, 200, headers)


def _anthropic(path: str, headers: Mapping[str, str], body: Mapping[str, Any], steer: Steer) -> Reply:
    counts = path == "/v1/messages/count_tokens"
    status, steer = _anthropic_verdict(headers, body, steer, counts=counts)
    known = {"request-id": "req_fake"}
    if status != 200:
        return _json(anthropic_api.error(status, steer), steer, status, known)
    if counts:
        return _json(anthropic_api.count_tokens(body), steer, 200, known)
    if body.get("stream"):
        streamed = {"content-type": "text/event-stream; charset=utf-8", **known}
        return Reply(200, streamed, parts=_messages_sse(body, steer))
    return _json(anthropic_api.message(body, steer), steer, 200, known)


def _anthropic_verdict(
    headers: Mapping[str, str], body: Mapping[str, Any], steer: Steer, *, counts: bool
) -> tuple[int, Steer]:
    if not headers.get("x-api-key") and not headers.get("authorization", "").startswith("Bearer "):
        return 401, Steer(message="x-api-key header is required")
    version = headers.get("anthropic-version")
    if version not in ("2023-06-01", "2026-10-21"):
        return 400, Steer(message="anthropic-version: header is required")
    also = ("context_management",) if "context-management-2025-06-27" in headers.get("anthropic-beta", "") else ()
    found = version_faults(body) if version > "2023-06-01" else []
    if steer.status == 200:
        known = _known(headers, body)
        found += count_faults(known, also=also) if counts else message_faults({"max_tokens": 1, **known}, also=also)
    return (400, Steer(message=found[0])) if found else (steer.status, steer)


def _known(headers: Mapping[str, str], body: Mapping[str, Any]) -> dict[str, Any]:
    """The body without the parts that a beta adds to each turn."""
    if "per-turn-control-2026-07-01" not in headers.get("anthropic-beta", ""):
        return dict(body)
    turns = [{name: value for name, value in turn.items() if name != "output_config"} for turn in body["messages"]]
    return {**body, "messages": turns}


def _messages_sse(request: Mapping[str, Any], steer: Steer) -> Iterator[bytes]:
    for number, event in enumerate(anthropic_api.events(request, steer)):
        if steer.stream_error and number == steer.after:
            yield _named(anthropic_api.error(500, Steer(error_type=steer.stream_error, message=steer.message)))
            return
        yield _named(event)


def _named(event: Mapping[str, Any]) -> bytes:
    return b"event: " + str(event["type"]).encode() + b"\ndata: " + _dump(event) + b"\n\n"


def _bedrock(path: str, headers: Mapping[str, str], body: Mapping[str, Any], steer: Steer) -> Reply:
    model, _, operation = path.removeprefix("/model/").rpartition("/")
    status, steer = _bedrock_verdict(unquote(model), operation, headers, body, steer)
    request_id = {"x-amzn-requestid": _REQUEST_ID}
    if 300 <= status < 400:
        return _json({}, steer, status, request_id)
    if status != 200:
        kind, fault = bedrock_api.error(status, steer)
        typed = {"x-amzn-errortype": f"{kind}:http://internal.amazon.com/coral/{kind}/"}
        return _json(fault, steer, status, request_id | typed)
    streamed = {"content-type": "application/vnd.amazon.eventstream", **request_id}
    if operation == "converse-stream":
        return Reply(200, streamed, parts=_event_stream(bedrock_api.events(body, steer), steer))
    if operation == "invoke-with-response-stream":
        return Reply(200, streamed, parts=_event_stream(bedrock_api.invoke_events(body, steer), steer))
    if operation == "invoke" and (made := _embeddings(unquote(model), body, steer)) is not None:
        return _json(made[0], steer, 200, request_id | made[1])
    if operation == "count-tokens":
        return _json(bedrock_api.count_tokens(body), steer, 200, request_id)
    if operation == "invoke":
        message = anthropic_api.message(body, steer)
        return _json(message, steer, 200, request_id | bedrock_api.counted(message))
    return _json(bedrock_api.converse(body, steer), steer, 200, request_id)


def _embeddings(model: str, body: Mapping[str, Any], steer: Steer) -> tuple[dict[str, Any], dict[str, str]] | None:
    if embeddings_api.is_titan(model):
        return embeddings_api.titan(model, body, steer)
    return embeddings_api.cohere(model, body, steer) if "cohere.embed" in model else None


def _bedrock_verdict(
    model: str, operation: str, headers: Mapping[str, str], body: Mapping[str, Any], steer: Steer
) -> tuple[int, Steer]:
    # Bedrock's own checks come before the steering of a test.
    if not headers.get("authorization", "").startswith(("AWS4-HMAC-SHA256 Credential=", "Bearer ")):
        return 403, Steer(error_type="MissingAuthenticationTokenException")
    found = _bedrock_faults(model, operation, body)
    if found:
        return 400, Steer(message=f"{len(found)} validation error(s) detected: {found[0]}")
    return steer.status, steer


def _bedrock_faults(model: str, operation: str, body: Mapping[str, Any]) -> list[str]:
    if operation == "count-tokens":
        return bedrock_api.count_faults(model, body)
    if not model:
        return ["modelId: is empty"]
    if not operation.startswith("invoke"):
        return faults(body)
    if embeddings_api.is_titan(model):
        return embeddings_api.titan_faults(model, body)
    return embeddings_api.cohere_faults(model, body) if "cohere.embed" in model else bedrock_api.invoke_faults(body)


def _bedrock_openai(path: str, headers: Mapping[str, str], body: Mapping[str, Any], steer: Steer) -> Reply:
    known = {"x-amzn-requestid": _REQUEST_ID}
    if not headers.get("authorization", "").startswith(("AWS4-HMAC-SHA256 Credential=", "Bearer ")):
        return _json(openai_api.error(401, Steer(code="invalid_api_key")), steer, 401, known)
    found = bedrock_api.responses_faults(body) if path.endswith("/responses") else bedrock_api.chat_faults(body)
    status, steer = (400, Steer(message=found[0])) if found else (steer.status, steer)
    if status != 200:
        return _json(openai_api.error(status, steer), steer, status, known)
    return _responses(body, steer, known) if path.endswith("/responses") else _chat(body, steer, known)


def _sse(request: Mapping[str, Any], steer: Steer) -> Iterator[bytes]:
    for number, chunk in enumerate(openai_api.chunks(request, steer)):
        if steer.stream_error and number == steer.after:
            yield _data(openai_api.error(500, Steer(message=steer.message or steer.stream_error)))
            return
        yield _data(chunk)
    yield b"data: [DONE]\n\n"


def _data(value: Mapping[str, Any]) -> bytes:
    return b"data: " + _dump(value) + b"\n\n"


def _event_stream(events: Iterator[tuple[str, dict[str, Any]]], steer: Steer) -> Iterator[bytes]:
    for number, (kind, payload) in enumerate(events):
        if steer.stream_error and number == steer.after:
            yield eventstream.exception(
                steer.stream_error, _dump({"message": steer.message or "The fake ends this stream."})
            )
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
        "schema": b'{"choices": "none", "output": 5, "stopReason": [], "content": "none"}',
        "list": b"[1, 2]",
        "nan": b'{"choices": [{"message": {}}], "output": {"message": {"content": []}}, "content": [], "stop": NaN}',
        "empty": b"",
        "huge": b'{"padding": "' + b"x" * (steer.size if steer.body == "huge" else 0) + b'"}',
        "gzip": gzip.compress(body + b" " * steer.size) if steer.body == "gzip" else b"",
    }.get(steer.body, body)


def _dump(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def reason(status: int) -> str:
    """The phrase of a status line."""
    return HTTPStatus(status).phrase if status in {known.value for known in HTTPStatus} else "Unknown"
