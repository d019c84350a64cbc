"""Smoke tests: is a deployed gateway up, does it refuse bad keys, and does it answer a good one?"""

from __future__ import annotations

import http.client
import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from gateway.identity import key_text as keys
from tools.aws.streaming import ask, chat, ended

_SECONDS = 35.0  # an HTTP API gives up after 30
_CHEAP = ("nova-lite", "claude-haiku", "claude-3-haiku", "gpt-mini", "gpt-4o-mini")
_CHAT = {"messages": [{"role": "user", "content": "Say hello."}], "max_tokens": 16}


@dataclass(frozen=True, slots=True)
class Answer:
    """Status and body. Without an answer, the status is 0, and `text` says why."""

    status: int
    text: str


@dataclass(frozen=True, slots=True)
class Check:
    """`said` is the status and the beginning of the answer. It never contains a key."""

    name: str
    passed: bool
    said: str


def checks(base_url: str, key: str, model: str, stream_url: str = "") -> Iterator[Check]:
    """Run the checks one after another. Without a key, those that need one are skipped. With a key, one cheap model of
    each provider is called once, and also `model`, if given. If there is a `stream_url`, the first of them streams."""
    yield _check("is alive", {200}, _ask(base_url, "GET", "/health"))
    yield _check("sees its tables", {200}, _ask(base_url, "GET", "/api/v1/health/detailed"))
    yield _check("refuses no key", {401}, _ask(base_url, "GET", "/v1/models"))
    unknown = {"authorization": f"Bearer {keys.new_key()}"}
    yield _check("refuses an unknown key", {401, 403}, _ask(base_url, "GET", "/v1/models", unknown))
    yield _check("knows its routes", {404}, _ask(base_url, "GET", "/no/such/route"))
    if stream_url:
        yield _check("refuses no key where it streams", {401}, _ask(stream_url, "GET", "/v1/models"))
    if key:
        mine = {"authorization": f"Bearer {key}"}
        listed = _ask(base_url, "GET", "/v1/models", mine)
        yield _check("lists models", {200}, listed)
        named = list(dict.fromkeys(filter(None, (*one_a_provider(listed.text if listed.status == 200 else ""), model))))
        for name in named:
            answered = _ask(base_url, "POST", "/v1/chat/completions", mine, {"model": name} | _CHAT)
            yield _check(f"answers by {name}", {200}, answered)
        if stream_url and named:
            answer = ask(stream_url, "POST", "/v1/chat/completions", mine, chat(named[0], "Say hello.", 16))
            said = f"{answer.status} ...{answer.text[-120:]}" if answer.status else answer.text
            yield Check(f"streams by {named[0]}", ended(answer), said)


def one_a_provider(listed: str) -> Iterator[str]:
    """One model of each provider in the gateway's list: a known cheap one, else an alias, else any. Nothing if the
    text is not a list."""
    try:
        models = json.loads(listed)["data"]
        named = [(str(each["owned_by"]), str(each["id"])) for each in models]
    except (ValueError, KeyError, TypeError):
        return
    for owner in dict.fromkeys(owner for owner, _ in named):
        names = [name for each, name in named if each == owner]
        aliases = [name for name in names if "/" not in name]
        yield next((name for name in _CHEAP if name in aliases), (aliases or names)[0])


def _ask(
    base_url: str, method: str, path: str, headers: dict[str, str] | None = None, body: dict[str, Any] | None = None
) -> Answer:
    data = json.dumps(body).encode() if body else None
    sent = {"content-type": "application/json"} | (headers or {})
    request = urllib.request.Request(base_url + path, data, sent, method=method)  # noqa: S310  the API's own address
    try:
        with urllib.request.urlopen(request, timeout=_SECONDS) as reply:  # noqa: S310  the API's own address
            return Answer(reply.status, reply.read().decode(errors="replace"))
    except urllib.error.HTTPError as error:
        with error:
            return Answer(error.code, error.read().decode(errors="replace"))
    except (OSError, http.client.HTTPException) as error:
        return Answer(0, f"no answer: {error}")


def _check(name: str, wanted: set[int], answer: Answer) -> Check:
    said = f"{answer.status} {answer.text[:120]}" if answer.status else answer.text
    return Check(name, answer.status in wanted, said)
