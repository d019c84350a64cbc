"""The door that streams: a WSGI application around the one answerer, for a server that listens on a port.

One thread handles a request from its start to its end. The state of a request is only in its Request; the application
keeps none of it. The server has read the head and the body when it calls the application. If it found a fault in
either, it calls `refuse`, which answers in the same shapes.
"""

from __future__ import annotations

import json
import math
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl

from msgspec.structs import replace

from gateway.api import cors
from gateway.api.answer import Broken, answer, failed
from gateway.api.coding import decoded
from gateway.api.message import MAX_BODY_BYTES, Dialect, Request, Response, correlation_id, request_id, too_large
from gateway.api.paths import Found, Paths
from gateway.api.routes import Service

Environ = Mapping[str, Any]
StartResponse = Callable[[str, list[tuple[str, str]]], object]
LONGEST_SECONDS = 890.0  # ten less than the longest run of a function
RESERVE_SECONDS = 10.0  # of a function's time: for settling, and for returning the answer
_PHRASES = {status.value: status.phrase for status in HTTPStatus} | {529: "Overloaded"}
_LONGEST_PATH, _LONGEST_METHOD = 256, 32  # of an unknown path and method, in logs and errors
_UNSAFE = re.compile(r"[^\t\x20-\x7e\xa0-\xff]")
_MESSAGES = re.compile(r"(/[^/]+)?(/v1)?/messages(/.*)?", re.ASCII)
# The adapter sets these itself, and overwrites what a client sent under these names.
_REQUEST_CONTEXT, _LAMBDA_CONTEXT = "x-amzn-request-context", "x-amzn-lambda-context"


class CutOff(Exception):
    """A body that ended early, after part of it was sent. The server must not end it as if it were whole."""


@dataclass(frozen=True, slots=True)
class Port:
    """The application. `adapter`: the server runs behind Lambda's adapter. Only the adapter can reach it, so its
    headers about the request are trusted. `seconds` is the longest that an answer may take. `origins` are those whose
    pages may call. Once `ending` is set, every client counts as gone."""

    service: Service
    adapter: bool = False
    seconds: float = LONGEST_SECONDS
    origins: tuple[str, ...] = ()
    ending: threading.Event = field(default_factory=threading.Event)
    _paths: Paths = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_paths", Paths(self.service.routes))

    def __call__(self, environ: Environ, start: StartResponse) -> Iterable[bytes]:
        head = environ.get("REQUEST_METHOD") == "HEAD"
        try:
            request, found = self._request(environ)
        except Exception as fault:  # noqa: BLE001  not an HTTP request; the client still gets a shaped answer
            return _written(failed(self.service, _unknown(), fault), start, head=head)
        origin = request.headers.get("origin")
        if request.route.startswith("OPTIONS "):
            methods = found.methods if found else ()
            return _written(Response(204 if found else 404, "", cors.preflight(methods, origin, self.origins)), start)
        response = answer(self.service, request, lambda: _body(environ, request))
        shown = cors.shown(origin, self.origins)
        if isinstance(response.body, Iterator):
            return _streamed(response, request, shown, start)
        return _written(_with(response, shown), start, head=head)

    def refuse(self, fault: Exception, path: str, headers: Mapping[str, str], start: StartResponse) -> list[bytes]:
        """The answer to something that the server could not accept as a request. `headers` have lower-case names."""
        request = _unknown()
        request.errors = _dialect(path, headers)
        return _written(failed(self.service, request, fault), start)

    def _request(self, environ: Environ) -> tuple[Request, Found | None]:
        """The request without its body, and the described path that matches it."""
        started = time.monotonic()
        headers = dict(_headers(environ))
        path, _, query = _target(environ).partition("?")
        method = environ["REQUEST_METHOD"][:_LONGEST_METHOD]
        found = self._paths.find(path)
        source, own, left, trace = environ.get("REMOTE_ADDR") or "", None, self.seconds, ""
        if self.adapter:
            source, own, left, trace = _surroundings(headers, left)
        asked = Request(
            route=f"{method} {found.path if found else path[:_LONGEST_PATH]}",
            path=path,
            headers={name: text for name, text in headers.items() if name not in (_REQUEST_CONTEXT, _LAMBDA_CONTEXT)},
            body=b"",
            query=dict(parse_qsl(query, keep_blank_values=True)),
            parameters=found.parameters if found else {},
            correlation_id=correlation_id(headers.get("x-correlation-id")),
            request_id=request_id(own),
            started=started,
            deadline=started + left,
            errors=_dialect(path, headers),
            source=source,
            trace=trace,
            streams=True,
            gone=self._gone(environ),
        )
        return asked, found

    def _gone(self, environ: Environ) -> Callable[[], bool]:
        disconnected = environ.get("waitress.client_disconnected")
        if disconnected is None:
            return self.ending.is_set
        return lambda: self.ending.is_set() or disconnected()


class _Pieces(Iterator[bytes]):
    """A body from its first piece, which has been made already, to its end, or until the client has gone."""

    def __init__(self, first: bytes, body: Any, gone: Callable[[], bool]) -> None:
        self._first: bytes | None = first
        self._body, self._gone = body, gone

    def __next__(self) -> bytes:
        if self._first is not None:
            first, self._first = self._first, None
            return first
        if self._gone():
            self.close()
            raise CutOff("The client has gone.")
        try:
            piece: bytes = next(self._body)
        except Broken as broken:
            raise CutOff("The body of an answer could not be written to its end.") from broken
        return piece

    def close(self) -> None:
        self._body.close()


def _with(response: Response, headers: Mapping[str, str]) -> Response:
    return replace(response, headers={**response.headers, **headers})


def _streamed(
    response: Response, request: Request, headers: Mapping[str, str], start: StartResponse
) -> Iterable[bytes]:
    """The head goes out with the first piece, so an error before that still gets its own status."""
    body = response.body
    try:
        first = next(body, b"")
    except Broken as broken:
        return _written(_with(broken.response, headers), start)
    start(_status(response.status), _safe({**response.headers, **headers}))
    return _Pieces(first, body, request.gone)


def _written(response: Response, start: StartResponse, *, head: bool = False) -> list[bytes]:
    """The answer in one piece. A HEAD gets no body, since a client would take it for the start of the next answer."""
    body = response.text().encode()
    length = {} if response.status == 204 else {"content-length": str(len(body))}
    start(_status(response.status), _safe({**response.headers, **length}))
    return [b"" if head else body]


def _status(status: int) -> str:
    return f"{status} {_PHRASES.get(status, 'Unknown')}"


def _safe(headers: Mapping[str, str]) -> list[tuple[str, str]]:
    return [(name, _UNSAFE.sub("?", text)) for name, text in headers.items()]


def _target(environ: Environ) -> str:
    """Path and query as they were sent, without a scheme and host in front of them."""
    target: str = environ.get("REQUEST_URI") or environ["PATH_INFO"]
    if not target.startswith("/"):
        target = "/" + target.partition("://")[2].partition("/")[2] if "://" in target else target
    return "/" + target.lstrip("/") if target.startswith("//") else target.partition("#")[0]


def _headers(environ: Environ) -> Iterator[tuple[str, str]]:
    for name, value in environ.items():
        if name.startswith("HTTP_"):
            yield name[5:].replace("_", "-").lower(), value
        elif name in ("CONTENT_TYPE", "CONTENT_LENGTH") and value:
            yield name.replace("_", "-").lower(), value


def _surroundings(headers: Mapping[str, str], longest: float) -> tuple[str, str | None, float, str]:
    """What the adapter's headers say of a request: the client's address, the platform's request id, the seconds that
    the function may still take, and the trace. Nothing in them says who calls."""
    context, run = _object(headers.get(_REQUEST_CONTEXT)), _object(headers.get(_LAMBDA_CONTEXT))
    identity = context.get("identity")
    address = identity.get("sourceIp") if isinstance(identity, dict) else None
    own, ends = context.get("requestId"), run.get("deadline")  # milliseconds since the epoch
    if isinstance(ends, (int, float)) and math.isfinite(ends):
        longest = min(longest, ends / 1_000 - time.time() - RESERVE_SECONDS)
    trace = run.get("xray_trace_id")  # Lambda sets it in the environment only of functions that it calls itself
    return _text(address), own if isinstance(own, str) else None, longest, _text(trace)


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _object(text: str | None) -> dict[str, Any]:
    try:
        found = json.loads(text or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _dialect(path: str, headers: Mapping[str, str]) -> Dialect:
    """The error dialect for a request that has no route."""
    return "messages" if "anthropic-version" in headers or _MESSAGES.fullmatch(path.partition("?")[0]) else "openai"


def _unknown() -> Request:
    """A placeholder for a request that could not be read."""
    return Request("", "", headers={}, body=b"", correlation_id=correlation_id(None), request_id=request_id(None))


def _body(environ: Environ, request: Request) -> bytes:
    sent = request.headers.get("content-length", "")
    if sent.isdigit() and (len(sent) > 12 or int(sent) > MAX_BODY_BYTES):
        raise too_large()
    body: bytes = environ["wsgi.input"].read(MAX_BODY_BYTES + 1)
    return decoded(body, request.headers.get("content-encoding", ""))
