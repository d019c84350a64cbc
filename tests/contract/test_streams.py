"""Streams from every endpoint in each client's dialect: what the client reads, and how each stream is billed, however
it ends."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from openai.types.chat import ChatCompletionChunk

from gateway import wiring
from gateway.calls.completions import Way
from gateway.calls.streaming import Streaming
from gateway.dialects.sse import Parser
from gateway.identity.caller import Caller
from tests.contract.front import Gateway, Place
from tests.contract.test_endpoints import PRICE, WAYS
from tests.upstream import Steer, messages_judge
from tests.upstream.messages_judge import stream_faults

Events = list[tuple[str, dict[str, Any]]]
BODY: dict[str, Any] = {"model": "it", "messages": [{"role": "user", "content": "Hello!"}], "max_tokens": 50}
TEXT = "Hello there, and good day."


@pytest.fixture(scope="module", autouse=True)
def judge() -> None:
    messages_judge.warm()


@pytest.fixture
def place() -> Place:
    return Place(providers="openai,bedrock,anthropic")


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest, gateway: Gateway) -> str:
    name = str(request.param)
    target, said, _ = WAYS[name]
    gateway.post("/api/v1/admin/config", {"models": {"it": {"target": target} | said}, "prices": {target: PRICE}})
    gateway.restart()
    return name


def caller(gateway: Gateway) -> Caller:
    found = wiring.gateway().identity.verify(gateway.keys["enterprise"])
    assert found is not None
    return found


def begun(gateway: Gateway, dialect: str, **body: Any) -> Iterator[bytes]:
    call = wiring.gateway().completions.start(
        caller(gateway),
        BODY | {"stream": True} | body,
        correlation_id="c",
        seconds_left=20,
        way=Way(dialect, streams=True, wake=0.2),
    )
    return Streaming(call).begun()


def read(pieces: Iterator[bytes]) -> Events:
    parser, found = Parser(), list[tuple[str, dict[str, Any]]]()
    for piece in pieces:
        found += [(kind, {} if data == "[DONE]" else json.loads(data)) for kind, data in parser.feed(piece)]
    return found


def test_chat(gateway: Gateway, way: str) -> None:
    gateway.fake.decide = lambda seen: Steer(text=TEXT)
    *chunks, (_, done) = read(begun(gateway, "chat", stream_options={"include_usage": True}))
    assert done == {}
    for _, chunk in chunks:
        ChatCompletionChunk.model_validate(chunk)
    *said, (_, last) = chunks
    assert "".join(chunk["choices"][0]["delta"].get("content") or "" for _, chunk in said) == TEXT
    assert said[-1][1]["choices"][0]["finish_reason"] == "stop"
    (row,) = gateway.rows()
    assert (row["state"], row["status"], row["streamed"]) == ("SETTLED", "ok", True)
    assert round(last["usage"]["cost"] * 1e6) == row["actual"] > 0
    silent = read(begun(gateway, "chat"))
    assert not [chunk for _, chunk in silent if "usage" in chunk], "nobody asked for it"
    assert len(silent) == len(chunks)


def test_messages(gateway: Gateway, way: str) -> None:
    gateway.fake.decide = lambda seen: Steer(text=TEXT)
    events = read(begun(gateway, "messages"))
    assert stream_faults(events) == []
    deltas = [event["delta"]["text"] for kind, event in events if kind == "content_block_delta"]
    assert "".join(deltas) == TEXT
    (row,) = gateway.rows()
    (end,) = [event for kind, event in events if kind == "message_delta"]
    assert round(end["usage"]["cost"] * 1e6) == row["actual"] > 0
    assert (row["state"], row["status"], row["dialect"]) == ("SETTLED", "ok", "messages")


def test_whom_the_provider_tells_no_counts_is_shown_the_billed_ones(gateway: Gateway, way: str) -> None:
    gateway.fake.decide = lambda seen: Steer(text=TEXT, body="no-usage")
    *_, (_, last), _ = read(begun(gateway, "chat", stream_options={"include_usage": True}))
    events = read(begun(gateway, "messages"))
    assert stream_faults(events) == []
    (begin,) = [event["message"] for kind, event in events if kind == "message_start"]
    (end,) = [event for kind, event in events if kind == "message_delta"]
    chat, messages = gateway.rows()
    billed = [(row["input_tokens"], row["output_tokens"]) for row in (chat, messages)]
    if way == "chat":  # Anthropic's fake tells zeros, which is its own count
        assert all(min(each) > 0 for each in billed)
    counts = [(last["usage"]["prompt_tokens"], last["usage"]["completion_tokens"])]
    told = begin["usage"] | end["usage"]
    counts.append((told["input_tokens"], told["output_tokens"]))
    assert counts == billed


@pytest.mark.parametrize("dialect", ["chat", "messages"])
def test_a_hang_up_at_every_piece(gateway: Gateway, way: str, dialect: str) -> None:
    gateway.fake.decide = lambda seen: Steer(text=TEXT)
    whole = len(list(begun(gateway, dialect)))
    for taken in range(whole):
        pieces = begun(gateway, dialect)
        for _ in range(taken):
            next(pieces)
        pieces.close()  # type: ignore[attr-defined]
    _, *rows = gateway.rows()
    assert [row["state"] for row in rows] == ["SETTLED"] * whole
    assert all(0 < row["actual"] <= row["est"] for row in rows)
    assert {row["status"] for row in rows} <= {"client_closed_request", "ok"}


@pytest.mark.parametrize("dialect", ["chat", "messages"])
def test_an_upstream_that_breaks_off_at_every_event(gateway: Gateway, way: str, dialect: str) -> None:
    for after in range(6):
        gateway.fake.script(Steer(text=TEXT, reset="body", after=after))
        with suppress(Exception):
            events = read(begun(gateway, dialect))
            assert events[-1][1] == {} if dialect == "chat" else events[-1][0] == "error"
            if dialect == "chat":
                assert "error" in events[-2][1]
    assert {row["state"] for row in gateway.rows()} == {"SETTLED"}
