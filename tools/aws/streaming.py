"""Sends one request to the streaming door, and times the pieces of its answer."""

from __future__ import annotations

import http.client
import json
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

_SECONDS = 120.0  # between two pieces; the gateway sends a ping after ten
LINES = "Write the numbers from one to forty in words, one a line."


@dataclass(frozen=True, slots=True)
class Streamed:
    """The status (0 without an answer; `text` then says why), the headers by lower-case names, the body as text, and
    the seconds until each of its pieces came."""

    status: int
    headers: Mapping[str, str]
    text: str
    came: tuple[float, ...] = ()

    @property
    def said(self) -> str:
        """The status and the beginning of the answer."""
        return f"{self.status} {self.text[:120]}" if self.status else self.text

    @property
    def body(self) -> dict[str, Any]:
        """The body as JSON; empty if it is not JSON."""
        try:
            found = json.loads(self.text)
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}


def ask(
    url: str,
    method: str,
    path: str,
    headers: Mapping[str, str] | None = None,
    body: bytes | Mapping[str, Any] | None = None,
    *,
    pieces: int | None = None,
) -> Streamed:
    """The answer, read to its end. With `pieces`, the connection is closed after that many."""
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=_SECONDS)
    data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
    sent = {"content-type": "application/json"} | dict(headers or {}) if data is not None else dict(headers or {})
    started = time.monotonic()
    try:
        connection.request(method, parts.path + path, data, sent)
        reply = connection.getresponse()
        read: list[tuple[float, bytes]] = []
        while (pieces is None or len(read) < pieces) and (piece := reply.read1(65_536)):
            read.append((time.monotonic() - started, piece))
        named = {name.lower(): text for name, text in reply.getheaders()}
        text = b"".join(piece for _, piece in read).decode(errors="replace")
        return Streamed(reply.status, named, text, tuple(at for at, _ in read))
    except (OSError, http.client.HTTPException, ssl.SSLError) as error:
        return Streamed(0, {}, f"no answer: {error}")
    finally:
        connection.close()


def chat(model: str, prompt: str = LINES, most: int = 300) -> dict[str, Any]:
    """The body of a streamed chat completion."""
    messages = [{"role": "user", "content": prompt}]
    return {"model": model, "messages": messages, "max_tokens": most, "stream": True}


def ended(answer: Streamed, dialect: str = "chat") -> bool:
    """Whether the answer is an event stream with its dialect's last event."""
    end = "data: [DONE]" if dialect == "chat" else "event: message_stop"
    return answer.status == 200 and end in answer.text[-400:] and '"error"' not in answer.text[-400:]
