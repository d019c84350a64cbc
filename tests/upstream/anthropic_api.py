"""Anthropic's bodies: messages, the events of their streams, token counts, errors."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

from tests.upstream.counting import pieces, reply, tokens
from tests.upstream.steering import Steer, last_user_text

ERROR_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    504: "timeout_error",
    529: "overloaded_error",
}


def message(request: Mapping[str, Any], steer: Steer) -> dict[str, Any]:
    """A whole message, with a field that no SDK knows, as real servers send."""
    prompt = last_user_text(request.get("messages", []))
    text, output, cut = reply(prompt, int(request["max_tokens"]), steer)
    content: list[dict[str, Any]] = []
    if steer.reasoning:
        content.append({"type": "thinking", "thinking": steer.reasoning, "signature": "c2ln"})
    for mark, name, arguments in steer.calls:
        content.append({"type": "tool_use", "id": f"toolu_fake{mark}", "name": name, "input": json.loads(arguments)})
    if not steer.tool:
        content.append({"type": "text", "text": text})
    usage = _usage(request, output, steer)
    return {
        "id": _id(prompt),
        "type": "message",
        "role": "assistant",
        "model": request.get("model", "claude"),
        "content": content,
        "stop_reason": _stop_reason(cut, steer),
        "stop_sequence": None,
        "x_unknown_field": {"kept": True},
        **({"usage": usage} if usage else {}),
    }


def events(request: Mapping[str, Any], steer: Steer) -> Iterator[dict[str, Any]]:
    """The same message as the events of a stream."""
    whole = message(request, steer)
    usage = whole.get("usage", {"input_tokens": 0, "output_tokens": 0})
    begun = {**whole, "content": [], "stop_reason": None, "usage": {**usage, "output_tokens": 1}}
    yield {"type": "message_start", "message": begun}
    for index, block in enumerate(whole["content"]):
        yield from _block(index, block)
        if not index:
            yield {"type": "ping"}
    end = {"stop_reason": whole["stop_reason"], "stop_sequence": None}
    yield {"type": "message_delta", "delta": end, "usage": {"output_tokens": usage["output_tokens"]}}
    yield {"type": "message_stop"}


def _block(index: int, block: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    kind = block["type"]
    empty: dict[str, Any] = {"text": {"text": ""}, "thinking": {"thinking": "", "signature": ""}}.get(
        kind, {"input": {}}
    )
    started = {"type": kind, **{name: block[name] for name in ("id", "name") if name in block}, **empty}
    yield {"type": "content_block_start", "index": index, "content_block": started}
    deltas: list[dict[str, Any]] = []
    if kind == "text":
        deltas += [{"type": "text_delta", "text": piece} for piece in pieces(block["text"])]
    elif kind == "thinking":
        deltas.append({"type": "thinking_delta", "thinking": block["thinking"]})
        deltas.append({"type": "signature_delta", "signature": block["signature"]})
    else:
        deltas.append({"type": "input_json_delta", "partial_json": json.dumps(block["input"])})
    for delta in deltas:
        yield {"type": "content_block_delta", "index": index, "delta": delta}
    yield {"type": "content_block_stop", "index": index}


def count_tokens(request: Mapping[str, Any]) -> dict[str, Any]:
    return {"input_tokens": tokens([request.get(name) for name in ("system", "messages", "tools")])}


def error(status: int, steer: Steer) -> dict[str, Any]:
    """An error body as Anthropic writes it."""
    kind = steer.error_type or ERROR_TYPES.get(status, "api_error")
    told = {"type": kind, "message": steer.message or f"The fake answers with {kind}."}
    return {"type": "error", "error": told, "request_id": "req_fake"}


def _id(prompt: str) -> str:
    return "msg_" + hashlib.sha256(prompt.encode("utf-8", "replace")).hexdigest()[:24]


def _stop_reason(cut: bool, steer: Steer) -> str:
    return steer.finish or ("tool_use" if steer.tool else "max_tokens" if cut else "end_turn")


def _usage(request: Mapping[str, Any], output: int, steer: Steer) -> dict[str, Any] | None:
    if steer.body == "no-usage":
        return None
    if steer.body == "zero-usage":
        return {"input_tokens": 0, "output_tokens": 0}
    fresh = tokens([request.get("system", []), request.get("messages"), request.get("tools", [])])
    return {
        "input_tokens": fresh,
        "output_tokens": output,
        "cache_read_input_tokens": steer.cached,
        "cache_creation_input_tokens": steer.cache_write + steer.cache_write_1h,
        "cache_creation": {
            "ephemeral_5m_input_tokens": steer.cache_write,
            "ephemeral_1h_input_tokens": steer.cache_write_1h,
        },
        "server_tool_use": None,
        "service_tier": "standard",
    }
