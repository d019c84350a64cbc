"""Whether a strict host would accept a chat body, and whether an answer is valid: checked with the types of OpenAI's
package, then with the rules that no type has. It is written independently of the gateway's translation, and is
simpler, because it only checks."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import TypeAdapter, ValidationError

from tests.upstream.typed import shape_faults

_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_LONGEST_ID = 40


@functools.cache
def _params() -> TypeAdapter[Any]:
    from openai.types.chat.completion_create_params import CompletionCreateParamsNonStreaming

    return TypeAdapter(CompletionCreateParamsNonStreaming)


@functools.cache
def _answers(name: str) -> TypeAdapter[Any]:
    import openai.types.chat

    return TypeAdapter(getattr(openai.types.chat, name))


def faults(body: Mapping[str, Any]) -> list[str]:
    """The faults of a body, as texts that begin with a path; empty if a strict host would accept it."""
    return shape_faults(_params(), dict(body)) or list(_broken(body))


def answer_faults(answer: Mapping[str, Any], kind: str = "ChatCompletion") -> list[str]:
    """The faults of a completion, or of a `ChatCompletionChunk`."""
    try:
        _answers(kind).validate_python(answer)
    except ValidationError as error:
        return [f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors()]
    return []


def _broken(body: Mapping[str, Any]) -> Iterator[str]:
    messages: Sequence[Any] = body["messages"]
    open_calls: list[str] = []
    for number, message in enumerate(messages):
        where = f"messages.{number}"
        if message["role"] == "system" and number:
            yield f"{where}: the system speaks first, once"
        if message["role"] == "tool":
            if message["tool_call_id"] not in open_calls:
                yield f"{where}: must be a response to a preceding message with tool_calls"
            else:
                open_calls.remove(message["tool_call_id"])
        elif open_calls:
            yield f"{where}: tool_calls must be followed by tool messages: {open_calls} have none"
        elif number and message["role"] == messages[number - 1]["role"]:
            yield f"{where}: roles must alternate"
        open_calls += [call["id"] for call in message.get("tool_calls", ())]
        if not message["content"] and "tool_calls" not in message:
            yield f"{where}.content: is empty"
        for call in message.get("tool_calls", ()):
            if len(call["id"]) > _LONGEST_ID or not _NAME.fullmatch(call["function"]["name"]):
                yield f"{where}.tool_calls: {call['id']} {call['function']['name']}"
    if open_calls:
        yield f"messages: {open_calls} have no answer"
    names = [tool["function"]["name"] for tool in body.get("tools", ())]
    if len(set(names)) != len(names) or not all(map(_NAME.fullmatch, names)):
        yield f"tools: {names}"
    if ("tool_choice" in body or "parallel_tool_calls" in body) and not names:
        yield "tool_choice: is only allowed when tools are specified"
    chosen = body.get("tool_choice")
    if isinstance(chosen, Mapping) and chosen["function"]["name"] not in names:
        yield "tool_choice: is no tool"
