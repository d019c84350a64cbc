"""OpenAI's Agents SDK, which uses Responses unless it is configured otherwise."""

from __future__ import annotations

import asyncio
from typing import Any

import openai
import pytest
from agents import Agent, OpenAIProvider, RunConfig, Runner, function_tool
from where import BROKE, KEY, PROMPT, RESPONSES, TRIP, URL, Trip

every_model = pytest.mark.parametrize("model", RESPONSES)


def config(key: str = KEY) -> RunConfig:
    return RunConfig(model_provider=OpenAIProvider(api_key=key, base_url=f"{URL}/v1"), tracing_disabled=True)


async def ran(agent: Agent[Any], prompt: str) -> Any:
    return await Runner.run(agent, prompt, run_config=config())


async def streamed(agent: Agent[Any], prompt: str) -> Any:
    run = Runner.run_streamed(agent, prompt, run_config=config())
    async for _ in run.stream_events():
        pass
    return run


@every_model
@pytest.mark.parametrize("run", [ran, streamed])
def test_a_tool_its_result_and_the_answer(model: str, run: Any) -> None:
    heard: list[Trip] = []

    @function_tool
    def weather(city: str, days: int) -> str:
        """The weather."""
        heard.append(Trip(city=city, days=days))
        return "dry"

    result = asyncio.run(run(Agent(name="a", model=model, tools=[weather]), PROMPT))
    assert (result.final_output, heard) == ("The tools said: dry", [TRIP])
    assert result.context_wrapper.usage.requests == 2
    assert result.context_wrapper.usage.output_tokens > 0


@every_model
@pytest.mark.parametrize("run", [ran, streamed])
def test_a_schema_is_filled_in(model: str, run: Any) -> None:
    assert asyncio.run(run(Agent(name="a", model=model, output_type=Trip), PROMPT)).final_output == TRIP


@every_model
def test_one_agent_hands_over_to_another(model: str) -> None:
    other = Agent(name="other", model=model, instructions="You answer.")
    result = asyncio.run(ran(Agent(name="first", model=model, handoffs=[other]), PROMPT))
    assert result.last_agent.name == "other"


def test_a_budget_that_is_used_up_is_an_error_of_the_library() -> None:
    agent = Agent(name="a", model=RESPONSES[0])
    with pytest.raises(openai.APIStatusError) as caught:
        asyncio.run(Runner.run(agent, "hello", run_config=config(BROKE)))
    assert caught.value.status_code == 402
