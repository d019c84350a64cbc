"""The content of the first events of a provider's stream. It is read from the bytes that the fake sent, with a few
lines of this proof, not with the gateway's readers."""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple


class Counts(NamedTuple):
    """Tokens, each counted in one field only."""

    fresh: int = 0
    cached: int = 0
    written: int = 0
    written_1h: int = 0
    output: int = 0

    @property
    def prompt(self) -> int:
        return self.fresh + self.cached + self.written + self.written_1h


@dataclass(slots=True)
class Heard:
    """`told` is the count of the prompt that came before the end, `counts` is the count of the whole call, `ended`
    means that the answer gave a reason for its end. `text` has the bytes of the answer's text, `pieces` is the
    number of its pieces. `content`: the answer's content has begun, not only its frame. `failed`: the last event was
    an error of the provider; `void`: it said that nothing was produced."""

    told: Counts | None = None
    counts: Counts | None = None
    ended: bool = False
    content: bool = False
    text: int = 0
    pieces: int = 0
    events: int = 0
    failed: bool = False
    void: bool = False

    def say(self, text: str) -> None:
        if text:
            self.text += len(text.encode())
            self.pieces += 1
            self.content = True
            self.counts = None  # an earlier count is not a count of the whole call

    @property
    def came(self) -> int:
        """The most tokens that the output that came may have."""
        return max(self.told.output if self.told else 0, self.pieces, self.text)


def heard(speaks: str, parts: Sequence[bytes]) -> Heard:
    """The result of this many events of an endpoint."""
    found = Heard()
    for part in parts:
        for kind, event in _events(part):
            found.events += 1
            _READERS[speaks](found, kind, event)
    return found


def counts_of(speaks: str, usage: Mapping[str, Any] | None) -> Counts | None:
    """The counts of a whole answer."""
    return None if not usage else _COUNTS[speaks](usage)


def _chat(found: Heard, kind: str, event: Mapping[str, Any]) -> None:
    if "error" in event:
        found.failed = True
    for choice in event.get("choices", ()):
        delta = choice["delta"]
        found.say(delta.get("content") or "")
        for call in delta.get("tool_calls", ()):
            found.say(call["function"].get("name", "") + call["function"].get("arguments", ""))
            found.content = True
        found.ended = found.ended or bool(choice["finish_reason"])
        found.content = found.content or found.ended
    if event.get("usage"):
        found.counts = _of_chat(event["usage"])


_SAYS = (
    "response.output_text.delta",
    "response.reasoning_summary_text.delta",
    "response.function_call_arguments.delta",
)


def _responses(found: Heard, kind: str, event: Mapping[str, Any]) -> None:
    if kind == "response.failed":
        found.failed, found.void = True, not found.content
        return
    if kind in _SAYS:
        found.say(event["delta"])
    opens = kind == "response.content_part.added" or event.get("item", {}).get("status") == "in_progress"
    if kind == "response.output_item.added" and event["item"]["type"] == "function_call":
        found.say(event["item"]["name"])
    opens = opens or event.get("item", {}).get("type") == "reasoning" or kind.endswith("summary_part.added")
    found.content = found.content or not (opens or kind in ("response.created", "response.in_progress"))
    if kind in ("response.completed", "response.incomplete"):
        found.ended, found.counts = True, counts_of("responses", event["response"].get("usage"))


def _messages(found: Heard, kind: str, event: Mapping[str, Any]) -> None:
    if kind == "error" or kind.endswith("Exception"):
        found.failed = True
    elif kind == "message_start":
        told = _of_messages(event["message"]["usage"])
        found.told = told if told.prompt else None
    elif kind == "content_block_start" and event["content_block"]["type"] == "tool_use":
        found.say(event["content_block"]["name"])
    elif kind == "content_block_delta":
        found.say("".join(event["delta"].get(name, "") for name in ("text", "thinking", "partial_json")))
        found.content = True
    elif kind == "message_delta":
        found.ended = found.content = True
        found.counts = (found.told or Counts())._replace(output=event["usage"]["output_tokens"])


def _converse(found: Heard, kind: str, event: Mapping[str, Any]) -> None:
    if kind.endswith("Exception"):
        found.failed = True
    elif kind == "contentBlockStart":
        found.say(event["start"]["toolUse"]["name"])
    elif kind == "contentBlockDelta":
        delta = event["delta"]
        found.say(delta.get("text", "") + delta.get("toolUse", {}).get("input", ""))
        found.say(delta.get("reasoningContent", {}).get("text", ""))
        found.content = True
    elif kind == "messageStop":
        found.ended = found.content = True
    elif kind == "metadata":
        found.counts = _of_converse(event["usage"])


def _of_chat(usage: Mapping[str, Any]) -> Counts:
    cached = usage["prompt_tokens_details"]["cached_tokens"]
    return Counts(usage["prompt_tokens"] - cached, cached, output=usage["completion_tokens"])


def _of_responses(usage: Mapping[str, Any]) -> Counts:
    details = usage["input_tokens_details"]
    cached, written = details["cached_tokens"], details["cache_write_tokens"]
    return Counts(usage["input_tokens"] - cached - written, cached, written, output=usage["output_tokens"])


def _of_messages(usage: Mapping[str, Any]) -> Counts:
    kept = usage.get("cache_creation") or {}
    short, long = (kept.get(f"ephemeral_{ttl}_input_tokens", 0) for ttl in ("5m", "1h"))
    return Counts(
        usage["input_tokens"], usage.get("cache_read_input_tokens", 0), short, long, usage.get("output_tokens", 0)
    )


def _of_converse(usage: Mapping[str, Any]) -> Counts:
    return Counts(
        usage["inputTokens"],
        usage.get("cacheReadInputTokens", 0),
        usage.get("cacheWriteInputTokens", 0),
        output=usage["outputTokens"],
    )


def _of_embeddings(usage: Mapping[str, Any]) -> Counts:
    return Counts(usage["prompt_tokens"])


_READERS = {"chat": _chat, "responses": _responses, "messages": _messages, "converse": _converse}
_COUNTS = {
    "chat": _of_chat,
    "responses": _of_responses,
    "messages": _of_messages,
    "converse": _of_converse,
    "embeddings": _of_embeddings,
}


def _events(part: bytes) -> list[tuple[str, dict[str, Any]]]:
    """The events in one piece of a stream: by lines for server-sent events, otherwise by AWS's frames."""
    if part.startswith((b"data:", b"event:")):
        data = [line[5:].strip() for line in part.split(b"\n") if line.startswith(b"data:")]
        events = [json.loads(each) for each in data if each != b"[DONE]"]
        return [(event.get("type", ""), event) for event in events]
    total, size = struct.unpack(">II", part[:8])
    kind, payload = _named(part[12 : 12 + size]), json.loads(part[12 + size : total - 4])
    if kind == "chunk":
        payload = json.loads(base64.b64decode(payload["bytes"]))
        kind = payload["type"]
    return [(kind, payload)]


def _named(headers: bytes) -> str:
    """The type of an event or exception. Each header is a name, a type and a text, and each text has its length."""
    at, found = 0, {}
    while at < len(headers):
        name = headers[at + 1 : at + 1 + headers[at]]
        at += 2 + headers[at]
        (size,) = struct.unpack(">H", headers[at : at + 2])
        found[name] = headers[at + 2 : at + 2 + size]
        at += 2 + size
    return (found.get(b":exception-type") or found[b":event-type"]).decode()
