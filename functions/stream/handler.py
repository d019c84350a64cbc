"""What the streaming door answers: the app of the function, for whatever server listens on its port."""

from __future__ import annotations

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
    """For the adapter: the port is open, so what is to be loaded is loaded."""
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
            summary="Whether the server takes requests; asks nothing.", answers={200: {"type": "object"}}
        ),
    ),
)


def app(settings: Settings, ending: threading.Event) -> Port:
    """The WSGI application. Once `ending` is set, streams under way are ended as if their clients had gone."""
    serves = service("stream", ROUTES, identity, SentKeys(), pace=pace)
    return Port(serves, settings.adapter, settings.stream_seconds, settings.cors_origins, ending)
