"""A chat request as clients send it: OpenAI's fields checked where the gateway depends on them, all others kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from gateway.domain.config import ALIAS, invalid
from gateway.domain.product_context import McpContext
from gateway.errors import BadRequest

GATEWAY_FIELDS = frozenset({"tags", "fallbacks", "cache", "mcp", "mcpContext"})
_LATER = ("fallbacks", "cache", "mcp")
Tokens = Annotated[int, Field(ge=1, le=10_000_000, strict=True)]
Tag = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/-]{0,63}$")]


class Message(BaseModel):
    """One message. `content` is text, a list of typed parts, or null beside tool calls."""

    model_config = ConfigDict(extra="allow", frozen=True)

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: Any = None

    @field_validator("content")
    @classmethod
    def _text_or_parts(cls, content: Any) -> Any:
        # Not a union type: its errors would name pydantic's branches where the caller looks for the field.
        parts = isinstance(content, list) and all(isinstance(part, dict) for part in content)
        if content is None or isinstance(content, str) or parts:
            return content
        raise ValueError("must be text, or a list of objects")


class ChatRequest(BaseModel):
    """Unknown fields are allowed and passed on untouched; `body` is what a provider gets."""

    model_config = ConfigDict(extra="allow", frozen=True)

    model: Annotated[str, Field(pattern=ALIAS)]
    messages: Annotated[list[Message], Field(min_length=1, max_length=10_000)]
    max_tokens: Tokens | None = None
    max_completion_tokens: Tokens | None = None
    n: Annotated[int, Field(ge=1, le=128, strict=True)] | None = None
    temperature: Annotated[float, Field(ge=0, le=2, allow_inf_nan=False)] | None = None
    top_p: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] | None = None
    stream: Annotated[bool, Field(strict=True)] | None = None
    stream_options: dict[str, Any] | None = None
    tools: list[dict[str, Any]] | None = None
    user: str | None = None
    tags: Annotated[list[Tag], Field(max_length=10)] = Field(default_factory=list)
    mcp_context: McpContext | None = Field(None, alias="mcpContext")

    @field_validator("tags")
    @classmethod
    def _each_once(cls, tags: list[str]) -> list[str]:
        return list(dict.fromkeys(tags))

    @property
    def choices(self) -> int:
        return self.n or 1

    def output_cap(self, default: int, most: int | None) -> int:
        """The output tokens to enforce per choice: what is asked for, else the tier's default; at most the model's."""
        asked = [cap for cap in (self.max_tokens, self.max_completion_tokens) if cap is not None]
        cap = min(asked) if asked else default
        return min(cap, most) if most else cap


def parse_chat(body: Mapping[str, Any]) -> ChatRequest:
    """The request of a JSON body. Raises BadRequest naming the field."""
    for name in _LATER:
        if body.get(name) is not None:
            raise BadRequest(f"{name}: not supported by this version", param=name, code="unsupported_parameter")
    try:
        return ChatRequest.model_validate(body)
    except ValidationError as error:
        raise invalid(error) from None


def provider_body(body: Mapping[str, Any]) -> dict[str, Any]:
    """What goes to a provider: everything the client sent but the gateway's own fields and the way of delivery."""
    dropped = GATEWAY_FIELDS | {"model", "stream", "stream_options"}
    return {name: value for name, value in body.items() if name not in dropped}
