"""The streaming door, on a port, for Anthropic's own client: the fixture `client`."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import anthropic
import pytest

from functions.stream.handler import app
from gateway.settings import settings
from tests.contract.front import Gateway, Place
from tests.contract.test_endpoints import CLAUDE, PRICE
from tests.fakes.served import served
from tests.upstream import messages_judge

ASKED: Any = [{"role": "user", "content": "Hello!"}]
# Aliases: one for each wire format behind the door, and one for a model whose provider does not count tokens in
# advance.
WAYS: dict[str, dict[str, str]] = {
    "messages": {"target": "anthropic/claude-sonnet-4-5"},
    "invoke": {"target": CLAUDE, "endpoint": "invoke"},
    "converse": {"target": CLAUDE, "endpoint": "converse"},
    "newer": {"target": "bedrock/us.anthropic.claude-sonnet-5-5"},
    "chat": {"target": "openai/gpt-6.1-sol"},
}
Client = Callable[..., anthropic.Anthropic]


@pytest.fixture
def place() -> Place:
    return Place(providers="openai,bedrock,anthropic")


@pytest.fixture
def client(gateway: Gateway) -> Iterator[Client]:
    """Makes clients for the text of a key; the names of `WAYS` are aliases."""
    messages_judge.warm()
    prices = {said["target"]: PRICE for said in WAYS.values()}
    reply = gateway.post("/api/v1/admin/config", {"models": WAYS, "prices": prices})
    assert reply.status == 200, reply.text
    gateway.restart()
    with served(app(settings(), threading.Event()), settings()) as port:
        yield lambda key, **said: anthropic.Anthropic(
            base_url=f"http://127.0.0.1:{port}", api_key=key, **{"max_retries": 0, **said}
        )
