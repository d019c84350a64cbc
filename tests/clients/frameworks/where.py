"""The gateway's address, and the requests of the suites to a model that does what it is asked."""

from __future__ import annotations

import os

import pydantic

URL, KEY = os.environ["GATEWAY_URL"], os.environ["GATEWAY_KEY"]
BROKE = os.environ["GATEWAY_KEY_BROKE"]
MODELS = os.environ["GATEWAY_MODELS"].split(",")
MESSAGES = os.environ["GATEWAY_MODELS_MESSAGES"].split(",")
RESPONSES = os.environ["GATEWAY_MODELS_RESPONSES"].split(",")
PROMPT = "The weather in 'Bern' for 3 days, please."


class Trip(pydantic.BaseModel):
    city: str
    days: int


TRIP = Trip(city="Bern", days=3)
