"""Pydantic AI, with chat and with Responses."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic_ai import Agent
from pydantic_ai.exceptions import ModelHTTPError
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
from pydantic_ai.output import NativeOutput
from pydantic_ai.providers.openai import OpenAIProvider
from where import BROKE, KEY, MODELS, PROMPT, RESPONSES, TRIP, URL, Trip

EVERY = [(OpenAIChatModel, name) for name in MODELS] + [(OpenAIResponsesModel, name) for name in RESPONSES]
every_model = pytest.mark.parametrize(("kind", "name"), EVERY)


def made(kind: Any, name: str, key: str = KEY) -> Any:
    return kind(name, provider=OpenAIProvider(base_url=f"{URL}/v1", api_key=key))


@every_model
def test_a_tool_its_result_and_the_answer(kind: Any, name: str) -> None:
    heard: list[Trip] = []
    agent = Agent(made(kind, name))

    @agent.tool_plain
    def weather(city: str, days: int) -> str:
        """The weather."""
        heard.append(Trip(city=city, days=days))
        return "dry"

    result = agent.run_sync(PROMPT)
    assert (result.output, heard) == ("The tools said: dry", [TRIP])
    stream = agent.run_stream_sync(PROMPT)
    assert "".join(stream.stream_text(delta=True)) == "The tools said: dry"


@every_model
def test_a_schema_by_a_tool_and_by_the_format_of_the_answer(kind: Any, name: str) -> None:
    assert Agent(made(kind, name), output_type=Trip).run_sync(PROMPT).output == TRIP
    assert Agent(made(kind, name), output_type=NativeOutput(Trip)).run_sync(PROMPT).output == TRIP


@pytest.mark.parametrize("kind", [OpenAIChatModel, OpenAIResponsesModel])
def test_a_budget_that_is_used_up_is_an_error_of_the_library(kind: Any) -> None:
    with pytest.raises(ModelHTTPError) as caught:
        Agent(made(kind, MODELS[0], BROKE)).run_sync("hello")
    assert caught.value.status_code == 402
