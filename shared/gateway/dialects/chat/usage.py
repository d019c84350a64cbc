"""How OpenAI counts: `prompt_tokens` includes cached tokens and those written to the cache."""

from __future__ import annotations

from gateway.dialects.values import count, mapping
from gateway.models.usage import Usage


def usage_of(value: object) -> Usage | None:
    """The `usage` object of an answer or of a stream's last chunk; None if it has no usable counts."""
    usage = mapping(value)
    prompt, completion = count(usage.get("prompt_tokens")), count(usage.get("completion_tokens"))
    if prompt is None or completion is None:
        return None
    details = mapping(usage.get("prompt_tokens_details"))
    # Some hosts give it next to their counts: DeepSeek as `prompt_cache_hit_tokens`, Moonshot as `cached_tokens`.
    hits = (details.get("cached_tokens"), usage.get("prompt_cache_hit_tokens"), usage.get("cached_tokens"))
    cached = min(next((each for each in map(count, hits) if each is not None), 0), prompt)
    written = min(count(details.get("cache_write_tokens")) or 0, prompt - cached)
    reasoning = count(mapping(usage.get("completion_tokens_details")).get("reasoning_tokens")) or 0
    outside = _outside(prompt, completion, count(usage.get("total_tokens")), reasoning)
    output = completion + outside
    return Usage(
        input_tokens=prompt - cached - written,
        cached_tokens=cached,
        cache_write_tokens=written,
        output_tokens=output,
        reasoning_tokens=min(max(reasoning, outside), output),
    )


def _outside(prompt: int, completion: int, total: int | None, reasoning: int) -> int:
    """Output tokens that `completion_tokens` does not include: some servers count reasoning only in the total. If there
    are more reasoning tokens than completion tokens, they can't be included either."""
    beyond = max(0, total - prompt - completion) if total is not None else 0
    return max(beyond, reasoning if reasoning > completion else 0)
