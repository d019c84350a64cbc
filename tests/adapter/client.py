"""A client of a REST API that reads an answer while it comes."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from tests.reply import Reply

_SECONDS = 60.0


@contextmanager
def opened(
    method: str, url: str, body: Any = None, headers: Mapping[str, str] | None = None
) -> Iterator[http.client.HTTPResponse]:
    """An answer whose head has come. The connection is closed at the end of the block."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=_SECONDS)
    data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    sent = {"content-type": "application/json"} if data is not None else {}
    try:
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        connection.request(method, target, data, sent | dict(headers or {}))
        yield connection.getresponse()
    finally:
        connection.close()


def call(method: str, url: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Reply:
    """A whole answer."""
    with opened(method, url, body, headers) as answer:
        told = {name.lower(): value for name, value in answer.getheaders()}
        return Reply(answer.status, told, answer.read().decode("utf-8", "replace"))


def events(answer: http.client.HTTPResponse) -> Iterator[str]:
    """The text of each event of a stream, as soon as the event is complete."""
    lines: list[str] = []
    while raw := answer.readline():
        line = raw.decode().rstrip("\r\n")
        if line:
            lines.append(line)
        elif lines:
            yield "\n".join(lines)
            lines = []
    if lines:
        yield "\n".join(lines)
