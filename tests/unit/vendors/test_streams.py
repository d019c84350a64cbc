"""Answers while they are made: from every endpoint, in either client's dialect, and the events that end them too
early."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from msgspec.structs import replace
from openai.types.chat import ChatCompletionChunk

from gateway.dialects.pairs import Stream
from gateway.errors import UpstreamError, UpstreamThrottled, UpstreamTimeout
from gateway.models.usage import Usage
from gateway.transport import Broken
from gateway.vendors.base import Answer, Chunk, Counted, Made, ModelCall, Provider, Quiet
from gateway.vendors.streams import StreamError, frames_of
from tests.gathered import gathered
from tests.unit.vendors.asking import ask, call, failure
from tests.unit.vendors.test_endpoints import TOOLS, messages
from tests.upstream import FakeUpstream, Steer
from tests.upstream.eventstream import event, message
from tests.upstream.messages_judge import answer_faults, stream_faults

BINARY = "application/vnd.amazon.eventstream"
TOLD = {
    "openai": ("server_error", UpstreamError),
    "anthropic": ("overloaded_error", UpstreamError),
    "bedrock": ("throttlingException", UpstreamThrottled),
    "bedrock_invoke": ("modelTimeoutException", UpstreamTimeout),
    "bedrock_openai": ("server_error", UpstreamError),
}


def chat(**body: Any) -> ModelCall:
    return replace(call("hello", **body), streamed=True)


def streamed(provider: Provider, asked: ModelCall) -> tuple[list[Chunk], Answer]:
    events = provider.send(provider.prepare(asked))
    *chunks, answer = (each for each in events if not isinstance(each, Counted | Made | Quiet))
    assert isinstance(answer, Answer)
    found = [chunk for chunk in chunks if isinstance(chunk, Chunk)]
    assert len(found) == len(chunks)
    return found, answer


def said(chunks: list[Chunk]) -> list[tuple[str, dict[str, Any]]]:
    return [(chunk.kind, chunk.body) for chunk in chunks]


def test_chat_from_every_endpoint(fake: FakeUpstream, provider: Provider) -> None:
    chunks, answer = streamed(provider, chat())
    for chunk in chunks:
        ChatCompletionChunk.model_validate(chunk.body)
    choices = [choice for chunk in chunks for choice in chunk.body["choices"]]
    text = "".join(choice["delta"].get("content") or "" for choice in choices)
    assert text == gathered("chat", said(chunks))["choices"][0]["message"]["content"]
    assert len([choice for choice in choices if choice["delta"].get("content")]) > 2
    assert choices[-1]["finish_reason"] == "stop"
    whole = ask(provider, replace(chat(), streamed=False))
    assert (whole.body["choices"][0]["message"]["content"], whole.usage) == (text, answer.usage)
    assert answer.usage is not None


def test_messages_from_every_endpoint(fake: FakeUpstream, provider: Provider) -> None:
    fake.decide = lambda seen: Steer(reasoning="Hm.", cached=5)
    asked = replace(messages(), streamed=True)
    chunks, answer = streamed(provider, asked)
    assert stream_faults(said(chunks)) == []
    whole = gathered("messages", said(chunks))
    assert answer_faults(whole) == []
    deltas = [chunk.body["delta"] for chunk in chunks if chunk.kind == "content_block_delta"]
    text = "".join(delta["text"] for delta in deltas if delta["type"] == "text_delta")
    assert text == whole["content"][-1]["text"]
    assert answer.usage is not None
    assert answer.usage.cached_tokens == 5


def test_a_call_of_a_tool(fake: FakeUpstream, provider: Provider) -> None:
    fake.script(Steer(tool="weather", arguments='{"city": "Oslo"}'))
    chunks, _ = streamed(provider, chat(tools=TOOLS))
    (called,) = gathered("chat", said(chunks))["choices"][0]["message"]["tool_calls"]
    assert (called["function"]["name"], json.loads(called["function"]["arguments"])) == ("weather", {"city": "Oslo"})
    pieces = [part for chunk in chunks for choice in chunk.body["choices"] for part in _calls(choice)]
    assert json.loads("".join(part["function"].get("arguments") or "" for part in pieces)) == {"city": "Oslo"}


def _calls(choice: dict[str, Any]) -> list[dict[str, Any]]:
    return choice["delta"].get("tool_calls") or []


@pytest.mark.parametrize("endpoint", TOLD)
def test_an_error_in_the_stream(fake: FakeUpstream, endpoint: str, request: pytest.FixtureRequest) -> None:
    provider: Provider = request.getfixturevalue(endpoint)
    kind, wanted = TOLD[endpoint]
    fake.script(Steer(stream_error=kind, after=0), Steer(stream_error=kind, after=3))
    first = failure(provider, chat())
    assert type(first) is wanted, "before anything was said it is what its status would have been"
    assert first.upstream_status is not None
    later = failure(provider, chat())
    assert (type(later), later.upstream_status, later.sent) == (UpstreamError, None, True)


@pytest.mark.parametrize("endpoint", TOLD)
def test_an_error_behind_a_first_event_may_be_billed_whoever_asked(
    fake: FakeUpstream, endpoint: str, request: pytest.FixtureRequest
) -> None:
    """Some dialects have no event for a block that only begins. Its cost does not depend on that."""
    provider: Provider = request.getfixturevalue(endpoint)
    for asked in (chat(), replace(messages(), streamed=True)):
        fake.script(Steer(stream_error=TOLD[endpoint][0], after=1))
        error = failure(provider, asked)
        assert (type(error), error.upstream_status, error.sent) == (UpstreamError, None, True)


def test_what_a_client_is_told_nothing_of_is_made_all_the_same(fake: FakeUpstream, openai: Provider) -> None:
    """Legacy completions have no calls of tools. A call that the model makes was produced, and is paid for."""
    fake.script(Steer(tool="weather", arguments='{"city": "Oslo"}'))
    asked = ModelCall("gpt-4o", {"prompt": "hello"}, 50, 5.0, dialect="text", streamed=True)
    events = list(openai.send(openai.prepare(asked)))
    made = [event for event in events if isinstance(event, Made)]
    assert sum(event.size for event in made) == len('weather{"city": "Oslo"}')
    assert all(event.content for event in made)


OPENS: list[tuple[str, dict[str, Any]]] = [
    ("response.created", {"response": {}}),
    ("response.output_item.added", {"output_index": 0, "item": {"type": "reasoning", "id": "rs_1", "summary": []}}),
    ("response.output_item.added", {"output_index": 1, "item": {"type": "message", "id": "msg_1", "content": []}}),
    ("response.content_part.added", {"output_index": 1, "part": {"type": "output_text", "text": ""}}),
]


@pytest.mark.parametrize("client", ["chat", "messages", "responses", "text"])
def test_what_only_opens_says_nothing_of_an_answer_whoever_asked(client: str) -> None:
    stream = Stream(client, "responses", {}, known="k", model="m", most=100)
    for kind, told in OPENS:
        heard = stream.hear(kind, {"type": kind, **told})
        assert (stream.begun, stream.said, heard.pieces) == (True, False, 0), kind
    kind = "response.output_text.delta"
    assert stream.hear(kind, {"type": kind, "output_index": 1, "content_index": 0, "delta": "Hi"}).content
    assert stream.said


def test_a_status_is_the_same_error_as_without_a_stream(fake: FakeUpstream, provider: Provider) -> None:
    fake.script(Steer(status=429, retry_after="7"))
    error = failure(provider, chat())
    assert (type(error), error.retry_after) == (UpstreamThrottled, 7.0)


@pytest.mark.parametrize("after", [0, 1, 3])
def test_a_stream_that_breaks_may_be_billed(fake: FakeUpstream, provider: Provider, after: int) -> None:
    fake.script(Steer(reset="body", after=after))
    error = failure(provider, chat())
    assert (error.sent, error.upstream_status, error.reason) == (True, None, "broken")


def test_a_stream_that_goes_on_too_long(fake: FakeUpstream, provider: Provider) -> None:
    fake.script(Steer(chunk_delay=0.3))
    error = failure(provider, replace(chat(), timeout=0.5))
    assert (type(error), error.sent) == (UpstreamTimeout, True)


def test_a_connection_serves_another_stream(fake: FakeUpstream, provider: Provider) -> None:
    for _ in range(2):
        streamed(provider, chat())
    assert len({seen.client for seen in fake.seen}) == 1


def test_an_answer_that_nobody_reads_to_its_end_is_let_go(fake: FakeUpstream, provider: Provider) -> None:
    events: Iterator[Any] = provider.send(provider.prepare(chat()))
    next(events)
    events.close()  # type: ignore[attr-defined]
    streamed(provider, chat())
    assert len({seen.client for seen in fake.seen}) == 2


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"data: nonsense\n\n", ""),
        (b"data: [1]\n\n", ""),
        (b"x" * 20, BINARY),
        (event("x", b"{}")[:-1], BINARY),
        (event("x", b"[]"), BINARY),
        (event("chunk", b'{"bytes": "%%%"}'), BINARY),
        (event("chunk", b"{}"), BINARY),
    ],
)
def test_what_is_no_event_breaks_the_stream(data: bytes, kind: str) -> None:
    frames = frames_of(kind)

    def read() -> None:
        list(frames.feed(data))
        list(frames.end())

    with pytest.raises(Broken):
        read()


def test_an_error_that_nobody_knows_is_one_of_the_host_s() -> None:
    unmodelled = message({":message-type": "error", ":error-code": "InternalFailure"}, b"")
    for data, kind in ((unmodelled, BINARY), (b'data: {"error": "no"}\n\n', "")):
        with pytest.raises(StreamError) as told:
            list(frames_of(kind).feed(data))
        assert told.value.failure("x", begun=False).upstream_status == 500


@pytest.mark.parametrize("endpoint", ["anthropic", "bedrock", "bedrock_invoke"])
def test_a_stream_that_ends_in_a_word_nobody_knows_is_billed_by_its_counts(
    fake: FakeUpstream, endpoint: str, request: pytest.FixtureRequest
) -> None:
    """They come after that word."""
    asked = chat()
    provider: Provider = request.getfixturevalue(endpoint)
    usage = streamed(provider, asked)[1].usage
    fake.decide = lambda seen: Steer(finish="unheard_of")
    error = failure(provider, asked)
    assert (error.upstream_status, error.reason, error.usage) == (200, "unknown_stop_reason", usage)
    assert usage is not None


@pytest.mark.parametrize("endpoint", ["anthropic", "bedrock_invoke"])
def test_in_the_client_s_own_dialect_it_is_the_client_s_to_judge(
    fake: FakeUpstream, endpoint: str, request: pytest.FixtureRequest
) -> None:
    provider: Provider = request.getfixturevalue(endpoint)
    usage = streamed(provider, replace(messages(), streamed=True))[1].usage
    fake.decide = lambda seen: Steer(finish="unheard_of")
    chunks, answer = streamed(provider, replace(messages(), streamed=True))
    assert gathered("messages", said(chunks))["stop_reason"] == "unheard_of"
    assert answer.usage == usage


def test_a_stream_without_counts_that_ends_so_may_be_billed(fake: FakeUpstream, bedrock: Provider) -> None:
    fake.decide = lambda seen: Steer(finish="unheard_of", body="no-usage")
    error = failure(bedrock, chat())
    assert (error.upstream_status, error.reason, error.usage) == (None, "unknown_stop_reason", None)


@pytest.mark.parametrize("kind", ["text/html", "Text/HTML; charset=utf-8", "Application/JSON"])
def test_a_page_in_place_of_a_stream_is_no_answer_as_it_is_none_in_place_of_a_whole_one(
    fake: FakeUpstream, provider: Provider, kind: str
) -> None:
    page = "<html>Sign in</html>"
    wire = f"HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {len(page)}\r\nconnection: close\r\n\r\n{page}"
    fake.decide = lambda seen: Steer(wire=wire)
    found = [failure(provider, replace(chat(), streamed=streamed)) for streamed in (True, False)]
    assert {(error.upstream_status, error.reason, error.usage) for error in found} == {(200, "malformed", None)}


def test_a_stream_s_tier_is_the_one_that_answered(fake: FakeUpstream, openai: Provider) -> None:
    assert streamed(openai, chat(service_tier="priority"))[1].tier == "default"  # the fake's own


def _chunked(*parts: str) -> str:
    return "".join(f"{len(part):x}\r\n{part}\r\n" for part in parts)


def test_what_becomes_of_a_connection_behind_the_last_word_is_nobody_s_matter(
    fake: FakeUpstream, openai: Provider
) -> None:
    frame = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    said = [{**frame, "choices": [{"index": 0, "delta": {"content": "hi"}, "finish_reason": "stop"}]}]
    said.append({**frame, "choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}})
    events = [f"data: {json.dumps(each)}\n\n" for each in said]
    head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    fake.script(Steer(wire=head + _chunked(*events, "data: [DONE]\n\n")), Steer(wire=head + _chunked(*events)))
    chunks, answer = streamed(openai, chat())
    assert (len(chunks), answer.usage) == (2, Usage(input_tokens=3, output_tokens=2))
    assert failure(openai, chat()).reason == "broken", "without it, more may have been to come"


@pytest.mark.parametrize("endpoint", ["openai", "anthropic"])
@pytest.mark.parametrize("dialect", ["chat", "messages"])
def test_a_host_that_does_not_stream_is_told_as_a_stream(
    fake: FakeUpstream, endpoint: str, dialect: str, request: pytest.FixtureRequest
) -> None:
    provider: Provider = request.getfixturevalue(endpoint)
    asked = replace((chat() if dialect == "chat" else messages()), streamed=True)
    own = json.dumps(ask(provider, replace((chat() if endpoint == "openai" else messages()), streamed=False)).body)
    for body in (own, own.replace('"usage"', '"error": {"x": 1}, "usage"')):
        head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n"  # as the fake will do
        fake.script(Steer(wire=f"{head}content-length: {len(body)}\r\n\r\n{body}"))
    chunks, answer = streamed(provider, asked)
    whole = gathered(dialect, said(chunks))
    text = whole["choices"][0]["message"]["content"] if dialect == "chat" else whole["content"][-1]["text"]
    assert text
    assert text in own
    assert (answer.body, answer.usage is not None) == ({}, True)
    refused = failure(provider, asked)
    assert (refused.reason, refused.usage) == ("error_in_answer", answer.usage)
