"""The schemas of the answers of the health routes. Only the OpenAPI document uses them: no function loads this."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel


class Alive(BaseModel):
    status: str
    version: str
    timestamp: str


class Document(BaseModel):
    openapi: str
    paths: dict[str, Any]


class Summary(BaseModel):
    status: str
    version: str
    environment: str
    services: dict[str, Any]


class Unhealthy(BaseModel):
    status: Literal["unhealthy"]


class Detailed(BaseModel):
    status: str
    system: dict[str, Any]
    services: dict[str, Any]


class ProviderBreakers(BaseModel):
    circuitBreakers: dict[str, Any]  # noqa: N815  as the original names it


class Counters(BaseModel):
    metrics: dict[str, Any]
