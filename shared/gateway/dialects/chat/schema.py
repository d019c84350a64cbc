"""A chat request as clients send it: OpenAI's fields checked where the gateway depends on them, all others kept.

The type of each documented field is checked, and errors name its path, so that neither the estimate nor a translation
ever meets another type. Text has its own check instead of pydantic's `str`: JSON may hold half of a surrogate pair.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    Field,
    WithJsonSchema,
    field_validator,
)

from gateway.config.document import ALIAS, TierLimits
from gateway.config.reasons import FIRST, validated
from gateway.dialects.chat.plain import PlainRequest, Role, cap_of, plain_request
from gateway.dialects.fields import TAG, Flag, Known, McpContext, Object, Retention, Text, Texts, Tokens, check_names_of
from gateway.errors import BadRequest

GATEWAY_FIELDS = frozenset({"tags", "fallbacks", "cache", "mcp", "mcpContext"})
_LATER = ("fallbacks", "cache", "mcp")
_STAY = GATEWAY_FIELDS | {"model", "stream", "stream_options"}  # fields that no provider is sent as they came


def _text_or_object(value: Any) -> Any:
    if not isinstance(value, (str, dict)):
        raise ValueError("must be text or an object")
    return value


def _numbers(value: dict[Any, Any]) -> dict[Any, Any]:
    if any(isinstance(each, bool) or not isinstance(each, (int, float)) for each in value.values()):
        raise ValueError("must contain only numbers")
    return value


def _texts_within(value: dict[Any, Any]) -> dict[Any, Any]:
    if any(not isinstance(each, str) for each in value.values()):
        raise ValueError("must contain only texts")
    return value


Choice = Annotated[
    Any, AfterValidator(_text_or_object), WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "object"}]})
]
Penalty = Annotated[float, Field(ge=-2, le=2, allow_inf_nan=False, strict=True)]
Tag = Annotated[str, Field(pattern=TAG)]


class ContentPart(Known):
    """A typed part of a message's content."""

    type: Text
    text: Text | None = None
    refusal: Text | None = None
    cache_control: Object | None = None


class FunctionCall(Known):
    """A call of a function: its name, and its arguments as the text of a JSON object."""

    name: Text
    arguments: Text


class ToolCall(Known):
    """A tool that the model called, as a part of one of its earlier messages."""

    id: Text | None = None
    type: Text | None = None
    function: FunctionCall | None = None
    custom: Object | None = None


class ThinkingBlock(Known):
    """Reasoning of the model from an earlier answer. Send it back unchanged."""

    type: Text
    thinking: Text | None = None
    signature: Text | None = None
    data: Text | None = None


_CONTENT = {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "object"}}, {"type": "null"}]}


def _content(value: Any) -> Any:
    # Not a union type: its errors would name pydantic's branches instead of the field.
    if value is not None and not isinstance(value, (str, list)):
        raise ValueError("must be text, or a list of objects")
    return value


class Message(Known):
    """One message of a conversation."""

    role: Role
    content: Annotated[Any, AfterValidator(_content), WithJsonSchema(_CONTENT)] = None
    name: Text | None = None
    refusal: Text | None = None
    tool_call_id: Text | None = None
    tool_calls: Annotated[list[ToolCall], FIRST] | None = None
    function_call: FunctionCall | None = None
    audio: Object | None = None
    thinking_blocks: Annotated[list[ThinkingBlock], FIRST] | None = None


class _Parts(Known):
    content: Annotated[list[ContentPart], FIRST]


class Tool(Known):
    """A tool that the model may call. Every provider accepts functions; only some accept other types."""

    type: Text | None = None
    function: Object | None = None
    custom: Object | None = None


class Typed(Known):
    """An object with a `type`."""

    type: Text


class ResponseFormat(Typed):
    json_schema: Object | None = None


class ChatRequest(Known):
    """A request for a chat completion, in OpenAI's format. A field that is not listed here passes to OpenAI
    itself, unless it would cost extra. Another provider gets it only if an operator allows that."""

    model: Annotated[str, Field(pattern=ALIAS)]
    messages: Annotated[list[Message], FIRST, Field(min_length=1, max_length=10_000)]
    max_tokens: Tokens | None = None
    max_completion_tokens: Tokens | None = None
    n: Annotated[int, Field(ge=1, le=128, strict=True)] | None = None
    temperature: Annotated[float, Field(ge=0, le=2, allow_inf_nan=False, strict=True)] | None = None
    top_p: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False, strict=True)] | None = None
    frequency_penalty: Penalty | None = None
    presence_penalty: Penalty | None = None
    seed: Annotated[int, Field(ge=-(2**63), lt=2**64, strict=True)] | None = None
    stop: Texts | None = None
    logit_bias: Annotated[Object, AfterValidator(_numbers)] | None = None
    logprobs: Flag | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=20, strict=True)] | None = None
    stream: Flag | None = None
    stream_options: Object | None = None
    tools: Annotated[list[Tool], FIRST, Field(max_length=10_000)] | None = None
    tool_choice: Choice | None = None
    parallel_tool_calls: Flag | None = None
    functions: Annotated[list[Object], FIRST] | None = None
    function_call: Choice | None = None
    response_format: ResponseFormat | None = None
    prediction: Object | None = None
    modalities: Annotated[list[Text], FIRST] | None = None
    metadata: Annotated[Object, AfterValidator(_texts_within)] | None = None
    store: Flag | None = None
    service_tier: Text | None = None
    reasoning_effort: Text | None = None
    verbosity: Text | None = None
    thinking: Object | None = None
    top_k: Annotated[int, Field(ge=0, le=1_000_000, strict=True)] | None = None
    prompt_cache_key: Text | None = None
    prompt_cache_options: Object | None = None
    prompt_cache_retention: Retention | None = None
    safety_identifier: Text | None = None
    user: Text | None = None
    tags: Annotated[list[Tag], FIRST, Field(max_length=10)] = Field(default_factory=list)
    mcp_context: McpContext | None = Field(None, alias="mcpContext")

    @field_validator("tags")
    @classmethod
    def _each_once(cls, tags: list[str]) -> list[str]:
        return list(dict.fromkeys(tags))

    @property
    def choices(self) -> int:
        return self.n or 1

    @property
    def streamed(self) -> bool:
        return self.stream is True

    def cap(self, tier: TierLimits, most: int | None) -> int:
        return cap_of(self, tier, most)


AnyRequest = ChatRequest | PlainRequest


def parse_chat(body: Mapping[str, Any]) -> AnyRequest:
    """The request of a JSON body. Raises BadRequest naming the field."""
    return plain_request(body) or checked_request(body)


def checked_request(body: Mapping[str, Any]) -> ChatRequest:
    """The request with each of its fields checked. Raises BadRequest naming the field."""
    for name in _LATER:
        if name in body and body[name] is not None:
            raise BadRequest(f"{name}: not supported by this version", param=name, code="unsupported_parameter")
    check_names_of(body)
    request = validated(ChatRequest, body)
    _check_parts(body["messages"])
    return request


def provider_body(body: Mapping[str, Any]) -> dict[str, Any]:
    """The body for a provider: all that the client sent except the gateway's own fields and those of delivery."""
    return {name: value for name, value in body.items() if name not in _STAY}


def _check_parts(messages: list[dict[str, Any]]) -> None:
    """Check the parts of each content that is a list, so that errors name their paths."""
    for number, message in enumerate(messages):
        if isinstance(message.get("content"), list):
            try:
                validated(_Parts, message)
            except BadRequest as first:
                where = f"messages[{number}]"
                raise BadRequest(f"{where}.{first.message}", param=f"{where}.{first.param}") from None
