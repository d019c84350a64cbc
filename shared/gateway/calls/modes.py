"""What a route asks models to do, and what a model does: chat, or embed. Each has routes of its own."""

from __future__ import annotations

from gateway.calls.asked import spoken
from gateway.errors import BadRequest
from gateway.models.model_names import Route

_INSTEAD = {"embedding": "makes embeddings: POST /v1/embeddings", "chat": "chats: POST /v1/chat/completions"}


def check_mode(route: Route, dialect: str) -> None:
    """Raises BadRequest where a model does something else than a dialect asks for."""
    mode = route.price.mode
    if mode != spoken(dialect).mode:
        message = f"The model '{route.name}' {_INSTEAD[mode]}."
        raise BadRequest(message, code="model_not_supported", param="model")
