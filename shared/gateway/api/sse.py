"""A whole chat completion as the event stream a client asked for: role, content, finish, usage, `[DONE]`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any


def event_stream(body: Mapping[str, Any], *, usage: bool) -> str:
    """Server-sent events of an OpenAI chat completion; the usage chunk only if the client asked for it."""
    return "".join(f"data: {json.dumps(chunk, separators=(',', ':'))}\n\n" for chunk in _chunks(body, usage)) + (
        "data: [DONE]\n\n"
    )


def _chunks(body: Mapping[str, Any], usage: bool) -> Iterator[dict[str, Any]]:
    frame = {name: value for name, value in body.items() if name not in ("choices", "usage", "object")}
    frame["object"] = "chat.completion.chunk"
    for choice in body.get("choices", []):
        index, message = choice.get("index", 0), dict(choice.get("message") or {})
        yield frame | {"choices": [_choice(index, {"role": message.pop("role", "assistant"), "content": ""})]}
        if message.get("tool_calls"):
            calls = [{"index": at, **call} for at, call in enumerate(message["tool_calls"])]
            message["tool_calls"] = calls
        delta = {name: value for name, value in message.items() if value is not None}
        if delta:
            yield frame | {"choices": [_choice(index, delta, logprobs=choice.get("logprobs"))]}
        yield frame | {"choices": [_choice(index, {}, finish=choice.get("finish_reason"))]}
    if usage:
        yield frame | {"choices": [], "usage": body.get("usage")}


def _choice(index: int, delta: Mapping[str, Any], *, finish: str | None = None, logprobs: Any = None) -> dict[str, Any]:
    return {"index": index, "delta": dict(delta), "logprobs": logprobs, "finish_reason": finish}
