"""Which models may think unseen: one may, unless it is known that it does not."""

from typing import Any

import pytest

from gateway.models.thinking import may_think

THINKS, PLAIN = ("reasoning", "tools"), ("tools",)
OFF, ON, ADAPTIVE = {"type": "disabled"}, {"type": "enabled", "budget_tokens": 2000}, {"type": "adaptive"}


@pytest.mark.parametrize(
    ("target", "capabilities", "body", "may"),
    [
        ("openai/gpt-4o", PLAIN, {}, False),
        ("openai/gpt-4o", PLAIN, {"reasoning_effort": "high"}, False),
        ("openai/o3", THINKS, {}, True),
        ("openai/o3", THINKS, {"reasoning_effort": "none"}, True),
        ("openai/gpt-5", THINKS, {"reasoning_effort": "none"}, True),  # it knows no such effort
        ("openai/gpt-5.1", THINKS, {}, True),
        ("openai/gpt-5.1", THINKS, {"reasoning_effort": "none"}, False),
        ("azure/gpt-6-luna", THINKS, {"reasoning_effort": "none"}, False),
        ("openai/gpt-6-luna", THINKS, {"reasoning_effort": "low"}, True),
        ("azure/gpt-5.2-chat", PLAIN, {}, True),  # the price list says so about the same model elsewhere
        ("local/some-model", (), {}, True),  # at a host of the config, about which nothing is known
        (
            "local/some-model",
            (),
            {"reasoning_effort": "none", "thinking": OFF},
            True,
        ),  # hosts ignore fields that they don't know
        ("local/some-model", PLAIN, {}, False),
        ("deepseek/deepseek-chat", THINKS, {"thinking": OFF}, True),
        ("bedrock/us.deepseek.r1-v1:0", THINKS, {}, True),
        ("bedrock/openai.gpt-oss-120b-1:0", THINKS, {"additionalModelRequestFields": {}}, True),
        ("anthropic/claude-3-5-haiku-20241022", PLAIN, {"thinking": ON}, False),
        ("anthropic/claude-sonnet-4-5", THINKS, {}, False),
        ("anthropic/claude-sonnet-4-5", THINKS, {"thinking": OFF}, False),
        ("anthropic/claude-sonnet-4-5", THINKS, {"thinking": ON}, True),
        ("anthropic/claude-opus-4-8", THINKS, {"thinking": ADAPTIVE}, True),
        ("anthropic/claude-opus-5-5", THINKS, {}, True),  # it is not known here that the newest wait to be asked
        ("anthropic/claude-opus-5-5", THINKS, {"thinking": OFF}, False),
        ("bedrock/eu.anthropic.claude-sonnet-4-6", THINKS, {}, False),
        ("bedrock/eu.anthropic.claude-sonnet-4-6", THINKS, {"additionalModelRequestFields": {"thinking": ON}}, True),
        ("bedrock/eu.anthropic.claude-fable-5", THINKS, {"additionalModelRequestFields": {"thinking": OFF}}, False),
        ("bedrock/us.amazon.nova-2-lite-v1:0", THINKS, {}, True),
        ("bedrock/us.amazon.nova-pro-v1:0", PLAIN, {}, False),
        ("anthropic/claude-sonnet-4-5", THINKS, {"thinking": "odd"}, True),
    ],
)
def test_who_may_think_unseen(target: str, capabilities: tuple[str, ...], body: dict[str, Any], may: bool) -> None:
    assert may_think(target, capabilities, body) is may
