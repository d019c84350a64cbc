"""Calls as the service makes them, and the canary texts that must never come out."""

from __future__ import annotations

import traceback
from typing import Any

import pytest

from gateway.destinations import Destinations
from gateway.errors import UpstreamError
from gateway.vendors import Connection
from gateway.vendors.base import Answer, ModelCall, Provider

OPENAI_KEY = "sk-canary0openai0key0f3a9"
ACCESS_KEY = "AKIACANARYACCESSKEY0"
SECRET_KEY = "canary/secret/key/9b1d"
SESSION_TOKEN = "canary-session-token-77c2"
CANARIES = (OPENAI_KEY, ACCESS_KEY, SECRET_KEY, SESSION_TOKEN)
MODEL = "eu.anthropic.claude-3-5-sonnet-20240620-v1:0"

LOCAL = Destinations(loopback=True)  # the fake upstream is on this machine


def at(endpoint: str, **said: Any) -> Connection:
    """A connection to a provider that may be on this machine."""
    return Connection(endpoint, destinations=LOCAL, **said)


def call(text: str = "hello", *, timeout: float = 10.0, cap: int = 100, **body: Any) -> ModelCall:
    messages = body.pop("messages", [{"role": "user", "content": text}])
    return ModelCall(
        model=MODEL, body={"messages": messages, **body}, max_output_tokens=cap, timeout=timeout, correlation_id="cid-1"
    )


def ask(provider: Provider, chat: ModelCall) -> Answer:
    """The only answer of a call that is not streamed."""
    (answer,) = provider.send(provider.prepare(chat))
    assert isinstance(answer, Answer)
    return answer


def failure(provider: Provider, chat: ModelCall) -> UpstreamError:
    """The error of a call, after a search for keys in everything of it that a log could show."""
    with pytest.raises(UpstreamError) as caught:
        list(provider.send(provider.prepare(chat)))
    error = caught.value
    assert error.provider == provider.name
    shown = [str(error), repr(error), repr(vars(error)), *traceback.format_exception(error)]
    seen: BaseException | None = error
    while seen is not None:  # also the part that `from None` only hides
        shown += [str(seen), repr(seen), repr(vars(seen))]
        seen = seen.__cause__ or seen.__context__
    assert not [canary for canary in CANARIES for text in shown if canary in text]
    return error
