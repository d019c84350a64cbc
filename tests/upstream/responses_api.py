"""OpenAI's Responses: whole, and as the events of a stream."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tests.upstream.counting import pieces, reply, tokens
from tests.upstream.steering import Steer, text_of

_CREATED = 1_760_000_000
_ECHOED = (
    "instructions",
    "metadata",
    "max_output_tokens",
    "parallel_tool_calls",
    "temperature",
    "tool_choice",
    "tools",
)
_USUAL: Mapping[str, Any] = {"parallel_tool_calls": True, "tool_choice": "auto", "tools": []}
SEALED = "gAAAAABfake"


def last_input_text(given: Any) -> str:
    """The user's last text."""
    if isinstance(given, str):
        return given
    for item in reversed(given if isinstance(given, list) else []):
        if isinstance(item, dict) and item.get("role") == "user":
            return text_of(item.get("content"))
    return ""


def response(request: Mapping[str, Any], steer: Steer) -> dict[str, Any]:
    """A whole response, with a field that no SDK knows, as real servers send."""
    prompt = last_input_text(request.get("input"))
    text, output, cut = reply(prompt, int(request.get("max_output_tokens") or 4_096), steer)
    known = hashlib.sha256(prompt.encode("utf-8", "replace")).hexdigest()[:24]
    items: list[dict[str, Any]] = []
    if steer.reasoning:
        summary = [{"type": "summary_text", "text": steer.reasoning}]
        sealed = {"encrypted_content": SEALED} if "reasoning.encrypted_content" in request.get("include", ()) else {}
        items.append({"id": f"rs_{known}", "type": "reasoning", "summary": summary, **sealed})
    if steer.tool:
        items += [_call(request, *called, known) for called in steer.calls]
    else:
        part = {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
        status = "incomplete" if cut else "completed"
        items.append(
            {"id": f"msg_{known}", "type": "message", "status": status, "role": "assistant", "content": [part]}
        )
    reason = steer.finish or ("max_output_tokens" if cut else "")
    usage = _usage(request, output, steer)
    return {
        "id": f"resp_{known}",
        "object": "response",
        "created_at": _CREATED,
        "status": "incomplete" if reason else "completed",
        "error": None,
        "incomplete_details": {"reason": reason} if reason else None,
        "model": request.get("model"),
        "output": items,
        **_USUAL,
        **{name: request[name] for name in _ECHOED if request.get(name) is not None},
        "store": request.get("store", True),
        "service_tier": "default",
        "x_unknown_field": {"kept": True},
        **({"usage": usage} if usage else {}),
    }


def events(request: Mapping[str, Any], steer: Steer) -> Iterator[dict[str, Any]]:
    """The same as the events of a stream, in the order that OpenAI documents."""
    whole = response(request, steer)
    for number, event in enumerate(_events(whole, steer)):
        if steer.stream_error and number == max(2, steer.after):
            error = {"code": steer.code or "server_error", "message": steer.stream_error}
            failed = {**whole, "status": "failed", "error": error, "output": [], "usage": None}
            yield {"type": "response.failed", "sequence_number": number, "response": failed}
            return
        yield {"type": event.pop("type"), "sequence_number": number, **event}


def _events(whole: Mapping[str, Any], steer: Steer) -> Iterator[dict[str, Any]]:
    begun = {**whole, "status": "in_progress", "output": [], "usage": None, "incomplete_details": None}
    yield {"type": "response.created", "response": begun}
    yield {"type": "response.in_progress", "response": begun}
    for place, item in enumerate(whole["output"]):
        yield from {
            "message": _message,
            "reasoning": _reasoning,
            "function_call": _function,
            "custom_tool_call": _custom,
        }[item["type"]](place, item)
        yield {"type": "response.output_item.done", "output_index": place, "item": item}
    yield {"type": f"response.{whole['status']}", "response": dict(whole)}


def _added(place: int, item: Mapping[str, Any], **empty: Any) -> dict[str, Any]:
    started = {**item, **empty, **({"status": "in_progress"} if item["type"] != "reasoning" else {})}
    return {"type": "response.output_item.added", "output_index": place, "item": started}


def _message(place: int, item: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    yield _added(place, item, content=[])
    (part,) = item["content"]
    at = {"item_id": item["id"], "output_index": place, "content_index": 0}
    yield {"type": "response.content_part.added", **at, "part": {**part, "text": ""}}
    for piece in pieces(part["text"]):
        yield {"type": "response.output_text.delta", **at, "delta": piece, "logprobs": [], "obfuscation": "x" * 9}
    yield {"type": "response.output_text.done", **at, "text": part["text"], "logprobs": []}
    yield {"type": "response.content_part.done", **at, "part": part}


def _reasoning(place: int, item: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    yield _added(place, item, summary=[])
    (part,) = item["summary"]
    at = {"item_id": item["id"], "output_index": place, "summary_index": 0}
    yield {"type": "response.reasoning_summary_part.added", **at, "part": {**part, "text": ""}}
    for piece in pieces(part["text"]):
        yield {"type": "response.reasoning_summary_text.delta", **at, "delta": piece}
    yield {"type": "response.reasoning_summary_text.done", **at, "text": part["text"]}
    yield {"type": "response.reasoning_summary_part.done", **at, "part": part}


def _function(place: int, item: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    yield _added(place, item, arguments="")
    at = {"item_id": item["id"], "output_index": place}
    yield {"type": "response.function_call_arguments.delta", **at, "delta": item["arguments"]}
    yield {"type": "response.function_call_arguments.done", **at, "arguments": item["arguments"], "name": item["name"]}


def _custom(place: int, item: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    yield _added(place, item, input="")
    at = {"item_id": item["id"], "output_index": place}
    for piece in pieces(item["input"]):
        yield {"type": "response.custom_tool_call_input.delta", **at, "delta": piece}
    yield {"type": "response.custom_tool_call_input.done", **at, "input": item["input"]}


def _call(request: Mapping[str, Any], apart: str, name: str, arguments: str, known: str) -> dict[str, Any]:
    tools: Sequence[Mapping[str, Any]] = request.get("tools", ())
    called = {"status": "completed", "call_id": f"call_fake{apart}", "name": name}
    if any(tool.get("type") == "custom" and tool.get("name") == name for tool in tools):
        return {"id": f"ctc_{known}{apart}", "type": "custom_tool_call", **called, "input": arguments}
    return {"id": f"fc_{known}{apart}", "type": "function_call", **called, "arguments": arguments}


def _usage(request: Mapping[str, Any], output: int, steer: Steer) -> dict[str, Any] | None:
    if steer.body == "no-usage":
        return None
    zero = steer.body == "zero-usage"
    said = [request.get("instructions", ""), request.get("input"), request.get("tools", [])]
    prompt = 0 if zero else tokens(said) + steer.cached + steer.cache_write
    completion = 0 if zero else output + steer.reasoning_tokens
    return {
        "input_tokens": prompt,
        "input_tokens_details": {"cached_tokens": steer.cached, "cache_write_tokens": steer.cache_write},
        "output_tokens": completion,
        "output_tokens_details": {"reasoning_tokens": steer.reasoning_tokens},
        "total_tokens": prompt + completion,
    }
