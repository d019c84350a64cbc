"""The routes of the streaming door, as an app for any WSGI server that listens on the function's port."""

from __future__ import annotations

from gateway.handlers import starting  # isort: split

import threading

from gateway.api.callers import SentKeys
from gateway.api.message import Request, Response
from gateway.api.port import Port
from gateway.api.routes import Described, Route, service
from gateway.handlers import v1
from gateway.handlers.alive import ROOT
from gateway.handlers.pages import PAGES
from gateway.settings import Settings
from gateway.wiring import identity, pace


def _ready(_request: Request) -> Response:
    """For the Lambda Web Adapter: once the port is open, everything is loaded."""
    return Response(200, {"status": "ready"})


ROUTES = (
    *v1.routes("key", streamed="as they come"),
    *v1.messages_routes("key"),
    *v1.responses_routes("key"),
    *v1.embeddings_routes("key"),
    *v1.text_routes("key"),
    ROOT,
    *PAGES,
    Route(
        method_path="GET /ready",
        handler=_ready,
        auth="public",
        scope=None,
        described=Described(
            summary="Says whether the server accepts requests. It calls no other service.",
            answers={200: {"type": "object"}},
        ),
    ),
)

starting.over()


def app(settings: Settings, ending: threading.Event) -> Port:
    """The WSGI application. Once `ending` is set, open streams end as if their clients had disconnected."""
    serves = service("stream", ROUTES, identity, SentKeys(), pace=pace)
    return Port(serves, settings.adapter, settings.stream_seconds, settings.cors_origins, ending)
