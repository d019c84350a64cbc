"""Chat completions and models on the HTTP API."""

from __future__ import annotations

from gateway.handlers import starting  # isort: split

from gateway.api.http_api import http_api
from gateway.api.routes import Described, Route
from gateway.handlers import v1
from gateway.handlers.chat import chat_with_details, once, whole
from gateway.wiring import identity, pace

ROUTES = (
    Route(
        method_path="POST /api/v1/completions",
        handler=whole(once(chat_with_details)),
        auth="api-key",
        scope="completions",
        errors="gateway",
        described=Described(
            summary="Makes a chat completion. The answer also has the provider, the latency and the cost.",
            body=v1.CHAT,
            headers=v1.ONCE,
            answers={200: f"{v1.ANSWERS}:GatewayCompletion"},
            errors=v1.FAILURES,
        ),
    ),
    *v1.routes("bearer", streamed="in one piece"),
)
handler = http_api("completions", ROUTES, identity, pace)
starting.over()
