"""Bedrock's bodies: Converse, the events of ConverseStream, errors."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from tests.upstream.counting import pieces, reply, tokens
from tests.upstream.steering import Steer, last_user_text

ERROR_TYPES = {
    400: "ValidationException",
    403: "AccessDeniedException",
    404: "ResourceNotFoundException",
    408: "ModelTimeoutException",
    424: "ModelErrorException",
    429: "ThrottlingException",
    500: "InternalServerException",
    503: "ServiceUnavailableException",
}


def converse(request: Mapping[str, Any], steer: Steer) -> dict[str, Any]:
    """A Converse answer."""
    text, output, cut = _reply(request, steer)
    content: list[dict[str, Any]] = []
    if steer.reasoning:
        content.append({"reasoningContent": {"reasoningText": {"text": steer.reasoning, "signature": "c2ln"}}})
    if steer.tool:
        use = {"toolUseId": "tooluse_fake", "name": steer.tool, "input": json.loads(steer.arguments)}
        content.append({"toolUse": use})
    else:
        content.append({"text": text})
    body: dict[str, Any] = {
        "output": {"message": {"role": "assistant", "content": content}},
        "stopReason": _stop_reason(cut, steer),
        "metrics": {"latencyMs": 12},
    }
    usage = _usage(request, output, steer)
    return body | ({"usage": usage} if usage else {})


def events(request: Mapping[str, Any], steer: Steer) -> Iterator[tuple[str, dict[str, Any]]]:
    """The same answer as ConverseStream's events: type and payload."""
    text, output, cut = _reply(request, steer)
    yield "messageStart", {"role": "assistant"}
    if steer.tool:
        use = {"toolUseId": "tooluse_fake", "name": steer.tool}
        yield "contentBlockStart", {"contentBlockIndex": 0, "start": {"toolUse": use}}
        yield "contentBlockDelta", {"contentBlockIndex": 0, "delta": {"toolUse": {"input": steer.arguments}}}
    else:
        for piece in pieces(text):
            yield "contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": piece}}
    yield "contentBlockStop", {"contentBlockIndex": 0}
    yield "messageStop", {"stopReason": _stop_reason(cut, steer)}
    usage = _usage(request, output, steer)
    if usage:
        yield "metadata", {"usage": usage, "metrics": {"latencyMs": 12}}


def error(status: int, steer: Steer) -> tuple[str, dict[str, Any]]:
    """The error type, which goes into a header, and the body."""
    kind = steer.error_type or ERROR_TYPES.get(status, "InternalServerException")
    return kind, {"message": steer.message or f"The fake answers with {kind}."}


def _reply(request: Mapping[str, Any], steer: Steer) -> tuple[str, int, bool]:
    cap = int((request.get("inferenceConfig") or {}).get("maxTokens") or 4_096)
    return reply(last_user_text(request.get("messages", [])), cap, steer)


def _stop_reason(cut: bool, steer: Steer) -> str:
    return steer.finish or ("tool_use" if steer.tool else "max_tokens" if cut else "end_turn")


def _usage(request: Mapping[str, Any], output: int, steer: Steer) -> dict[str, Any] | None:
    if steer.body == "no-usage":
        return None
    if steer.body == "zero-usage":
        return {"inputTokens": 0, "outputTokens": 0, "totalTokens": 0}
    fresh = tokens([request.get("system", []), request.get("messages"), request.get("toolConfig", {})])
    written = steer.cache_write + steer.cache_write_1h
    usage: dict[str, Any] = {"inputTokens": fresh, "outputTokens": output}
    usage["totalTokens"] = fresh + output + steer.cached + written
    if steer.cached or written:
        usage |= {"cacheReadInputTokens": steer.cached, "cacheWriteInputTokens": written}
    details = {"5m": steer.cache_write, "1h": steer.cache_write_1h}
    if written:
        usage["cacheDetails"] = [{"ttl": ttl, "inputTokens": count} for ttl, count in details.items() if count]
    return usage
