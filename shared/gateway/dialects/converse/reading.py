"""Reads Converse's request into the neutral form. Anything without a place there is refused by its path."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from gateway.dialects.neutral import (
    Block,
    Choice,
    Document,
    Image,
    Mark,
    Output,
    Reasoning,
    Redacted,
    Request,
    Text,
    Tool,
    ToolResult,
    ToolUse,
    Turn,
)
from gateway.dialects.unsupported import refuse
from gateway.dialects.values import mapping, read_json

_KNOWN = frozenset(
    (
        "additionalModelRequestFields",
        "inferenceConfig",
        "messages",
        "outputConfig",
        "requestMetadata",
        "serviceTier",
        "system",
        "toolConfig",
    )
)


def read_request(body: Mapping[str, Any]) -> Request:
    """The request in a body that has Converse's shape. Raises Unsupported."""
    _only(body, _KNOWN, "")
    system = tuple(_blocks(body.get("system") or (), "system"))
    turns = tuple(
        Turn(message["role"], tuple(_blocks(message["content"], f"messages.{at}.content")), f"messages.{at}")
        for at, message in enumerate(body["messages"])
    )
    inference, own = mapping(body.get("inferenceConfig")), mapping(body.get("additionalModelRequestFields"))
    _only(inference, ("maxTokens", "temperature", "topP", "stopSequences"), "inferenceConfig")
    _only(own, ("thinking", "top_k", "tool_choice"), "additionalModelRequestFields")
    config, output = mapping(body.get("toolConfig")), mapping(body.get("outputConfig"))
    _only(output, ("textFormat", "effort"), "outputConfig")
    return Request(
        turns=(*((Turn("system", system, "system"),) if system else ()), *turns),
        tools=tuple(_tools(config.get("tools") or ())),
        choice=_choice(mapping(config.get("toolChoice"))),
        parallel=False if mapping(own.get("tool_choice")).get("disable_parallel_tool_use") else None,
        output=_output(mapping(output.get("textFormat"))),
        cap=inference.get("maxTokens"),
        temperature=inference.get("temperature"),
        top_p=inference.get("topP"),
        top_k=own.get("top_k"),
        stop=tuple(inference.get("stopSequences") or ()),
        effort=output.get("effort"),
        thinking=own.get("thinking"),
        tier=mapping(body.get("serviceTier")).get("type"),
    )


def _only(given: Mapping[str, Any], known: Iterable[str], where: str) -> None:
    for name in given:
        if name not in known:
            raise refuse(f"{where}.{name}".lstrip("."), "not supported")


def _blocks(blocks: Iterable[Mapping[str, Any]], where: str) -> Iterator[Block]:
    for number, block in enumerate(blocks):
        yield _block(block, f"{where}.{number}")


def _block(block: Mapping[str, Any], at: str) -> Block:
    ((kind, value),) = block.items()
    if kind == "text":
        return Text(value, at=at)
    if kind == "cachePoint":
        return Mark(value.get("ttl") or "", at)
    if kind == "toolUse":
        _only(value, ("toolUseId", "name", "input"), at)
        return ToolUse(value["toolUseId"], value["name"], value["input"], at)
    if kind == "toolResult":
        _only(value, ("toolUseId", "content", "status"), at)
        content = tuple(_blocks(value["content"], f"{at}.content"))
        for part in content:
            if not isinstance(part, (Text, Image, Document)):
                raise refuse(part.at, "not supported")
        return ToolResult(value["toolUseId"], content, value.get("status") == "error", at)  # type: ignore[arg-type]  # see above
    if kind == "image" and "bytes" in value["source"]:
        return Image(value["format"], value["source"]["bytes"], at)
    if kind == "document" and "bytes" in value["source"]:
        _only(value, ("format", "name", "source"), at)
        return Document(value["format"], value["name"], value["source"]["bytes"], at)
    if kind == "reasoningContent" and "redactedContent" in value:
        return Redacted(value["redactedContent"], at)
    if kind == "reasoningContent":
        return Reasoning(value["reasoningText"]["text"], value["reasoningText"].get("signature") or "", at)
    raise refuse(f"{at}.{kind}", "not supported")


def _tools(tools: Iterable[Mapping[str, Any]]) -> Iterator[Tool | Mark]:
    for number, tool in enumerate(tools):
        at = f"toolConfig.tools.{number}"
        if "cachePoint" in tool:
            yield Mark(tool["cachePoint"].get("ttl") or "", at)
            continue
        _only(tool, ("toolSpec",), at)
        spec = tool["toolSpec"]
        _only(spec, ("name", "description", "inputSchema", "strict"), f"{at}.toolSpec")
        yield Tool(spec["name"], spec.get("description") or "", spec["inputSchema"]["json"], spec.get("strict"), at)


def _choice(choice: Mapping[str, Any]) -> Choice | None:
    if "tool" in choice:
        return Choice("one", choice["tool"]["name"])
    return Choice("any") if "any" in choice else Choice("auto") if "auto" in choice else None


def _output(wanted: Mapping[str, Any]) -> Output | None:
    if not wanted:
        return None
    given = wanted["structure"]["jsonSchema"]
    schema, _ = read_json(given["schema"])
    if schema is None:
        raise refuse("outputConfig.textFormat.structure.jsonSchema.schema", "must be a JSON object")
    return Output("schema", schema, given.get("name") or "", given.get("description") or "")
