"""An agent's request over Messages reaches a native endpoint unchanged. A lost cache mark would cost the full price at
each turn; a lost or incomplete beta would be refused."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway import wiring
from gateway.calls.completions import Way
from gateway.calls.streaming import Streaming
from tests.contract.front import Gateway, Place
from tests.contract.test_endpoints import PRICE, WAYS
from tests.contract.test_stream_ends import at
from tests.contract.test_streams import caller
from tests.upstream import messages_judge

MARK = {"type": "ephemeral"}
HOUR = {"type": "ephemeral", "ttl": "1h"}
BODY: dict[str, Any] = {
    "model": "it",
    "max_tokens": 50,
    "stream": True,
    "system": [
        {"type": "text", "text": "x-anthropic-billing-header: cc_version=2; "},
        {"type": "text", "text": "You are an agent.", "cache_control": HOUR},
    ],
    "tools": [
        {"name": "Read", "description": "Reads.", "input_schema": {"type": "object", "properties": {}}},
        {"name": "Bash", "input_schema": {"type": "object", "properties": {}}, "cache_control": HOUR},
    ],
    "messages": [
        {"role": "user", "content": [{"type": "text", "text": "Hello!", "cache_control": MARK}]},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "toolu_1", "name": "Read", "input": {"a": 1}}]},
        {
            "role": "user",
            "content": [
                {
                    "type": "tool_result",
                    "tool_use_id": "toolu_1",
                    "content": [{"type": "text", "text": "done"}],
                    "cache_control": MARK,
                },
                {"type": "text", "text": "go on"},
            ],
        },
        {"role": "system", "content": "A reminder."},
    ],
    "metadata": {"user_id": "u"},
}
CLEARING = {"edits": [{"type": "clear_tool_uses_20250919"}]}


@pytest.fixture(scope="module", autouse=True)
def judge() -> None:
    messages_judge.warm()


@pytest.fixture
def place() -> Place:
    return Place(providers="openai,bedrock,anthropic")


def left(gateway: Gateway, name: str, *, beta: str = "", **more: Any) -> tuple[dict[str, Any], dict[str, str]]:
    """The body and the headers that reached the provider."""
    at(gateway, name, prices={WAYS[name][0]: PRICE | {"cacheWrite1h": 6}})
    way = Way("messages", streams=True, wake=0.2, beta=beta)
    call = wiring.gateway().completions.start(
        caller(gateway), BODY | more, correlation_id="c", seconds_left=20, way=way
    )
    assert b"message_stop" in b"".join(Streaming(call).begun())
    return gateway.fake.seen[-1].body, gateway.fake.seen[-1].headers


@pytest.mark.parametrize("name", ["messages", "invoke"])
def test_system_tools_and_turns_stand_as_they_were_sent(gateway: Gateway, name: str) -> None:
    body, _ = left(gateway, name)
    for field in ("system", "tools", "messages"):
        assert json.dumps(body[field]) == json.dumps(BODY[field]), "in their order too: the cache goes by bytes"


def test_a_beta_and_its_field_travel_as_a_pair(gateway: Gateway) -> None:
    beta = "context-management-2025-06-27,unheard-of-2030-01-01"
    body, headers = left(gateway, "messages", beta=beta, context_management=CLEARING)
    assert (headers["anthropic-beta"], body["context_management"]) == (beta, CLEARING)
    body, _ = left(gateway, "invoke", beta=beta, context_management=CLEARING)
    assert (body["anthropic_beta"], body["context_management"]) == (["context-management-2025-06-27"], CLEARING)
    body, _ = left(gateway, "invoke", context_management=CLEARING)
    assert body["anthropic_beta"] == ["context-management-2025-06-27"], "a field's missing beta is put beside it"
