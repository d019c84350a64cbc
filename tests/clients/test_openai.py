"""OpenAI's package for Python, over each wire format behind the gateway."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import openai
import pytest

from tests.clients.asked import ANYTHING, CALLED, DIES, FILLED, PROMPT, SCHEMA, TWO_CALLS, Trip, said
from tests.clients.rows import billed, rows
from tests.deployed import MODELS
from tests.integration.conftest import Live

TOOLS: Any = [
    {"type": "function", "function": {"name": "weather", "parameters": SCHEMA}},
    {"type": "function", "function": {"name": "time", "parameters": ANYTHING}},
]
every_model = pytest.mark.parametrize("model", MODELS)


def client(gateway: Live, key: str) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{gateway.base_url}/v1", api_key=key, max_retries=0)


@pytest.fixture
def sdk(gateway: Live) -> Iterator[openai.OpenAI]:
    with client(gateway, gateway.new_key()[0]) as made:
        yield made


@every_model
def test_answers_whole_and_streamed_cost_the_same_and_are_billed_once(gateway: Live, model: str) -> None:
    key, key_id = gateway.new_key()
    asked: Any = {"model": model, "messages": said('[[fake text="Good day to you"]]')}
    with client(gateway, key) as sdk:
        whole = sdk.chat.completions.create(**asked)
        chunks = list(sdk.chat.completions.create(**asked, stream=True, stream_options={"include_usage": True}))
    texts = [chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices]
    assert "".join(texts) == whole.choices[0].message.content == "Good day to you"
    assert len([text for text in texts if text]) > 1
    assert chunks[-1].usage is not None
    assert whole.usage is not None
    costs = [(usage.model_extra or {})["cost"] for usage in (whole.usage, chunks[-1].usage)]
    assert costs[0] == costs[1] > 0
    assert [row["state"] for row in rows(gateway, key_id)] == ["SETTLED", "SETTLED"]
    assert billed(gateway, key_id, 2)["cost"] == pytest.approx(sum(costs))


@every_model
def test_a_tool_and_its_result_streamed(sdk: openai.OpenAI, model: str) -> None:
    messages = said(PROMPT)
    with sdk.chat.completions.stream(model=model, messages=messages, tools=TOOLS[:1]) as stream:
        message = stream.get_final_completion().choices[0].message
    (call,) = message.tool_calls or []
    assert json.loads(call.function.arguments) == FILLED
    messages += [message.model_dump(exclude_none=True), {"role": "tool", "tool_call_id": call.id, "content": "dry"}]
    with sdk.chat.completions.stream(model=model, messages=messages, tools=TOOLS[:1]) as stream:
        assert stream.get_final_completion().choices[0].message.content == "The tools said: dry"


@every_model
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_two_tools_at_once(sdk: openai.OpenAI, model: str, streamed: bool) -> None:
    asked: Any = {"model": model, "messages": said(TWO_CALLS), "tools": TOOLS}
    if streamed:
        with sdk.chat.completions.stream(**asked) as stream:
            answer: Any = stream.get_final_completion()
    else:
        answer = sdk.chat.completions.create(**asked)
    calls = answer.choices[0].message.tool_calls
    assert [(call.function.name, json.loads(call.function.arguments)) for call in calls] == CALLED
    assert len({call.id for call in calls}) == 2
    assert answer.choices[0].finish_reason == "tool_calls"


@every_model
def test_a_schema_is_filled_in_and_parsed(sdk: openai.OpenAI, model: str) -> None:
    answer = sdk.chat.completions.parse(model=model, messages=said(PROMPT), response_format=Trip)
    assert answer.choices[0].message.parsed == Trip(**FILLED)


@every_model
def test_a_provider_that_dies_in_mid_stream_is_an_error_and_settled_once(gateway: Live, model: str) -> None:
    key, key_id = gateway.new_key()
    with client(gateway, key) as sdk:
        stream = sdk.chat.completions.create(model=model, messages=said(DIES), stream=True)
        texts = [next(stream).choices[0].delta.content]
        with pytest.raises(openai.APIError):
            texts += [chunk.choices[0].delta.content for chunk in stream]
    (row,) = rows(gateway, key_id)
    assert row["state"] == "SETTLED"
    assert row["actual"] > 0


def test_errors_are_the_library_s_own_classes(gateway: Live) -> None:
    def refused(key: str, kind: type[openai.APIStatusError], model: str = MODELS[0]) -> openai.APIStatusError:
        with client(gateway, key) as sdk, pytest.raises(kind) as caught:
            sdk.chat.completions.create(model=model, messages=said("hello"), stream=True)
        return caught.value

    assert refused("sk-wrong", openai.AuthenticationError).code == "invalid_api_key"
    broke = refused(gateway.new_key(max_budget=0.000001)[0], openai.APIStatusError)
    assert (broke.status_code, broke.code) == (402, "budget_exceeded")
    key, _ = gateway.new_key(rpm_limit=1)
    assert refused(key, openai.NotFoundError, "no-such-model").code == "model_not_found"
    gateway.complete(key)
    limited = refused(key, openai.RateLimitError)
    assert limited.code == "rate_limit_exceeded"
    assert int(limited.response.headers["retry-after"]) >= 1


@pytest.mark.parametrize("model", ["text-embedding-3-small", "titan-embed-text-v2", "cohere-embed-v4"])
def test_embeddings_as_the_library_asks_for_them_and_as_numbers(gateway: Live, model: str) -> None:
    key, key_id = gateway.new_key()
    with client(gateway, key) as sdk:
        packed = sdk.embeddings.create(model=model, input=["one", "two"])  # the package asks for base64 and decodes it
        plain = sdk.embeddings.create(model=model, input=["one", "two"], encoding_format="float", dimensions=256)
        with pytest.raises(openai.BadRequestError) as refused:
            sdk.embeddings.create(model=model, input=["one", ""])
    assert [len(each.embedding) for each in plain.data] == [256, 256]
    assert all(isinstance(number, float) for each in packed.data for number in each.embedding)
    assert packed.data[1].embedding[:8] == plain.data[1].embedding[:8]
    assert refused.value.param == "input[1]"
    costs = [(each.usage.model_extra or {})["cost"] for each in (packed, plain)]
    assert billed(gateway, key_id, 2)["cost"] == pytest.approx(sum(costs))


@every_model
def test_completions_of_old_whole_and_streamed(gateway: Live, model: str) -> None:
    key, key_id = gateway.new_key()
    asked: Any = {"model": model, "prompt": '[[fake text="Good day to you"]]'}
    with client(gateway, key) as sdk:
        whole = sdk.completions.create(**asked)
        chunks = list(sdk.completions.create(**asked, stream=True, stream_options={"include_usage": True}))
    texts = [chunk.choices[0].text for chunk in chunks if chunk.choices]
    assert "".join(texts) == whole.choices[0].text == "Good day to you"
    assert chunks[-1].usage is not None
    assert whole.usage is not None
    costs = [(usage.model_extra or {})["cost"] for usage in (whole.usage, chunks[-1].usage)]
    assert costs[0] == costs[1] > 0
    assert billed(gateway, key_id, 2)["cost"] == pytest.approx(sum(costs))
