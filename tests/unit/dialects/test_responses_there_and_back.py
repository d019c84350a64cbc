"""Responses there and back: requests, whole answers and streams, split at any byte, and through the other dialects.
OpenAI's own types and its reader of streams judge everything that is written."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from gateway.dialects.chat.stream import chunks, completion, read_choice
from gateway.dialects.neutral import (
    ArgumentsDelta,
    BlockStop,
    Choice,
    Delta,
    Failed,
    Finish,
    Mark,
    Output,
    Reasoning,
    ReasoningDelta,
    Request,
    Rest,
    Start,
    TextDelta,
    ToolStart,
    Turn,
    Used,
)
from gateway.dialects.responses.made.inputs import InputText
from gateway.dialects.responses.made.reader import Reader, read_answer
from gateway.dialects.responses.made.writer import write_answer
from gateway.dialects.responses.reading import read_request
from gateway.dialects.responses.request import write_request
from gateway.dialects.responses.spoken import SPOKEN
from gateway.dialects.responses.tools import Called, called_of
from gateway.dialects.sse import Parser, written
from gateway.dialects.unsupported import Unusable
from tests.unit.dialects.converse_written import write_events as write_converse_events
from tests.unit.dialects.in_one_go import read_chunks, read_converse_events, read_messages_events, write_messages_events
from tests.unit.dialects.in_one_go import write_responses_events as write_events
from tests.unit.dialects.test_messages_there_and_back import MESSAGE, answers
from tests.unit.dialects.test_there_and_back import FRAME, _joined, _over_the_wire, requests, streams
from tests.upstream import responses_judge

RESPONSE = {"id": "resp_1", "created_at": 1, "model": "m"}
ASKED = SPOKEN.parse({"model": "m", "input": "hi"})
Events = list[tuple[str, dict[str, Any]]]


def _sayable(request: Request) -> Request:
    """The part that Responses can say too: no marks, no stop sequence, no `top_k`. A schema has a name and says whether
    it is strict, and reasoning is signed."""
    turns = []
    for turn in request.turns:
        blocks = [each for each in turn.blocks if not isinstance(each, Mark)]
        signed = [Reasoning(each.text, "c2ln") if isinstance(each, Reasoning) else each for each in blocks]
        turns.append(Turn(turn.speaker, tuple(signed)))
    output = request.output
    if output is not None:
        output = Output("schema", output.schema, output.name or "n", output.description, True)
    tools = tuple(tool for tool in request.tools if not isinstance(tool, Mark))
    choice = request.choice if request.choice is not None else Choice("auto")
    return replace(
        request,
        turns=tuple(turns),
        tools=tools,
        choice=choice,
        output=output,
        top_k=None,
        stop=(),
        thinking=None,
    )


@settings(deadline=None)
@given(requests())
def test_a_request_through_responses(request: Request) -> None:
    wanted = _sayable(request)
    sent = write_request(wanted, [], thoughts=True)
    body = _over_the_wire(sent.body)
    assert sent.dropped == []
    plain = _over_the_wire(write_request(wanted, []).body)
    assert responses_judge.faults({**plain, "model": "m", "store": False}) == []
    found, dropped = read_request({**body, "model": "m"}, cap=wanted.cap or 0)
    assert dropped == []
    assert _joined(found) == _joined(wanted)


def delivered(events: Iterable[tuple[str, dict[str, Any]]]) -> Events:
    """In the form in which a client gets them."""
    delivery = SPOKEN.delivery(ASKED)
    wire = b"".join(delivery.chunk(kind, event, "") for kind, event in events) + delivery.end(None, {"cost": 0.5})
    return [(kind, json.loads(data)) for kind, data in Parser().feed(wire)]


def read_events(events: Iterable[tuple[str, dict[str, Any]]]) -> Iterator[Delta]:
    reader = Reader({})
    for kind, event in events:
        yield from reader.hear(kind, event)


def typed_events(pieces: Iterable[bytes]) -> Iterator[tuple[str, dict[str, Any]]]:
    parser = Parser()
    for piece in pieces:
        for name, data in parser.feed(piece):
            event = json.loads(data)
            assert event["type"] == name
            yield name, event


@st.composite
def said(draw: st.DrawFn) -> list[Delta]:
    """Streams in the terms of Responses: the end is one of theirs, and nothing is kept for an hour."""
    *deltas, _finish, used = draw(streams())
    assert isinstance(used, Used)
    called = any(isinstance(delta, ArgumentsDelta) for delta in deltas)
    ends = [Finish("length"), Finish("content_filter"), Finish("tool_calls" if called else "stop")]
    usage = replace(used.usage, cache_write_tokens=used.usage.cache_write_tokens + used.usage.cache_write_1h_tokens)
    usage = replace(usage, cache_write_1h_tokens=0)
    found = [
        replace(each, id=f"call_{each.block}") if isinstance(each, ToolStart) else each
        for each in deltas
        if not isinstance(each, Rest)
    ]
    return [*found, draw(st.sampled_from(ends)), Used(usage, used.tier)]


@settings(deadline=None)
@given(said(), st.data())
def test_a_stream_through_responses(deltas: list[Delta], data: st.DataObject) -> None:
    sent = [(kind, _over_the_wire(event)) for kind, event in write_events(deltas, RESPONSE)]
    assert responses_judge.stream_faults(delivered(sent)) == []
    wire = b"".join(written(kind, event) for kind, event in sent)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(wire)), max_size=9)))
    pieces = [wire[start:end] for start, end in zip([0, *cuts], [*cuts, len(wire)], strict=True)]
    found = list(read_events(typed_events(pieces)))
    assert write_answer(found, RESPONSE) == write_answer(deltas, RESPONSE)
    assert found[-2:] == deltas[-2:]
    for kind in (TextDelta, ReasoningDelta, ToolStart, ArgumentsDelta):
        texts = [[each for each in of if isinstance(each, kind)] for of in (found, deltas)]
        assert texts[0] == texts[1]


@settings(deadline=None)
@given(said())
def test_a_whole_answer_is_its_stream(deltas: list[Delta]) -> None:
    whole = _over_the_wire(write_answer(deltas, RESPONSE))
    assert responses_judge.answer_faults(SPOKEN.billed(ASKED, whole, None, {"cost": 0.5})) == []
    found = read_answer(whole, {})
    assert found is not None
    assert _over_the_wire(write_answer(found, RESPONSE)) == whole
    assert _over_the_wire(write_answer(read_events(write_events(deltas, RESPONSE)), RESPONSE)) == whole


@settings(deadline=None)
@given(streams())
def test_a_stream_of_chat_for_a_client_of_responses(deltas: list[Delta]) -> None:
    sent = [_over_the_wire(chunk) for chunk in chunks(deltas, FRAME)]
    events = delivered(write_events([*read_chunks(sent), deltas[-1]], RESPONSE))
    assert responses_judge.stream_faults(events) == []
    whole = completion(deltas, FRAME)
    found = write_answer([*read_choice(whole["choices"][0], foreign=True), deltas[-1]], RESPONSE)
    texts = [part["text"] for item in found["output"] for part in item.get("content", ())]
    assert "".join(texts) == (whole["choices"][0]["message"]["content"] or "")


@settings(deadline=None)
@given(answers())
def test_a_stream_of_messages_for_a_client_of_responses(deltas: list[Delta]) -> None:
    events = delivered(write_events(read_messages_events(write_messages_events(deltas, MESSAGE), {}), RESPONSE))
    assert responses_judge.stream_faults(events) == []


@settings(deadline=None)
@given(streams())
def test_a_stream_of_converse_for_a_client_of_responses(deltas: list[Delta]) -> None:
    events = delivered(write_events(read_converse_events(write_converse_events(deltas), {}), RESPONSE))
    assert responses_judge.stream_faults(events) == []


@settings(deadline=None)
@given(said())
def test_a_stream_of_responses_for_clients_of_others(deltas: list[Delta]) -> None:
    found = list(read_events(write_events(deltas, RESPONSE)))
    whole, wanted = completion(found, FRAME), completion(deltas, FRAME)
    for part in ("content", "tool_calls", "reasoning_content"):
        assert whole["choices"][0]["message"].get(part) == wanted["choices"][0]["message"].get(part)


@given(st.text(max_size=40), st.data())
def test_the_text_of_a_custom_tool_at_any_cut(text: str, data: st.DataObject) -> None:
    arguments = json.dumps({"input": text}, ensure_ascii=data.draw(st.booleans()))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(arguments)), max_size=9)))
    heard, found = InputText(), ""
    for start, end in zip([0, *cuts], [*cuts, len(arguments)], strict=True):
        found += heard.hear(arguments[start:end])
    assert text.startswith(found)
    assert heard.end() == text


@pytest.mark.parametrize("arguments", ["", "{}", '{"text": "a"}', "no json", '{"input": 5}', '{"input": "a'])
def test_a_custom_tool_that_a_model_called_in_another_way(arguments: str) -> None:
    named = Called("custom", "", "t").told
    deltas: list[Delta] = [
        Start(),
        ToolStart(0, "c", named),
        ArgumentsDelta(0, arguments),
        BlockStop(0),
        Finish("tool_calls"),
    ]
    events = delivered(write_events(deltas, RESPONSE))
    assert responses_judge.stream_faults(events) == []


@pytest.mark.parametrize(
    "called",
    [
        Called("function", "", "f"),
        Called("function", "ns__", "f"),
        Called("custom", "", "f"),
        Called("custom", "n", "f"),
    ],
)
def test_a_tool_is_known_by_what_an_answer_calls_it(called: Called) -> None:
    assert called_of(called.told) == called
    deltas: list[Delta] = [
        Start(),
        ToolStart(0, "c", called.told),
        ArgumentsDelta(0, '{"input":"a"}'),
        BlockStop(0),
        Finish("tool_calls"),
    ]
    found = list(read_events(write_events(deltas, RESPONSE)))
    assert "".join(each.text for each in found if isinstance(each, ArgumentsDelta)) == '{"input":"a"}'
    assert [each for each in found if not isinstance(each, ArgumentsDelta)] == [*deltas[:2], *deltas[3:]]


def test_a_stream_that_breaks_off_is_no_answer() -> None:
    begun: list[Delta] = [Start(), TextDelta(0, "a")]
    for rest in ([], [Failed("overloaded_error", "busy")], [Finish("eos")]):
        events = list(write_events([*begun, *rest], RESPONSE))
        assert events[-1][0] == "response.failed"
        with pytest.raises(Unusable):
            write_answer([*begun, *rest], RESPONSE)
        assert isinstance(list(read_events(events))[-1], Failed)
