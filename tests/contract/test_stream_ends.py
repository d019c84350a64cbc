"""How a stream ends, and what a client gets while it waits: its cap, its provider's silence and errors, and the content
of its last event. Through the real calls and ledger, from every endpoint, in each client's dialect."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest

from gateway import wiring
from gateway.calls.completions import Way
from gateway.calls.streaming import Streaming
from gateway.dialects.sse import Parser
from gateway.errors import UpstreamError
from tests.contract.front import Gateway, Place
from tests.contract.test_endpoints import PRICE, WAYS
from tests.contract.test_streams import BODY, TEXT, Events, caller
from tests.gathered import gathered
from tests.upstream import Steer, messages_judge
from tests.upstream.messages_judge import stream_faults

LONG = " ".join(["word"] * 60)
SECRET = (
    "no: arn:aws:bedrock:us-east-1:123456789012:model/x of account 123456789012 at "
    "https://bedrock-runtime.us-east-1.amazonaws.com/x with sk-ant-api03-abcdefgh and 10.0.0.7:8080"
)


@pytest.fixture(scope="module", autouse=True)
def judge() -> None:
    messages_judge.warm()


@pytest.fixture
def place() -> Place:
    return Place(providers="openai,bedrock,anthropic")


@pytest.fixture(params=["chat", "messages"])
def dialect(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def at(gateway: Gateway, name: str, **config: Any) -> None:
    target, said, _ = WAYS[name]
    reply = gateway.post(
        "/api/v1/admin/config", {"models": {"it": {"target": target} | said}, "prices": {target: PRICE}, **config}
    )
    assert reply.status == 200, reply.text
    gateway.restart()


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest, gateway: Gateway) -> str:
    at(gateway, str(request.param))
    return str(request.param)


def pieces(gateway: Gateway, dialect: str, *, ticks: float = 0.0, **body: Any) -> Iterator[bytes]:
    """The stream, with a clock that advances by this many seconds each time that it is read."""
    call = wiring.gateway().completions.start(
        caller(gateway),
        BODY | {"stream": True} | body,
        correlation_id="c",
        seconds_left=20,
        way=Way(dialect, streams=True, wake=0.1),
    )
    clock = count(0.0, ticks)
    return Streaming(call, clock=lambda: next(clock)).begun()


def events_in(sent: bytes) -> Events:
    return [(kind, {} if data == "[DONE]" else json.loads(data)) for kind, data in Parser().feed(sent)]


def test_beyond_its_cap_it_is_ended_and_billed(gateway: Gateway, way: str, dialect: str) -> None:
    gateway.fake.decide = lambda seen: Steer(text=LONG, chunk_delay=0.01)
    more: dict[str, Any] = {"stream_options": {"include_usage": True}} if dialect == "chat" else {}
    events = events_in(b"".join(pieces(gateway, dialect, max_tokens=20, **more)))
    (row,) = gateway.rows()
    assert (row["state"], row["status"], row["output_tokens"]) == ("SETTLED", "ok", 20)
    if dialect == "messages":
        assert stream_faults(events) == []
        answer = gathered("messages", events)
        assert answer["stop_reason"] == "max_tokens"
        (cost,) = [event["usage"]["cost"] for kind, event in events if kind == "message_delta"]
        text = answer["content"][0]["text"]
    else:
        (_, last), (_, done) = events[-2:]
        answer = gathered("chat", events[:-1])
        assert (answer["choices"][0]["finish_reason"], done) == ("length", {})
        text, cost = answer["choices"][0]["message"]["content"], last["usage"]["cost"]
    assert text.strip() == " ".join(["word"] * 20)
    assert round(cost * 1e6) == row["actual"] > 0


def test_what_headers_could_not_tell_stands_at_the_end(gateway: Gateway, way: str, dialect: str) -> None:
    gateway.fake.decide = lambda seen: Steer(text=TEXT)
    sent = b"".join(pieces(gateway, dialect))
    (row,) = gateway.rows()
    if dialect == "messages":
        (facts,) = [event["usage"] for kind, event in events_in(sent) if kind == "message_delta"]
    else:
        # The client did not ask for the usage: it comes as a comment, which no chat client takes for a chunk.
        *_, comment, done, _ = sent.decode().split("\n\n")
        assert (comment[:2], done) == (": ", "data: [DONE]")
        facts = json.loads(comment[2:])
    assert round(facts["cost"] * 1e6) == row["actual"]
    told = facts["gateway"]
    assert (told["request_id"], told["attempts"], told["fallbacks"]) == (row["rid"], 1, 0)
    assert told["model"] == WAYS[way][0]


def test_bytes_that_make_no_event_are_a_silence_too(gateway: Gateway, way: str, dialect: str) -> None:
    """If a byte comes now and then, even within the head of the answer, the client gets pings while its answer is being
    made."""
    gateway.fake.script(Steer(text="Hi.", drip=0.002, drip_from="headers"))
    sent = b"".join(pieces(gateway, dialect, ticks=6.0))
    assert sent.startswith(b": ping\n\n"), "before the first content it is no event"
    between = sent[sent.index(b"data:") :]
    assert (b"event: ping\n" if dialect == "messages" else b": ping\n\n") in between
    assert "Hi." in json.dumps(events_in(sent))


def test_a_provider_that_answers_nothing_and_another_attempt_behind_it(gateway: Gateway, dialect: str) -> None:
    """After a head with a ping was sent, another attempt is still possible; its error is reported in the stream."""
    at(gateway, "chat", timeouts={"firstByteMs": 1_000})
    gateway.fake.script(Steer(delay=30))
    sent = list(pieces(gateway, dialect, ticks=6.0))
    assert sent[0] == b": ping\n\n"
    *_, last = [event for _, event in events_in(b"".join(sent)) if event]
    assert last["error"]["type"] in ("timeout_error", "api_error")
    assert last["error"]["gateway"]["attempts"] == 1
    (row,) = gateway.rows()
    assert (row["state"], row["status"]) == ("SETTLED", "upstream_timeout")


def test_a_provider_that_falls_silent_ends_in_an_error(gateway: Gateway, dialect: str) -> None:
    at(gateway, "messages", timeouts={"idleMs": 1_000})
    gateway.fake.script(Steer(text=LONG, chunk_delay=30), Steer(text=LONG, chunk_delay=0.4))
    with pytest.raises(UpstreamError):
        list(pieces(gateway, dialect))  # nothing was sent, so the error has its own status
    assert "word" in json.dumps(events_in(b"".join(pieces(gateway, dialect, max_tokens=3)))), "it waits for each byte"


def test_an_error_in_the_stream_keeps_its_kind_and_loses_what_is_ours(gateway: Gateway, way: str) -> None:
    aws = "serviceUnavailableException"
    told = {"messages": "overloaded_error", "converse": aws, "invoke": aws}.get(way, "overloaded_error")
    gateway.fake.script(Steer(text=LONG, stream_error=told, after=8, message=SECRET))
    sent = b"".join(pieces(gateway, "messages"))
    kind, last = events_in(sent)[-1]
    assert stream_faults(events_in(sent)) == []
    assert (kind, last["type"], last["error"]["type"]) == (
        "error",
        "error",
        "api_error" if way in ("chat", "openai") else "overloaded_error",  # of chat's types, which have no more details
    )
    for canary in (b"123456789012", b"amazonaws", b"sk-ant", b"10.0.0.7", b"arn:"):
        assert canary not in sent


@pytest.mark.parametrize("name", ["messages", "invoke"])
def test_a_native_provider_s_own_words_are_told(gateway: Gateway, name: str) -> None:
    at(gateway, name)
    said = "messages.0.content.1.text: cache_control cannot be set for empty text blocks; " + SECRET
    gateway.fake.script(Steer(status=400, message=said, error_type="invalid_request_error"))
    with pytest.raises(UpstreamError) as refused:
        list(pieces(gateway, "messages"))
    told = refused.value.told
    assert told.startswith("messages.0.content.1.text: cache_control cannot be set for empty text blocks; no: <arn>")
    for canary in ("123456789012", "amazonaws", "sk-ant", "10.0.0.7"):
        assert canary not in told
