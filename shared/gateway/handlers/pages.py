"""`GET /` and `GET /docs`: what this is, and every route, on one page that loads nothing from elsewhere. The page is
read on first use, so it costs no start-up time."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

from gateway.api.message import Request, Response
from gateway.api.routes import Auth, Described, Handler, Route
from gateway.settings import settings

_HTML = "text/html; charset=utf-8"
_INLINE = {name: re.compile(rf"<{name}>(.*?)</{name}>", re.DOTALL) for name in ("script", "style")}
_KEPT = "public, max-age=3600"


@lru_cache(maxsize=1)
def _page() -> tuple[str, Mapping[str, str]]:
    """The page, and headers that let it run only its own script and call only this host."""
    from pathlib import Path

    text = (Path(__file__).parent.parent / "data" / "docs.html").read_text(encoding="utf-8")
    marks = {name: _mark(found[1]) for name, pattern in _INLINE.items() if (found := pattern.search(text))}
    policy = (
        f"default-src 'none'; script-src '{marks['script']}'; style-src '{marks['style']}'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return text, {"content-security-policy": policy, "x-content-type-options": "nosniff", "cache-control": _KEPT}


def _mark(inside: str) -> str:
    import base64
    import hashlib

    return f"sha256-{base64.b64encode(hashlib.sha256(inside.encode()).digest()).decode()}"


def _docs(_request: Request) -> Response:
    text, headers = _page()
    return Response(200, text, headers, media_type=_HTML)


def _root(request: Request) -> Response:
    """The page for a browser; for other clients a JSON object that says where to look."""
    if "text/html" in request.headers.get("accept", ""):
        text, headers = _page()
        return Response(200, text, {**headers, "vary": "accept"}, media_type=_HTML)
    facts = {"name": "AI Model Gateway", "version": settings().version, "docs": "/docs", "openapi": "/openapi.json"}
    return Response(200, facts | {"health": "/health"}, {"vary": "accept"})


def _route(path: str, handler: Handler, described: Described) -> Route:
    public: Auth = "public"
    return Route(method_path=f"GET {path}", handler=handler, auth=public, scope=None, described=described)


_ABOUT = {
    "type": "object",
    "required": ["name", "version", "docs", "openapi", "health"],
    "properties": {name: {"type": "string"} for name in ("name", "version", "docs", "openapi", "health")},
}
PAGES = (
    _route(
        "/",
        _root,
        Described(summary="Says what the gateway is and where to start.", answers={200: _ABOUT}, media=("text/html",)),
    ),
    _route(
        "/docs",
        _docs,
        Described(summary="Shows every route, on a page for people.", answers={200: {}}, media=("text/html",)),
    ),
)
