"""The data that an upstream sends may be anything: the caller gets a clean answer, one rule decides its cost, and a
retry with the same Idempotency-Key is not billed again. Through the real functions, for both vendors."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from gateway.models.money import cost_of
from gateway.models.prices import PriceBook
from gateway.models.usage import Usage
from tests.contract.front import Gateway
from tests.reply import Reply
from tests.upstream import Steer

MODELS = {"openai": "openai/gpt-6.1-sol", "bedrock": "bedrock/amazon.nova-lite-v1:0"}
CANARY = "canary-answer-4b1d"
USAGE = Usage(input_tokens=100, output_tokens=50)
HUGE = "1" + "0" * 30


def document(vendor: str, change: Callable[[dict[str, Any]], Any] | None = None) -> str:
    """A valid answer with the usage of USAGE, changed, as JSON."""
    if vendor == "openai":
        message = {"role": "assistant", "content": CANARY}
        body: dict[str, Any] = {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1,
            "model": "gpt-4",
            "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 100, "completion_tokens": 50, "total_tokens": 150},
        }
    else:
        body = {
            "output": {"message": {"role": "assistant", "content": [{"text": CANARY}]}},
            "stopReason": "end_turn",
            "usage": {"inputTokens": 100, "outputTokens": 50, "totalTokens": 150},
        }
    changed = change(body) if change else None
    return json.dumps(body if changed is None else changed)


def put(*path: Any, to: Any) -> Callable[[dict[str, Any]], None]:
    def change(body: Any) -> None:
        for step in path[:-1]:
            body = body[step]
        body[path[-1]] = to

    return change


def without_usage(change: Callable[[dict[str, Any]], Any]) -> Callable[[dict[str, Any]], Any]:
    def changed(body: dict[str, Any]) -> Any:
        del body["usage"]
        return change(body)

    return changed


MESSAGE = ("choices", 0, "message")
BLOCK = ("output", "message", "content")


def call(**changes: Any) -> list[dict[str, Any]]:
    return [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"} | changes}]


# Unusable answers: by vendor, a change to a valid answer that came with its usage.
UNUSABLE: dict[str, list[Callable[[dict[str, Any]], Any]]] = {
    "openai": [
        put("error", to={"message": "no", "code": 500}),
        put("error", to="no"),
        put("choices", to=[]),
        put("choices", to=None),
        put("choices", to={"0": 1}),
        put("choices", 0, to="x"),
        put("choices", 0, "message", to=[]),
        put(*MESSAGE, "content", to=5),
        put(*MESSAGE, "content", to={"text": "x"}),
        put(*MESSAGE, "refusal", to=True),
        put(*MESSAGE, "tool_calls", to=1),
        put(*MESSAGE, "tool_calls", to={"id": 1}),
        put(*MESSAGE, "tool_calls", to=["x"]),
        put(*MESSAGE, "tool_calls", to=[{"id": "c", "type": "function"}]),
        put(*MESSAGE, "tool_calls", to=[{"id": "c", "type": ["function"], "function": {"name": "f"}}]),
        put(*MESSAGE, "tool_calls", to=call(name=5)),
        put(*MESSAGE, "tool_calls", to=call(arguments=[1])),
        put(*MESSAGE, "function_call", to=[]),
        put(*MESSAGE, "audio", to="x"),
    ],
    "bedrock": [
        put("output", to=None),
        put("output", to=[1]),
        put("output", "message", to="x"),
        put(*BLOCK, to="x"),
        put(*BLOCK, to={"text": "x"}),
        put(*BLOCK, to=["x"]),
        put(*BLOCK, to=[None]),
        put(*BLOCK, to=[{"text": 5}]),
        put(*BLOCK, to=[{"toolUse": "x"}]),
        put(*BLOCK, to=[{"toolUse": {"toolUseId": 1, "name": "f", "input": {}}}]),
        put(*BLOCK, to=[{"toolUse": {"toolUseId": "c", "name": ["f"], "input": {}}}]),
        put(*BLOCK, to=[{"toolUse": {"toolUseId": "c", "name": "f", "input": [1]}}]),
        put(*BLOCK, to=[{"reasoningContent": [1]}]),
        put(*BLOCK, to=[{"reasoningContent": {"reasoningText": {"text": {}}}}]),
        put("stopReason", to=None),
        put("stopReason", to=["end_turn"]),
        put("stopReason", to="malformed_tool_use"),
        put("stopReason", to="\ud800"),
        put("error", to={"message": "no"}),
    ],
}
# Odd but harmless: the answer is passed on, and its usage is billed.
TOLERATED: dict[str, list[Callable[[dict[str, Any]], Any]]] = {
    "openai": [
        put("id", to=5),
        put("object", to=None),
        put("created", to="now"),
        put("created", to=10**400),
        put("model", to=["gpt-4"]),
        put("service_tier", to={"a": 1}),
        put("system_fingerprint", to=5),
        put("metadata", to="x"),
        put("choices", 0, "index", to="0"),
        put("choices", 0, "index", to=True),
        put("choices", 0, "finish_reason", to=None),
        put("choices", 0, "finish_reason", to=5),
        put("choices", 0, "finish_reason", to={"a": 1}),
        put("choices", 0, "logprobs", to="x"),
        put("choices", 0, "logprobs", to={"content": [{"token": 5}]}),
        put(*MESSAGE, "role", to=5),
        put(*MESSAGE, "content", to="\ud800\x00\u2028" + CANARY),
        put(*MESSAGE, "content", to=[{"type": "text", "text": "x"}]),
        put(*MESSAGE, "tool_calls", to=None),
        put(*MESSAGE, "tool_calls", to=[]),
        put(*MESSAGE, "tool_calls", to=[{"function": {"name": "f", "arguments": {"a": "\ud800"}}}]),
        put(*MESSAGE, "tool_calls", to=call(arguments=None)),
        put(*MESSAGE, "annotations", to="x"),
        put("usage", "prompt_tokens_details", to="x"),
        put("usage", "completion_tokens_details", to={"reasoning_tokens": "x"}),
        put("usage", "total_tokens", to="x"),
        put("usage", "prompt_tokens", to=100.0),
        put("x_new", to={"a": [10**300]}),
    ],
    "bedrock": [
        put(*BLOCK, to=[]),
        put(*BLOCK, 0, "text", to="\ud800\x00" + CANARY),
        put(*BLOCK, to=[{"text": None, "toolUse": {"toolUseId": "c", "name": "f", "input": None}}]),
        put(*BLOCK, to=[{"citationsContent": "x"}, {"new": 1}]),
        put("usage", "cacheDetails", to="x"),
        put("usage", "cacheReadInputTokens", to="x"),
        put("usage", "inputTokens", to=100.0),
        put("metrics", to=[]),
    ],
}
# Unusable counts: the answer is passed on, and billed by its bytes, at most its hold.
BAD_COUNTS: list[Any] = ["12", 1.5, True, -1, 10**30, None, [1], {"a": 1}, 10**400]
NO_ANSWER = [
    "<html><body>" + CANARY,
    "",
    "null",
    "[1]",
    '"x"',
    "{",
    '{"choices"',
    "\xff\xfe",
    "[" * 100_000,
    '{"a":' * 900 + "1" + "}" * 900,
    "1" * 5_000,
]


@dataclass
class Asked:
    """A call and its repetition with the same Idempotency-Key: the replies, and their rows."""

    first: Reply
    second: Reply
    rows: list[dict[str, Any]]
    sent: int


class Caller:
    def __init__(self, gateway: Gateway, vendor: str) -> None:
        self.gateway, self.vendor, self.count = gateway, vendor, 0
        # Breakers are tested elsewhere.
        assert gateway.post("/api/v1/admin/config", {"circuitBreaker": {"failureThreshold": 10_000}}).status == 200
        gateway.restart()  # a container keeps the config that it has read for ten seconds

    def ask(self, steer: Steer, *, path: str = "/v1/chat/completions", **body: Any) -> Asked:
        self.count += 1
        asked = {"model": MODELS[self.vendor], "max_tokens": 500, "messages": [{"role": "user", "content": "hi"}]}
        before, sent = len(self.gateway.rows()), len(self.gateway.fake.seen)
        self.gateway.fake.script(steer, steer)
        key = f"key-{self.count}"
        first, second = (self.gateway.post(path, asked | body, idempotency_key=key) for _ in range(2))
        asked_for = len(self.gateway.fake.seen) - sent
        self.gateway.fake.reset()
        return Asked(first, second, self.gateway.rows()[before:], asked_for)

    def price(self, usage: Usage) -> int:
        price = PriceBook.load("us-east-1").find(MODELS[self.vendor])
        assert price is not None
        return cost_of(usage, price).total


@pytest.fixture(params=["openai", "bedrock"])
def caller(request: pytest.FixtureRequest, gateway: Gateway) -> Caller:
    return Caller(gateway, request.param)


def kept(asked: Asked, cost: int) -> None:
    """It was billed once with this amount, and the repetition got the stored answer."""
    assert [row["actual"] for row in asked.rows] == [cost]
    assert asked.sent == 1
    assert (asked.second.status, asked.second.text) == (asked.first.status, asked.first.text)
    assert asked.second.headers["idempotency-replayed"] == "true"


def freed(asked: Asked) -> None:
    """It cost nothing, and the second request was sent to the provider again."""
    assert [row["actual"] for row in asked.rows] == [0, 0]
    assert asked.sent == 2
    assert "idempotency-replayed" not in asked.second.headers


def is_refusal(reply: Reply, status: int = 502) -> None:
    error = reply.body["error"]
    assert (reply.status, set(error)) == (status, {"message", "type", "param", "code"}), reply.text
    assert CANARY not in reply.text
    assert all(value.isascii() and value.isprintable() for value in reply.headers.values())


def is_completion(reply: Reply) -> dict[str, Any]:
    """Checked strictly with the types of OpenAI's own SDK."""
    assert reply.status == 200, reply.text
    body: dict[str, Any] = reply.body
    ChatCompletion.model_validate(json.loads(reply.text.replace("\\ud800", "?")))
    return body


def test_an_answer_that_is_none_costs_its_usage_if_it_came(
    caller: Caller, log_lines: Callable[[], list[dict[str, Any]]]
) -> None:
    for change in UNUSABLE[caller.vendor]:
        asked = caller.ask(Steer(exact=document(caller.vendor, change)))
        is_refusal(asked.first)
        kept(asked, caller.price(USAGE))
        assert float(asked.first.headers["x-gateway-cost"]) > 0
        asked = caller.ask(Steer(exact=document(caller.vendor, without_usage(change))))
        is_refusal(asked.first)
        freed(asked)
    assert CANARY not in repr(log_lines())


def test_numbers_without_end_are_no_answer(caller: Caller) -> None:
    for number in ("1e999", "-1e999", "Infinity", "-Infinity", "NaN"):
        sound = document(caller.vendor)
        asked = caller.ask(Steer(exact=sound[:-1] + f', "x": {{"y": [{number}]}}}}'))
        is_refusal(asked.first)
        kept(asked, caller.price(USAGE))
        freed(caller.ask(Steer(exact=sound.replace("50", number).replace("100", number))))


def test_a_body_that_is_no_answer_at_all_costs_nothing(caller: Caller) -> None:
    for body in NO_ANSWER:
        asked = caller.ask(Steer(exact=body) if body else Steer(body="empty"))
        is_refusal(asked.first)
        freed(asked)


def test_what_is_odd_and_harmless_is_given_in_the_sdk_s_types(caller: Caller) -> None:
    for change in TOLERATED[caller.vendor]:
        asked = caller.ask(Steer(exact=document(caller.vendor, change)))
        is_completion(asked.first)
        kept(asked, caller.price(USAGE))


def test_a_count_that_is_none_is_counted_and_costs_at_most_the_hold(caller: Caller) -> None:
    names = {"openai": ("prompt_tokens", "completion_tokens"), "bedrock": ("inputTokens", "outputTokens")}
    for value in BAD_COUNTS:
        for change in (*(put("usage", name, to=value) for name in names[caller.vendor]), put("usage", to=value)):
            asked = caller.ask(Steer(exact=document(caller.vendor, change)))
            body = is_completion(asked.first)
            (row,) = asked.rows
            assert 0 < row["actual"] <= row["est"]
            assert body["usage"]["completion_tokens"] > 0  # the answer shows the billed amount


def test_odd_answers_as_an_event_stream(caller: Caller) -> None:
    for change in TOLERATED[caller.vendor]:
        asked = caller.ask(
            Steer(exact=document(caller.vendor, change)), stream=True, stream_options={"include_usage": True}
        )
        assert asked.first.status == 200
        events = [line.removeprefix("data: ") for line in asked.first.text.splitlines() if line]
        assert events.pop() == "[DONE]"
        for event in events:
            ChatCompletionChunk.model_validate(json.loads(event.replace("\\ud800", "?")))
        kept(asked, caller.price(USAGE))
    for change in UNUSABLE[caller.vendor]:
        is_refusal(caller.ask(Steer(exact=document(caller.vendor, change)), stream=True).first)


@pytest.mark.parametrize(
    "header",
    [
        "x-amzn-requestid: \xff\xfe",
        "x-amzn-requestid: a\x01b",
        "x-request-id: caf\xe9",
        "content-type: text/plain; charset=\xe9",
        "x-\xe9: 1",
        "x: a\rb",
        "x y: 1",
        ": 1",
        "content-encoding: gzip",
        "retry-after: 1e999",
        "set-cookie: a=\x7f",
    ],
)
def test_headers_that_are_not_ascii_are_none(caller: Caller, header: str) -> None:
    asked = caller.ask(Steer(exact=document(caller.vendor), header=header))
    assert is_completion(asked.first)["id"].isascii()
    kept(asked, caller.price(USAGE))
    asked = caller.ask(Steer(status=500, header=header))
    is_refusal(asked.first)
    freed(asked)


def head(status: int) -> str:
    """The head up to the length. It says that the connection ends, because otherwise the next call could take it just
    before."""
    return f"HTTP/1.1 {status} X\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: "


def test_a_status_that_is_no_success_costs_nothing(caller: Caller) -> None:
    bodies = ["", "[1]", '{"error": 5}', '{"error": {"code": ["x"], "param": 5}}', "<html>", '{"__type": 5}', "\xff"]
    for status in (101, 300, 301, 304, 400, 418, 451, 500, 529, 599, 600, 999):
        for body in bodies[:1] if status in (101, 304) else bodies:
            asked = caller.ask(Steer(wire=f"{head(status)}{len(body)}\r\n\r\n{body}"))
            is_refusal(asked.first, 400 if status == 400 else 502)
            freed(asked)
    # It is not a success, whatever happens to its body.
    asked = caller.ask(Steer(wire="HTTP/1.1 500 X\r\ncontent-length: 900\r\n\r\nhalf"))
    is_refusal(asked.first)
    freed(asked)


@pytest.mark.parametrize(
    "wait", ["1e999", "-5", "nan", "99999999999999999999", "Thu, 01 Jan 99999 00:00:00 GMT", "\xe9", "0x10"]
)
def test_an_absurd_retry_after(caller: Caller, wait: str) -> None:
    asked = caller.ask(Steer(status=429, retry_after=wait))
    is_refusal(asked.first, 429)
    freed(asked)
    assert 0 < int(asked.first.headers.get("retry-after", "1")) <= 86_400


@pytest.mark.parametrize(
    "steer",
    [
        Steer(reset="before"),
        Steer(reset="headers"),
        Steer(reset="body"),
        Steer(body="cut"),
        Steer(body="huge"),
        Steer(wire="no HTTP at all\r\n\r\n"),
        Steer(wire="HTTP/1.1 2\xb2 X\r\n\r\n"),
        Steer(wire="HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n{}\r\n"),
        Steer(wire="HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\n{}"),
        Steer(wire="HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n" + '{"choices": [{"mess'),
        Steer(wire="HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n"),  # a hang-up before the first byte
        Steer(wire="HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n \n"),
        Steer(wire="HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n" + '\xef\xbb\xbf{"choices": [{"mess'),
        Steer(wire="HTTP/1.1 200 OK\r\n" + "a: b\r\n" * 200 + "\r\n{}"),
        *(Steer(wire=f"HTTP/1.1 {status} X\r\n\r\n") for status in (100, 102, 103, 199)),  # the answer has not come yet
    ],
)
def test_what_nobody_can_know_costs_the_hold(caller: Caller, steer: Steer) -> None:
    asked = caller.ask(steer)
    is_refusal(asked.first)
    kept(asked, asked.rows[0]["est"])


def test_the_answer_after_an_interim_one_is_nobody_else_s(caller: Caller) -> None:
    late = "HTTP/1.1 103 Early Hints\r\n\r\n" + f"HTTP/1.1 200 OK\r\ncontent-length: 900\r\n\r\n{CANARY}"
    caller.ask(Steer(wire=late))
    assert (
        CANARY
        not in caller.gateway.post(
            "/v1/chat/completions", {"model": MODELS[caller.vendor], "messages": [{"role": "user", "content": "hi"}]}
        ).text
    )


def test_an_answer_too_large_to_give_is_paid_once_and_said(caller: Caller) -> None:
    content = {"openai": (*MESSAGE, "content"), "bedrock": (*BLOCK, 0, "text")}[caller.vendor]
    asked = caller.ask(Steer(exact=document(caller.vendor, put(*content, to='"' * 1_600_000))))
    is_refusal(asked.first)
    assert asked.first.body["error"]["code"] == "answer_too_large"
    kept(asked, caller.price(USAGE))
    asked = caller.ask(Steer(exact=document(caller.vendor, put(*content, to="\u00e9" * 900_000))))
    is_completion(asked.first)


@pytest.mark.parametrize("status", [201, 202, 206, 299])
def test_every_success_is_read(caller: Caller, status: int) -> None:
    sound = document(caller.vendor)
    asked = caller.ask(Steer(wire=f"{head(status)}{len(sound)}\r\n\r\n{sound}"))
    is_completion(asked.first)
    kept(asked, caller.price(USAGE))
    asked = caller.ask(Steer(wire=f"{head(status)}0\r\n\r\n"))
    is_refusal(asked.first)
    freed(asked)


@pytest.mark.parametrize(
    ("usage", "output"),
    [
        ({"prompt_tokens": 100, "completion_tokens": 50, "total_tokens": 350}, 250),
        (
            {
                "prompt_tokens": 100,
                "completion_tokens": 50,
                "total_tokens": 350,
                "completion_tokens_details": {"reasoning_tokens": 200},
            },
            250,
        ),
        (
            {"prompt_tokens": 100, "completion_tokens": 50, "completion_tokens_details": {"reasoning_tokens": 80}},
            130,
        ),
        (
            {
                "prompt_tokens": 100,
                "completion_tokens": 50,
                "total_tokens": 150,
                "completion_tokens_details": {"reasoning_tokens": 40},
            },
            50,
        ),
        ({"prompt_tokens": 100, "completion_tokens": 50, "total_tokens": 10**30}, 50),
        ({"prompt_tokens": 100, "completion_tokens": 50, "total_tokens": 1}, 50),
    ],
)
def test_reasoning_outside_the_completion_tokens_is_output(
    gateway: Gateway, usage: dict[str, Any], output: int
) -> None:
    caller = Caller(gateway, "openai")
    asked = caller.ask(Steer(exact=document("openai", put("usage", to=usage))))
    is_completion(asked.first)
    kept(asked, caller.price(Usage(input_tokens=100, output_tokens=output)))
    assert asked.rows[0]["output_tokens"] == output
