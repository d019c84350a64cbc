"""OpenAI's package for Python with Responses, over each wire format behind the gateway."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from openai.types.responses import ResponseReasoningItem

from tests.clients.asked import ANYTHING, CALLED, DIES, FILLED, PROMPT, SCHEMA, THINKS, TWO_CALLS, Trip, said
from tests.clients.rows import billed, rows
from tests.deployed import MESSAGES, NATIVE, RESPONSES
from tests.integration.conftest import Live

TOOLS: Any = [
    {"type": "function", "name": "weather", "parameters": SCHEMA, "strict": False},
    {"type": "function", "name": "time", "parameters": ANYTHING, "strict": False},
]
every_model = pytest.mark.parametrize("model", RESPONSES)
whole_and_streamed = pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])


def client(gateway: Live, key: str) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{gateway.base_url}/v1", api_key=key, max_retries=0)


@pytest.fixture
def sdk(gateway: Live) -> Iterator[openai.OpenAI]:
    with client(gateway, gateway.new_key()[0]) as made:
        yield made


def answered(sdk: openai.OpenAI, model: str, given: Any, *, streamed: bool, **more: Any) -> Any:
    if not streamed:
        return sdk.responses.create(model=model, input=given, **more)
    with sdk.responses.stream(model=model, input=given, **more) as stream:
        return stream.get_final_response()


@every_model
def test_answers_whole_and_streamed_use_the_same_and_are_billed_once(gateway: Live, model: str) -> None:
    key, key_id = gateway.new_key()
    with client(gateway, key) as sdk:
        whole = sdk.responses.create(model=model, input='[[fake text="Good day to you"]]')
        events = list(sdk.responses.create(model=model, input='[[fake text="Good day to you"]]', stream=True))
    deltas = [event.delta for event in events if event.type == "response.output_text.delta"]
    assert "".join(deltas) == whole.output_text == "Good day to you"
    assert len(deltas) > 1
    last = events[-1]
    assert last.type == "response.completed"
    assert last.response.output_text == whole.output_text
    for response in (whole, last.response):
        assert (response.status, response.to_dict()["store"]) == ("completed", False)
        assert response.usage is not None
        assert response.usage.input_tokens > 0 < response.usage.output_tokens
    first, second = rows(gateway, key_id)
    assert first["actual"] == second["actual"] > 0
    assert first["state"] == second["state"] == "SETTLED"
    assert billed(gateway, key_id, 2)["cost"] == pytest.approx(2 * first["actual"] / 1_000_000)


@every_model
def test_a_tool_and_its_result_streamed(sdk: openai.OpenAI, model: str) -> None:
    given: Any = said(PROMPT)
    response = answered(sdk, model, given, streamed=True, tools=TOOLS[:1])
    (call,) = response.output
    assert json.loads(call.arguments) == FILLED
    given += [*response.output, {"type": "function_call_output", "call_id": call.call_id, "output": "dry"}]
    response = answered(sdk, model, given, streamed=True, tools=TOOLS[:1])
    assert response.output_text == "The tools said: dry"


@every_model
@whole_and_streamed
def test_two_tools_at_once(sdk: openai.OpenAI, model: str, streamed: bool) -> None:
    calls = answered(sdk, model, TWO_CALLS, streamed=streamed, tools=TOOLS).output
    assert [(call.name, json.loads(call.arguments)) for call in calls] == CALLED
    assert len({call.call_id for call in calls}) == 2


@every_model
@whole_and_streamed
def test_a_schema_is_filled_in_and_parsed(sdk: openai.OpenAI, model: str, streamed: bool) -> None:
    if streamed:
        with sdk.responses.stream(model=model, input=PROMPT, text_format=Trip) as stream:
            assert stream.get_final_response().output_parsed == Trip(**FILLED)
    else:
        assert sdk.responses.parse(model=model, input=PROMPT, text_format=Trip).output_parsed == Trip(**FILLED)


@pytest.mark.parametrize("model", [NATIVE, *MESSAGES])
@whole_and_streamed
def test_reasoning_travels_sealed_and_is_taken_back(sdk: openai.OpenAI, model: str, streamed: bool) -> None:
    asked: Any = {"reasoning": {"effort": "low", "summary": "auto"}, "include": ["reasoning.encrypted_content"]}
    given: Any = said(THINKS)
    response = answered(sdk, model, given, streamed=streamed, **asked)
    thought, message = response.output
    assert isinstance(thought, ResponseReasoningItem)
    assert [part.text for part in thought.summary] == ["Let me see."]
    assert thought.encrypted_content
    assert message.content[0].text == "Yes"
    given += [*response.output, *said('[[fake text="Still yes"]]')]
    assert answered(sdk, model, given, streamed=streamed, **asked).output_text == "Still yes"


@every_model
def test_a_provider_that_dies_in_mid_stream_is_told_and_settled_once(gateway: Live, model: str) -> None:
    key, key_id = gateway.new_key()
    with client(gateway, key) as sdk:
        events = list(sdk.responses.create(model=model, input=DIES, stream=True))
    assert events[-1].type == "response.failed"
    assert events[-1].response.error is not None
    assert events[-1].response.error.code == "server_error"
    (row,) = rows(gateway, key_id)
    assert row["state"] == "SETTLED"
    assert row["actual"] > 0


@whole_and_streamed
def test_errors_are_the_library_s_own_classes(gateway: Live, streamed: bool) -> None:
    def refused(key: str, kind: type[openai.APIStatusError], model: str = NATIVE, **more: Any) -> openai.APIStatusError:
        with client(gateway, key) as sdk, pytest.raises(kind) as caught:
            sdk.responses.create(model=model, input="hello", stream=streamed, **more)
        return caught.value

    assert refused("sk-wrong", openai.AuthenticationError).code == "invalid_api_key"
    broke = refused(gateway.new_key(max_budget=0.000001)[0], openai.APIStatusError)
    assert (broke.status_code, broke.code) == (402, "budget_exceeded")
    key, _ = gateway.new_key(rpm_limit=1)
    assert refused(key, openai.NotFoundError, "no-such-model").code == "model_not_found"
    before = refused(key, openai.BadRequestError, previous_response_id="resp_1")
    assert (before.code, before.param) == ("previous_response_not_found", "previous_response_id")
    assert refused(key, openai.BadRequestError, background=True).param == "background"
    gateway.complete(key)
    limited = refused(key, openai.RateLimitError)
    assert limited.code == "rate_limit_exceeded"
    assert int(limited.response.headers["retry-after"]) >= 1
