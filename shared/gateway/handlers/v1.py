"""The routes below /v1, in one table, so that every door has the same API."""

from __future__ import annotations

from gateway.api.message import Dialect
from gateway.api.routes import Auth, Described, Handler, Route, Schema
from gateway.handlers.chat import chat, embeddings, messages, once, responses, text
from gateway.handlers.key import key
from gateway.handlers.models import dialect_of, models, one_model

ANSWERS = "functions.completions.answers"  # types for the OpenAPI document
CHAT = "gateway.dialects.chat.schema:ChatRequest"
MESSAGES = "gateway.dialects.messages.schema:MessagesRequest"
RESPONSES = "gateway.dialects.responses.schema:ResponsesRequest"
EMBEDDINGS = "gateway.dialects.embeddings.schema:EmbeddingsRequest"
TEXT = "gateway.dialects.text.schema:TextRequest"
OBJECT: Schema = {"type": "object"}
ONCE = ("idempotency-key",)
FAILURES = (402, 404, 409, 422, 429, 502, 503, 504)
_PAGES: dict[str, Schema] = {"limit": {"type": "integer", "minimum": 1, "maximum": 1000, "default": 20}}
_PLACES: dict[str, Schema] = {name: {"type": "string"} for name in ("after_id", "before_id")}
_ALL: dict[str, Schema] = {"all": {"type": "string", "enum": ["true", "false"], "default": "false"}}
_CODEX: dict[str, Schema] = {"client_version": {"type": "string"}}
_FOR = ("anthropic-version",)


def routes(auth: Auth, *, streamed: str) -> tuple[Route, ...]:
    """The routes for a door that checks keys by `auth`; `streamed` says how its streams come."""
    summary = f"Makes a chat completion, exactly as OpenAI does. With `stream: true` the events arrive {streamed}."
    completion = _paid("POST /v1/chat/completions", once(chat), auth, summary, CHAT, f"{ANSWERS}:Completion")
    own = Described(
        summary="Shows the limits and budgets of the key that asks, and how much of each is used and left.",
        answers={200: f"{ANSWERS}:KeyStanding"},
    )
    every = Described(
        summary="Lists the aliases that this key may use. With `all=true` it lists every model that the key may use.",
        query=_ALL | _PAGES | _PLACES | _CODEX,
        headers=_FOR,
        answers={200: f"{ANSWERS}:ModelList"},
    )
    one = Described(summary="Shows one model.", headers=_FOR, answers={200: f"{ANSWERS}:OneModel"})
    return (
        completion,
        Route(method_path="GET /v1/key", handler=key, auth=auth, scope=None, described=own),
        _of_models("GET /v1/models", models, auth, every),
        _of_models("GET /v1/models/{id+}", one_model, auth, one),
    )


def messages_routes(auth: Auth) -> tuple[Route, ...]:
    """The routes in Anthropic's dialect, for a door that streams."""
    from gateway.handlers.tokens import count_tokens  # not every door loads it

    summary = "Makes a message, exactly as Anthropic does. With `stream: true` the events arrive while it is written."
    made = once(messages, "messages")
    message = _paid("POST /v1/messages", made, auth, summary, MESSAGES, OBJECT, errors="messages", headers=_FOR)
    counted = Route(
        method_path="POST /v1/messages/count_tokens",
        handler=count_tokens,
        auth=auth,
        scope="completions",
        errors="messages",
        described=Described(
            summary="Counts a prompt's tokens: the provider counts, or the gateway estimates. It is never billed.",
            body={"type": "object"},
            headers=_FOR,
            answers={200: f"{ANSWERS}:TokenCount"},
            errors=(402, 404, 429, 503, 504),
        ),
    )
    return (message, counted)


def responses_routes(auth: Auth) -> tuple[Route, ...]:
    """The routes of OpenAI's Responses API, for a door that streams."""
    from gateway.handlers.responses import no_sockets, told_by_end  # not every door loads it

    summary = "Makes a response, exactly as OpenAI does. With `stream: true` the events arrive as they come."
    made = told_by_end(once(responses, "responses"))
    response = _paid("POST /v1/responses", made, auth, summary, RESPONSES, OBJECT)
    told = Described(
        summary="Refuses a WebSocket, because the gateway has none. Use POST.", answers={426: {"type": "object"}}
    )
    sockets = Route(method_path="GET /v1/responses", handler=no_sockets, auth="public", scope=None, described=told)
    return (response, sockets)


def embeddings_routes(auth: Auth) -> tuple[Route, ...]:
    """The route of embeddings, whose answers may be too large for a door that answers in one piece."""
    made, answer = once(embeddings, "embeddings"), f"{ANSWERS}:Embeddings"
    summary = "Makes embeddings of texts, exactly as OpenAI does."
    return (_paid("POST /v1/embeddings", made, auth, summary, EMBEDDINGS, answer, streams=False),)


def text_routes(auth: Auth) -> tuple[Route, ...]:
    """The route of legacy completions (before chat), for a door that streams."""
    made, answer = once(text, "text"), f"{ANSWERS}:TextCompletion"
    summary = "Makes a completion in exactly the format that OpenAI had before chat. A chat model answers."
    return (_paid("POST /v1/completions", made, auth, summary, TEXT, answer),)


def _paid(
    method_path: str,
    handler: Handler,
    auth: Auth,
    summary: str,
    body: Schema,
    answer: Schema,
    *,
    errors: Dialect = "openai",
    headers: tuple[str, ...] = (),
    streams: bool = True,
) -> Route:
    """A route of paid calls. `headers` are those besides Idempotency-Key; `streams` says whether it can stream."""
    described = Described(
        summary=summary,
        body=body,
        headers=(*ONCE, *headers),
        answers={200: answer},
        errors=FAILURES,
        media=("text/event-stream",) if streams else (),
    )
    return Route(
        method_path=method_path, handler=handler, auth=auth, scope="completions", errors=errors, described=described
    )


def _of_models(method_path: str, handler: Handler, auth: Auth, described: Described) -> Route:
    return Route(
        method_path=method_path, handler=handler, auth=auth, scope="models", errors_by=dialect_of, described=described
    )
