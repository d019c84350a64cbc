"""A WSGI app without a gateway, on the server that the streaming door uses. It shows what the adapter does to any app.

`/stream` sends one line at once, and one more for each request of `/release`; `/echo` returns the request. `python
plain_app.py` listens on AWS_LWA_PORT.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import waitress

_LINES = 3
released = threading.Semaphore(0)
finished = threading.Event()


def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    path = environ["PATH_INFO"]
    if path == "/stream":
        start_response("200 OK", [("content-type", "text/event-stream"), ("x-app", "one"), ("x-app", "two")])
        return _lines()
    if path == "/release":
        released.release()
    if path == "/big":
        start_response("200 OK", [("content-type", "application/octet-stream")])
        return (b"x" * 65_536 for _ in range(200))
    status = "418 I'm a teapot" if path == "/teapot" else "200 OK"
    told = {name: value for name, value in environ.items() if isinstance(value, str)}
    told["body"] = environ["wsgi.input"].read().decode("latin-1")
    told["finished"] = str(finished.is_set())
    start_response(status, [("content-type", "application/json")])
    return [json.dumps(told).encode()]


def _lines() -> Iterator[bytes]:
    for number in range(_LINES):
        yield b"data: %d\n\n" % number
        released.acquire()
    finished.set()


if __name__ == "__main__":
    waitress.serve(app, host="127.0.0.1", port=int(os.environ["AWS_LWA_PORT"]), threads=8, send_bytes=1)
