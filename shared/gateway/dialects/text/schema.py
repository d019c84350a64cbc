"""A request for legacy completions (before chat): a prompt, and how its text shall be continued."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Final

from pydantic import Field, WithJsonSchema, field_validator

from gateway.config.document import ALIAS, TierLimits
from gateway.config.reasons import FIRST, validated
from gateway.dialects.fields import TAG, Flag, Known, McpContext, Object, Text, Texts, Tokens, check_names_of
from gateway.errors import BadRequest

USUAL_CAP: Final = 16  # OpenAI's
_PROMPT: Final = {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "maxItems": 1}]}
Tag = Annotated[str, Field(pattern=TAG)]
Penalty = Annotated[float, Field(ge=-2, le=2, allow_inf_nan=False, strict=True)]


class TextRequest(Known):
    """A request for a completion, in the format that OpenAI had before chat. A chat model answers it."""

    model: Annotated[str, Field(pattern=ALIAS)]
    prompt: Annotated[Any, WithJsonSchema(_PROMPT)]
    max_tokens: Tokens | None = None
    temperature: Annotated[float, Field(ge=0, le=2, allow_inf_nan=False, strict=True)] | None = None
    top_p: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False, strict=True)] | None = None
    n: Annotated[int, Field(ge=1, le=128, strict=True)] | None = None
    stop: Texts | None = None
    stream: Flag | None = None
    stream_options: Object | None = None
    frequency_penalty: Penalty | None = None
    presence_penalty: Penalty | None = None
    seed: Annotated[int, Field(ge=-(2**63), lt=2**64, strict=True)] | None = None
    user: Text | None = None
    tags: Annotated[list[Tag], FIRST, Field(max_length=10)] = Field(default_factory=list)

    choices: ClassVar[int] = 1
    mcp_context: ClassVar[McpContext | None] = None

    @field_validator("tags")
    @classmethod
    def _each_once(cls, tags: list[str]) -> list[str]:
        return list(dict.fromkeys(tags))

    @property
    def streamed(self) -> bool:
        return self.stream is True

    def cap(self, tier: TierLimits, most: int | None) -> int:
        """The output tokens to enforce: the number asked for, else OpenAI's default; at most the model's limit."""
        cap = self.max_tokens or USUAL_CAP
        return min(cap, most) if most else cap


def parse_text(body: Mapping[str, Any]) -> TextRequest:
    """The request of a JSON body. Raises BadRequest naming the field."""
    check_names_of(body)
    if "messages" in body and "prompt" not in body:
        raise BadRequest(
            "messages: send them to POST /v1/chat/completions; this route takes a prompt", param="messages"
        )
    request = validated(TextRequest, body)
    prompt_of(request.prompt)
    return request


def prompt_of(given: Any) -> str:
    """The prompt's text. Raises BadRequest."""
    one = given[0] if isinstance(given, list) and len(given) == 1 else given
    if not isinstance(one, str):
        where = "prompt" if one is given else "prompt[0]"
        raise BadRequest(
            f"{where}: must be text, or a list of one: this route takes one prompt, not tokens", param=where
        )
    if not one.strip():
        raise BadRequest("prompt: must not be blank", param="prompt")
    return one
