"""Whether OpenAI would accept a body of Responses, and whether an answer is valid: checked with the types of its
package and its own accumulator of streams, then with rules that no type has. Every body that the fake gets is
checked."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, get_type_hints

from pydantic import TypeAdapter, ValidationError

from tests.upstream.typed import shape_faults

_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_OUTPUTS = ("function_call_output", "custom_tool_call_output")
_CALLS = {"function_call": "function_call_output", "custom_tool_call": "custom_tool_call_output"}
_ENDS = ("response.completed", "response.incomplete", "response.failed")
# Codes that the API returns in addition to those that the package types.
CODES = ("context_length_exceeded", "insufficient_quota")


@functools.cache
def _params(name: str) -> TypeAdapter[Any]:
    # Imported here, because a fake that is only used for another dialect starts faster without it.
    from openai.types.responses import response_create_params

    return TypeAdapter(getattr(response_create_params, name))


@functools.cache
def _answers(name: str) -> TypeAdapter[Any]:
    import openai.types.responses as types

    return TypeAdapter(getattr(types, name))


def warm() -> None:
    """Loads the types now, because that takes seconds, for which a test with a deadline has no time."""
    for name in ("ResponseCreateParamsStreaming", "ResponseCreateParamsNonStreaming"):
        _params(name)


def faults(body: Mapping[str, Any]) -> list[str]:
    """The faults of a body, as texts that begin with a path; empty if OpenAI would accept it."""
    params = "ResponseCreateParamsStreaming" if body.get("stream") else "ResponseCreateParamsNonStreaming"
    return shape_faults(_params(params), _with_usual(body)) or list(_broken(body))


def _with_usual(body: Mapping[str, Any]) -> dict[str, Any]:
    """Adds fields that the package requires and the API does not: LangChain omits them even for OpenAI itself."""
    tools = body.get("tools")
    if isinstance(tools, list):
        tools = [{"strict": None, "parameters": None, **each} if _is(each, "function") else each for each in tools]
    given = body.get("input")
    if isinstance(given, list):
        given = [_answer(each) for each in given]
    return {**body, **({"tools": tools} if tools else {}), "input": given}


def _answer(item: Any) -> Any:
    content = item.get("content") if _is(item, "message") and item.get("role") == "assistant" else None
    if not isinstance(content, list):
        return item
    parts = [{"annotations": [], **part} if _is(part, "output_text") else part for part in content]
    return {"id": "msg_0", "status": "completed", **item, "content": parts}


def _is(value: Any, kind: str) -> bool:
    return isinstance(value, Mapping) and value.get("type") == kind


def _broken(body: Mapping[str, Any]) -> Iterator[str]:
    given = body["input"]
    items: Sequence[Any] = given if isinstance(given, list) else []
    calls = {item["call_id"]: _CALLS[item["type"]] for item in items if item.get("type") in _CALLS}
    answered = {item["call_id"]: item["type"] for item in items if item.get("type") in _OUTPUTS}
    for id, kind in calls.items():
        if answered.get(id) != kind:
            yield f"input: No tool output found for function call {id}."
    for id in answered.keys() - calls.keys():
        yield f"input: No tool call found for function call output with call_id {id}."
    for at, item in enumerate(items):
        if item.get("type") == "reasoning":
            sealed = item.get("encrypted_content")
            if not sealed and body.get("store") is False:
                yield f"input.{at}: Item with id '{item.get('id')}' not found."
            elif sealed and not str(sealed).startswith("gAAAA"):
                yield f"input.{at}.encrypted_content: could not be verified"
        for name in ("id", "name"):
            if item.get(name) is not None and not _ID.fullmatch(str(item[name])):
                yield f"input.{at}.{name}: does not match the pattern"
    names = [tool["name"] for tool in body.get("tools", ()) if tool["type"] in ("function", "custom")]
    if len(set(names)) != len(names) or not all(map(_NAME.fullmatch, names)):
        yield f"tools: {names}"
    chosen = body.get("tool_choice")
    if isinstance(chosen, Mapping) and chosen["type"] == "function" and chosen["name"] not in names:
        yield "tool_choice: is no tool"
    if not items and not given:
        yield "input: is empty"


def answer_faults(answer: Mapping[str, Any]) -> list[str]:
    """The faults of a whole response."""
    found = _model_faults("Response", answer)
    found += [] if answer.get("store") in (None, False) else ["store: something is stored"]
    for at, item in enumerate(answer.get("output", ())):
        if item.get("status") == "in_progress":
            found.append(f"output.{at}.status: is never done")
    return found


def event_faults(kind: str, event: Mapping[str, Any]) -> list[str]:
    """The faults of an event of a stream."""
    if event.get("type") != kind:
        return [f"{kind}: its data are of type {event.get('type')}"]
    if kind == "keepalive":
        return []
    if kind == "response.failed" and event["response"]["error"]["code"] in CODES:
        error = {**event["response"]["error"], "code": "server_error"}
        event = {**event, "response": {**event["response"], "error": error}}
    return [f"{kind}: {fault}" for fault in _model_faults("ResponseStreamEvent", event)]


def stream_faults(events: Sequence[tuple[str, Mapping[str, Any]]]) -> list[str]:
    """The faults of a stream: of its events, their order and numbers, of items that are not whole when they are done,
    and of the result of the package's own accumulator."""
    found = [fault for kind, event in events for fault in event_faults(kind, event)]
    told = [(kind, event) for kind, event in events if kind != "keepalive"]
    kinds = [kind for kind, _ in told]
    numbers = [event["sequence_number"] for _, event in told]
    if numbers != list(range(len(numbers))):
        found.append(f"sequence_number: {numbers}")
    if kinds[:1] != ["response.created"] or kinds[-1:][0] not in _ENDS or sum(kind in _ENDS for kind in kinds) != 1:
        found.append(f"begin and end: {kinds[:1]} {kinds[-1:]}")
    return found or [*_items(told), *_accumulated(told)]


def _items(events: Sequence[tuple[str, Mapping[str, Any]]]) -> Iterator[str]:
    done: dict[int, Any] = {}
    said: dict[int, str] = {}
    for kind, event in events:
        place = event.get("output_index")
        if kind == "response.output_item.added" and place != len(done) + len(said.keys() - done.keys()):
            yield f"output_item.added: {place}"
        if place is not None:
            said.setdefault(place, "")
            if place in done:
                yield f"{kind}: of {place}, which is done"
        if kind.endswith(".delta") and place is not None:
            said[place] += event["delta"]
        if kind == "response.output_item.done" and place is not None:
            done[place] = event["item"]
            if _text(event["item"]) != said[place]:
                yield f"output_item.done: {place} says {_text(event['item'])!r}, and its pieces {said[place]!r}"
    kind, last = events[-1]
    if kind != "response.failed" and [done[place] for place in sorted(said)] != last["response"]["output"]:
        yield f"{kind}: its output is not what was done"


def _text(item: Mapping[str, Any]) -> str:
    parts = [*(item.get("content") or ()), *(item.get("summary") or ())]
    text = "".join(part.get("text", part.get("refusal", "")) for part in parts)
    return text + str(item.get("input", "")) + (item["arguments"] if isinstance(item.get("arguments"), str) else "")


def _accumulated(events: Sequence[tuple[str, Mapping[str, Any]]]) -> Iterator[str]:
    """The package's own reader must accept the stream, and its result must agree with the last event."""
    from openai import omit
    from openai._models import construct_type
    from openai.lib.streaming.responses._responses import ResponseStreamState
    from openai.types.responses import ResponseStreamEvent

    state: ResponseStreamState[Any] = ResponseStreamState(input_tools=omit, text_format=omit)
    last: Any = None
    for _, event in events:
        for made in state.handle_event(construct_type(type_=ResponseStreamEvent, value=dict(event))):  # type: ignore[arg-type]
            last = made
    if last is None or last.response.status != events[-1][1]["response"]["status"]:
        yield f"accumulated: {last}"


def _model_faults(name: str, value: Any) -> list[str]:
    try:
        _answers(name).validate_python(value)
    except ValidationError as error:
        return [f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors()][:5]
    return []


def documented_fields() -> frozenset[str]:
    """The names of all fields of a request."""
    from openai.types.responses import response_create_params as params

    names: set[str] = set()
    for each in (params.ResponseCreateParamsNonStreaming, params.ResponseCreateParamsStreaming):
        names |= get_type_hints(each).keys()
    return frozenset(names)
