"""Messages there and back: requests, whole answers and streams, split at any byte, and through the other dialects.
Anthropic's and OpenAI's own types judge everything that is written."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from gateway.dialects.chat.stream import chunks, completion, read_choice
from gateway.dialects.converse.answer import read_answer as read_converse
from gateway.dialects.messages.answer import read_answer, write_answer
from gateway.dialects.messages.reading import read_request
from gateway.dialects.messages.request import write_request
from gateway.dialects.messages.stream import Writer
from gateway.dialects.neutral import (
    ArgumentsDelta,
    BlockStop,
    CitationDelta,
    Delta,
    Document,
    Failed,
    Finish,
    Link,
    Output,
    Reasoning,
    Request,
    Start,
    Text,
    TextDelta,
    Told,
    Turn,
    Used,
)
from gateway.dialects.sse import Parser, written
from gateway.dialects.unsupported import Unusable
from gateway.models.usage import Usage
from tests.unit.dialects.converse_written import write_answer as write_converse
from tests.unit.dialects.converse_written import write_events as write_converse_events
from tests.unit.dialects.in_one_go import read_chunks, read_converse_events
from tests.unit.dialects.in_one_go import read_messages_events as read_events
from tests.unit.dialects.in_one_go import write_messages_events as write_events
from tests.unit.dialects.test_there_and_back import FRAME, _joined, _over_the_wire, requests, streams
from tests.upstream import chat_judge, messages_judge

MESSAGE = {"id": "msg_1", "model": "m"}
TEXT = Text("a")
CITATION = {
    "type": "char_location",
    "cited_text": "w",
    "document_index": 0,
    "document_title": None,
    "start_char_index": 0,
    "end_char_index": 1,
}


def _sayable(request: Request) -> Request:
    """The part that Messages can say too: reasoning is signed, a schema has no name, there is no tier. Thinking is
    combined with neither sampling nor a forced tool nor a small cap."""
    turns = []
    for turn in request.turns:
        signed = [Reasoning(block.text, "c2ln") if isinstance(block, Reasoning) else block for block in turn.blocks]
        turns.append(Turn(turn.speaker, tuple(signed)))
    output = Output("schema", request.output.schema) if request.output is not None else None
    thinking, cap = request.thinking, (request.cap or 1) + 2_000
    choice = None if thinking else request.choice
    warm, top_p = (None, None) if thinking else (request.temperature, request.top_p)
    top_p = None if warm is not None else top_p
    return Request(
        tuple(turns), request.tools, choice, request.parallel, output, cap, warm, top_p,
        None if thinking else request.top_k, request.stop, request.effort, {"type": "adaptive"} if thinking else None,
    )  # fmt: skip


@settings(deadline=None)
@given(requests())
def test_a_request_through_messages(request: Request) -> None:
    wanted = _sayable(request)
    sent = write_request(wanted, [])
    body = _over_the_wire(sent.body)
    assert messages_judge.faults({**body, "model": "m"}) == []
    assert sent.dropped == []
    found, dropped = read_request(body, cap=wanted.cap)
    assert dropped == []
    if wanted.parallel is False and wanted.choice is None:  # Messages says this together with a choice
        assert found.choice is not None
        assert found.choice.kind == "auto"
        found = replace(found, choice=None)
    assert found == _joined(wanted)


def test_what_the_neutral_form_holds_for_messages_alone() -> None:
    rest = {"context": "of it", "citations": {"enabled": True}}
    blocks = (
        Document("txt", "t", "d29yZHM=", rest=rest),
        Document("", "p", "", parts=(TEXT,)),
        Link("image", "https://example.com/a.png"),
        Link("document", "https://example.com/a.pdf", "t", rest),
        TEXT,
    )
    request = Request((Turn("user", blocks),), cap=9)
    body = _over_the_wire(write_request(request, []).body)
    assert messages_judge.faults({**body, "model": "m"}) == []
    assert read_request(body, cap=9) == (request, [])


def _cited(deltas: list[Delta]) -> list[Delta]:
    """With a citation after each text."""
    found: list[Delta] = []
    for delta in deltas:
        if isinstance(delta, BlockStop) and isinstance(found[-1], TextDelta):
            found.append(CitationDelta(delta.block, CITATION))
        found.append(delta)
    return found


@st.composite
def answers(draw: st.DrawFn) -> list[Delta]:
    """Streams in Messages' terms: the reason is one of Messages', and the tier is a known one or missing."""
    *deltas, _finish, used = draw(streams())
    assert isinstance(used, Used)
    called = any(isinstance(delta, ArgumentsDelta) for delta in deltas)
    ends = [
        Finish("length"),
        Finish("content_filter"),
        Finish("length", "pause_turn"),
        Finish("length", "model_context_window_exceeded"),
    ]
    ends += [Finish("tool_calls")] if called else [Finish("stop"), Finish("stop", "stop_sequence", "END")]
    known = [delta for delta in deltas if type(delta).__name__ != "Rest"]
    usage = Used(used.usage, draw(st.sampled_from(["", "priority"])))
    told = Told(Usage(used.usage.input_tokens, used.usage.cached_tokens))
    return [known[0], told, *_cited(known[1:]), draw(st.sampled_from(ends)), usage]


def typed_events(pieces: Iterable[bytes]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The events that came over the wire: type and payload."""
    parser = Parser()
    for piece in pieces:
        for name, data in parser.feed(piece):
            event = json.loads(data)
            assert event["type"] == name
            yield name, event


@settings(deadline=None)
@given(answers(), st.data())
def test_a_stream_through_messages(deltas: list[Delta], data: st.DataObject) -> None:
    sent = [(kind, _over_the_wire(event)) for kind, event in write_events(deltas, MESSAGE)]
    assert messages_judge.stream_faults(sent) == []
    wire = b"".join(written(kind, event) for kind, event in sent)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(wire)), max_size=9)))
    pieces = [wire[start:end] for start, end in zip([0, *cuts], [*cuts, len(wire)], strict=True)]
    found = list(read_events(typed_events(pieces), {}))
    assert [each for each in found if not isinstance(each, Told)] == [
        each for each in deltas if not isinstance(each, Told)
    ]


@settings(deadline=None)
@given(answers())
def test_a_whole_answer_is_its_stream(deltas: list[Delta]) -> None:
    whole = _over_the_wire(write_answer(deltas, MESSAGE))
    assert messages_judge.answer_faults(whole) == []
    found = read_answer(whole, {})
    assert found is not None
    again = _over_the_wire(write_answer(found, MESSAGE))
    assert again == whole
    streamed = read_events(write_events(deltas, MESSAGE), {})
    assert _over_the_wire(write_answer(streamed, MESSAGE)) == whole


def test_a_stream_at_every_byte() -> None:
    deltas: list[Delta] = [Start(), TextDelta(0, "é漢🌍"), BlockStop(0), Finish("stop"), Used(Usage(1, 0, 0, 0, 2))]
    wire = b": hello\r\n\r\n" + b"".join(written(*event) for event in write_events(deltas, MESSAGE))
    for newline in (b"\n", b"\r\n", b"\r"):
        sent = wire.replace(b"\r\n", b"\n").replace(b"\n", newline)
        whole = list(read_events(typed_events([sent]), {}))
        assert [each for each in whole if not isinstance(each, Told)] == deltas
        for at in range(len(sent)):
            assert list(read_events(typed_events([sent[:at], sent[at:]]), {})) == whole
        assert list(read_events(typed_events([sent[at : at + 1] for at in range(len(sent))]), {})) == whole


def test_what_is_unknown_survives() -> None:
    usage = {"input_tokens": 1, "output_tokens": 2, "server_tool_use": {"web_search_requests": 3}}
    block = {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}
    events: list[tuple[str, dict[str, Any]]] = [
        ("message_start", {"message": {"usage": {"input_tokens": 1, "output_tokens": 0}}}),
        ("ping", {}),
        ("something_new", {"index": 0}),
        ("content_block_start", {"index": 0, "content_block": block}),
        ("content_block_delta", {"index": 0, "delta": {"type": "input_json_delta", "partial_json": "{}"}}),
        ("content_block_stop", {"index": 0}),
        ("content_block_start", {"index": 1, "content_block": {"type": "text", "text": ""}}),
        ("content_block_delta", {"index": 1, "delta": {"type": "newer_delta", "x": 1}}),
        ("content_block_delta", {"index": 1, "delta": {"type": "text_delta", "text": "a"}}),
        ("content_block_stop", {"index": 1}),
        ("message_delta", {"delta": {"stop_reason": "end_turn"}, "usage": usage}),
        ("message_stop", {}),
    ]
    found = list(read_events(events, {}))
    whole = completion(found, FRAME)
    assert whole["choices"][0]["message"]["content"] == "a"
    assert whole["choices"][0]["message"]["other_content"] == [block]
    assert whole["choices"][0]["message"]["server_tool_use"] == {"web_search_requests": 3}
    assert write_answer(found, MESSAGE)["other"]["server_tool_use"] == {"web_search_requests": 3}


@pytest.mark.parametrize("reason", ["compaction", "something_new", ""])
def test_an_unknown_end_is_no_stop(reason: str) -> None:
    answer = {"content": [], "stop_reason": reason, "usage": {}}
    with pytest.raises(Unusable, match="unknown_stop_reason"):
        read_answer(answer, {})
    assert list(read_events([("message_delta", {"delta": {"stop_reason": reason}})], {})) == [
        Failed("unknown_stop_reason")
    ]
    with pytest.raises(Unusable, match="unknown_stop_reason"):
        write_answer([Start(), Finish("eos")], MESSAGE)


@pytest.mark.parametrize(
    ("rest", "why"),
    [
        ([], "incomplete"),
        ([Failed("overloaded_error", "busy"), TextDelta(0, "b"), Finish("stop")], "overloaded_error"),
        ([Finish("eos")], "unknown_stop_reason"),
    ],
)
def test_a_stream_that_breaks_off_has_no_end_and_says_why(rest: list[Delta], why: str) -> None:
    writer = Writer(MESSAGE)
    sent = [event for delta in [Start(), TextDelta(0, "a"), *rest] for event in writer.write(delta)]
    sent += writer.end()
    assert writer.failed == why
    kinds = [kind for kind, _ in sent if kind != "ping"]
    assert kinds[:3] == ["message_start", "content_block_start", "content_block_delta"]
    assert set(kinds[3:]) <= {"content_block_stop"}


@settings(deadline=None)
@given(streams())
def test_an_answer_of_chat_for_a_client_of_messages(deltas: list[Delta]) -> None:
    whole = completion(deltas, FRAME)
    assert chat_judge.answer_faults(whole) == []
    found = write_answer([*read_choice(whole["choices"][0], foreign=True), deltas[-1]], MESSAGE)
    assert messages_judge.answer_faults(found) == []
    message = whole["choices"][0]["message"]
    assert "".join(block["text"] for block in found["content"] if block["type"] == "text") == (message["content"] or "")
    uses = [block["id"] for block in found["content"] if block["type"] == "tool_use"]
    assert uses == [call["id"] for call in message.get("tool_calls", [])]


@settings(deadline=None)
@given(streams())
def test_a_stream_of_chat_for_a_client_of_messages(deltas: list[Delta]) -> None:
    given_chunks = [_over_the_wire(chunk) for chunk in chunks(deltas, FRAME)]
    assert [fault for chunk in given_chunks for fault in chat_judge.answer_faults(chunk, "ChatCompletionChunk")] == []
    sent = list(write_events([*read_chunks(given_chunks), deltas[-1]], MESSAGE))
    assert messages_judge.stream_faults(sent) == []
    assert sent[-1][0] == "message_stop"


@settings(deadline=None)
@given(streams())
def test_an_answer_of_converse_for_a_client_of_messages(given_deltas: list[Delta]) -> None:
    deltas = [delta for delta in given_deltas if type(delta).__name__ != "Rest"]
    whole = read_converse(_over_the_wire(write_converse(deltas)), {})
    assert whole is not None
    found = write_answer(whole, MESSAGE)
    assert messages_judge.answer_faults(found) == []
    events = list(write_events(read_converse_events(write_converse_events(deltas), {}), MESSAGE))
    assert messages_judge.stream_faults(events) == []
    assert write_answer(read_events(events, {}), MESSAGE)["content"] == found["content"]


@settings(deadline=None)
@given(answers())
def test_an_answer_of_messages_for_a_client_of_chat(deltas: list[Delta]) -> None:
    found = read_answer(_over_the_wire(write_answer(deltas, MESSAGE)), {})
    assert found is not None
    whole = _over_the_wire(completion(found, FRAME))
    assert chat_judge.answer_faults(whole) == []
    assert (
        whole["usage"]["prompt_tokens"] == next(each.usage for each in deltas if isinstance(each, Used)).prompt_tokens
    )
    sent = [_over_the_wire(chunk) for chunk in chunks(read_events(write_events(deltas, MESSAGE), {}), FRAME)]
    assert [fault for chunk in sent for fault in chat_judge.answer_faults(chunk, "ChatCompletionChunk")] == []
    text = "".join(each["choices"][0]["delta"].get("content") or "" for each in sent)
    assert text == (whole["choices"][0]["message"]["content"] or "")
