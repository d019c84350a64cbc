"""Answers in one piece that are late: white space keeps their connection, whatever their dialect, and the call is
recorded, billed and ended as if it had been answered in time."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

import anthropic
import openai
import pytest
from anthropic import DefaultHttpxClient as AnthropicHttp
from openai import DefaultHttpxClient as OpenAiHttp

from gateway.api.port import CutOff
from tests.contract.asked import Answer, Door
from tests.contract.front import Gateway, Place
from tests.contract.streaming_server import Server, until
from tests.contract.test_interrupted import Key
from tests.contract.test_stream_server import leave
from tests.upstream import Steer, messages_judge, responses_judge
from tests.upstream.server import Seen

SAID: list[Any] = [{"role": "user", "content": "Hello!"}]
CHAT: Any = {"model": "it", "messages": SAID, "max_tokens": 50}
CALLS: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": CHAT,
    "/v1/messages": CHAT,
    "/v1/responses": {"model": "it", "input": "Hello!"},
    "/v1/completions": {"model": "it", "prompt": "Hello!"},
    "/v1/embeddings": {"model": "text-embedding-3-small", "input": "Hello!"},
}
Lines = Callable[[], list[dict[str, Any]]]


@pytest.fixture(scope="module", autouse=True)
def judge() -> None:
    messages_judge.warm()
    responses_judge.warm()


@pytest.fixture
def place() -> Place:
    return Place(providers="openai,bedrock,anthropic")


@pytest.fixture
def key(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> Key:
    """A key at a gateway that waits hardly at all before it sends white space."""
    monkeypatch.setenv("GATEWAY_PATIENCE_SECONDS", "0.2")
    return Key(gateway, "plain")


class Held:
    """A provider that answers nothing until it is `let`."""

    def __init__(self, gateway: Gateway) -> None:
        self._let, self._closing = threading.Event(), gateway.fake.closing
        self.steer = Steer(text="Good day.")
        gateway.fake.decide = self._decide

    def _decide(self, _seen: Seen) -> Steer:
        while not (self._let.wait(0.02) or self._closing.is_set()):
            pass
        return self.steer

    def let(self, steer: Steer | None = None) -> None:
        self.steer = steer or self.steer
        self._let.set()


@pytest.fixture
def held(gateway: Gateway) -> Held:
    return Held(gateway)


def late(key: Key, path: str = "/v1/chat/completions", **asked: Any) -> Answer:
    """An answer of which nothing but its head and white space has come."""
    answer = Door(key.gateway, path).ask(CALLS[path], key=key.text, **asked)
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    assert next(answer.pieces) == b"\n"
    return answer


@pytest.mark.parametrize("path", CALLS)
def test_a_late_answer_is_whole_after_white_space(key: Key, held: Held, log_lines: Lines, path: str) -> None:
    answer = late(key, path)
    assert next(answer.pieces) == b"\n", "and again, as long as there is no answer"
    assert answer.headers["x-gateway-request-id"]
    assert int(answer.headers["x-ratelimit-limit-requests"]) > 0
    unknown = {"x-gateway-cost", "x-gateway-overhead-ms", "x-gateway-attempts", "x-gateway-model", "content-length"}
    assert not unknown & answer.headers.keys()
    held.let()
    body = answer.body
    (row,) = key.check(1)
    assert (row["status"], row["rid"]) == ("ok", answer.headers["x-gateway-request-id"])
    assert row["actual"] == round(body["usage"]["cost"] * 1e6) > 0
    metrics = [line for line in log_lines() if "_aws" in line]
    assert not any("FirstByte" in line for line in metrics), "white space is no beginning of a stream"
    assert any("Overhead" in line for line in metrics)


def test_an_answer_in_time_has_all_its_headers(gateway: Gateway) -> None:
    key = Key(gateway, "plain")
    answer = Door(gateway, "/v1/chat/completions").ask(CHAT, key=key.text)
    assert answer.data.startswith(b"{")
    assert float(answer.headers["x-gateway-cost"]) == answer.body["usage"]["cost"]
    assert answer.headers["x-gateway-overhead-ms"]
    assert answer.headers["content-length"]


def test_a_provider_that_sends_a_byte_now_and_then_is_no_reason_to_be_silent(key: Key) -> None:
    key.gateway.fake.decide = lambda _seen: Steer(text="Good day.", drip=0.005)
    assert late(key).body["choices"][0]["message"]["content"] == "Good day."
    key.check(1)


@pytest.mark.parametrize("path", CALLS)
@pytest.mark.parametrize(
    "end", [Steer(status=503), Steer(status=400), Steer(reset="body")], ids=["503", "400", "reset"]
)
def test_a_failure_after_the_head_breaks_the_answer_off(key: Key, held: Held, path: str, end: Steer) -> None:
    answer = late(key, path)
    held.let(end)
    came: list[bytes] = []
    with pytest.raises(CutOff):
        came.extend(answer.pieces)
    assert set(came) <= {b"\n"}, "only white space, which is not JSON: no client can take it for an answer"
    (row,) = key.check(1)
    assert row["status"] not in ("ok", "client_closed_request")
    assert (row["actual"] > 0) is (end.reset == "body")


@pytest.mark.parametrize("how", ["seen", "closed"])
def test_a_hang_up_while_white_space_is_sent(key: Key, held: Held, log_lines: Lines, how: str) -> None:
    gone = threading.Event()
    answer = late(key, gone=gone.is_set, idempotency_key="a")
    if how == "seen":
        gone.set()
        with pytest.raises(CutOff):
            list(answer.pieces)
    answer.pieces.close()  # type: ignore[attr-defined]  # a server closes what it was given
    (row,) = key.check(1)
    assert (row["status"], row["actual"]) == ("client_closed_request", row["est"])
    hang_ups = [line["HangUps"] for line in log_lines() if "HangUps" in line and "_aws" in line]
    assert hang_ups == [[1]]
    again = Door(key.gateway, "/v1/chat/completions").ask(CHAT, key=key.text, idempotency_key="a")
    assert (again.status, again.headers["x-gateway-request-id"]) == (409, row["rid"])
    assert again.body["error"]["code"] == "idempotency_streamed"
    key.check(1)


@pytest.mark.parametrize("path", CALLS)
def test_a_late_answer_is_kept_before_its_text_leaves(key: Key, held: Held, path: str) -> None:
    door = Door(key.gateway, path)
    answer = late(key, path, idempotency_key="a")
    running = door.ask(CALLS[path], key=key.text, idempotency_key="a")
    assert (running.status, "retry-after" in running.headers) == (409, True)
    held.let()
    text = next(piece for piece in answer.pieces if piece.strip())
    again = door.ask(CALLS[path], key=key.text, idempotency_key="a")
    assert (again.status, again.headers["idempotency-replayed"], again.data) == (200, "true", text)
    assert float(again.headers["x-gateway-cost"]) == again.body["usage"]["cost"]
    assert again.headers["x-gateway-request-id"] == answer.headers["x-gateway-request-id"]
    assert list(answer.pieces) == []
    key.check(1)


def test_what_became_of_a_late_failure_is_told_to_a_repeat(key: Key, held: Held) -> None:
    door = Door(key.gateway, "/v1/chat/completions")
    answer = late(key, idempotency_key="paid")
    held.let(Steer(reset="body"))
    with pytest.raises(CutOff):
        list(answer.pieces)
    for _ in range(2):
        again = door.ask(CHAT, key=key.text, idempotency_key="paid")
        assert (again.status, again.headers["idempotency-replayed"]) == (502, "true")
    (row,) = key.check(1)
    assert again.headers["x-gateway-request-id"] == row["rid"]
    # A failure that cost nothing gives the key back.
    free = Held(key.gateway)
    answer = late(key, idempotency_key="free")
    free.let(Steer(status=400))
    with pytest.raises(CutOff):
        list(answer.pieces)
    key.gateway.fake.decide = lambda _seen: Steer(text="Good day.")
    assert door.ask(CHAT, key=key.text, idempotency_key="free").body["choices"]
    assert [row["status"] for row in key.check(3)][2] == "ok"


class Served:
    """The published packages for Python at the function's own server. The provider answers once they have a head."""

    def __init__(self, served: Server, key: Key, held: Held) -> None:
        self.heads: list[int] = []

        def head(response: Any) -> None:
            self.heads.append(response.status_code)
            assert "x-gateway-cost" not in response.headers or len(self.heads) > 1
            held.let()

        url, hooks = f"http://127.0.0.1:{served.port}", {"response": [head]}
        self.openai = openai.OpenAI(
            base_url=f"{url}/v1", api_key=key.text, http_client=OpenAiHttp(event_hooks=hooks), max_retries=0
        )
        self.anthropic = anthropic.Anthropic(
            base_url=url, api_key=key.text, http_client=AnthropicHttp(event_hooks=hooks), max_retries=0
        )

    def close(self) -> None:
        self.openai.close()
        self.anthropic.close()


@pytest.fixture
def clients(server: Callable[[], Server], key: Key, held: Held) -> Iterator[Served]:
    made = Served(server(), key, held)
    yield made
    made.close()


ASKS: dict[str, Callable[[Served], Any]] = {
    "chat": lambda it: it.openai.chat.completions.create(**CHAT).choices[0].message.content,
    "messages": lambda it: it.anthropic.messages.create(**CHAT).content[0].text,
    "responses": lambda it: it.openai.responses.create(**CALLS["/v1/responses"]).output_text,
    "text": lambda it: it.openai.completions.create(**CALLS["/v1/completions"]).choices[0].text,
    "embeddings": lambda it: it.openai.embeddings.create(**CALLS["/v1/embeddings"]).data[0].embedding and "Good day.",
}


@pytest.mark.parametrize("dialect", ASKS)
def test_published_clients_read_a_late_answer(clients: Served, key: Key, dialect: str) -> None:
    assert ASKS[dialect](clients) == "Good day."
    assert clients.heads == [200]
    assert [row["status"] for row in key.check(1)] == ["ok"]


@pytest.mark.parametrize("dialect", ["chat", "messages"])
def test_published_clients_take_a_broken_answer_for_no_answer(
    clients: Served, key: Key, held: Held, dialect: str
) -> None:
    held.steer = Steer(reset="body")
    with pytest.raises((openai.APIConnectionError, anthropic.APIConnectionError)):
        ASKS[dialect](clients)
    assert clients.heads == [200]
    key.check(1)


def test_a_client_that_repeats_with_its_idempotency_key_is_told_what_happened(
    clients: Served, key: Key, held: Held
) -> None:
    held.steer = Steer(reset="body")
    twice = clients.openai.with_options(max_retries=1)
    with pytest.raises(openai.InternalServerError) as told:
        twice.chat.completions.create(**CHAT, extra_headers={"idempotency-key": "a"})
    assert (told.value.status_code, clients.heads) == (502, [200, 502])
    assert len(key.gateway.fake.seen) == 1
    key.check(1)


def test_a_client_of_the_server_that_leaves_ends_the_call(server: Callable[[], Server], key: Key, held: Held) -> None:
    served = server()
    response = served.post(key.text, "/v1/chat/completions", CHAT)
    assert (response.status, response.read(1)) == (200, b"\n")
    leave(response)
    until(lambda: [row["state"] for row in key.rows()] == ["SETTLED"], "the call ends")
    assert [row["status"] for row in key.check(1)] == ["client_closed_request"]
    assert served.told == "", "a hang-up is no defect"


def test_a_late_answer_on_the_wire(server: Callable[[], Server], key: Key, held: Held) -> None:
    response = server().post(key.text, "/v1/chat/completions", CHAT)
    assert (response.status, response.headers["transfer-encoding"]) == (200, "chunked")
    assert response.read(1) == b"\n"
    held.let()
    assert json.loads(response.read())["choices"][0]["message"]["content"] == "Good day."
