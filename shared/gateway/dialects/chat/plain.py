"""Plain chat requests, which ask for nothing but one answer to texts: they are read by hand, since most requests are
plain, and pydantic takes five times as long (docs/decisions/0115).

Whatever is taken for plain is a right request, and is read as `gateway.dialects.chat.schema` would read it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, ClassVar, Literal, Protocol, get_args

from msgspec import Struct

from gateway.config.document import ALIAS, TierLimits

# A plain request has no other fields, and each of its messages nothing but a role and a text.
_FIELDS = frozenset(
    ("model", "messages", "max_tokens", "max_completion_tokens", "temperature", "top_p", "stream", "stream_options")
)
Role = Literal["system", "developer", "user", "assistant", "tool", "function"]
_ROLES = get_args(Role)
_LONGEST_NAME = 128  # what ALIAS allows: no longer text is kept


class _Capped(Protocol):
    @property
    def max_tokens(self) -> int | None: ...
    @property
    def max_completion_tokens(self) -> int | None: ...


def cap_of(asked: _Capped, tier: TierLimits, most: int | None) -> int:
    """The output tokens to enforce per choice: what is asked for, else the tier's default; at most the model's."""
    cap, other = asked.max_tokens, asked.max_completion_tokens
    if cap is None or (other is not None and other < cap):
        cap = tier.default_max_tokens if other is None else other
    return most if most and most < cap else cap


class PlainRequest(Struct):
    """What a `ChatRequest` says of a plain request."""

    model: str
    max_tokens: int | None
    max_completion_tokens: int | None
    streamed: bool
    stream_options: dict[str, Any] | None
    choices: ClassVar[int] = 1
    tags: ClassVar[tuple[str, ...]] = ()
    mcp_context: ClassVar[None] = None
    cap = cap_of


def plain_request(body: Mapping[str, Any]) -> PlainRequest | None:
    """The request if it is plain and each value is beyond doubt: the model's name, and numbers that are usual. Else
    None: it may be right all the same."""
    if not body.keys() <= _FIELDS:
        return None
    model, messages, stream = body.get("model"), body.get("messages"), body.get("stream")
    if type(model) is not str or len(model) > _LONGEST_NAME or not _is_name(model):
        return None
    if type(messages) is not list or not 0 < len(messages) <= 1_000:
        return None
    for message in messages:
        if type(message) is not dict or len(message) != 2 or type(message.get("content")) is not str:
            return None
        if message.get("role") not in _ROLES:
            return None
    cap, other = body.get("max_tokens"), body.get("max_completion_tokens")
    for most in (cap, other):
        if most is not None and (type(most) is not int or not 0 < most <= 1_000_000):
            return None
    for name in ("temperature", "top_p"):
        if name in body and (type(body[name]) not in (float, int) or not 0 <= body[name] <= 1):
            return None
    options = body.get("stream_options")
    if (stream is not None and type(stream) is not bool) or (options is not None and type(options) is not dict):
        return None
    return PlainRequest(model, cap, other, stream is True, options)


@lru_cache(maxsize=256)
def _is_name(model: str) -> bool:
    """Whether this is a model's name in the form that pydantic asks for. Clients use few names."""
    return re.fullmatch(ALIAS, model) is not None
