"""Bedrock's bodies: Converse, the events of ConverseStream, InvokeModel around Anthropic's, errors."""

from __future__ import annotations

import base64
import functools
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import TypeAdapter

from tests.upstream import anthropic_api, converse_judge
from tests.upstream.counting import pieces, reply, tokens
from tests.upstream.messages_judge import faults
from tests.upstream.responses_judge import faults as response_faults
from tests.upstream.steering import Steer, last_user_text
from tests.upstream.typed import shape_faults

# From AWS's page of 2025 and from answers that users of later models got.
_COUNTS = re.compile(r"anthropic\.claude-(3-[57]-|haiku-4-5|opus-4-[1-6]|sonnet-4-[2-6])")
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
    for mark, name, arguments in steer.calls:
        use = {"toolUseId": f"tooluse_fake{mark}", "name": name, "input": json.loads(arguments)}
        content.append({"toolUse": use})
    if not steer.tool:
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
    begin = 0
    if steer.reasoning:
        for delta in (*({"text": piece} for piece in pieces(steer.reasoning)), {"signature": "c2ln"}):
            yield "contentBlockDelta", {"contentBlockIndex": 0, "delta": {"reasoningContent": delta}}
        yield "contentBlockStop", {"contentBlockIndex": 0}
        begin = 1
    for index, (mark, name, arguments) in enumerate(steer.calls, begin):
        use = {"toolUseId": f"tooluse_fake{mark}", "name": name}
        yield "contentBlockStart", {"contentBlockIndex": index, "start": {"toolUse": use}}
        yield "contentBlockDelta", {"contentBlockIndex": index, "delta": {"toolUse": {"input": arguments}}}
        yield "contentBlockStop", {"contentBlockIndex": index}
    if not steer.tool:
        for piece in pieces(text):
            yield "contentBlockDelta", {"contentBlockIndex": begin, "delta": {"text": piece}}
        yield "contentBlockStop", {"contentBlockIndex": begin}
    yield "messageStop", {"stopReason": _stop_reason(cut, steer)}
    usage = _usage(request, output, steer)
    if usage:
        yield "metadata", {"usage": usage, "metrics": {"latencyMs": 12}}


def invoke_events(request: Mapping[str, Any], steer: Steer) -> Iterator[tuple[str, dict[str, Any]]]:
    """Anthropic's events as InvokeModelWithResponseStream carries them; the last one contains metrics."""
    output = 0
    for event in anthropic_api.events(request, steer):
        output = event.get("usage", {}).get("output_tokens", output)
        if event["type"] == "message_stop":
            event["amazon-bedrock-invocationMetrics"] = {"outputTokenCount": output}
        yield "chunk", {"bytes": base64.b64encode(json.dumps(event).encode()).decode(), "p": "abcd"}


def counted(message: Mapping[str, Any]) -> dict[str, str]:
    """The counts of InvokeModel's answer, as in its headers."""
    usage = message.get("usage")
    if not usage:
        return {}
    names = {"input": "input_tokens", "output": "output_tokens"}
    return {f"x-amzn-bedrock-{name}-token-count": str(usage[count]) for name, count in names.items()}


def invoke_faults(body: Mapping[str, Any]) -> list[str]:
    """The faults of a body for InvokeModel on an Anthropic model; empty if Bedrock would accept it."""
    if body.get("anthropic_version") != "bedrock-2023-05-31":
        return ["anthropic_version: Field required"]
    known = {"context-management-2025-06-27": "context_management"}
    also = [known[beta] for beta in body.get("anthropic_beta", ()) if beta in known]
    given = {name: value for name, value in body.items() if name not in ("anthropic_version", "anthropic_beta")}
    extra = [name for name in ("metadata", "service_tier") if name in given]
    return [f"{name}: Extra inputs are not permitted" for name in extra] or faults(given, also=also, model=False)


def count_faults(model: str, body: Mapping[str, Any]) -> list[str]:
    """The faults of a body for CountTokens. Only some models count, and only with their own ids: a profile's id is
    answered like a model that does not count."""
    found = converse_judge.count_faults(body)
    if found or not _COUNTS.match(model):
        return found or ["The provided model doesn't support counting tokens."]
    return invoke_faults(counted_of(body)) if "invokeModel" in body["input"] else []


def counted_of(body: Mapping[str, Any]) -> dict[str, Any]:
    """The request whose tokens a body for CountTokens asks for; empty if it has none."""
    asked = body.get("input")
    asked = asked if isinstance(asked, dict) else {}
    try:
        read = json.loads(base64.b64decode(asked["invokeModel"]["body"])) if "invokeModel" in asked else None
    except (ValueError, TypeError, KeyError):
        read = None
    found = asked.get("converse") if read is None else read
    return found if isinstance(found, dict) else {}


def count_tokens(body: Mapping[str, Any]) -> dict[str, Any]:
    request = counted_of(body)
    names = ("system", "messages", "tools", "toolConfig", "additionalModelRequestFields")
    return {"inputTokens": tokens([request[name] for name in names if name in request])}


def responses_faults(body: Mapping[str, Any]) -> list[str]:
    """The same for a body of Responses."""
    return _not_there(body) or response_faults(body)


def chat_faults(body: Mapping[str, Any]) -> list[str]:
    """The faults of a chat body for the runtime's own OpenAI endpoint: the package's types, then its rules."""
    return _not_there(body) or shape_faults(_chat_params(), body)


def _not_there(body: Mapping[str, Any]) -> list[str]:
    model = str(body.get("model"))
    if not isinstance(body.get("store"), bool):
        return ["store: is true unless told, and what is stored outlives the call"]
    if "openai.gpt-oss" not in model and model.partition(".")[0] not in ("us", "eu", "global"):
        return ["model: on-demand throughput isn't supported; use an inference profile"]
    return []


def error(status: int, steer: Steer) -> tuple[str, dict[str, Any]]:
    """The error type, which is sent in a header, and the body."""
    kind = steer.error_type or ERROR_TYPES.get(status, "InternalServerException")
    return kind, {"message": steer.message or f"The fake answers with {kind}."}


@functools.cache
def _chat_params() -> TypeAdapter[Any]:
    # Imported here, because a fake that is only used for another dialect starts faster without it.
    from openai.types.chat import completion_create_params as params

    return TypeAdapter(params.CompletionCreateParamsStreaming | params.CompletionCreateParamsNonStreaming)


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
