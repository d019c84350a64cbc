"""Hosts that speak OpenAI's chat format, each with its documented special features, below `/hosts/<name>/`.

Sources:
- console.groq.com/docs/openai (fields that are a 400, x_groq);
- docs.mistral.ai/api and ChatCompletionRequest of mistralai/client-python (random_seed, max_tokens, ids of nine,
  "extra_forbidden" for any other field, answers in parts);
- api-docs.deepseek.com (reasoning_content, usage of the context cache, 402, empty lines while it waits);
- learn.microsoft.com on Azure OpenAI (api-key, deployments, content filter);
- ai.google.dev/gemini-api/docs/openai (errors in a list, a bad key as 400, thoughts outside completion_tokens);
- docs.x.ai (an error as text).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from tests.upstream import openai_api
from tests.upstream.steering import Steer

Answered = tuple[int, dict[str, str], bytes]

_MISTRAL_FIELDS = frozenset(
    [
        "model",
        "messages",
        "max_tokens",
        "temperature",
        "top_p",
        "random_seed",
        "stop",
        "stream",
        "tools",
        "tool_choice",
        "response_format",
        "n",
        "metadata",
        "frequency_penalty",
        "presence_penalty",
        "parallel_tool_calls",
        "prediction",
        "prompt_mode",
        "safe_prompt",
        "reasoning_effort",
        "prompt_cache_key",
        "guardrails",
    ]
)
_MISTRAL_ID = re.compile(r"[a-zA-Z0-9]{9}")
_GROQ_REFUSED = ("logprobs", "logit_bias", "top_logprobs")
DEPLOYMENTS = ("prod-gpt-4o",)  # of the fake's Azure resource


def answer(name: str, headers: Mapping[str, str], body: Mapping[str, Any], steer: Steer) -> Answered:
    """Status, headers and body of a host's answer."""
    status, refused = refusal(name, headers, body, steer)
    if refused is not None:
        told = {"retry-after-ms": steer.retry_after_ms} if steer.retry_after_ms else {}
        return status, told, _dump(refused)
    completion, shape = openai_api.completion(body, steer), _SHAPES.get(name)
    return 200, {}, (b"\n" * 3 if name == "deepseek" else b"") + _dump(shape(completion) if shape else completion)


def refusal(name: str, headers: Mapping[str, str], body: Mapping[str, Any], steer: Steer) -> tuple[int, Any]:
    """The reason why a host refuses a request, with its status; None if it accepts it."""
    proof = headers.get("api-key") if name == "azure" else headers.get("authorization", "").startswith("Bearer ")
    if not proof or (name == "azure" and "authorization" in headers):
        return 401, {"error": {"code": "401", "message": "Access denied due to invalid subscription key"}}
    judge = _JUDGES.get(name)
    found = judge(body) if judge else None
    if found is not None:
        return found
    if steer.status != 200:
        told: Callable[[int, Steer], Any] = _ERRORS.get(name, openai_api.error)
        return steer.status, told(steer.status, steer)
    return 200, None


def _mistral(body: Mapping[str, Any]) -> tuple[int, Any] | None:
    unknown = sorted(set(body) - _MISTRAL_FIELDS)
    if unknown:
        detail = [{"type": "extra_forbidden", "loc": ["body", unknown[0]], "msg": "Extra inputs are not permitted"}]
        return 422, {"object": "error", "message": {"detail": detail}, "type": "invalid_request_error", "code": None}
    for message in body.get("messages", []):
        ids = [message.get("tool_call_id"), *(call.get("id") for call in message.get("tool_calls") or ())]
        if not all(each is None or _MISTRAL_ID.fullmatch(each) for each in ids):
            text = "Tool call id was x but must be a-z, A-Z, 0-9, with a length of 9."
            return 400, {"object": "error", "message": text, "type": "invalid_request_error", "code": 3280}
    return None


def _groq(body: Mapping[str, Any]) -> tuple[int, Any] | None:
    wrong = next((name for name in _GROQ_REFUSED if name in body), None)
    if wrong is None and any("name" in message for message in body.get("messages", [])):
        wrong = "messages.0.name"
    if wrong is None and body.get("n", 1) != 1:
        wrong = "n"
    if wrong is None:
        return None
    return 400, {"error": {"message": f"property '{wrong}' is unsupported", "type": "invalid_request_error"}}


def _azure(body: Mapping[str, Any]) -> tuple[int, Any] | None:
    if body.get("model") in DEPLOYMENTS:
        return None
    return 404, {
        "error": {"code": "DeploymentNotFound", "message": "The API deployment for this resource does not exist."}
    }


def _azure_error(status: int, steer: Steer) -> Any:
    if steer.code != "content_filter":
        return openai_api.error(status, steer)
    result = {"violence": {"filtered": True, "severity": "high"}}
    inner = {"code": "ResponsibleAIPolicyViolation", "content_filter_result": result}
    told = {"message": "The response was filtered", "type": None, "param": "prompt", "code": "content_filter"}
    return {"error": told | {"status": status, "innererror": inner}}


def _gemini_error(status: int, steer: Steer) -> Any:
    return [{"error": {"code": status, "message": steer.message, "status": steer.code or "INVALID_ARGUMENT"}}]


def _xai_error(status: int, steer: Steer) -> Any:
    return {"code": "Client specified an invalid argument", "error": steer.message}


def _groq_shape(whole: dict[str, Any]) -> dict[str, Any]:
    times = {"queue_time": 0.01, "prompt_time": 0.002, "completion_time": 0.1, "total_time": 0.112}
    return whole | {"usage": whole["usage"] | times, "x_groq": {"id": "req_01fake"}, "service_tier": "on_demand"}


def _mistral_shape(whole: dict[str, Any]) -> dict[str, Any]:
    (choice,) = whole["choices"]
    message = {"role": "assistant", "content": choice["message"]["content"]}
    calls = choice["message"].get("tool_calls")
    if calls:
        message |= {"content": "", "tool_calls": [call | {"id": "D681PevKs", "type": None} for call in calls]}
    else:
        thought = [{"type": "text", "text": "I think."}]
        text = {"type": "text", "text": message["content"]}
        message["content"] = [{"type": "thinking", "thinking": thought, "closed": True}, text]
    counts = {name: whole["usage"][name] for name in ("prompt_tokens", "completion_tokens", "total_tokens")}
    kept = {name: whole[name] for name in ("id", "object", "created", "model")}
    return kept | {
        "choices": [{"index": 0, "message": message, "finish_reason": choice["finish_reason"]}],
        "usage": counts,
    }


def _deepseek_shape(whole: dict[str, Any]) -> dict[str, Any]:
    usage = dict(whole["usage"])
    hits = usage.pop("prompt_tokens_details")["cached_tokens"]
    usage |= {"prompt_cache_hit_tokens": hits, "prompt_cache_miss_tokens": usage["prompt_tokens"] - hits}
    (choice,) = whole["choices"]
    return whole | {
        "usage": usage,
        "choices": [choice | {"message": choice["message"] | {"reasoning_content": "I think."}}],
    }


def _gemini_shape(whole: dict[str, Any]) -> dict[str, Any]:
    counts = {name: whole["usage"][name] for name in ("prompt_tokens", "completion_tokens", "total_tokens")}
    thoughts = whole["usage"]["completion_tokens_details"]["reasoning_tokens"]
    counts["completion_tokens"] -= thoughts  # they are only in the total
    (choice,) = whole["choices"]
    calls = choice["message"].get("tool_calls")
    twice = [calls[0] | {"id": ""}, calls[0], calls[0]] if calls else None
    message = choice["message"] | ({"tool_calls": twice} if twice else {})
    return whole | {"usage": counts, "choices": [choice | {"message": message, "finish_reason": None}]}


def _azure_shape(whole: dict[str, Any]) -> dict[str, Any]:
    fine = {"violence": {"filtered": False, "severity": "safe"}}
    choices = [choice | {"content_filter_results": fine} for choice in whole["choices"]]
    prompt = [{"prompt_index": 0, "content_filter_results": fine}]
    return whole | {"choices": choices, "prompt_filter_results": prompt, "model": "gpt-4o-2024-11-20"}


_SHAPES: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "azure": _azure_shape,
    "deepseek": _deepseek_shape,
    "gemini": _gemini_shape,
    "groq": _groq_shape,
    "mistral": _mistral_shape,
}
_JUDGES: dict[str, Callable[[Mapping[str, Any]], tuple[int, Any] | None]] = {
    "azure": _azure,
    "groq": _groq,
    "mistral": _mistral,
}
_ERRORS: dict[str, Callable[[int, Steer], Any]] = {"azure": _azure_error, "gemini": _gemini_error, "xai": _xai_error}


def _dump(value: object) -> bytes:
    return json.dumps(value).encode()
