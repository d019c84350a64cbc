"""LlamaIndex with its class for OpenAI-compatible hosts: answers, streams, tools, schemas, an index over embeddings.

It runs in a separate venv (`make clients`); GATEWAY_URL and GATEWAY_KEY name the gateway.
"""

from __future__ import annotations

import asyncio
import os
from typing import Any

import openai
import pytest
from llama_index.core import Document, VectorStoreIndex
from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.tools import FunctionTool
from llama_index.embeddings.openai_like import OpenAILikeEmbedding
from llama_index.llms.openai_like import OpenAILike
from pydantic import BaseModel

URL, KEY = os.environ["GATEWAY_URL"], os.environ["GATEWAY_KEY"]
BROKE = os.environ["GATEWAY_KEY_BROKE"]
PROMPT = "The weather in 'Bern' for 3 days, please."
every_model = pytest.mark.parametrize("model", os.environ["GATEWAY_MODELS"].split(","))


class Trip(BaseModel):
    city: str
    days: int


def llm(model: str, key: str = KEY) -> Any:
    return OpenAILike(
        model=model, api_base=f"{URL}/v1", api_key=key, is_chat_model=True, is_function_calling_model=True
    )


def weather(city: str, days: int) -> str:
    """The weather."""
    return f"dry in {city} for {days} days"


@every_model
def test_an_answer_streamed_and_not(model: str) -> None:
    prompt = "[[fake text='At nine.']]"
    assert llm(model).complete(prompt).text == "At nine."
    assert "".join(each.delta or "" for each in llm(model).stream_complete(prompt)) == "At nine."


@every_model
def test_a_tool_of_an_agent_and_the_answer(model: str) -> None:
    agent = FunctionAgent(tools=[FunctionTool.from_defaults(weather)], llm=llm(model))

    async def ran() -> str:
        return str(await agent.run(PROMPT))

    assert asyncio.run(ran()) == "The tools said: dry in Bern for 3 days"


@every_model
def test_a_schema_is_filled_in(model: str) -> None:
    assert llm(model).as_structured_llm(Trip).complete(PROMPT).raw == Trip(city="Bern", days=3)


def test_an_index_over_embeddings() -> None:
    embeds = OpenAILikeEmbedding(model_name="text-embedding-3-small", api_base=f"{URL}/v1", api_key=KEY)
    index = VectorStoreIndex.from_documents([Document(text="[[fake text='At nine.']]")], embed_model=embeds)
    found = index.as_query_engine(llm=llm("gpt-4o")).query("When does the door open?")
    assert [node.text for node in found.source_nodes] == ["[[fake text='At nine.']]"]


@pytest.mark.parametrize(
    ("key", "model", "status"), [("sk-wrong", "gpt-4o", 401), (BROKE, "gpt-4o", 402), (KEY, "no-such-model", 404)]
)
def test_what_is_refused_is_an_error_of_the_library(key: str, model: str, status: int) -> None:
    with pytest.raises(openai.APIStatusError) as caught:
        llm(model, key).complete("hello")
    assert caught.value.status_code == status
