"""From OpenAI's chat request to Converse's.

A field that has no counterpart and would change the answer is refused with its name, never dropped in silence. What
is dropped is listed in `_WITHOUT_EFFECT`: it changes neither what is asked nor what it costs. `strict` of a tool is
dropped too: most models of Bedrock refuse it, and the schema itself is passed on.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from gateway.dialects.chat.policy import check_fields
from gateway.dialects.converse.messages import has_tool_blocks, messages_of, system_of
from gateway.dialects.unsupported import Unsupported
from gateway.dialects.values import mapping

_WITHOUT_EFFECT = frozenset(
    (
        "metadata",
        "prediction",
        "prompt_cache_key",
        "prompt_cache_retention",
        "safety_identifier",
        "seed",  # best effort at OpenAI, nothing to aim at here
        "store",
        "stream",
        "stream_options",
        "user",
    )
)
_TRANSLATED = frozenset(
    (
        "max_completion_tokens",
        "max_tokens",
        "messages",
        "model",
        "reasoning_effort",
        "response_format",
        "stop",
        "temperature",
        "tool_choice",
        "tools",
        "top_p",
    )
)
# Values that ask for nothing Converse lacks.
_NEUTRAL: Mapping[str, tuple[Any, ...]] = {
    "frequency_penalty": (0,),
    "logit_bias": ({},),
    "logprobs": (False,),
    "modalities": (["text"],),
    "n": (1,),
    "parallel_tool_calls": (True,),
    "presence_penalty": (0,),
    "service_tier": ("auto", "default"),
    "top_logprobs": (0,),
}
# Fields of the models themselves, which clients of Bedrock send. Not every one may pass: some raise the output cap.
_PASSED_ON = ("thinking", "top_k")
_THINKING = ("type", "budget_tokens", "display")
_METADATA_VALUE = re.compile(r"[a-zA-Z0-9 :_@$#=/+,.-]{1,256}")


def converse_request(chat: Mapping[str, Any], *, output_cap: int, correlation_id: str = "") -> dict[str, Any]:
    """The body of a Converse call. Raises BadRequest, or Unsupported for what Converse can't say."""
    body = {name: value for name, value in chat.items() if value is not None}
    check_fields(body, None)  # a clearer reason than that Bedrock has no such field
    _refuse_unknown(body)
    request: dict[str, Any] = {"messages": messages_of(body.get("messages", []))}
    optional = {
        "system": system_of(body.get("messages", [])),
        "inferenceConfig": _inference(body, output_cap),
        "toolConfig": _tool_config(body),
        "outputConfig": _output_config(body),
        "additionalModelRequestFields": {name: body[name] for name in _PASSED_ON if name in body},
        "requestMetadata": _metadata(correlation_id),
    }
    return request | {name: value for name, value in optional.items() if value}


def _refuse_unknown(body: Mapping[str, Any]) -> None:
    for name, value in body.items():
        if name in _NEUTRAL and value not in _NEUTRAL[name]:
            raise Unsupported(name, f"{name}: this value is not supported by Bedrock")
        if name not in _TRANSLATED and name not in _WITHOUT_EFFECT and name not in _NEUTRAL and name not in _PASSED_ON:
            raise Unsupported(name[:128], f"{name[:128]}: not supported by Bedrock")
    for name in mapping(body.get("thinking")):
        if name not in _THINKING:
            raise Unsupported(f"thinking.{name[:64]}", f"thinking.{name[:64]}: not supported by Bedrock")


def _inference(body: Mapping[str, Any], cap: int) -> dict[str, Any]:
    stop = body.get("stop", [])
    config = {
        "maxTokens": cap,
        "temperature": body.get("temperature"),
        "topP": body.get("top_p"),
        "stopSequences": ([stop] if isinstance(stop, str) else stop) or None,
    }
    return {name: value for name, value in config.items() if value is not None}


def _tool_config(body: Mapping[str, Any]) -> dict[str, Any]:
    choice = _tool_choice(body)
    tools = body.get("tools") or []
    if not tools or choice is None:
        return {}
    config: dict[str, Any] = {"tools": [_tool(tool, f"tools[{index}]") for index, tool in enumerate(tools)]}
    return config | ({"toolChoice": choice} if choice else {})


def _tool_choice(body: Mapping[str, Any]) -> dict[str, Any] | None:
    # {} leaves the choice to the model; None leaves the tools out.
    choice = body.get("tool_choice", "auto")
    if choice == "auto":
        return {}
    if choice == "required":
        return {"any": {}}
    if choice == "none":
        if has_tool_blocks(body.get("messages", [])):
            raise Unsupported("tool_choice", 'tool_choice: Bedrock has no "none" once tools were used')
        return None
    name = mapping(mapping(choice).get("function")).get("name")
    if mapping(choice).get("type") != "function" or not isinstance(name, str):
        raise Unsupported("tool_choice", "tool_choice: this form is not supported by Bedrock")
    return {"tool": {"name": name}}


def _tool(tool: object, where: str) -> dict[str, Any]:
    function = mapping(mapping(tool).get("function"))
    if mapping(tool).get("type") != "function" or not isinstance(function.get("name"), str):
        raise Unsupported(where, f"{where}: only function tools are supported by Bedrock")
    schema = function.get("parameters") or {"type": "object", "properties": {}}
    if not isinstance(schema, dict):
        raise Unsupported(f"{where}.function.parameters", f"{where}.function.parameters: must be an object")
    described = {"description": function["description"]} if function.get("description") else {}
    if not isinstance(function.get("description") or "", str):
        raise Unsupported(f"{where}.function.description", f"{where}.function.description: must be text")
    return {"toolSpec": {"name": function["name"], **described, "inputSchema": {"json": schema}}}


def _output_config(body: Mapping[str, Any]) -> dict[str, Any]:
    config: dict[str, Any] = {}
    if "reasoning_effort" in body:
        config["effort"] = body["reasoning_effort"]
    wanted = mapping(body.get("response_format", {"type": "text"}))
    if wanted.get("type") == "json_schema":
        config["textFormat"] = {"type": "json_schema", "structure": {"jsonSchema": _json_schema(wanted)}}
    elif wanted.get("type") != "text":
        raise Unsupported("response_format", "response_format: Bedrock knows text and json_schema")
    return config


def _json_schema(wanted: Mapping[str, Any]) -> dict[str, Any]:
    given = mapping(wanted.get("json_schema"))
    if not isinstance(given.get("schema"), dict):
        raise Unsupported("response_format.json_schema.schema", "response_format.json_schema.schema: missing")
    named = {name: given[name] for name in ("name", "description") if given.get(name)}
    for name, value in named.items():
        if not isinstance(value, str):
            where = f"response_format.json_schema.{name}"
            raise Unsupported(where, f"{where}: must be text")
    # No longer than the estimate counted it: as the client's JSON, without escapes for what is not ASCII.
    return {"schema": json.dumps(given["schema"], ensure_ascii=False, separators=(",", ":")), **named}


def _metadata(correlation_id: str) -> dict[str, str]:
    # Stands in Bedrock's invocation log.
    return {"correlation-id": correlation_id} if _METADATA_VALUE.fullmatch(correlation_id) else {}
