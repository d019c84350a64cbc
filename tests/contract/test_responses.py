"""Responses through the streaming door, over every endpoint: what a client reads, how each call is billed however it
ends, and what a stream's end says to an agent that reacts to it."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pytest

from functions.stream.handler import app
from gateway.dialects.sse import Parser
from gateway.settings import settings
from tests.contract.front import Gateway, Place
from tests.contract.test_endpoints import CLAUDE, GPT, PRICE
from tests.upstream import Steer, messages_judge, responses_judge
from tests.upstream.responses_judge import answer_faults, stream_faults

Events = list[tuple[str, dict[str, Any]]]
TEXT = "Hello there, and good day."
CODEX = "codex_cli_rs/0.60.0 (Ubuntu 24.4.0; x86_64) xterm"
FUNCTION = {"type": "function", "name": "f", "parameters": {"type": "object", "properties": {}}, "strict": False}
BODY: dict[str, Any] = {"model": "it", "input": "Hello!", "max_output_tokens": 50}
# By way: the alias's target and its settings, and the path that is called.
WAYS: dict[str, tuple[str, dict[str, str], str]] = {
    "native": ("openai/gpt-6.1-sol", {"endpoint": "responses"}, "/v1/responses"),
    "native at AWS": (GPT, {}, "/openai/v1/responses"),
    "chat": ("openai/gpt-6.1-sol", {}, "/v1/chat/completions"),
    "messages": ("anthropic/claude-sonnet-4-5", {}, "/v1/messages"),
    "converse": (CLAUDE, {}, "/converse"),
    "invoke": (CLAUDE, {"endpoint": "invoke"}, "/invoke"),
}


@dataclass
class Door:
    """The app of the streaming door, called as its server would call it."""

    gateway: Gateway
    path: str = "/v1/responses"

    def ask(self, body: Any = None, *, method: str = "POST", key: str = "enterprise", **headers: str) -> Answer:
        data = json.dumps(body).encode() if body is not None else b""
        environ: dict[str, Any] = {
            "REQUEST_METHOD": method,
            "PATH_INFO": self.path,
            "QUERY_STRING": "",
            "CONTENT_TYPE": "application/json",
            "CONTENT_LENGTH": str(len(data)),
            "wsgi.input": io.BytesIO(data),
            "HTTP_AUTHORIZATION": f"Bearer {self.gateway.keys.get(key, key)}",
        }
        environ |= {f"HTTP_{name.upper()}": text for name, text in headers.items()}
        told: list[Any] = []
        pieces = app(settings(), threading.Event())(environ, lambda *head: told.append(head))
        return Answer(int(told[0][0].split()[0]), dict(told[0][1]), iter(pieces))


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    pieces: Iterator[bytes]

    @property
    def body(self) -> Any:
        return json.loads(b"".join(self.pieces))

    def events(self) -> Events:
        parser, found = Parser(), list[tuple[str, dict[str, Any]]]()
        for piece in self.pieces:
            found += [(kind, json.loads(data)) for kind, data in parser.feed(piece)]
        return found


@pytest.fixture(scope="module", autouse=True)
def judge() -> None:
    messages_judge.warm()
    responses_judge.warm()


@pytest.fixture
def place() -> Place:
    return Place(providers="openai,bedrock,anthropic")


@pytest.fixture
def door(gateway: Gateway) -> Door:
    return Door(gateway)


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest, gateway: Gateway) -> str:
    name = str(request.param)
    offer(gateway, name)
    return name


def offer(gateway: Gateway, name: str) -> None:
    target, said, _ = WAYS[name]
    reply = gateway.post(
        "/api/v1/admin/config", {"models": {"it": {"target": target} | said}, "prices": {target: PRICE}}
    )
    assert reply.status == 200, reply.text
    gateway.restart()


def cost_of(usage: dict[str, Any]) -> int:
    cost: float = usage["cost"]
    return round(cost * 1e6)


def test_a_whole_answer(gateway: Gateway, door: Door, way: str) -> None:
    gateway.fake.decide = lambda seen: Steer(text=TEXT, cached=400)
    answer = door.ask(BODY | {"store": True, "instructions": "Be brief."})
    body = answer.body
    assert (answer.status, answer_faults(body)) == (200, []), body
    assert gateway.fake.seen[-1].path.endswith(WAYS[way][2])
    assert (body["output"][-1]["content"][0]["text"], body["store"], body["status"]) == (TEXT, False, "completed")
    (row,) = gateway.rows()
    assert (row["dialect"], row["state"], row["actual"]) == ("responses", "SETTLED", cost_of(body["usage"]))
    assert (row["cached_tokens"], body["usage"]["input_tokens_details"]["cached_tokens"]) == (400, 400)
    assert row["actual"] <= row["est"]


def test_a_stream(gateway: Gateway, door: Door, way: str) -> None:
    gateway.fake.decide = lambda seen: Steer(text=TEXT)
    events = door.ask(BODY | {"stream": True}).events()
    assert stream_faults(events) == []
    assert "".join(event["delta"] for kind, event in events if kind == "response.output_text.delta") == TEXT
    (row,) = gateway.rows()
    kind, last = events[-1]
    assert (kind, cost_of(last["response"]["usage"])) == ("response.completed", row["actual"])
    assert row["actual"] > 0
    assert all(event["response"]["store"] is False for _, event in events if "response" in event)


def test_a_call_of_a_tool_and_its_result(gateway: Gateway, door: Door, way: str) -> None:
    gateway.fake.decide = lambda seen: Steer(tool="f", arguments='{"a": [1]}')
    events = door.ask(BODY | {"stream": True, "tools": [FUNCTION]}).events()
    assert stream_faults(events) == []
    call = next(event["item"] for kind, event in events if kind == "response.output_item.done")
    assert (call["type"], call["name"], json.loads(call["arguments"])) == ("function_call", "f", {"a": [1]})
    gateway.fake.decide = lambda seen: Steer(text=TEXT)
    result = {"type": "function_call_output", "call_id": call["call_id"], "output": "done"}
    again = [{"role": "user", "content": "Hello!"}, call, result]
    answer = door.ask(BODY | {"input": again, "tools": [FUNCTION]})
    assert answer.status == 200, answer.body
    assert "x-gateway-dropped" not in answer.headers


@pytest.mark.parametrize("way", ["messages", "converse", "invoke"], indirect=True)
def test_signed_reasoning_goes_there_and_back(gateway: Gateway, door: Door, way: str) -> None:
    gateway.fake.decide = lambda seen: Steer(reasoning="hm hm", tool="f")
    asked = BODY | {"tools": [FUNCTION], "reasoning": {"effort": "low", "summary": "auto"}, "max_output_tokens": 9_000}
    items = door.ask(asked).body["output"]
    assert [item["type"] for item in items] == ["reasoning", "function_call"]
    assert items[0]["summary"][0]["text"] == "hm hm"
    result = {"type": "function_call_output", "call_id": items[1]["call_id"], "output": "done"}
    answer = door.ask(asked | {"input": [{"role": "user", "content": "Hello!"}, *items, result]})
    assert answer.status == 200, answer.body
    assert "x-gateway-dropped" not in answer.headers
    sent = json.dumps(gateway.fake.seen[-1].body)
    assert "c2ln" in sent, "the signature"
    assert "hm hm" in sent


@pytest.mark.parametrize("way", ["native", "chat", "converse"], indirect=True)
def test_a_custom_tool(gateway: Gateway, door: Door, way: str) -> None:
    patch = '*** Begin\n+é "quoted"'
    gateway.fake.decide = lambda seen: Steer(
        tool="apply_patch", arguments=patch if way == "native" else json.dumps({"input": patch})
    )
    custom = {"type": "custom", "name": "apply_patch", "format": {"type": "text"}}
    events = door.ask(BODY | {"stream": True, "tools": [custom]}).events()
    assert stream_faults(events) == []
    (item,) = events[-1][1]["response"]["output"]
    assert (item["type"], item["name"], item["input"]) == ("custom_tool_call", "apply_patch", patch)


def test_a_hang_up_at_every_piece(gateway: Gateway, door: Door, way: str) -> None:
    gateway.fake.decide = lambda seen: Steer(text=TEXT)
    whole = len(list(door.ask(BODY | {"stream": True}).pieces))
    for taken in range(whole):
        pieces = door.ask(BODY | {"stream": True}).pieces
        for _ in range(taken):
            next(pieces)
        pieces.close()  # type: ignore[attr-defined]
    _, *rows = gateway.rows()
    assert [row["state"] for row in rows] == ["SETTLED"] * whole
    assert all(0 < row["actual"] <= row["est"] for row in rows)


def test_an_upstream_that_breaks_off_at_every_event(gateway: Gateway, door: Door, way: str) -> None:
    for after in range(7):
        gateway.fake.script(Steer(text=TEXT, reset="body", after=after))
        with suppress(ValueError):
            answer = door.ask(BODY | {"stream": True}, user_agent=CODEX)
            if answer.headers["content-type"].startswith("text/event-stream"):
                events = answer.events()
                assert stream_faults(events) == []
                failed = events[-1][1]["response"]
                assert events[-1][0] == "response.failed"
                assert failed["error"]["code"] == "invalid_prompt", "it was paid for, and is not sent again"
    assert {row["state"] for row in gateway.rows()} == {"SETTLED"}


def test_without_a_cap_the_tier_s_for_a_turn_is_enforced(gateway: Gateway, door: Door, way: str) -> None:
    answer = door.ask({"model": "it", "input": "Hello!"})
    assert answer.status == 200, answer.body
    sent = gateway.fake.seen[-1].body
    caps = [sent.get(name) for name in ("max_output_tokens", "max_completion_tokens", "max_tokens")]
    assert 32_000 in [*caps, sent.get("inferenceConfig", {}).get("maxTokens")]


class TestEnds:
    """The meaning of a stream's end, for a client that reacts to it and for others."""

    @pytest.fixture(autouse=True)
    def offered(self, gateway: Gateway) -> None:
        offer(gateway, "native")

    def test_an_answer_that_is_cut_short(self, gateway: Gateway, door: Door) -> None:
        gateway.fake.decide = lambda seen: Steer(text=TEXT, finish="max_output_tokens")
        usual = door.ask(BODY | {"stream": True}).events()
        assert (stream_faults(usual), usual[-1][0]) == ([], "response.incomplete")
        agents = door.ask(BODY | {"stream": True}, user_agent=CODEX).events()
        kind, last = agents[-1]
        assert (kind, last["response"]["status"]) == ("response.completed", "incomplete")

    def test_a_context_that_is_too_long(self, gateway: Gateway, door: Door) -> None:
        steer = Steer(stream_error="too long", code="context_length_exceeded", after=2)
        gateway.fake.decide = lambda seen: steer
        usual = door.ask(BODY | {"stream": True})
        assert (usual.status, usual.body["error"]["code"]) == (400, "context_length_exceeded")
        agents = door.ask(BODY | {"stream": True}, user_agent=CODEX)
        events = agents.events()
        assert (agents.status, stream_faults(events)) == (200, [])
        assert events[-1][1]["response"]["error"]["code"] == "context_length_exceeded"
        assert [row["actual"] for row in gateway.rows()] == [0, 0]

    def test_a_budget_that_is_used_up(self, gateway: Gateway, door: Door) -> None:
        key, _ = gateway.new_key(max_budget=0.000001)
        usual = door.ask(BODY | {"stream": True}, key=key)
        assert (usual.status, usual.body["error"]["code"]) == (402, "budget_exceeded")
        events = door.ask(BODY | {"stream": True}, key=key, user_agent=CODEX).events()
        assert (stream_faults(events), events[-1][1]["response"]["error"]["code"]) == ([], "insufficient_quota")
        whole = door.ask(BODY, key=key, user_agent=CODEX)
        assert whole.status == 402, "no stream was asked for"

    def test_a_limit(self, gateway: Gateway, door: Door) -> None:
        key, _ = gateway.new_key(rpm_limit=1, burst_limit=1)
        assert door.ask(BODY, key=key).status == 200
        usual = door.ask(BODY | {"stream": True}, key=key)
        assert (usual.status, "retry-after" in usual.headers) == (429, True)
        error = door.ask(BODY | {"stream": True}, key=key, user_agent=CODEX).events()[-1][1]["response"]["error"]
        assert error["code"] == "rate_limit_exceeded"
        assert "try again in " in error["message"]

    def test_a_failure_after_content(self, gateway: Gateway, door: Door) -> None:
        gateway.fake.decide = lambda seen: Steer(text=TEXT, stream_error="busy", code="server_is_overloaded", after=6)
        for agent, code in (("curl/8", "server_error"), (CODEX, "invalid_prompt")):
            events = door.ask(BODY | {"stream": True}, user_agent=agent).events()
            assert stream_faults(events) == []
            assert (events[-1][0], events[-1][1]["response"]["error"]["code"]) == ("response.failed", code)
        assert all(row["actual"] > 0 for row in gateway.rows())


class TestNotOffered:
    @pytest.fixture(autouse=True)
    def offered(self, gateway: Gateway) -> None:
        offer(gateway, "native")

    @pytest.mark.parametrize(
        ("said", "code", "param"),
        [
            ({"background": True}, "unsupported_parameter", "background"),
            ({"previous_response_id": "resp_1"}, "previous_response_not_found", "previous_response_id"),
            ({"conversation": "conv_1"}, "unsupported_parameter", "conversation"),
            ({"prompt": {"id": "pmpt_1"}}, "unsupported_parameter", "prompt"),
            ({"tools": [{"type": "code_interpreter", "container": {"type": "auto"}}]}, None, "tools[0].type"),
            ({"input": [{"type": "item_reference", "id": "msg_1"}]}, None, "input[0].type"),
            ({"input": []}, "invalid_request", "input"),
        ],
    )
    def test_what_is_refused(
        self, gateway: Gateway, door: Door, said: dict[str, Any], code: str | None, param: str
    ) -> None:
        answer = door.ask(BODY | said)
        error = answer.body["error"]
        assert (answer.status, error["param"], error["code"]) == (400, param, code or "unsupported_parameter")
        assert gateway.fake.seen == []

    def test_a_web_socket(self, door: Door) -> None:
        answer = door.ask(method="GET", upgrade="websocket", connection="Upgrade")
        assert (answer.status, answer.body["error"]["code"]) == (426, "websocket_not_supported")

    def test_a_search_of_the_web_beside_own_tools_is_left_out(self, gateway: Gateway, door: Door) -> None:
        search = {"type": "web_search", "external_web_access": False}
        answer = door.ask(BODY | {"tools": [search, FUNCTION]})
        assert (answer.status, answer.headers["x-gateway-dropped"]) == (200, "tools[0]")
        assert [tool["type"] for tool in gateway.fake.seen[-1].body["tools"]] == ["function"]
        (row,) = gateway.rows()
        assert row["est"] < 10_000, "it is held for what leaves"
        assert door.ask(BODY | {"tools": [search]}).body["error"]["param"] == "tools[0].type"

    def test_a_repeat_is_answered_and_billed_once(self, gateway: Gateway, door: Door) -> None:
        first = door.ask(BODY, idempotency_key="once").body
        again = door.ask(BODY, idempotency_key="once")
        assert (again.headers["idempotency-replayed"], again.body) == ("true", first)
        assert len(gateway.fake.seen) == 1
