"""A request for embeddings as clients send it: OpenAI's fields, and what the vectors are for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import Field, WithJsonSchema, field_validator

from gateway.config.document import ALIAS, TierLimits
from gateway.config.reasons import FIRST, validated
from gateway.dialects.fields import TAG, Known, McpContext, Text, check_names_of
from gateway.errors import BadRequest

MOST_INPUTS: Final = 2_048  # OpenAI's
_MOST_TOKEN: Final = 2**31
_TOKENS: Final = {"type": "array", "items": {"type": "integer", "minimum": 0}}
_INPUT: Final = {
    "anyOf": [
        {"type": "string"},
        {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": MOST_INPUTS},
        _TOKENS,
        {"type": "array", "items": _TOKENS, "minItems": 1, "maxItems": MOST_INPUTS},
    ]
}
Tag = Annotated[str, Field(pattern=TAG)]


class EmbeddingsRequest(Known):
    """A request for embeddings, in OpenAI's format, with the purpose of the vectors (`input_type`) for models that need
    it."""

    model: Annotated[str, Field(pattern=ALIAS)]
    input: Annotated[Any, WithJsonSchema(_INPUT)]
    dimensions: Annotated[int, Field(ge=1, le=65_536, strict=True)] | None = None
    encoding_format: Literal["float", "base64"] | None = None
    user: Text | None = None
    input_type: Literal["search_document", "search_query", "classification", "clustering"] | None = None
    tags: Annotated[list[Tag], FIRST, Field(max_length=10)] = Field(default_factory=list)

    choices: ClassVar[int] = 1
    streamed: ClassVar[bool] = False
    mcp_context: ClassVar[McpContext | None] = None

    @field_validator("tags")
    @classmethod
    def _each_once(cls, tags: list[str]) -> list[str]:
        return list(dict.fromkeys(tags))

    def cap(self, tier: TierLimits, most: int | None) -> int:
        """No output is billed."""
        return 0


def parse_embeddings(body: Mapping[str, Any]) -> EmbeddingsRequest:
    """The request of a JSON body. Raises BadRequest naming the field."""
    check_names_of(body)
    request = validated(EmbeddingsRequest, body)
    _check_input(request.input)
    return request


def _check_input(given: Any) -> None:
    if isinstance(given, list):
        if not given:
            raise _wrong("input", "must not be empty")
        if _is_token(given[0]):
            _check_tokens("input", given)
            return
        if len(given) > MOST_INPUTS:
            raise _wrong("input", f"at most {MOST_INPUTS} at a time")
        for at, each in enumerate(given):
            if type(each) is not type(given[0]):
                raise _wrong(f"input[{at}]", "must be of the same kind as the first: text, or a list of tokens")
            _check_one(f"input[{at}]", each)
    else:
        _check_one("input", given)


def _check_one(where: str, given: Any) -> None:
    if not isinstance(given, (str, list)):
        raise _wrong(where, "must be text, or a list of tokens")
    if not given:
        raise _wrong(where, "must not be empty")
    if isinstance(given, list):
        _check_tokens(where, given)


def _check_tokens(where: str, given: list[Any]) -> None:
    for at, each in enumerate(given):
        if not _is_token(each):
            raise _wrong(f"{where}[{at}]", "must be a token: a whole number from 0 up")


def _is_token(value: Any) -> bool:
    return type(value) is int and 0 <= value < _MOST_TOKEN


def _wrong(where: str, reason: str) -> BadRequest:
    return BadRequest(f"{where}: {reason}", param=where)
