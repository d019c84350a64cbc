"""Which targets are one model."""

import pytest

from gateway.models.versions import one_model

TUNED = "openai/ft:gpt-4o-2024-08-06"


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("openai/gpt-4o", "openai/gpt-4o", True),
        ("openai/gpt-4o", "openai/gpt-4o-2024-08-06", True),
        ("openai/gpt-4", "openai/gpt-4-0613", True),
        ("openai/gpt-4o-2024-05-13", "openai/gpt-4o-2024-08-06", False),
        ("openai/gpt-4o", "openai/gpt-4o-mini", False),
        ("openai/gpt-4o", "openai/gpt-4o-mini-2024-07-18", False),
        ("openai/gpt-4o", "groq/gpt-4o-2024-08-06", False),
        ("openai/gpt-5.4", "bedrock/global.openai.gpt-5.4", True),  # it answers only by profiles
        ("openai/gpt-5.4", "bedrock/openai.gpt-5.4", True),
        ("anthropic/claude-mythos-5", "bedrock/us.anthropic.claude-mythos-5", True),
        ("bedrock/openai.gpt-5.4", "bedrock/us.openai.gpt-5.4", True),
        ("bedrock/openai.gpt-5.4", "bedrock/us.openai.gpt-5.5", False),
        (
            "anthropic/claude-opus-5-5",
            "bedrock/arn:aws:bedrock:eu-central-1:123456789012:inference-profile/eu.anthropic.claude-opus-5-5",
            True,
        ),
        ("openai/gpt-5.4", "openai/gpt-5", False),
        (TUNED, f"{TUNED}:acme::abc123", True),
        (f"{TUNED}:acme::abc123", f"{TUNED}:acme::xyz789", False),
        (f"{TUNED}:acme::a-2024-08-06", f"{TUNED}:acme::a", False),
        ("openai/gpt-4o-2024-08-06", f"{TUNED}:acme::abc123", False),
        ("bedrock/us.anthropic.opus", "bedrock/global.anthropic.opus", True),
        ("bedrock/anthropic.opus-20250514-v1:0", "bedrock/anthropic.opus", False),
    ],
)
def test_which_targets_are_one_model(one: str, other: str, same: bool) -> None:
    assert one_model(one, other) is one_model(other, one) is same
