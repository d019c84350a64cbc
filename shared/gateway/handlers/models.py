"""The models that a key may call, in the formats of OpenAI's clients, Anthropic's clients and Codex."""

from __future__ import annotations

from typing import Any

from gateway.api.message import Dialect, Request, Response
from gateway.errors import BadRequest
from gateway.models.listing import discovered, in_messages
from gateway.wiring import gateway

_USUAL, _MOST = 20, 1_000  # models on a page in Anthropic's API


def dialect_of(request: Request) -> Dialect:
    """The dialect of the client. Anthropic's clients send anthropic-version, or send their key only in x-api-key."""
    headers = request.headers
    ours = "anthropic-version" in headers or ("x-api-key" in headers and "authorization" not in headers)
    return "messages" if ours else "openai"


def models(request: Request) -> Response:
    """`GET /v1/models`."""
    asked = request.query.get("all", "false")
    if asked not in ("true", "false"):
        raise BadRequest("all: must be true or false", param="all")
    shown = gateway().completions.models(request.caller, everything=asked == "true")
    if "client_version" in request.query:
        from gateway.models.manifest import manifest  # only Codex asks for it

        return Response(200, manifest(shown))
    if dialect_of(request) == "messages":
        return Response(200, _page(request, [in_messages(each) for each in discovered(shown)]))
    return Response(200, {"object": "list", "data": shown})


def one_model(request: Request) -> Response:
    """`GET /v1/models/{id+}`."""
    name = request.parameters["id"]
    found = gateway().completions.model(request.caller, name)
    return Response(200, in_messages(found | {"id": name}) if dialect_of(request) == "messages" else found)


def _page(request: Request, shown: list[dict[str, Any]]) -> dict[str, Any]:
    """A page of the list, as in Anthropic's API: by `limit`, and `after_id` or `before_id`. Raises BadRequest."""
    limit = request.limit(_USUAL, _MOST)
    after, before = request.query.get("after_id"), request.query.get("before_id")
    if after and before:
        raise BadRequest("before_id: can't be combined with after_id", param="before_id")
    ids = [each["id"] for each in shown]
    if after:
        begin = _place(ids, after, "after_id") + 1
        page, more = shown[begin : begin + limit], len(shown) > begin + limit
    elif before:
        end = _place(ids, before, "before_id")
        page, more = shown[max(0, end - limit) : end], end > limit
    else:
        page, more = shown[:limit], len(shown) > limit
    return {
        "data": page,
        "has_more": more,
        "first_id": page[0]["id"] if page else None,
        "last_id": page[-1]["id"] if page else None,
    }


def _place(ids: list[str], name: str, parameter: str) -> int:
    try:
        return ids.index(name)
    except ValueError:
        raise BadRequest(f"{parameter}: no model of this list has this id", param=parameter) from None
