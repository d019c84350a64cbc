from __future__ import annotations

from gateway.models.usage import Usage


def test_sums() -> None:
    usage = Usage(
        input_tokens=1,
        cached_tokens=10,
        cache_write_tokens=100,
        cache_write_1h_tokens=1_000,
        output_tokens=10_000,
        reasoning_tokens=9_000,
    )
    assert (usage.prompt_tokens, usage.total_tokens) == (1_111, 11_111)


def test_nothing_is_zero_from_the_provider() -> None:
    assert (Usage().total_tokens, Usage().source) == (0, "provider")
