"""The routes by which both doors describe themselves to people and programs: `/`, `/docs`, `/openapi.json`, `/health`.
The page and the description are read on first use, so they cost no start-up time."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

from gateway.api.message import Request, Response
from gateway.api.routes import Auth, Described, Handler, Route
from gateway.settings import settings
from gateway.wiring import gateway

ANSWERS = "functions.health.answers"  # types for the OpenAPI document
_HTML = "text/html; charset=utf-8"
_INLINE = {name: re.compile(rf"<{name}>(.*?)</{name}>", re.DOTALL) for name in ("script", "style")}
_KEPT = "public, max-age=3600"
_STAGE = re.compile(r"(?:/[A-Za-z0-9_-]+)*/([A-Za-z0-9_-]+)", re.ASCII)
_PAGE, _DOCUMENT = "docs.html", "openapi.json"


def _read(name: str) -> str:
    from pathlib import Path

    return (Path(__file__).parent.parent / "data" / name).read_text(encoding="utf-8")


@lru_cache(maxsize=1)
def _page() -> tuple[str, Mapping[str, str]]:
    """The page, and headers that let it run only its own script and call only this host."""
    text = _read(_PAGE)
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


def _shown(request: Request, **headers: str) -> Response:
    """The page, with links that lead to this door's own routes: they are relative, and a browser resolves them against
    the last slash of the page's address. Where that address is a stage without a slash, the links begin with it."""
    text, kept = _page()
    stage = _STAGE.fullmatch(request.path) if request.route == "GET /" else None
    linked = text.replace(' href="', f' href="{stage[1]}/') if stage else text
    return Response(200, linked, {**kept, **headers}, media_type=_HTML)


def _docs(request: Request) -> Response:
    return _shown(request)


def _root(request: Request) -> Response:
    """The page for a browser; for other clients a JSON object that says where to look, with this door's stage."""
    if "text/html" in request.headers.get("accept", ""):
        return _shown(request, vary="accept")
    before = request.path.rstrip("/")
    facts = {"name": "AI Model Gateway", "version": settings().version}
    links = {"docs": "/docs", "openapi": "/openapi.json", "health": "/health"}
    return Response(200, facts | {name: before + path for name, path in links.items()}, {"vary": "accept"})


@lru_cache(maxsize=1)
def _document() -> str:
    return _read(_DOCUMENT)


def _openapi(_request: Request) -> Response:
    return Response(body=_document(), headers={"cache-control": _KEPT})


def _alive(_request: Request) -> Response:
    return Response(body=gateway().health.alive())


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
    _route(
        "/openapi.json", _openapi, Described(summary="Returns this document.", answers={200: f"{ANSWERS}:Document"})
    ),
    _route(
        "/health",
        _alive,
        Described(summary="Says that the gateway runs. It calls no other service.", answers={200: f"{ANSWERS}:Alive"}),
    ),
)
