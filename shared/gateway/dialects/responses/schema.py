"""A Responses request as clients send it: the fields checked where the gateway depends on them, all others kept.

The type of each documented field is checked, and errors name its path, so that neither the estimate nor a translation
ever meets another type.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Final

from pydantic import AfterValidator, Field, WithJsonSchema

from gateway.config.document import ALIAS, TierLimits
from gateway.config.reasons import FIRST, validated
from gateway.dialects.fields import Flag, Known, Object, Retention, Text, Tokens, check_names_of
from gateway.errors import BadRequest

_ITEMS = {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "object"}}]}
_MOST_ITEMS: Final = 100_000
_ROLES: Final = ("user", "assistant", "system", "developer")
_TEXT_OR_PARTS: Final = (str, list)
# The members that each known type of item and of part must have.
_ITEM_HOLDS: Final[Mapping[str, Mapping[str, type | tuple[type, ...]]]] = {
    "message": {"content": _TEXT_OR_PARTS},
    "function_call": {"call_id": str, "name": str, "arguments": str},
    "function_call_output": {"call_id": str, "output": _TEXT_OR_PARTS},
    "custom_tool_call": {"call_id": str, "name": str, "input": str},
    "custom_tool_call_output": {"call_id": str, "output": _TEXT_OR_PARTS},
    "reasoning": {"summary": list},
    "local_shell_call": {"call_id": str, "action": dict},
    "local_shell_call_output": {"id": str, "output": str},
    "shell_call": {"call_id": str, "action": dict},
    "shell_call_output": {"call_id": str, "output": list},
    "apply_patch_call": {"call_id": str, "operation": dict},
    "apply_patch_call_output": {"call_id": str},
    "tool_search_output": {"tools": list},
    "additional_tools": {"tools": list},
    "compaction": {"encrypted_content": str},
}
_PART_HOLDS: Final[Mapping[str, Mapping[str, type | tuple[type, ...]]]] = {
    "input_text": {"text": str},
    "output_text": {"text": str},
    "text": {"text": str},
    "summary_text": {"text": str},
    "reasoning_text": {"text": str},
    "refusal": {"refusal": str},
}
_WORDS: Final[Mapping[Any, str]] = {
    str: "text",
    dict: "an object",
    list: "a list",
    _TEXT_OR_PARTS: "text, or a list of objects",
}


def _items(value: Any) -> Any:
    if not isinstance(value, (str, list)):
        raise ValueError("must be text, or a list of objects")
    if not value:
        raise ValueError("must not be empty")
    if len(value) > _MOST_ITEMS and isinstance(value, list):
        raise ValueError(f"must have at most {_MOST_ITEMS} items")
    return value


def _choice(value: Any) -> Any:
    if not isinstance(value, (str, dict)):
        raise ValueError("must be text or an object")
    return value


def _texts_within(value: dict[Any, Any]) -> dict[Any, Any]:
    if any(not isinstance(each, str) for each in value.values()):
        raise ValueError("must contain only texts")
    return value


Choice = Annotated[Any, AfterValidator(_choice), WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "object"}]})]


class ResponsesRequest(Known):
    """A request for a response, in the format of OpenAI's Responses API. A field that is not listed here passes to
    OpenAI itself, unless it would cost extra. Another provider gets it only if an operator allows that."""

    model: Annotated[str, Field(pattern=ALIAS)]
    input: Annotated[Any, AfterValidator(_items), WithJsonSchema(_ITEMS)]
    instructions: Text | None = None
    max_output_tokens: Tokens | None = None
    tools: Annotated[list[Object], FIRST, Field(max_length=10_000)] | None = None
    tool_choice: Choice | None = None
    parallel_tool_calls: Flag | None = None
    reasoning: Object | None = None
    text: Object | None = None
    include: Annotated[list[Text], FIRST, Field(max_length=100)] | None = None
    stream: Flag | None = None
    stream_options: Object | None = None
    store: Flag | None = None
    background: Flag | None = None
    temperature: Annotated[float, Field(ge=0, le=2, allow_inf_nan=False, strict=True)] | None = None
    top_p: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False, strict=True)] | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=20, strict=True)] | None = None
    max_tool_calls: Annotated[int, Field(ge=0, le=1_000_000, strict=True)] | None = None
    metadata: Annotated[Object, AfterValidator(_texts_within)] | None = None
    prompt_cache_key: Text | None = None
    prompt_cache_options: Object | None = None
    prompt_cache_retention: Retention | None = None
    safety_identifier: Text | None = None
    service_tier: Text | None = None
    truncation: Text | None = None
    user: Text | None = None

    choices: ClassVar[int] = 1
    tags: ClassVar[tuple[str, ...]] = ()
    mcp_context: ClassVar[None] = None

    @property
    def streamed(self) -> bool:
        return self.stream is True

    def cap(self, tier: TierLimits, most: int | None) -> int:
        """The output tokens to enforce: what is asked for, else the tier's default for a turn; at most the model's."""
        cap: int = self.max_output_tokens or tier.default_turn_tokens
        return min(cap, most) if most else cap


def parse_responses(body: Mapping[str, Any]) -> ResponsesRequest:
    """The request of a JSON body. Raises BadRequest naming the field."""
    check_names_of(body)
    request = validated(ResponsesRequest, body)
    given = body["input"]
    for number, item in enumerate(given if isinstance(given, list) else ()):
        _check_item(item, f"input[{number}]")
    return request


def _check_item(item: Any, where: str) -> None:
    if not isinstance(item, dict):
        raise _wrong(where, "must be an object")
    kind = item.get("type", "message" if "role" in item else None)
    if kind is not None and not isinstance(kind, str):
        raise _wrong(f"{where}.type", "must be text")
    if kind == "message" and item.get("role") not in _ROLES:
        raise _wrong(f"{where}.role", f"must be one of {', '.join(_ROLES)}")
    _check_held(item, _ITEM_HOLDS.get(kind or "", {}), where)
    for name in ("content", "output", "summary"):
        parts = item.get(name)
        for at, part in enumerate(parts if isinstance(parts, list) else ()):
            here = f"{where}.{name}[{at}]"
            if not isinstance(part, dict):
                raise _wrong(here, "must be an object")
            if not isinstance(part.get("type", ""), str):
                raise _wrong(f"{here}.type", "must be text")
            _check_held(part, _PART_HOLDS.get(part.get("type", ""), {}), here)
    tools = item.get("tools")
    for at, tool in enumerate(tools if isinstance(tools, list) else ()):
        if not isinstance(tool, dict):
            raise _wrong(f"{where}.tools[{at}]", "must be an object")


def _check_held(given: Mapping[str, Any], held: Mapping[str, type | tuple[type, ...]], where: str) -> None:
    for name, kind in held.items():
        if not isinstance(given.get(name), kind):
            raise _wrong(f"{where}.{name}", f"must be {_WORDS[kind]}")


def _wrong(where: str, why: str) -> BadRequest:
    where = where[:128]
    return BadRequest(f"{where}: {why}", param=where)
