"""Legacy completions through the streaming door, over every endpoint: exactly OpenAI's format, answered by chat
models."""

from __future__ import annotations

import json
from typing import Any

import pytest
from openai.types import Completion

from gateway.dialects.sse import Parser
from tests.contract.asked import Answer, Door
from tests.contract.front import Gateway, Place
from tests.contract.test_endpoints import CLAUDE, GPT, PRICE
from tests.upstream import Steer, messages_judge, responses_judge

TEXT = "Hello there, and good day."
BODY: dict[str, Any] = {"model": "it", "prompt": "Hello!"}
# By way: the alias's target and its settings, and the path that is called.
WAYS: dict[str, tuple[str, dict[str, str], str]] = {
    "chat": ("openai/gpt-6.1-sol", {"endpoint": "chat"}, "/v1/chat/completions"),
    "responses": ("openai/gpt-6.1-sol", {"endpoint": "responses"}, "/v1/responses"),
    "openai at AWS": (GPT, {}, "/openai/v1/chat/completions"),
    "messages": ("anthropic/claude-sonnet-4-5", {}, "/v1/messages"),
    "converse": (CLAUDE, {}, "/converse"),
    "invoke": (CLAUDE, {"endpoint": "invoke"}, "/invoke"),
}


@pytest.fixture(scope="module", autouse=True)
def judge() -> None:
    messages_judge.warm()
    responses_judge.warm()


@pytest.fixture
def place() -> Place:
    return Place(providers="openai,bedrock,anthropic")


@pytest.fixture
def door(gateway: Gateway) -> Door:
    return Door(gateway, "/v1/completions")


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest, gateway: Gateway) -> str:
    name = str(request.param)
    target, said, _ = WAYS[name]
    reply = gateway.post(
        "/api/v1/admin/config", {"models": {"it": {"target": target} | said}, "prices": {target: PRICE}}
    )
    assert reply.status == 200, reply.text
    gateway.restart()
    gateway.fake.decide = lambda seen: Steer(text=TEXT)
    return name


def chunks(answer: Answer) -> list[Any]:
    told = [data for _, data in Parser().feed(answer.data)]
    assert told[-1] == "[DONE]"
    return [json.loads(data) for data in told[:-1]]


on_converse = pytest.mark.parametrize("way", ["converse"], indirect=True)
on_chat = pytest.mark.parametrize("way", ["chat"], indirect=True)


def test_a_whole_answer(gateway: Gateway, door: Door, way: str) -> None:
    answer = door.ask(BODY)
    body = answer.body
    assert answer.status == 200, body
    read = Completion.model_validate(body, strict=True)
    assert (read.choices[0].text, read.choices[0].finish_reason, read.choices[0].index) == (TEXT, "stop", 0)
    assert read.id.startswith("cmpl-")
    assert gateway.fake.seen[-1].path.endswith(WAYS[way][2])
    (row,) = gateway.rows()
    assert (row["dialect"], row["state"], row["actual"]) == ("text", "SETTLED", round(body["usage"]["cost"] * 1e6))
    assert read.usage is not None
    assert 0 < read.usage.completion_tokens == row["output_tokens"]


def test_a_stream(gateway: Gateway, door: Door, way: str) -> None:
    plain = chunks(door.ask(BODY | {"stream": True}))
    counted = chunks(door.ask(BODY | {"stream": True, "stream_options": {"include_usage": True}}))
    for told in (plain, counted):
        choices = [choice for each in told for choice in each["choices"]]
        reasons = [choice["finish_reason"] for choice in choices]
        for choice in choices:  # OpenAI's own chunks have null, which OpenAI's type does not allow
            choice["finish_reason"] = choice["finish_reason"] or "stop"
        read = [Completion.model_validate(each) for each in told]
        assert "".join(each.choices[0].text for each in read if each.choices) == TEXT
        assert (reasons[-1], set(reasons[:-1])) == ("stop", {None})
        assert {(each.object, each.id) for each in read} == {("text_completion", read[0].id)}
    assert not any("usage" in each for each in plain)
    assert counted[-1]["choices"] == []
    rows = gateway.rows()
    assert round(counted[-1]["usage"]["cost"] * 1e6) == rows[1]["actual"] == rows[0]["actual"] > 0


def test_what_it_becomes(gateway: Gateway, door: Door, way: str) -> None:
    said = {"prompt": ["Once upon a time"], "stop": ["end", "END"], "temperature": 0.5, "n": 1, "echo": False}
    answer = door.ask(BODY | said | {"best_of": 1, "suffix": "", "user": "u", "logit_bias": {}})
    assert answer.status == (400 if way == "responses" else 200), answer.body
    if way == "responses":  # Responses has no stop sequences
        assert answer.body["error"]["param"] == "stop"
        return
    sent = gateway.fake.seen[-1].body
    assert "Once upon a time" in json.dumps(sent["messages"])
    cap = sent.get("max_tokens") or sent.get("max_completion_tokens") or sent["inferenceConfig"]["maxTokens"]
    assert cap == 16, "as many as OpenAI's have where nothing is said"
    stops = sent.get("stop") or sent.get("stop_sequences") or sent["inferenceConfig"]["stopSequences"]
    assert stops == ["end", "END"]


@on_converse
def test_an_answer_that_reaches_its_cap(gateway: Gateway, door: Door, way: str) -> None:
    gateway.fake.decide = lambda seen: Steer()
    choice = door.ask(BODY | {"max_tokens": 3}).body["choices"][0]
    assert (choice["finish_reason"], len(choice["text"])) == ("length", 12)
    (row,) = gateway.rows()
    assert row["output_tokens"] == 3


@on_converse
def test_a_stream_that_breaks_off(gateway: Gateway, door: Door, way: str) -> None:
    gateway.fake.decide = lambda seen: Steer(text=TEXT, stream_error="modelStreamErrorException", after=3)
    told = chunks(door.ask(BODY | {"stream": True}))
    assert told[-1]["error"]["code"]
    (row,) = gateway.rows()
    assert row["state"] == "SETTLED"
    assert 0 < row["actual"] <= row["est"]


@on_chat
@pytest.mark.parametrize(
    ("said", "param"),
    [
        ({"prompt": ""}, "prompt"),
        ({"prompt": []}, "prompt"),
        ({"prompt": ["a", "b"]}, "prompt"),
        ({"prompt": [1, 2]}, "prompt"),
        ({"prompt": [[1, 2]]}, "prompt[0]"),
        ({"prompt": None}, "prompt"),
        ({"echo": True}, "echo"),
        ({"suffix": "end"}, "suffix"),
        ({"logprobs": 0}, "logprobs"),
        ({"n": 2}, "n"),
        ({"best_of": 2}, "best_of"),
        ({"logit_bias": {"1": 1}}, "logit_bias"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"tools": []}, "tools"),
        ({"messages": []}, "messages"),
        ({"models": ["other"]}, "models"),
    ],
)
def test_what_is_refused(gateway: Gateway, door: Door, way: str, said: dict[str, Any], param: str) -> None:
    answer = door.ask(BODY | said)
    assert (answer.status, answer.body["error"]["param"]) == (400, param), answer.body
    assert (gateway.fake.seen, gateway.rows()) == ([], [])
