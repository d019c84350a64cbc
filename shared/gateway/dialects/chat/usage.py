"""How OpenAI counts: `prompt_tokens` includes cached tokens and those written to the cache."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.dialects.values import MOST_TOKENS, count, mapping
from gateway.models.usage import Usage


def usage_of(value: object) -> Usage | None:
    """The `usage` object of an answer or of a stream's last chunk; None if it has no usable counts."""
    if type(value) is not dict:
        return _checked(mapping(value))
    prompt, completion, total = value.get("prompt_tokens"), value.get("completion_tokens"), value.get("total_tokens")
    before, after = value.get("prompt_tokens_details"), value.get("completion_tokens_details")
    if not (type(before) is dict and type(after) is dict and type(prompt) is type(completion) is type(total) is int):
        return _checked(value)
    cached, written = before.get("cached_tokens"), before.get("cache_write_tokens", 0)
    reasoning = after.get("reasoning_tokens", 0)
    if not (type(cached) is type(written) is type(reasoning) is int and prompt + completion == total <= MOST_TOKENS):
        return _checked(value)
    if cached < 0 or written < 0 or cached + written > prompt or not 0 <= reasoning <= completion:
        return _checked(value)
    # As in most answers: every count is there, whole and within its bounds, and the total is the sum.
    return Usage(prompt - cached - written, cached, written, output_tokens=completion, reasoning_tokens=reasoning)


def _checked(usage: Mapping[str, Any]) -> Usage | None:
    """What `usage_of` reads, from counts of any kind."""
    prompt, completion = count(usage.get("prompt_tokens")), count(usage.get("completion_tokens"))
    if prompt is None or completion is None:
        return None
    details = mapping(usage.get("prompt_tokens_details"))
    cached = count(details.get("cached_tokens"))
    if cached is None:  # some hosts give it next to their counts: DeepSeek by the first name, Moonshot by the second
        cached = count(usage.get("prompt_cache_hit_tokens"))
        cached = count(usage.get("cached_tokens")) if cached is None else cached
    cached = min(cached, prompt) if cached else 0
    written = count(details.get("cache_write_tokens")) if "cache_write_tokens" in details else 0
    written = min(written, prompt - cached) if written else 0
    reasoning = count(mapping(usage.get("completion_tokens_details")).get("reasoning_tokens")) or 0
    outside = _outside(prompt, completion, count(usage.get("total_tokens")), reasoning)
    output = completion + outside
    thought = min(max(reasoning, outside), output) if reasoning or outside else 0
    return Usage(prompt - cached - written, cached, written, output_tokens=output, reasoning_tokens=thought)


def _outside(prompt: int, completion: int, total: int | None, reasoning: int) -> int:
    """Output tokens that `completion_tokens` does not include: some servers count reasoning only in the total. If there
    are more reasoning tokens than completion tokens, they can't be included either."""
    beyond = total - prompt - completion if total is not None and total > prompt + completion else 0
    return reasoning if reasoning > completion and reasoning > beyond else beyond
