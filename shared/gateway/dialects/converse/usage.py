"""How Bedrock counts: `inputTokens` are only the uncached ones; cache reads and writes are counted separately."""

from __future__ import annotations

from gateway.dialects.values import MOST_TOKENS, count, mapping
from gateway.models.usage import Usage


def usage_of(value: object) -> Usage | None:
    """The `usage` object of a Converse answer or of a stream's metadata event; None if it has no usable counts."""
    usage = value if type(value) is dict else mapping(value)
    fresh, output = usage.get("inputTokens"), usage.get("outputTokens")
    if not (type(fresh) is type(output) is int and 0 <= fresh <= MOST_TOKENS and 0 <= output <= MOST_TOKENS):
        fresh, output = count(fresh), count(output)
    if fresh is None or output is None:
        return None
    read, wrote = usage.get("cacheReadInputTokens"), usage.get("cacheWriteInputTokens")
    written = (count(wrote) or 0) if wrote else 0
    for_an_hour = min(_written_for("1h", usage.get("cacheDetails")), written) if written else 0
    return Usage(
        input_tokens=fresh,
        cached_tokens=(count(read) or 0) if read else 0,
        cache_write_tokens=written - for_an_hour,
        cache_write_1h_tokens=for_an_hour,
        output_tokens=output,
    )


def _written_for(ttl: str, details: object) -> int:
    entries = details if isinstance(details, list) else []
    return sum(count(mapping(entry).get("inputTokens")) or 0 for entry in entries if mapping(entry).get("ttl") == ttl)
