"""The schemas of the completions' answers. Only the OpenAPI document uses them: no function loads this."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, RootModel


class Completion(BaseModel):
    id: str
    object: Literal["chat.completion"]
    model: str
    choices: list[Any]
    usage: dict[str, Any]


class TextCompletion(BaseModel):
    id: str
    object: Literal["text_completion"]
    model: str
    choices: list[Any]
    usage: dict[str, Any]


class Embedding(BaseModel):
    object: Literal["embedding"]
    index: int
    embedding: list[float] | str


class Embeddings(BaseModel):
    object: Literal["list"]
    model: str
    data: list[Embedding]
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
    allowed_ips: list[str]
    limits: dict[str, Any]
    budget: dict[str, Any]
    model_limits: dict[str, Any]
    user: dict[str, Any] | None
    team: dict[str, Any] | None


class Model(BaseModel):
    """A model: OpenAI's fields, and further facts that an agent needs."""

    id: str
    object: Literal["model"]
    created: int
    owned_by: str
    shutdown_date: date | None
    successor: str | None
    target: str
    model: str | None
    family: str | None
    context_window: int | None
    max_output_tokens: int | None
    mode: Literal["chat", "embedding"]
    capabilities: list[str]
    dialects: list[str]
    pricing: dict[str, Any]


class Models(BaseModel):
    object: Literal["list"]
    data: list[Model]


class MessagesModel(BaseModel):
    """A model in the shape of Anthropic's API, for its clients."""

    type: Literal["model"]
    id: str
    display_name: str
    created_at: datetime
    lifecycle: Literal["active", "deprecated"]
    retires_at: datetime | None
    max_input_tokens: int | None
    max_tokens: int | None


class MessagesModels(BaseModel):
    """A page of models in the shape of Anthropic's API."""

    data: list[MessagesModel]
    has_more: bool
    first_id: str | None
    last_id: str | None


class CodexModel(BaseModel):
    """A model in the form that Codex reads. Codex defines the fields."""

    slug: str
    display_name: str
    description: str | None
    supported_reasoning_levels: list[dict[str, str]]
    default_reasoning_level: str | None
    supports_reasoning_summaries: bool
    supports_reasoning_summary_parameter: bool
    default_reasoning_summary: str
    shell_type: str
    visibility: Literal["list"]
    supported_in_api: bool
    priority: int
    upgrade: None
    base_instructions: str
    support_verbosity: bool
    default_verbosity: None
    apply_patch_tool_type: str | None
    truncation_policy: dict[str, Any]
    supports_parallel_tool_calls: bool
    context_window: int | None
    max_context_window: int | None
    experimental_supported_tools: list[str]
    input_modalities: list[str]


class CodexModels(BaseModel):
    models: list[CodexModel]


class ModelList(RootModel[Models | MessagesModels | CodexModels]):
    """The list of models, in the shape for OpenAI's clients, for Anthropic's clients, or for Codex."""


class OneModel(RootModel[Model | MessagesModel]):
    """One model, in the shape for OpenAI's clients or for Anthropic's clients."""


class TokenCount(BaseModel):
    model_config = ConfigDict(extra="allow")

    input_tokens: int
    estimated: bool | None = None
