"""Chat bodies through the whole translation to Converse; each one is judged by Bedrock's rules."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gateway.dialects.chat.request import read_request
from gateway.dialects.converse.request import write_request
from gateway.models.vendors import Sampling
from tests.upstream.converse_judge import faults

HI = {"role": "user", "content": "hi"}
PIXEL = "iVBORw0KGgo="


@dataclass(frozen=True)
class Translated:
    body: dict[str, Any]
    dropped: list[str]
    names: Mapping[str, str]


def translated(chat: Mapping[str, Any], *, one_tool: bool = False, sampling: Sampling = "all") -> Translated:
    """Raises BadRequest and Unsupported, as the translation does. Fails if Bedrock would refuse the result."""
    request, dropped = read_request(chat, cap=100)
    written = write_request(request, dropped, metadata={}, one_tool=one_tool, sampling=sampling)
    body = json.loads(json.dumps(written.body, allow_nan=False))
    assert faults(body) == [], body
    return Translated(body, written.dropped, written.names)


def tool(name: str = "f", **function: Any) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, **function}}


def used(id: str = "c1", name: str = "f", arguments: str = "{}") -> dict[str, Any]:
    return {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}


def called(*calls: dict[str, Any], **message: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": None, "tool_calls": list(calls), **message}


def result(id: str = "c1", content: Any = "done", **message: Any) -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": id, "content": content, **message}


def marked(text: str = "kept", ttl: str | None = None) -> dict[str, Any]:
    control = {"type": "ephemeral", **({"ttl": ttl} if ttl else {})}
    return {"type": "text", "text": text, "cache_control": control}
