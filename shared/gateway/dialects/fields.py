"""Types of a request's fields, for any dialect.

Text has its own check instead of pydantic's `str`: JSON may hold half of a surrogate pair.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, WithJsonSchema

from gateway.config.reasons import Later, pattern
from gateway.errors import BadRequest

if TYPE_CHECKING:
    from gateway.catalogue.context import McpContext as McpContext
else:  # few calls ask for products, and their models take longer to make than all others together
    McpContext = Annotated[Any, Later("gateway.catalogue.context:McpContext")]

_LONGEST_NAME = 256  # of a field
TAG = pattern(
    r"^[A-Za-z0-9][A-Za-z0-9._:/-]{0,63}$",
    "must be letters, digits and . _ : / -, a letter or digit first, at most 64",
)


def _text(value: Any) -> Any:
    if not isinstance(value, str):
        raise ValueError("must be text")
    return value


def _texts(value: Any) -> Any:
    if not isinstance(value, str) and not (isinstance(value, list) and all(isinstance(each, str) for each in value)):
        raise ValueError("must be text, or a list of texts")
    return value


Text = Annotated[Any, AfterValidator(_text), WithJsonSchema({"type": "string"})]
_LIST_OF_TEXTS = {"type": "array", "items": {"type": "string"}}
Texts = Annotated[Any, AfterValidator(_texts), WithJsonSchema({"anyOf": [{"type": "string"}, _LIST_OF_TEXTS]})]
Object = dict[Any, Any]
Flag = Annotated[bool, Field(strict=True)]
Retention = Literal["in_memory", "24h"]  # of a cached prompt; another would have a cost for which there is no price
Tokens = Annotated[int, Field(ge=1, le=10_000_000, strict=True)]


class Known(BaseModel):
    """A part of a request: the fields named here are checked, all others are ignored. Its validator is made when it is
    first needed, together with those of its parts: plain requests need none (docs/decisions/0115). Pydantic lets only
    one thread make it."""

    model_config = ConfigDict(
        extra="ignore", frozen=True, json_schema_extra={"additionalProperties": True}, defer_build=True
    )


def check_names_of(body: Mapping[str, Any]) -> None:
    for name in body:
        if len(name) > _LONGEST_NAME:
            raise BadRequest("A field's name is too long.", param=name[:64])
