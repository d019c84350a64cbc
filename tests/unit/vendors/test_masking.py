"""Texts of a provider's error: parts that reveal something about us are removed, and words that clients depend on
stay."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.vendors.masking import masked

KEPT = (
    "prompt is too long: 210000 tokens > 200000 maximum",
    "messages.0.content.1.text: cache_control cannot be set for empty text blocks",
    "messages.3: `tool_use` ids were found without `tool_result` blocks immediately after: toolu_01A09q90qw90lq9178",
    "Overloaded",
    "max_tokens: 64001 > 64000, which is the maximum allowed number of output tokens for claude-sonnet-4-5-20250929",
    "thinking.budget_tokens: Input should be greater than or equal to 1024",
    "This request would exceed the rate limit of 30,000 input tokens per minute. Please try again in 1.5s.",
    "tools.0.custom.input_schema: JSON schema is invalid (draft 2020-12).",
)
LOST = (
    ("User: arn:aws:sts::123456789012:assumed-role/gateway/x is not", "User: <arn> is not"),
    ("account 123456789012 has", "account <account> has"),
    ("see https://docs.example.com/a?b=c now", "see <url> now"),
    ("at bedrock-runtime.eu-west-1.amazonaws.com:443 failed", "at <host> failed"),
    ("proxy 10.0.0.7:8080 and localhost:9000", "proxy <host> and <host>"),
    ("key sk-ant-api03-abc_DEF-123 is", "key <key> is"),
    ("AKIAIOSFODNN7EXAMPLE", "<key>"),
    ("Bearer abcdefghijklmnop", "<key>"),
    ("org 1b2c3d4e-1111-2222-3333-444455556666 over", "org <id> over"),
    ("ask ops@our-company.com", "ask <address>"),
    ("token eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9x1 expired", "token <id> expired"),
)


@pytest.mark.parametrize("text", KEPT)
def test_words_and_paths_are_kept(text: str) -> None:
    assert masked(text, "api.host.example", "sk-mine") == text


@pytest.mark.parametrize(("text", "shown"), LOST)
def test_what_is_ours_is_lost(text: str, shown: str) -> None:
    assert masked(text) == shown


@given(st.text(max_size=60), st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=8, max_size=40))
def test_a_known_secret_is_never_told(text: str, secret: str) -> None:
    for said in (f"{text}{secret}{text}", f"{'x ' * 1_990}{secret}"):
        assert secret not in masked(said, secret)


@pytest.mark.parametrize("odd", [None, 1, [], {"a": "b"}, ""])
def test_what_is_no_text_says_nothing(odd: object) -> None:
    assert masked(odd) == ""


def test_what_is_cut_off_leaves_no_part_of_a_key() -> None:
    keys = " ".join(["AKIAIOSFODNN7EXAMPLE"] * 400)
    assert "AKIA" not in masked("x" + keys)
