"""How Anthropic counts: `input_tokens` are only the uncached ones; cache reads and writes are counted separately."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from gateway.dialects.values import count, mapping
from gateway.models.usage import Usage


def usage_of(value: object) -> Usage | None:
    """The `usage` object of an answer, or of a stream's events put together; None if it has no usable counts."""
    usage = mapping(value)
    fresh, output = count(usage.get("input_tokens")), count(usage.get("output_tokens"))
    if fresh is None or output is None:
        return None
    by_ttl = mapping(usage.get("cache_creation"))
    short, long = (count(by_ttl.get(f"ephemeral_{ttl}_input_tokens")) or 0 for ttl in ("5m", "1h"))
    # If the sum is more than its parts, the rest is written for the usual time.
    written = max(count(usage.get("cache_creation_input_tokens")) or 0, short + long)
    thought = count(mapping(usage.get("output_tokens_details")).get("thinking_tokens")) or 0
    return Usage(
        input_tokens=fresh,
        cached_tokens=count(usage.get("cache_read_input_tokens")) or 0,
        cache_write_tokens=written - long,
        cache_write_1h_tokens=long,
        output_tokens=output,
        reasoning_tokens=min(thought, output),
    )


_OF_THE_PROMPT: Final = ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens", "cache_creation")


def told_so_far(known: Mapping[str, Any], told: Mapping[str, Any]) -> dict[str, Any]:
    """The counts of a stream's events put together: they are cumulative, and each event holds some of them. A prompt
    never has 0 tokens: some hosts send zeros for it after they have sent its count."""
    said = {name: value for name, value in told.items() if value is not None}
    if _prompt(known) and not _prompt(said):
        said = {name: value for name, value in said.items() if name not in _OF_THE_PROMPT}
    return {**known, **said}


def _prompt(usage: Mapping[str, Any]) -> bool:
    return any(count(usage.get(name)) for name in _OF_THE_PROMPT)


def tier_of(value: object) -> str:
    """The service tier that answered; empty if it is the usual one."""
    tier = mapping(value).get("service_tier")
    return tier if isinstance(tier, str) and tier != "standard" else ""


def uses_of_server_tools(value: object) -> Mapping[str, int]:
    """How often the provider's own tools were used, which is paid apart from tokens, by the provider's names."""
    uses = {name: count(each) for name, each in mapping(mapping(value).get("server_tool_use")).items()}
    return {name: each for name, each in uses.items() if each}


def written_usage(usage: Usage, tier: str = "") -> dict[str, Any]:
    """The counts as Anthropic reports them."""
    written = usage.cache_write_tokens + usage.cache_write_1h_tokens
    thought = {"output_tokens_details": {"thinking_tokens": usage.reasoning_tokens}} if usage.reasoning_tokens else {}
    return {
        "input_tokens": usage.input_tokens,
        "cache_creation_input_tokens": written,
        "cache_read_input_tokens": usage.cached_tokens,
        "cache_creation": {
            "ephemeral_5m_input_tokens": usage.cache_write_tokens,
            "ephemeral_1h_input_tokens": usage.cache_write_1h_tokens,
        },
        "output_tokens": usage.output_tokens,
        **thought,
        "service_tier": tier if tier in ("priority", "batch") else "standard",
    }
