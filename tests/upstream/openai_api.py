"""OpenAI's bodies: chat completions, their chunks, models, errors."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

from tests.upstream.counting import pieces, reply, tokens
from tests.upstream.steering import Steer, last_user_text

MODELS = ("gpt-4", "gpt-4o", "gpt-4o-mini", "gpt-3.5-turbo", "text-embedding-3-small")
_CREATED = 1_760_000_000
_ERROR_TYPES = {401: "invalid_request_error", 429: "rate_limit_error"}


def completion(request: Mapping[str, Any], steer: Steer) -> dict[str, Any]:
    """A `chat.completion`, with a field that no SDK knows, as real servers send."""
    prompt = last_user_text(request.get("messages", []))
    text, output, cut = reply(prompt, _cap(request), steer)
    count = request.get("n") or 1
    body: dict[str, Any] = {
        "id": _id(prompt),
        "object": "chat.completion",
        "created": _CREATED,
        "model": request.get("model"),
        "choices": [_choice(index, text, cut, steer) for index in range(count)],
        "service_tier": "default",
        "system_fingerprint": "fp_fake",
        "x_unknown_field": {"kept": True},
    }
    usage = _usage(request, output * count, steer)
    return body | ({"usage": usage} if usage else {})


def chunks(request: Mapping[str, Any], steer: Steer) -> Iterator[dict[str, Any]]:
    """The `chat.completion.chunk`s of the same answer. If usage was requested, it is in a last chunk without
    choices."""
    prompt = last_user_text(request.get("messages", []))
    text, output, cut = reply(prompt, _cap(request), steer)
    head = {"id": _id(prompt), "object": "chat.completion.chunk", "created": _CREATED, "model": request.get("model")}
    head["service_tier"] = "default"

    def chunk(delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
        return {**head, "choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}]}

    yield chunk({"role": "assistant", "content": "", "refusal": None})
    for index, (mark, name, arguments) in enumerate(steer.calls):
        function = {"name": name, "arguments": ""}
        yield chunk(
            {"tool_calls": [{"index": index, "id": f"call_fake{mark}", "type": "function", "function": function}]}
        )
        yield chunk({"tool_calls": [{"index": index, "function": {"arguments": arguments}}]})
    if not steer.tool:
        for piece in pieces(text):
            yield chunk({"content": piece})
    yield chunk({}, _finish(cut, steer))
    usage = _usage(request, output, steer)
    if (request.get("stream_options") or {}).get("include_usage") and usage:
        yield {**head, "choices": [], "usage": usage}


def models() -> dict[str, Any]:
    data = [{"id": name, "object": "model", "created": _CREATED, "owned_by": "fake"} for name in MODELS]
    return {"object": "list", "data": data}


def error(status: int, steer: Steer) -> dict[str, Any]:
    """An error body as OpenAI writes it. The message quotes the request, which is why it must not be passed on."""
    message = steer.message or f"The fake answers with status {status}."
    kind = steer.error_type or _ERROR_TYPES.get(status, "server_error" if status >= 500 else "invalid_request_error")
    return {"error": {"message": message, "type": kind, "param": steer.param or None, "code": steer.code or None}}


def _cap(request: Mapping[str, Any]) -> int:
    return int(request.get("max_completion_tokens") or request.get("max_tokens") or 4_096)


def _id(prompt: str) -> str:
    return "chatcmpl-" + hashlib.sha256(prompt.encode("utf-8", "replace")).hexdigest()[:24]


def _finish(cut: bool, steer: Steer) -> str:
    return steer.finish or ("tool_calls" if steer.tool else "length" if cut else "stop")


def _choice(index: int, text: str, cut: bool, steer: Steer) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": text, "refusal": None, "annotations": []}
    if steer.tool:
        calls = [
            {"id": f"call_fake{mark}", "type": "function", "function": {"name": name, "arguments": arguments}}
            for mark, name, arguments in steer.calls
        ]
        message |= {"content": None, "tool_calls": calls}
    return {"index": index, "message": message, "logprobs": None, "finish_reason": _finish(cut, steer)}


def _usage(request: Mapping[str, Any], output: int, steer: Steer) -> dict[str, Any] | None:
    if steer.body == "no-usage":
        return None
    zero = steer.body == "zero-usage"
    prompt = 0 if zero else tokens([request.get("messages"), request.get("tools", [])]) + steer.cached
    completion_tokens = 0 if zero else output + steer.reasoning_tokens
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion_tokens,
        "total_tokens": prompt + completion_tokens,
        "prompt_tokens_details": {"cached_tokens": steer.cached, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": steer.reasoning_tokens,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }
