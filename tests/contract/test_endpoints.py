"""Every vendor and endpoint through the real functions: called, billed, named in answers, and not billed for its
failures."""

from __future__ import annotations

import json
from typing import Any

import pytest
from openai.types.chat import ChatCompletion

from gateway.models.money import Price, cost_of, micro
from gateway.models.usage import Usage
from tests.contract.front import Gateway, Place
from tests.upstream import Steer, messages_judge

CLAUDE = "bedrock/us.anthropic.claude-sonnet-4-5-20250929-v1:0"
GPT = "bedrock/us.openai.gpt-5.5"
# By the endpoint's name: the alias's target and its settings, and the path that is called.
WAYS: dict[str, tuple[str, dict[str, str], str]] = {
    "chat": ("openai/gpt-6.1-sol", {}, "/v1/chat/completions"),
    "messages": ("anthropic/claude-sonnet-4-5", {}, "/v1/messages"),
    "converse": (CLAUDE, {}, "/converse"),
    "invoke": (CLAUDE, {"endpoint": "invoke"}, "/invoke"),
    "openai": (GPT, {}, "/openai/v1/chat/completions"),
}
PRICE = {"input": 3, "output": 15, "cached": 0.3, "cacheWrite": 3.75, "maxOutputTokens": 64_000}
CHAT: dict[str, Any] = {"model": "it", "messages": [{"role": "user", "content": "Hello!"}], "max_tokens": 50}


@pytest.fixture(scope="module", autouse=True)
def judge() -> None:
    messages_judge.warm()


@pytest.fixture
def place() -> Place:
    return Place(providers="openai,bedrock,anthropic")


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest, gateway: Gateway) -> str:
    name = str(request.param)
    target, said, _ = WAYS[name]
    reply = gateway.post(
        "/api/v1/admin/config", {"models": {"it": {"target": target} | said}, "prices": {target: PRICE}}
    )
    assert reply.status == 200, reply.text
    gateway.restart()
    return name


def priced(usage: Usage) -> int:
    return cost_of(usage, Price(micro(PRICE["input"]), micro(PRICE["output"]), cached=micro(PRICE["cached"]))).total


def test_it_is_called_billed_and_named(gateway: Gateway, way: str) -> None:
    gateway.fake.script(Steer(text="Hello there.", cached=400))
    reply = gateway.post("/v1/chat/completions", CHAT)
    assert reply.status == 200, reply.text
    ChatCompletion.model_validate(reply.body)
    assert (reply.headers["x-gateway-endpoint"], reply.headers["x-gateway-model"]) == (way, WAYS[way][0])
    assert gateway.fake.seen[-1].path.endswith(WAYS[way][2])
    (row,) = gateway.rows()
    usage = Usage(row["input_tokens"], row["cached_tokens"], output_tokens=row["output_tokens"])
    assert (usage.cached_tokens, usage.output_tokens, row["state"]) == (400, 3, "SETTLED")
    assert row["actual"] == priced(usage)
    assert reply.body["usage"]["prompt_tokens"] == usage.prompt_tokens


def test_bedrock_s_log_knows_key_and_request(gateway: Gateway, way: str) -> None:
    text, key = gateway.new_key()
    reply = gateway.post("/v1/chat/completions", CHAT, authorization=f"Bearer {text}")
    assert reply.status == 200, reply.text
    seen = gateway.fake.seen[-1]
    said = json.loads(seen.headers.get("x-amzn-bedrock-request-metadata", "{}")) | seen.body.get("requestMetadata", {})
    if way in ("converse", "invoke"):
        assert (said["key-id"], said["request-id"]) == (key, reply.headers["x-gateway-request-id"])
    else:
        assert said == {}
        assert key not in repr(seen)


@pytest.mark.parametrize(("status", "ours"), [(400, 400), (403, 502), (404, 400), (429, 429), (500, 502), (503, 502)])
def test_a_refusal_costs_nothing(gateway: Gateway, way: str, status: int, ours: int) -> None:
    gateway.fake.script(Steer(status=status))
    reply = gateway.post("/v1/chat/completions", CHAT)
    assert reply.status == ours, reply.text
    assert reply.headers["x-gateway-cost"] == "0.000000"
    assert [row["actual"] for row in gateway.rows()] == [0]


@pytest.mark.parametrize("steer", [Steer(reset="body"), Steer(body="cut"), Steer(body="huge")])
def test_what_nobody_can_know_costs_the_hold(gateway: Gateway, way: str, steer: Steer) -> None:
    gateway.fake.script(steer)
    assert gateway.post("/v1/chat/completions", CHAT).status == 502
    (row,) = gateway.rows()
    assert row["actual"] == row["est"]


@pytest.mark.parametrize("body", ["malformed", "schema", "list", "empty"])
def test_what_is_no_answer_and_told_no_counts_costs_nothing(gateway: Gateway, way: str, body: str) -> None:
    gateway.fake.script(Steer(body=body))
    assert gateway.post("/v1/chat/completions", CHAT).status == 502
    (row,) = gateway.rows()
    counted = way == "invoke"  # its counts are in headers too, and those arrived
    assert (row["actual"] > 0) is counted
