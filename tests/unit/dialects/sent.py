"""Bodies of Messages on their way to each target; each one is judged by the rules of that target."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from gateway.dialects.chat.request import read_request as read_chat
from gateway.dialects.chat.sending import write_for_host
from gateway.dialects.converse.request import write_request as write_converse
from gateway.dialects.messages.reading import read_request
from gateway.dialects.messages.request import write_request
from gateway.dialects.messages.same import native_body
from gateway.dialects.pairs import pair
from gateway.dialects.written import Asked
from gateway.models.vendors import Quirks
from tests.upstream import chat_judge, converse_judge, messages_judge

HI = {"role": "user", "content": "hi"}
OPUS = "anthropic.claude-opus-4-7"
# Fields that a beta adds, and that the types of a usual request do not have.
_OF_BETAS = ("context_management",)


@dataclass(frozen=True)
class Sent:
    """The body that leaves, and the paths that are named."""

    body: dict[str, Any]
    dropped: list[str]


def _over_the_wire(body: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(json.dumps(body, allow_nan=False))
    return found


def to_messages(body: Mapping[str, Any], cap: int = 4_000) -> Sent:
    dropped: list[str] = []
    found = _over_the_wire(native_body(body, dropped, cap=cap))
    assert messages_judge.faults({**found, "model": "m"}, also=_OF_BETAS) == []
    return Sent(found, dropped)


def to_invoke(body: Mapping[str, Any], cap: int = 4_000, model: str = OPUS, beta: str | None = None) -> Sent:
    asked = Asked(body, model, cap, beta=beta or "", quirks=Quirks(passes_all=True, betas_in_body=True))
    written = pair("messages", "messages").request(asked)
    found, dropped = _over_the_wire(written.body), written.dropped
    assert found["anthropic_version"] == "bedrock-2023-05-31"
    also = (*_OF_BETAS, "anthropic_version", "anthropic_beta")
    assert messages_judge.faults(found, also=also, model=False) == []
    return Sent(found, dropped)


def to_chat(body: Mapping[str, Any], cap: int = 4_000) -> Sent:
    request, dropped = read_request(body, cap=cap)
    written = write_for_host(request, dropped)
    found = _over_the_wire(written.body)
    assert chat_judge.faults({**found, "model": "m"}) == [], found
    return Sent(found, written.dropped)


def to_converse(body: Mapping[str, Any], cap: int = 4_000) -> Sent:
    request, dropped = read_request(body, cap=cap)
    written = write_converse(request, dropped, metadata={}, one_tool=True)
    found = _over_the_wire(written.body)
    assert converse_judge.faults(found) == [], found
    return Sent(found, written.dropped)


def chat_to_messages(chat: Mapping[str, Any], cap: int = 4_000) -> Sent:
    request, dropped = read_chat(chat, cap=cap)
    written = write_request(request, dropped)
    found = _over_the_wire(written.body)
    assert messages_judge.faults({**found, "model": "m"}) == [], found
    return Sent(found, written.dropped)


TARGETS: Mapping[str, Callable[[Mapping[str, Any]], Sent]] = {
    "Messages": to_messages,
    "InvokeModel": to_invoke,
    "chat": to_chat,
    "Converse": to_converse,
}
