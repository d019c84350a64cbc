"""Anthropic's package for Python, over each wire format behind the gateway."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import anthropic
import pytest
from anthropic import beta_tool

from tests.clients.asked import ANYTHING, CALLED, DIES, FILLED, PROMPT, SCHEMA, THINKS, TWO_CALLS, Trip, said
from tests.clients.rows import billed, rows
from tests.deployed import MESSAGES, MODELS
from tests.integration.conftest import Live

TOOLS: Any = [{"name": "weather", "input_schema": SCHEMA}, {"name": "time", "input_schema": ANYTHING}]
every_model = pytest.mark.parametrize("model", MODELS)
every_messages_model = pytest.mark.parametrize("model", MESSAGES)
whole_and_streamed = pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])


def client(gateway: Live, key: str) -> anthropic.Anthropic:
    return anthropic.Anthropic(base_url=gateway.base_url, api_key=key, max_retries=0)


@pytest.fixture
def sdk(gateway: Live) -> Iterator[anthropic.Anthropic]:
    with client(gateway, gateway.new_key()[0]) as made:
        yield made


def answered(sdk: anthropic.Anthropic, model: str, prompt: str, *, streamed: bool, **more: Any) -> Any:
    asked: Any = {"model": model, "max_tokens": 2_000, "messages": said(prompt)} | more
    if not streamed:
        return sdk.messages.create(**asked)
    with sdk.messages.stream(**asked) as stream:
        return stream.get_final_message()


@every_model
def test_answers_whole_and_streamed_use_the_same_and_are_billed_once(gateway: Live, model: str) -> None:
    key, key_id = gateway.new_key()
    prompt = '[[fake text="Good day to you"]]'
    with client(gateway, key) as sdk:
        whole, streamed = (answered(sdk, model, prompt, streamed=streamed) for streamed in (False, True))
    for answer in (whole, streamed):
        assert [(block.type, block.text) for block in answer.content] == [("text", "Good day to you")]
        assert answer.stop_reason == "end_turn"
    assert whole.usage.input_tokens == streamed.usage.input_tokens > 0
    assert whole.usage.output_tokens == streamed.usage.output_tokens > 0
    first, second = rows(gateway, key_id)
    assert first["actual"] == second["actual"] > 0
    assert first["state"] == second["state"] == "SETTLED"
    assert billed(gateway, key_id, 2)["cost"] > 0


@every_model
def test_a_runner_of_tools_goes_to_the_end(sdk: anthropic.Anthropic, model: str) -> None:
    heard = []

    @beta_tool
    def weather(city: str, days: int) -> str:
        """The weather."""
        heard.append((city, days))
        return "dry"

    runner = sdk.beta.messages.tool_runner(model=model, max_tokens=2_000, messages=said(PROMPT), tools=[weather])
    (block,) = runner.until_done().content
    assert getattr(block, "text", "") == "The tools said: dry"
    assert heard == [("Bern", 3)]


@every_model
@whole_and_streamed
def test_two_tools_at_once(sdk: anthropic.Anthropic, model: str, streamed: bool) -> None:
    answer = answered(sdk, model, TWO_CALLS, streamed=streamed, tools=TOOLS)
    uses = [block for block in answer.content if block.type == "tool_use"]
    assert [(use.name, use.input) for use in uses] == CALLED
    assert len({use.id for use in uses}) == 2
    assert answer.stop_reason == "tool_use"


@every_messages_model
@whole_and_streamed
def test_a_thought_with_its_signature(sdk: anthropic.Anthropic, model: str, streamed: bool) -> None:
    thinking = {"type": "enabled", "budget_tokens": 1_024}
    thought, text = answered(sdk, model, THINKS, streamed=streamed, thinking=thinking).content
    assert (thought.type, thought.thinking, bool(thought.signature)) == ("thinking", "Let me see.", True)
    assert (text.type, text.text) == ("text", "Yes")


@every_messages_model
def test_a_schema_is_filled_in_and_parsed(sdk: anthropic.Anthropic, model: str) -> None:
    answer = sdk.messages.parse(model=model, max_tokens=2_000, messages=said(PROMPT), output_format=Trip)
    assert answer.parsed_output == Trip.model_validate(FILLED)


@every_model
def test_a_provider_that_dies_in_mid_stream_is_an_error_and_settled_once(gateway: Live, model: str) -> None:
    key, key_id = gateway.new_key()
    with client(gateway, key) as sdk, pytest.raises(anthropic.APIError):
        answered(sdk, model, DIES, streamed=True)
    (row,) = rows(gateway, key_id)
    assert row["state"] == "SETTLED"
    assert row["actual"] > 0


def test_errors_are_the_library_s_own_classes(gateway: Live) -> None:
    def refused(key: str, kind: type[anthropic.APIStatusError], model: str = MODELS[0]) -> Any:
        with client(gateway, key) as sdk, pytest.raises(kind) as caught:
            answered(sdk, model, "hello", streamed=True)
        return caught.value

    assert refused("sk-wrong", anthropic.AuthenticationError).body["error"]["type"] == "authentication_error"
    broke = refused(gateway.new_key(max_budget=0.000001)[0], anthropic.APIStatusError)
    assert (broke.status_code, broke.body["error"]["type"]) == (402, "billing_error")
    assert broke.response.headers["x-should-retry"] == "false"
    key, _ = gateway.new_key(rpm_limit=1)
    assert refused(key, anthropic.NotFoundError, "no-such-model").body["error"]["type"] == "not_found_error"
    gateway.complete(key)
    limited = refused(key, anthropic.RateLimitError)
    assert limited.body["error"]["type"] == "rate_limit_error"
    assert int(limited.response.headers["retry-after"]) >= 1


def test_tokens_are_counted_and_models_listed(sdk: anthropic.Anthropic) -> None:
    for model in MESSAGES:
        counted = sdk.messages.count_tokens(model=model, messages=said("hello"))
        assert (counted.input_tokens > 0, counted.model_extra) == (True, {})
    assert sdk.messages.count_tokens(model="gpt-4o", messages=said("hello")).model_extra == {"estimated": True}
    assert MESSAGES[0] in {model.id for model in sdk.models.list()}
    assert sdk.models.retrieve(MESSAGES[0]).type == "model"
