"""Wraps the emulator's own ASGI app: on the public port, every path, even /health, reaches the gateway's API.

It runs in the emulator's venv and process. `FRONT_PORT`, `FRONT_API` (the API's id) and `GATEWAY_PORT` configure it.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from ministack.app import app as emulator

_PORT = int(os.environ["FRONT_PORT"])
_STAGE = f"/_aws/execute-api/{os.environ['FRONT_API']}/$default"

Scope = MutableMapping[str, Any]


async def app(scope: Scope, receive: Callable[[], Awaitable[Any]], send: Callable[[Any], Awaitable[None]]) -> None:
    if scope["type"] == "http" and (scope.get("server") or ("", 0))[1] == _PORT:
        raw = scope.get("raw_path") or scope["path"].encode()
        scope = {**scope, "path": _STAGE + scope["path"], "raw_path": _STAGE.encode() + raw}
    await emulator(scope, receive, send)
