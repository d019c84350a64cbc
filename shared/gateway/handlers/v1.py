"""The routes below /v1 that every door has: one table, so that whoever changes doors meets the same API."""

from __future__ import annotations

from gateway.api.routes import Auth, Described, Handler, Route, Schema
from gateway.handlers.chat import chat, embeddings, messages, once, responses, text
from gateway.handlers.key import key
from gateway.handlers.models import dialect_of, models, one_model
from gateway.handlers.responses import no_sockets, told_by_end
from gateway.handlers.tokens import count_tokens

ANSWERS = "functions.completions.answers"  # types for the OpenAPI document
CHAT = "gateway.dialects.chat.schema:ChatRequest"
MESSAGES = "gateway.dialects.messages.schema:MessagesRequest"
RESPONSES = "gateway.dialects.responses.schema:ResponsesRequest"
EMBEDDINGS = "gateway.dialects.embeddings.schema:EmbeddingsRequest"
TEXT = "gateway.dialects.text.schema:TextRequest"
ONCE = ("idempotency-key",)
FAILURES = (402, 404, 409, 422, 429, 502, 503, 504)
_PAGES: dict[str, Schema] = {"limit": {"type": "integer", "minimum": 1, "maximum": 1000, "default": 20}}
_PLACES: dict[str, Schema] = {name: {"type": "string"} for name in ("after_id", "before_id")}
_ALL: dict[str, Schema] = {"all": {"type": "string", "enum": ["true", "false"], "default": "false"}}
_CODEX: dict[str, Schema] = {"client_version": {"type": "string", "description": "Of Codex, which gets its own list."}}
_FOR = ("anthropic-version",)


def routes(auth: Auth, *, streamed: str) -> tuple[Route, ...]:
    """Those of a door that checks keys so; `streamed` says how its streams come."""
    completion = Route(
        method_path="POST /v1/chat/completions",
        handler=once(chat),
        auth=auth,
        scope="completions",
        described=Described(
            summary=f"A chat completion, exactly OpenAI's; with stream its events {streamed}.",
            body=CHAT,
            headers=ONCE,
            answers={200: f"{ANSWERS}:Completion"},
            errors=FAILURES,
            media=("text/event-stream",),
        ),
    )
    own = Described(
        summary="The caller's own limits, and what is used and left of them.",
        answers={200: f"{ANSWERS}:KeyStanding"},
    )
    every = Described(
        summary="The aliases that this key may use, or with all=true every model.",
        query=_ALL | _PAGES | _PLACES | _CODEX,
        headers=_FOR,
        answers={200: f"{ANSWERS}:ModelList"},
    )
    one = Described(summary="One model.", headers=_FOR, answers={200: f"{ANSWERS}:OneModel"})
    return (
        completion,
        Route(method_path="GET /v1/key", handler=key, auth=auth, scope=None, described=own),
        _of_models("GET /v1/models", models, auth, every),
        _of_models("GET /v1/models/{id+}", one_model, auth, one),
    )


def messages_routes(auth: Auth) -> tuple[Route, ...]:
    """Those in Anthropic's dialect, of a door that streams."""
    message = Route(
        method_path="POST /v1/messages",
        handler=once(messages, "messages"),
        auth=auth,
        scope="completions",
        errors="messages",
        described=Described(
            summary="A message, exactly Anthropic's; with stream its events as they come.",
            body=MESSAGES,
            headers=(*ONCE, *_FOR),
            answers={200: {"type": "object"}},
            errors=FAILURES,
            media=("text/event-stream",),
        ),
    )
    counted = Route(
        method_path="POST /v1/messages/count_tokens",
        handler=count_tokens,
        auth=auth,
        scope="completions",
        errors="messages",
        described=Described(
            summary="How many tokens a message's prompt comes to, by its provider's count or estimated; never billed.",
            body={"type": "object"},
            headers=_FOR,
            answers={200: f"{ANSWERS}:TokenCount"},
            errors=(402, 404, 429, 503, 504),
        ),
    )
    return (message, counted)


def responses_routes(auth: Auth) -> tuple[Route, ...]:
    """Those of Responses, of a door that streams."""
    response = Route(
        method_path="POST /v1/responses",
        handler=told_by_end(once(responses, "responses")),
        auth=auth,
        scope="completions",
        described=Described(
            summary="A response, exactly OpenAI's; with stream its events as they come. Nothing is stored.",
            body=RESPONSES,
            headers=ONCE,
            answers={200: {"type": "object"}},
            errors=FAILURES,
            media=("text/event-stream",),
        ),
    )
    told = Described(summary="Where a WebSocket is asked for: there is none.", answers={426: {"type": "object"}})
    sockets = Route(method_path="GET /v1/responses", handler=no_sockets, auth="public", scope=None, described=told)
    return (response, sockets)


def embeddings_routes(auth: Auth) -> tuple[Route, ...]:
    """Embeddings, whose answers may be larger than a door that answers in one piece can give."""
    embedding = Route(
        method_path="POST /v1/embeddings",
        handler=once(embeddings, "embeddings"),
        auth=auth,
        scope="completions",
        described=Described(
            summary="Embeddings, exactly OpenAI's.",
            body=EMBEDDINGS,
            headers=ONCE,
            answers={200: f"{ANSWERS}:Embeddings"},
            errors=FAILURES,
        ),
    )
    return (embedding,)


def text_routes(auth: Auth) -> tuple[Route, ...]:
    """Completions as they were before chat, of a door that streams."""
    completion = Route(
        method_path="POST /v1/completions",
        handler=once(text, "text"),
        auth=auth,
        scope="completions",
        described=Described(
            summary="A completion of old, by a model that chats; with stream its events as they come.",
            body=TEXT,
            headers=ONCE,
            answers={200: f"{ANSWERS}:TextCompletion"},
            errors=FAILURES,
            media=("text/event-stream",),
        ),
    )
    return (completion,)


def _of_models(method_path: str, handler: Handler, auth: Auth, described: Described) -> Route:
    return Route(
        method_path=method_path, handler=handler, auth=auth, scope="models", errors_by=dialect_of, described=described
    )
