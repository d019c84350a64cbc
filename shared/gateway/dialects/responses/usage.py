"""How Responses counts: `input_tokens` includes cached tokens and those written to the cache."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.dialects.values import count, mapping
from gateway.models.usage import Usage, shown


def usage_of(value: object) -> Usage | None:
    """The `usage` object of a response; None if it has no usable counts."""
    usage = mapping(value)
    prompt, output = count(usage.get("input_tokens")), count(usage.get("output_tokens"))
    if prompt is None or output is None:
        return None
    details = mapping(usage.get("input_tokens_details"))
    cached = min(count(details.get("cached_tokens")) or 0, prompt)
    written = min(count(details.get("cache_write_tokens")) or 0, prompt - cached)
    thought = count(mapping(usage.get("output_tokens_details")).get("reasoning_tokens")) or 0
    # Some hosts count reasoning only in the total.
    total = count(usage.get("total_tokens"))
    outside = max(0, total - prompt - output) if total is not None else 0
    outside = max(outside, thought if thought > output else 0)
    return Usage(
        input_tokens=prompt - cached - written,
        cached_tokens=cached,
        cache_write_tokens=written,
        output_tokens=output + outside,
        reasoning_tokens=min(max(thought, outside), output + outside),
    )


def written_usage(usage: Usage) -> dict[str, Any]:
    """The counts as Responses reports them."""
    written = usage.cache_write_tokens + usage.cache_write_1h_tokens
    return {
        "input_tokens": usage.prompt_tokens,
        "input_tokens_details": {"cached_tokens": usage.cached_tokens, "cache_write_tokens": written},
        "output_tokens": usage.output_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        "total_tokens": usage.total_tokens,
    }


def counted(given: Mapping[str, Any], usage: Usage | None) -> dict[str, Any]:
    """As `shown`; clients do not accept an end without counts."""
    return shown(given, usage, written_usage) or written_usage(Usage())
