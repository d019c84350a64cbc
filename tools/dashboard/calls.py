"""Calls at a gateway of `make run`, so that the picture shows something: good, failed, refused and streamed calls."""

from __future__ import annotations

import http.client
import json
import random
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

MODELS = ("gpt-4", "gpt-4o-mini", "claude-3-sonnet", "nova-lite")


def calls(running: Mapping[str, Any], seconds: float, threads: int = 3) -> int:
    """So many seconds of calls; `running` is .local/gateway.json. Returns how many were answered."""
    ends, done = time.monotonic() + seconds, []

    def caller(number: int) -> None:
        chance = random.Random(number)  # noqa: S311  the same calls at each run
        while time.monotonic() < ends:
            with suppress(OSError, http.client.HTTPException):
                _call(running, chance)
                done.append(number)
            time.sleep(chance.expovariate(4))

    callers = [threading.Thread(target=caller, args=(number,)) for number in range(threads)]
    for each in callers:
        each.start()
    for each in callers:
        each.join()
    return len(done)


def _call(running: Mapping[str, Any], chance: random.Random) -> None:
    key = running["keys"][chance.choice(["free", "basic", "premium", "premium"])]
    what = chance.random()
    message = [{"role": "user", "content": "hello " * chance.randint(1, 60)}]
    body = {"model": chance.choice(MODELS), "messages": message}
    if what < 0.1:
        _send(running, "GET", "/api/v1/products?category=electronics", {"x-api-key": key})
    elif what < 0.2:
        _send(running, "GET", "/health", {})
    elif what < 0.27:
        _send(running, "GET", "/api/v1/admin/keys", {"x-api-key": running["keys"]["admin"]})
    elif what < 0.32:
        _send(running, "POST", "/api/v1/completions", {"x-api-key": key}, body | {"model": "no-such-model"})
    elif what < 0.6:
        _send(running, "POST", "/v1/chat/completions", {"authorization": f"Bearer {key}"}, body | {"stream": True})
    else:
        _send(running, "POST", "/api/v1/completions", {"x-api-key": key}, body)


def _send(running: Mapping[str, Any], method: str, path: str, headers: dict[str, str], body: Any = None) -> None:
    place = urlsplit(running["base_url"])
    connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=60)
    try:
        sent = None if body is None else json.dumps(body)
        connection.request(method, path, sent, headers | {"content-type": "application/json"})
        connection.getresponse().read()
    finally:
        connection.close()
