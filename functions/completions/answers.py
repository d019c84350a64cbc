"""What the completions' routes answer. Nothing but the OpenAPI document is made of it: no function loads this."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel


class Completion(BaseModel):
    id: str
    object: Literal["chat.completion"]
    model: str
    choices: list[Any]
    usage: dict[str, Any]


class GatewayCompletion(Completion):
    provider: str
    latency: int
    cached: bool
    cost: dict[str, Any]


class KeyStanding(BaseModel):
    object: Literal["key"]
    id: str
    tier: str
    limits: dict[str, Any]
    budget: dict[str, Any]
    model_limits: dict[str, Any]
    user: dict[str, Any] | None
    team: dict[str, Any] | None


class Model(BaseModel):
    id: str
    object: Literal["model"]
    created: int
    owned_by: str


class Models(BaseModel):
    object: Literal["list"]
    data: list[Model]
