"""Is a deployed gateway there, does it refuse whom it must, does it answer who has a key?"""

from __future__ import annotations

import http.client
import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from gateway.domain import keys

_SECONDS = 35.0  # an HTTP API gives up after 30
_CHAT = {"messages": [{"role": "user", "content": "Say hello."}], "max_tokens": 16}


@dataclass(frozen=True, slots=True)
class Check:
    """`said` is the status and the beginning of the answer; keys are never in it."""

    name: str
    passed: bool
    said: str


def checks(base_url: str, key: str, model: str) -> Iterator[Check]:
    """One after the other. Without a key what needs one is left out; without a model no provider is called."""
    yield _check(base_url, "is alive", {200}, "GET", "/health")
    yield _check(base_url, "sees its tables", {200}, "GET", "/api/v1/health/detailed")
    yield _check(base_url, "refuses no key", {401}, "GET", "/v1/models")
    unknown = {"authorization": f"Bearer {keys.new_key()}"}
    yield _check(base_url, "refuses an unknown key", {401, 403}, "GET", "/v1/models", unknown)
    yield _check(base_url, "knows its routes", {404}, "GET", "/no/such/route")
    if key:
        mine = {"authorization": f"Bearer {key}"}
        yield _check(base_url, "lists models", {200}, "GET", "/v1/models", mine)
        if model:
            yield _check(
                base_url, f"answers by {model}", {200}, "POST", "/v1/chat/completions", mine, {"model": model} | _CHAT
            )


def _check(
    base_url: str,
    name: str,
    wanted: set[int],
    method: str,
    path: str,
    headers: dict[str, str] | None = None,
    body: dict[str, Any] | None = None,
) -> Check:
    data = json.dumps(body).encode() if body else None
    sent = {"content-type": "application/json"} | (headers or {})
    request = urllib.request.Request(base_url + path, data, sent, method=method)  # noqa: S310  the API's own address
    try:
        with urllib.request.urlopen(request, timeout=_SECONDS) as reply:  # noqa: S310  the API's own address
            status, text = reply.status, reply.read()
    except urllib.error.HTTPError as error:
        with error:
            status, text = error.code, error.read()
    except (OSError, http.client.HTTPException) as error:
        return Check(name, False, f"no answer: {error}")
    return Check(name, status in wanted, f"{status} {text[:120].decode(errors='replace')}")
