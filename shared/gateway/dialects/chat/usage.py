"""How OpenAI counts: `prompt_tokens` includes cached tokens and those written to the cache."""

from __future__ import annotations

from typing import Final

from gateway.dialects.values import counts, mapping
from gateway.models.usage import Usage

# Some hosts give the cached tokens next to their counts: DeepSeek under the first of these names, Moonshot under the
# second.
_TOP: Final = ("prompt_tokens", "completion_tokens", "total_tokens", "prompt_cache_hit_tokens", "cached_tokens")
_PROMPT: Final = ("cached_tokens", "cache_write_tokens")
_COMPLETION: Final = ("reasoning_tokens",)


def usage_of(value: object) -> Usage | None:
    """The `usage` object of an answer or of a stream's last chunk; None if it has no usable counts."""
    usage = mapping(value)
    prompt, completion, total, *beside = counts(usage, _TOP)
    if prompt is None or completion is None:
        return None
    cached, written = counts(usage.get("prompt_tokens_details"), _PROMPT)
    for each in beside:
        cached = each if cached is None else cached
    cached = min(cached, prompt) if cached else 0
    written = min(written, prompt - cached) if written else 0
    reasoning = counts(usage.get("completion_tokens_details"), _COMPLETION)[0] or 0
    outside = _outside(prompt, completion, total, reasoning)
    output = completion + outside
    return Usage(
        input_tokens=prompt - cached - written,
        cached_tokens=cached,
        cache_write_tokens=written,
        output_tokens=output,
        reasoning_tokens=min(max(reasoning, outside), output) if reasoning or outside else 0,
    )


def _outside(prompt: int, completion: int, total: int | None, reasoning: int) -> int:
    """Output tokens that `completion_tokens` does not include: some servers count reasoning only in the total. If there
    are more reasoning tokens than completion tokens, they can't be included either."""
    beyond = total - prompt - completion if total is not None and total > prompt + completion else 0
    return reasoning if reasoning > completion and reasoning > beyond else beyond
