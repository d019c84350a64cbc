"""The answer of OpenAI and of servers of its kind, as OpenAI's SDK types it. Unknown fields are kept.

Harmless errors of such servers are corrected (a missing id, an index, arguments as an object). If the content itself
has the wrong type, the answer is unusable.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Mapping
from typing import Any

from gateway.dialects.values import MOST_TOKENS, count, mapping
from gateway.models.usage import Usage

_LATEST = 2**53  # as a time; clients' JSON does not read larger numbers exactly
_KINDS = (("service_tier", str), ("system_fingerprint", str), ("metadata", dict), ("moderation", dict))
_OF_WORDS = frozenset(("role", "content", "refusal", "annotations"))  # of a message that has nothing but words
_DETAILS = {
    "prompt_tokens_details": ("audio_tokens", "cached_tokens", "cache_write_tokens"),
    "completion_tokens_details": (
        "accepted_prediction_tokens",
        "audio_tokens",
        "reasoning_tokens",
        "rejected_prediction_tokens",
    ),
}


def completion_of(answer: Mapping[str, Any], usage: Usage | None, *, model: str) -> dict[str, Any] | None:
    """The `chat.completion` in an answer; None if it lacks the promised shape. `model` is what was asked for."""
    given = answer.get("choices")
    if not isinstance(given, list) or not given:
        return None
    choices: list[dict[str, Any]] = []
    for at, each in enumerate(given):
        choice = _choice(each, at)
        if choice is None:
            return None
        choices.append(choice)
    body = dict(answer)
    body.pop("usage", None)
    named, created, answered = answer.get("id"), answer.get("created"), answer.get("model")
    body["id"] = named if type(named) is str and named else f"chatcmpl-{uuid.uuid4()}"
    body["object"] = "chat.completion"
    body["created"] = created if type(created) is int and 0 < created < _LATEST else _created(created)
    body["model"] = answered if type(answered) is str and answered else model
    body["choices"] = choices
    for name, kind in _KINDS:
        if name in body and body[name] is not None and not isinstance(body[name], kind):
            del body[name]
    told = answer.get("usage")
    if usage and told:  # not if the counts came elsewhere
        body["usage"] = _usage(told if type(told) is dict else mapping(told))
    return body


def _choice(given: object, at: int) -> dict[str, Any] | None:
    if not isinstance(given, dict):
        return None
    message = _message(given.get("message"))
    if message is None:
        return None
    reason, index, logprobs = given.get("finish_reason"), given.get("index"), given.get("logprobs")
    if type(reason) is not str or not reason:  # a server that gives no reason has still ended
        reason = "tool_calls" if message.get("tool_calls") else "stop"
    return given | {
        "index": index if type(index) is int and 0 <= index < 1_000 else at,
        "message": message,
        "logprobs": None if logprobs is None else _logprobs(logprobs),
        "finish_reason": reason,
    }


def _message(given: object) -> dict[str, Any] | None:
    if not isinstance(given, dict):
        return None
    content = given.get("content")
    message: dict[str, Any] = {**given, "role": "assistant", "content": content}
    if type(content) is str and given.keys() <= _OF_WORDS and given.get("annotations") in (None, []):
        refusal = given.get("refusal")
        return message if refusal is None or type(refusal) is str else None
    return _checked(given, message)


def _checked(given: dict[str, Any], message: dict[str, Any]) -> dict[str, Any] | None:
    """A message of any kind, which is made of the given one."""
    if isinstance(given.get("content"), list):
        message |= _of_parts(given["content"]) or {}
    if any(not isinstance(message.get(name), str | None) for name in ("content", "refusal")):
        return None
    if "tool_calls" in given:
        calls = _tool_calls(given["tool_calls"])
        if calls is None:
            return None
        message["tool_calls"] = calls
        if not calls:
            del message["tool_calls"]
    if given.get("function_call") is not None and not _is_function(given["function_call"]):
        return None
    if given.get("audio") is not None and not isinstance(given["audio"], dict):
        return None
    notes = given.get("annotations")
    if notes is not None and not (isinstance(notes, list) and all(isinstance(note, dict) for note in notes)):
        del message["annotations"]
    return message


def _of_parts(parts: list[object]) -> dict[str, str] | None:
    """The text and thoughts of an answer in parts (Mistral's reasoning models); None for a part of another kind."""
    said: dict[str, str] = {"content": ""}
    for part in map(mapping, parts):
        if part.get("type") == "text" and isinstance(part.get("text"), str):
            said["content"] += part["text"]
        elif part.get("type") == "thinking" and isinstance(part.get("thinking"), list):
            thought = "".join(_text(mapping(each).get("text")) for each in part["thinking"])
            said["reasoning_content"] = said.get("reasoning_content", "") + thought
        else:
            return None
    return said


def _tool_calls(given: object) -> list[dict[str, Any]] | None:
    if given is None:
        return []
    if not isinstance(given, list):
        return None
    calls = [_tool_call(each) for each in given]
    if any(call is None for call in calls):
        return None
    known: set[str] = set()
    for call in filter(None, calls):
        if call["id"] in known:  # a result must be able to name its call
            call["id"] = f"call_{uuid.uuid4().hex}"
        known.add(call["id"])
    return list(filter(None, calls))


def _tool_call(given: object) -> dict[str, Any] | None:
    if not isinstance(given, dict):
        return None
    named = {"id": _text(given.get("id")) or f"call_{uuid.uuid4().hex}"}
    custom = given.get("custom")
    if given.get("type") == "custom" and isinstance(custom, dict):
        sound = isinstance(custom.get("name"), str) and isinstance(custom.get("input"), str)
        return given | named if sound else None
    function = given.get("function")
    if given.get("type", "function") not in ("function", None, "") or not isinstance(function, dict):
        return None
    arguments = function.get("arguments")
    if arguments is None or isinstance(arguments, dict):
        arguments = json.dumps(arguments or {}, ensure_ascii=False, separators=(",", ":"))
    function = function | {"arguments": arguments}
    return given | named | {"type": "function", "function": function} if _is_function(function) else None


def _is_function(value: object) -> bool:
    return isinstance(mapping(value).get("name"), str) and isinstance(mapping(value).get("arguments"), str)


def _logprobs(given: object) -> dict[str, Any] | None:
    """Log probabilities of the promised shape. Others are left out: they are not part of the content."""
    if not isinstance(given, dict):
        return None
    sound = all(_are_tokens(given[name]) for name in ("content", "refusal") if given.get(name) is not None)
    return {"content": None, "refusal": None, **given} if sound else None


def _are_tokens(given: object, *, top: bool = True) -> bool:
    return isinstance(given, list) and all(
        isinstance(mapping(each).get("token"), str)
        and _is_number(mapping(each).get("logprob"))
        and _are_bytes(mapping(each).get("bytes"))
        and (not top or _are_tokens(mapping(each).get("top_logprobs", []), top=False))
        for each in given
    )


def _are_bytes(given: object) -> bool:
    return given is None or (isinstance(given, list) and all(type(each) is int for each in given))


def _is_number(given: object) -> bool:
    return isinstance(given, (int, float)) and not isinstance(given, bool) and abs(given) < _LATEST


def _usage(given: Mapping[str, Any]) -> dict[str, Any]:
    """A usage whose counts can be read, with its further fields if they have the promised type."""
    usage = dict(given)
    prompt, completion, total = given.get("prompt_tokens"), given.get("completion_tokens"), given.get("total_tokens")
    if not (
        type(prompt) is type(completion) is type(total) is int
        and 0 <= prompt <= MOST_TOKENS
        and 0 <= completion <= MOST_TOKENS
        and 0 <= total <= MOST_TOKENS
    ):
        prompt, completion, total = count(prompt) or 0, count(completion) or 0, count(total)
        usage["prompt_tokens"], usage["completion_tokens"] = prompt, completion
        usage["total_tokens"] = prompt + completion if total is None else total
    for name, known in _DETAILS.items():
        details = usage.get(name)
        if type(details) is dict:
            for value in details.values():
                if type(value) is not int or not 0 <= value <= MOST_TOKENS:  # most are counts, and nothing else
                    usage[name] = _details(details, known)
                    break
        elif name in usage:
            del usage[name]
    return usage


def _details(given: dict[str, Any], known: tuple[str, ...]) -> dict[str, Any]:
    """Details without those of the `known` counts that can't be read."""
    read = {name: count(value) if name in known else value for name, value in given.items()}
    return {name: value for name, value in read.items() if name not in known or value is not None}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _created(value: object) -> int:
    if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value < _LATEST:
        return int(value)
    return int(time.time())
