"""instructor, with each of its ways to ask for a schema."""

from __future__ import annotations

import instructor
import openai
import pytest
from instructor import Mode
from where import KEY, MODELS, PROMPT, RESPONSES, TRIP, URL, Trip

CHAT = [(mode, name) for mode in (Mode.TOOLS, Mode.TOOLS_STRICT, Mode.JSON_SCHEMA) for name in MODELS]


@pytest.mark.parametrize(("mode", "name"), [*CHAT, *((Mode.RESPONSES_TOOLS, name) for name in RESPONSES)])
def test_a_schema_is_filled_in(mode: Mode, name: str) -> None:
    client = instructor.from_openai(openai.OpenAI(base_url=f"{URL}/v1", api_key=KEY, max_retries=0), mode=mode)
    messages = [{"role": "user", "content": PROMPT}]
    found = client.create(model=name, messages=messages, response_model=Trip, max_retries=0)
    assert found.model_dump() == TRIP.model_dump()  # of a class that instructor defines
