"""The requests of the suites for Python, in each dialect."""

from __future__ import annotations

from typing import Any

import pydantic

PROMPT = "The weather in 'Bern' for 3 days, please."
FILLED = {"city": "Bern", "days": 3}
SCHEMA: Any = {"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}}
ANYTHING: Any = {"type": "object", "properties": {}}
TWO_CALLS = """[[fake tool=weather,time arguments='[{"city": "Bern", "days": 3}, {"zone": "CET"}]']]"""
CALLED = [("weather", FILLED), ("time", {"zone": "CET"})]
DIES = "[[fake reset=body after=5]]"
THINKS = '[[fake reasoning="Let me see." text=Yes]]'


class Trip(pydantic.BaseModel):
    city: str
    days: int


def said(text: str) -> Any:
    return [{"role": "user", "content": text}]
