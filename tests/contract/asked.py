"""The app of the streaming door, called as its server would call it."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from functions.stream.handler import app
from gateway.settings import settings
from tests.contract.front import Gateway


@dataclass
class Answer:
    """`pieces` are the pieces of the body, as they come."""

    status: int
    headers: dict[str, str]
    pieces: Iterator[bytes]
    _whole: bytes | None = None

    @property
    def data(self) -> bytes:
        if self._whole is None:
            self._whole = b"".join(self.pieces)
        return self._whole

    @property
    def body(self) -> Any:
        return json.loads(self.data)


@dataclass
class Door:
    """`path` is requested if a call names no other path."""

    gateway: Gateway
    path: str

    def ask(
        self,
        body: Any = None,
        *,
        method: str = "POST",
        path: str = "",
        key: str = "enterprise",
        gone: Callable[[], bool] = lambda: False,
        **headers: str,
    ) -> Answer:
        """`key` is a key's name or text; `gone` says that the client has hung up."""
        data = json.dumps(body).encode() if body is not None else b""
        environ: dict[str, Any] = {
            "REQUEST_METHOD": method,
            "PATH_INFO": path or self.path,
            "QUERY_STRING": "",
            "CONTENT_TYPE": "application/json",
            "CONTENT_LENGTH": str(len(data)),
            "wsgi.input": io.BytesIO(data),
            "waitress.client_disconnected": gone,
            "REMOTE_ADDR": self.gateway.front.source,
            "HTTP_AUTHORIZATION": f"Bearer {self.gateway.keys.get(key, key)}",
        }
        environ |= {f"HTTP_{name.upper()}": text for name, text in headers.items()}
        told: list[Any] = []
        pieces = app(settings(), threading.Event())(environ, lambda *head: told.append(head))
        return Answer(int(told[0][0].split()[0]), dict(told[0][1]), iter(pieces))
