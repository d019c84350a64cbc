"""The streaming door behind the real adapter, with the code and variables that are deployed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.adapter.client import call, events, opened
from tests.adapter.environment import environment
from tests.adapter.rest_api import STAGE, RestApi
from tests.adapter.runtime_api import RuntimeApi
from tests.clients.rows import billed, rows
from tests.deployed import deployed
from tests.integration.conftest import Live
from tests.upstream import Steer
from tools.local.emulator import ACCOUNT, REGION, ROOT, VENV
from tools.local.host.deployed import Lambda

SERVER = [str(VENV / "bin" / "python"), "-P", "-m", "functions.stream.server"]
SAID = "one two three four"


@pytest.fixture(scope="module")
def live() -> Iterator[Live]:
    with deployed(ROOT / "build" / "adapter") as live:
        yield live


@pytest.fixture
def gateway(live: Live) -> Iterator[Live]:
    live.fake.reset()
    yield live
    live.fake.reset()


def started(stack: ExitStack, live: Live, runtime: RuntimeApi, folder: Path) -> None:
    """Starts one more environment of the function, as it was deployed."""
    function = Lambda(live.endpoint, REGION, ACCOUNT, folder).get(live.deployment.functions["stream"], "$LATEST")
    given = dict(function.environment)
    stack.enter_context(environment(runtime.address, SERVER, given, folder / "log", folder=function.code))


@pytest.fixture
def door(gateway: Live, runtime: RuntimeApi, rest: RestApi, tmp_path: Path) -> Iterator[RestApi]:
    with ExitStack() as stack:
        started(stack, gateway, runtime, tmp_path)
        yield rest


def chat(**more: Any) -> dict[str, Any]:
    return {"model": "gpt-4o", "messages": [{"role": "user", "content": "Count."}]} | more


def message(**more: Any) -> dict[str, Any]:
    return {"model": "claude-sonnet", "max_tokens": 100, "messages": [{"role": "user", "content": "Count."}]} | more


def bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


@pytest.mark.parametrize(
    ("path", "body", "first", "end"),
    [
        ("/v1/chat/completions", chat(stream=True), "one", "data: [DONE]"),
        ("/v1/messages?beta=true", message(stream=True), "one", "event: message_stop"),
    ],
    ids=["chat", "messages"],
)
def test_each_piece_reaches_the_client_before_the_next_is_made(
    gateway: Live, door: RestApi, path: str, body: Any, first: str, end: str
) -> None:
    gateway.fake.script(Steer(text=SAID, held=1))
    key, key_id = gateway.new_key()
    with_head = 2 if "messages" in path else 1  # events before the first word
    gateway.fake.let(with_head + 1)
    with opened("POST", door.url + path, body, bearer(key)) as answer:
        assert answer.status == 200
        read = events(answer)
        for word in SAID.split():
            seen = next(event for event in read if word in event)
            assert word in seen
            gateway.fake.let()
        gateway.fake.let(20)
        assert end in list(read)[-1]
    assert [row["state"] for row in rows(gateway, key_id)] == ["SETTLED"]


def test_a_hang_up_runs_to_its_end_and_is_settled_once(gateway: Live, door: RestApi) -> None:
    gateway.fake.script(Steer(text=SAID, held=3))
    key, key_id = gateway.new_key()
    with opened("POST", f"{door.url}/v1/chat/completions", chat(stream=True), bearer(key)) as answer:
        next(events(answer))
    gateway.fake.let(20)
    (invocation,) = door.invocations
    assert invocation.ended.wait(60)
    (row,) = rows(gateway, key_id)
    assert row["state"] == "SETTLED"
    assert billed(gateway, key_id, 1)["output_tokens"] == -(-len(SAID) // 4)


def test_what_a_client_says_of_its_surroundings_is_worth_nothing(gateway: Live, door: RestApi) -> None:
    key, _ = gateway.new_key()
    authorizer = {"key_id": key.split("-")[1], "tier": "enterprise", "scopes": "completions"}
    spoofed = {"x-amzn-request-context": str({"authorizer": authorizer}).replace("'", '"')}
    assert call("POST", f"{door.url}/v1/chat/completions", chat(), spoofed).status == 401
    assert call("POST", f"{door.url}/v1/chat/completions", chat(), spoofed | bearer("sk-wrong")).status == 401
    assert gateway.fake.seen == []


@pytest.mark.parametrize("prefix", [f"/{STAGE}/v1", "/v1", ""], ids=["stage", "bare", "stripped base path"])
def test_a_path_answers_however_it_arrives(gateway: Live, door: RestApi, prefix: str) -> None:
    key, _ = gateway.new_key()
    assert call("POST", f"{door.url}{prefix}/chat/completions", chat(), bearer(key)).status == 200
    assert call("POST", f"{door.url}{prefix}/messages", message(), {"x-api-key": key}).status == 200
    assert call("GET", f"{door.url}{prefix}/models", headers=bearer(key)).status == 200


def test_a_base_path_that_is_stripped_on_the_way(gateway: Live, door: RestApi) -> None:
    door.base_path = "/v1"
    assert call("POST", f"{door.url}/v1/messages", message(), {"x-api-key": gateway.new_key()[0]}).status == 200
    assert door.invocations[-1].event["path"] == "/messages"


def test_errors_keep_their_status_and_their_shape(gateway: Live, door: RestApi) -> None:
    key, _ = gateway.new_key()
    unknown = call("POST", f"{door.url}/v1/chat/completions", chat(model="no-such-model", stream=True), bearer(key))
    assert (unknown.status, unknown.body["error"]["code"]) == (404, "model_not_found")
    nobody = call("POST", f"{door.url}/v1/messages", message(stream=True), {"x-api-key": "sk-wrong"})
    assert (nobody.status, nobody.body["error"]["type"]) == (401, "authentication_error")
    gateway.fake.script(Steer(status=529))
    failing = call("POST", f"{door.url}/v1/messages", message(stream=True), {"x-api-key": key})
    assert failing.status == 529
    assert gateway.admin("POST", "/circuit-breakers", {"action": "reset"}).status == 200


def test_a_body_that_is_too_large(gateway: Live, door: RestApi) -> None:
    key, _ = gateway.new_key()
    large = chat(messages=[{"role": "user", "content": "x" * (5 * 1024 * 1024)}])
    refused = call("POST", f"{door.url}/v1/chat/completions", large, bearer(key))
    assert (refused.status, refused.body["error"]["code"]) == (413, "request_too_large")
    assert len(door.invocations) == 1  # the app sent this answer


def test_a_big_answer(gateway: Live, door: RestApi) -> None:
    text = "word " * 400_000
    gateway.fake.script(Steer(text=text), Steer(text=text))
    key, _ = gateway.new_key()
    whole = call("POST", f"{door.url}/v1/chat/completions", chat(), bearer(key))
    assert whole.body["choices"][0]["message"]["content"] == text


def test_several_environments_are_as_many_streams_at_once(
    gateway: Live, runtime: RuntimeApi, rest: RestApi, tmp_path: Path
) -> None:
    with ExitStack() as stack:
        for number in range(3):
            folder = tmp_path / str(number)
            folder.mkdir()
            started(stack, gateway, runtime, folder)
        gateway.fake.decide = lambda seen: Steer(text=SAID, held=3)
        key, key_id = gateway.new_key()
        url = f"{rest.url}/v1/chat/completions"
        answers = [stack.enter_context(opened("POST", url, chat(stream=True), bearer(key))) for _ in range(3)]
        reads = [events(answer) for answer in answers]
        assert ["one" in "".join(next(read) for _ in range(2)) for read in reads] == [True] * 3
        gateway.fake.let(60)
        assert [list(read)[-1] for read in reads] == ["data: [DONE]"] * 3
        assert len(rows(gateway, key_id)) == 3
