"""A whole chat completion as the event stream a client asked for: role, content, finish, usage, `[DONE]`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from gateway.dialects.chat.stream import chunks, read_choice
from gateway.json_text import to_text


def event_stream(body: Mapping[str, Any], *, usage: bool) -> str:
    """Server-sent events of an OpenAI chat completion, with the usage chunk only if the client asked for it."""
    return "".join(f"data: {to_text(chunk)}\n\n" for chunk in _chunks(body, usage)) + "data: [DONE]\n\n"


def _chunks(body: Mapping[str, Any], usage: bool) -> Iterator[dict[str, Any]]:
    frame = {name: value for name, value in body.items() if name not in ("choices", "usage")}
    for choice in body.get("choices", []):
        yield from chunks(read_choice(choice), frame, choice.get("index", 0))
    if usage:
        yield {**frame, "object": "chat.completion.chunk", "choices": [], "usage": body.get("usage")}
