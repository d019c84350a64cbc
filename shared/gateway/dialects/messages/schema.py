"""A Messages request as clients send it: Anthropic's fields checked where the gateway depends on them, all others kept.

The type of each documented field is checked, and errors name its path, so that neither the estimate nor a translation
ever meets another type.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import AfterValidator, Field, WithJsonSchema

from gateway.config.document import ALIAS, TierLimits
from gateway.config.reasons import FIRST, validated
from gateway.dialects.fields import Flag, Known, Object, Text, Tokens, check_names_of
from gateway.errors import BadRequest

_BLOCKS = {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "object"}}]}
# The members that each known type of block must have.
_HELD: Final[Mapping[str, Mapping[str, type]]] = {
    "text": {"text": str},
    "image": {"source": dict},
    "document": {"source": dict},
    "search_result": {"source": str, "title": str, "content": list},
    "tool_use": {"id": str, "name": str, "input": dict},
    "tool_result": {"tool_use_id": str},
    "thinking": {"thinking": str},
    "redacted_thinking": {"data": str},
}
_WORDS: Final[Mapping[type, str]] = {str: "text", dict: "an object", list: "a list"}


def _content(value: Any) -> Any:
    if not isinstance(value, (str, list)):
        raise ValueError("must be text, or a list of objects")
    return value


Content = Annotated[Any, AfterValidator(_content), WithJsonSchema(_BLOCKS)]


class MessageParam(Known):
    """One turn of a conversation."""

    role: Literal["user", "assistant", "system"]
    content: Content


class ToolParam(Known):
    """A tool that the model may call. Either `input_schema` describes its input, or `type` names Anthropic's tool."""

    name: Text | None = None
    type: Text | None = None
    description: Text | None = None
    input_schema: Object | None = None
    strict: Flag | None = None
    cache_control: Object | None = None


class MessagesRequest(Known):
    """A request for a message, in Anthropic's format. A field that is not listed here passes to Anthropic
    itself, unless it would cost extra. Another provider gets it only if an operator allows that."""

    model: Annotated[str, Field(pattern=ALIAS)]
    messages: Annotated[list[MessageParam], FIRST, Field(min_length=1, max_length=100_000)]
    max_tokens: Tokens
    system: Content | None = None
    tools: Annotated[list[ToolParam], FIRST, Field(max_length=10_000)] | None = None
    tool_choice: Object | None = None
    thinking: Object | None = None
    output_config: Object | None = None
    stop_sequences: Annotated[list[Text], FIRST, Field(max_length=10_000)] | None = None
    stream: Flag | None = None
    temperature: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False, strict=True)] | None = None
    top_p: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False, strict=True)] | None = None
    top_k: Annotated[int, Field(ge=0, le=1_000_000, strict=True)] | None = None
    metadata: Object | None = None
    service_tier: Text | None = None
    speed: Text | None = None
    cache_control: Object | None = None
    context_management: Object | None = None
    diagnostics: Object | None = None

    choices: ClassVar[int] = 1
    tags: ClassVar[tuple[str, ...]] = ()
    mcp_context: ClassVar[None] = None

    @property
    def streamed(self) -> bool:
        return self.stream is True

    def cap(self, tier: TierLimits, most: int | None) -> int:
        """The output tokens to enforce: the number asked for, at most the model's limit."""
        return min(self.max_tokens, most) if most else self.max_tokens


def parse_messages(body: Mapping[str, Any]) -> MessagesRequest:
    """The request of a JSON body. Raises BadRequest naming the field."""
    check_names_of(body)
    request = validated(MessagesRequest, body)
    _check_blocks(body.get("system"), "system")
    for number, message in enumerate(body["messages"]):
        _check_blocks(message["content"], f"messages[{number}].content")
    return request


def _check_blocks(content: Any, where: str) -> None:
    waiting = [(content, where)]
    while waiting:
        blocks, above = waiting.pop()
        for index, block in enumerate(blocks if isinstance(blocks, list) else ()):
            here = f"{above}[{index}]"
            if not isinstance(block, dict):
                raise _wrong(here, "must be an object")
            if not isinstance(block.get("type"), str):
                raise _wrong(f"{here}.type", "must be text")
            for name, kind in _HELD.get(block["type"], {}).items():
                if not isinstance(block.get(name), kind):
                    raise _wrong(f"{here}.{name}", f"must be {_WORDS[kind]}")
            waiting += _inside(block, here)


def _inside(block: Mapping[str, Any], where: str) -> Iterator[tuple[Any, str]]:
    """The contents of a block that may hold further blocks, with their paths."""
    source = block.get("source")
    if block["type"] == "document" and isinstance(source, dict) and source.get("type") == "content":
        yield _blocks_or_text(source.get("content"), f"{where}.source.content"), f"{where}.source.content"
    if block["type"] in ("tool_result", "search_result") and block.get("content") is not None:
        yield _blocks_or_text(block["content"], f"{where}.content"), f"{where}.content"


def _blocks_or_text(value: Any, where: str) -> Any:
    if not isinstance(value, (str, list)):
        raise _wrong(where, "must be text, or a list of objects")
    return value


def _wrong(where: str, why: str) -> BadRequest:
    where = where[:128]
    return BadRequest(f"{where}: {why}", param=where)
