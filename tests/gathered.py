"""A stream's events put together by the vendors' own packages, as the whole answer that their clients return."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any


def gathered(dialect: str, events: Iterable[tuple[str, Mapping[str, Any]]]) -> dict[str, Any]:
    """The answer in these events, each a type and a payload. Raises the errors that the client of that dialect
    raises."""
    return completion(event for _, event in events) if dialect == "chat" else message(event for _, event in events)


def completion(chunks: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    from openai.lib.streaming.chat import ChatCompletionStreamState
    from openai.types.chat import ChatCompletionChunk

    state: ChatCompletionStreamState[Any] = ChatCompletionStreamState()
    for chunk in chunks:
        state.handle_chunk(ChatCompletionChunk.model_validate(chunk))
    return state.current_completion_snapshot.model_dump(exclude_unset=True)


def message(events: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    from anthropic.lib.streaming._messages import accumulate_event

    whole, inputs = None, dict[int, bytes]()
    for event in events:
        if event.get("type") != "ping":
            whole = accumulate_event(event=event, current_snapshot=whole, json_bufs=inputs)  # type: ignore[arg-type]
    assert whole is not None
    return whole.model_dump(exclude_unset=True)
