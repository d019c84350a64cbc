"""Requests of Messages: fields that the gateway depends on are checked, and all others pass."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.config.document import TierLimits
from gateway.dialects.messages.schema import parse_messages
from gateway.errors import BadRequest

TIER = TierLimits(requests_per_minute=10)
GOOD: dict[str, Any] = {"model": "claude", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}


def block(**members: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": [members]}]}


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"model": None}, "model"),
        ({"max_tokens": None}, "max_tokens"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": None}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": ["hi"]}]}, "messages[0].content[0]"),
        (block(text="a"), "messages[0].content[0].type"),
        (block(type="text", text=5), "messages[0].content[0].text"),
        (block(type="image", source="x"), "messages[0].content[0].source"),
        (block(type="tool_use", id="a", name="f", input="{}"), "messages[0].content[0].input"),
        (block(type="tool_result", tool_use_id="a", content=5), "messages[0].content[0].content"),
        (
            block(type="tool_result", tool_use_id="a", content=[{"type": "text"}]),
            "messages[0].content[0].content[0].text",
        ),
        (
            block(type="document", source={"type": "content", "content": [5]}),
            "messages[0].content[0].source.content[0]",
        ),
        ({"system": 5}, "system"),
        ({"system": [{"type": "text"}]}, "system[0].text"),
        ({"temperature": 1.5}, "temperature"),
        ({"tools": [{"name": 5}]}, "tools[0].name"),
        ({"tools": [5]}, "tools[0]"),
        ({"stop_sequences": "END"}, "stop_sequences"),
        ({"stop_sequences": [5]}, "stop_sequences[0]"),
        ({"thinking": "on"}, "thinking"),
        ({"stream": "yes"}, "stream"),
        ({"x" * 300: 1}, "x" * 64),
    ],
)
def test_a_wrong_field_is_named(change: dict[str, Any], param: str) -> None:
    with pytest.raises(BadRequest) as refused:
        parse_messages(GOOD | change)
    assert refused.value.param == param


def test_what_nobody_knows_passes() -> None:
    request = parse_messages(GOOD | {"something_new": 5} | block(type="newer", x=1))
    assert (request.cap(TIER, None), request.cap(TIER, 5)) == (9, 5)
