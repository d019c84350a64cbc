"""Token counts as the ledger bills them: one form, however a provider counts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

from msgspec import Struct

Source = Literal["provider", "counted", "estimate"]


class Usage(Struct, frozen=True):
    """Disjoint token counts: every billed token is in exactly one of the first five.

    `input_tokens` are the uncached prompt tokens (OpenAI's `prompt_tokens` minus the cached ones; Bedrock's
    `inputTokens` unchanged). `output_tokens` include `reasoning_tokens`, which is for information only. `source` says
    who counted: the provider, the gateway (from text), or nobody (the estimate was charged).
    """

    input_tokens: int = 0
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    cache_write_1h_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    source: Source = "provider"

    @property
    def prompt_tokens(self) -> int:
        """All prompt tokens, as OpenAI reports them."""
        return self.input_tokens + self.cached_tokens + self.cache_write_tokens + self.cache_write_1h_tokens

    @property
    def total_tokens(self) -> int:
        prompt = self.input_tokens + self.cached_tokens + self.cache_write_tokens + self.cache_write_1h_tokens
        return prompt + self.output_tokens


def added(one: Usage, other: Usage) -> Usage:
    """The usage of both together."""
    return Usage(
        one.input_tokens + other.input_tokens,
        one.cached_tokens + other.cached_tokens,
        one.cache_write_tokens + other.cache_write_tokens,
        one.cache_write_1h_tokens + other.cache_write_1h_tokens,
        one.output_tokens + other.output_tokens,
        one.reasoning_tokens + other.reasoning_tokens,
        one.source if one.source == other.source else "counted",
    )


def openai_usage(usage: Usage) -> dict[str, Any]:
    """The counts as OpenAI reports them."""
    prompt = usage.prompt_tokens
    return {
        "prompt_tokens": prompt,
        "completion_tokens": usage.output_tokens,
        "total_tokens": prompt + usage.output_tokens,
        "prompt_tokens_details": {
            "cached_tokens": usage.cached_tokens,
            "cache_write_tokens": usage.cache_write_tokens + usage.cache_write_1h_tokens,
        },
    }


def shown(given: Mapping[str, Any], usage: Usage | None, written: Callable[[Usage], dict[str, Any]]) -> dict[str, Any]:
    """The counts that a client is shown: the provider's own as they were `given`, or the gateway's as `written`, where
    the call is billed by these. A client plans its next call by them: zeros would tell it that its prompt was empty."""
    if usage is None or (given and usage.source == "provider"):
        return dict(given)
    return written(usage)
