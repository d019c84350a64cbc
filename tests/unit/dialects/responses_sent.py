"""Bodies of Responses on their way to each target; each one is judged by the rules of that target."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from msgspec.structs import replace

from gateway.dialects.pairs import pair
from gateway.dialects.written import Asked
from gateway.models.vendors import Quirks, Thinking
from tests.unit.dialects.sent import Sent
from tests.upstream import chat_judge, converse_judge, messages_judge, responses_judge

ASKED: dict[str, Any] = {"model": "m", "input": "hi"}


class Storable(dict[str, Any]):
    """A body of a key whose team lets providers store its calls."""


class Marked(dict[str, Any]):
    """A body whose prompt is to be marked for its model's cache, for this long."""

    ttl = "5m"


class MarkedForAnHour(Marked):
    ttl = "1h"


def _sent(native: str, body: Mapping[str, Any], cap: int, **how: Any) -> Sent:
    asked = Asked(body, "m", cap, may_store=isinstance(body, Storable), **how)
    asked = replace(asked, marks=body.ttl if isinstance(body, Marked) else "")
    written = pair("responses", native).request(asked)
    return Sent(json.loads(json.dumps(written.body, allow_nan=False)), written.dropped)


def to_responses(body: Mapping[str, Any], cap: int = 4_000) -> Sent:
    sent = _sent("responses", body, cap, quirks=Quirks(passes_all=True))
    assert responses_judge.faults(sent.body) == [], sent.body
    assert sent.body["store"] is isinstance(body, Storable)
    return sent


def to_azure(body: Mapping[str, Any], cap: int = 4_000) -> Sent:
    """To a host that defines no format, and therefore gets no unknown field."""
    sent = _sent("responses", body, cap, quirks=Quirks(service_tier="default", stores=True))
    assert responses_judge.faults(sent.body) == [], sent.body
    return sent


def to_messages(body: Mapping[str, Any], cap: int = 4_000, thinking: Thinking = "adaptive") -> Sent:
    sent = _sent("messages", body, cap, thinking=thinking, sampling="all")
    assert messages_judge.faults(sent.body) == [], sent.body
    return sent


def to_chat(body: Mapping[str, Any], cap: int = 4_000) -> Sent:
    sent = _sent("chat", body, cap, quirks=Quirks(caps=("max_completion_tokens",)))
    assert chat_judge.faults(sent.body) == [], sent.body
    return sent


def to_converse(body: Mapping[str, Any], cap: int = 4_000, thinking: Thinking = "adaptive") -> Sent:
    sent = _sent("converse", body, cap, thinking=thinking, sampling="all", one_tool=True)
    assert converse_judge.faults(sent.body) == [], sent.body
    return sent


TARGETS: Mapping[str, Callable[[Mapping[str, Any]], Sent]] = {
    "Responses": to_responses,
    "Messages": to_messages,
    "chat": to_chat,
    "Converse": to_converse,
}
