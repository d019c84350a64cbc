"""The streaming door as it is deployed: behind the common port, and separately, with its stage in front of its
paths."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import closing
from threading import Thread
from typing import Any
from urllib.parse import urlsplit

import anthropic
import pytest

from gateway.dynamodb.attributes import from_item
from tests.integration.conftest import Live
from tests.integration.waiting import eventually
from tests.upstream import messages_judge
from tools.local import seed
from tools.local.emulator import ACCOUNT, REGION

ASKED: Any = [{"role": "user", "content": '[[fake text="Good day"]]'}]
LONG = f'[[fake chunk-delay=1 text="{" ".join(["word"] * 200)}"]]'
MANY = 40


def client(gateway: Live, key: str) -> anthropic.Anthropic:
    return anthropic.Anthropic(api_key=key, base_url=gateway.url("/v1/").removesuffix("/v1/"), max_retries=0)


def begun(gateway: Live, key: str, **body: Any) -> socket.socket:
    """A connection on which a stream was requested."""
    url = urlsplit(gateway.url("/v1/chat/completions"))
    text = json.dumps({"model": "gpt-4", "stream": True, "max_tokens": 300} | body)
    head = f"POST {url.path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\ncontent-type: application/json\r\n"
    connection = socket.create_connection((str(url.hostname), int(url.port or 0)), timeout=60)
    connection.sendall(f"{head}content-length: {len(text)}\r\n\r\n{text}".encode())
    return connection


def rows(gateway: Live, key_id: str) -> list[dict[str, Any]]:
    database = seed.database(gateway.endpoint, REGION, ACCOUNT)
    found = database.call("Scan", {"TableName": gateway.deployment.tables["request-analytics"]})
    return [row for row in map(from_item, found["Items"]) if row.get("key") == key_id]


def test_a_client_that_hangs_up_ends_the_call_and_its_row(streaming: Live) -> None:
    """The provider would send words for minutes. A client that has its first word by now gets the answer word by
    word."""
    key, key_id = streaming.new_key()
    with begun(streaming, key, messages=[{"role": "user", "content": LONG}]) as connection:
        came = b""
        while b'"word' not in came:
            piece = connection.recv(65_536)
            assert piece, came
            came += piece
        assert [row["state"] for row in rows(streaming, key_id)] == ["OPEN"]
    eventually(lambda: [row["state"] for row in rows(streaming, key_id)] == ["SETTLED"])


def test_many_streams_at_once_each_whole(streaming: Live) -> None:
    key, key_id = streaming.new_key()
    ended: list[bytes] = []

    def read() -> None:
        with begun(streaming, key, messages=[{"role": "user", "content": "[[fake chunk-delay=0.05]]"}]) as connection:
            ended.append(b"".join(iter(lambda: connection.recv(65_536), b"")))

    threads = [Thread(target=read) for _ in range(MANY)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert [each.endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n") for each in ended] == [True] * MANY
    eventually(lambda: [row["state"] for row in rows(streaming, key_id)] == ["SETTLED"] * MANY)


def test_anthropic_s_client_streams_and_is_told_errors_in_its_own_classes(streaming: Live) -> None:
    key, _ = streaming.new_key()
    with closing(client(streaming, key)) as sdk:
        with sdk.messages.stream(model="claude-3-sonnet", max_tokens=50, messages=ASKED) as stream:
            assert "".join(stream.text_stream) == "Good day"
            assert stream.get_final_message().usage.output_tokens > 0
        answer = sdk.messages.create(model="gpt-4", max_tokens=50, messages=ASKED)
        assert [block.text for block in answer.content if block.type == "text"] == ["Good day"]
        assert answer._request_id
        with pytest.raises(anthropic.NotFoundError) as unknown:
            sdk.messages.create(model="no-such-model", max_tokens=50, messages=ASKED)
        assert unknown.value.request_id
        assert unknown.value.type == "not_found_error"
    for wrong in ("sk-wrong", key[:-1] + ("a" if key[-1] != "a" else "b")):
        with closing(client(streaming, wrong)) as sdk, pytest.raises(anthropic.AuthenticationError) as refused:
            sdk.models.list()
        assert refused.value.type == "authentication_error"
    poor, _ = streaming.new_key(max_budget=0.000001)
    with closing(client(streaming, poor)) as sdk, pytest.raises(anthropic.APIStatusError) as broke:
        sdk.messages.create(model="claude-3-sonnet", max_tokens=50, messages=ASKED)
    assert (broke.value.status_code, broke.value.type) == (402, "billing_error")
    assert broke.value.response.headers["x-should-retry"] == "false"


def test_tokens_are_counted_for_nothing_and_for_who_may_call_alone(streaming: Live) -> None:
    messages_judge.warm()  # the gateway waits five seconds for a count of tokens
    key, key_id = streaming.new_key(models=["claude-3-sonnet", "nova-lite"], max_budget=0.000001)
    with closing(client(streaming, key)) as sdk:
        short, long = (
            sdk.messages.count_tokens(model="nova-lite", messages=[{"role": "user", "content": "a" * length}])
            for length in (400, 4_000)
        )
        assert 900 <= long.input_tokens - short.input_tokens <= 1_000
        assert long.model_extra == {"estimated": True}
        thinking: Any = {"type": "enabled", "budget_tokens": 2_000}
        told = sdk.messages.count_tokens(model="claude-3-sonnet", messages=ASKED, thinking=thinking)
        assert told.input_tokens > 0
        assert told.model_extra == {}, "its provider counted it"
        with pytest.raises(anthropic.PermissionDeniedError):
            sdk.messages.count_tokens(model="gpt-4", messages=ASKED)
    other, _ = streaming.new_key(scopes=["models"])
    with closing(client(streaming, other)) as sdk, pytest.raises(anthropic.PermissionDeniedError):
        sdk.messages.count_tokens(model="claude-3-sonnet", messages=ASKED)
    assert rows(streaming, key_id) == []


def test_anthropic_s_client_lists_what_it_can_call_in_pages(streaming: Live) -> None:
    key, _ = streaming.new_key()
    with closing(client(streaming, key)) as sdk:
        every = list(sdk.models.list(limit=7))
        ids = [model.id for model in every]
        assert len(set(ids)) == len(ids) > 7
        assert {"claude-3-sonnet", "gpt-4", "claude-code/gpt-4"} <= set(ids)
        newest = sdk.models.list(limit=1)
        assert (newest.data[0].id, newest.has_more) == (ids[0], True)
        before = sdk.models.list(limit=2, before_id=ids[5])
        assert [model.id for model in before.data] == ids[3:5]
        assert sdk.models.retrieve("claude-code/gpt-4").id == "claude-code/gpt-4"
        answer = sdk.messages.create(model="claude-code/gpt-4", max_tokens=50, messages=ASKED)
        assert [block.text for block in answer.content if block.type == "text"] == ["Good day"]


def _spoken(gateway: Live, key: str) -> Iterator[int]:
    for name in ("authorization", "x-api-key", "api-key"):
        text = f"Bearer {key}" if name == "authorization" else key
        yield gateway.call("GET", "/v1/key", headers={name: text}).status


def test_a_key_may_come_in_any_header_and_is_refused_when_it_is_revoked(streaming: Live) -> None:
    key, key_id = streaming.new_key()
    assert list(_spoken(streaming, key)) == [200, 200, 200]
    both = {"authorization": f"Bearer {key}", "x-api-key": streaming.keys["basic"]}
    assert streaming.call("GET", "/v1/key", headers=both).status == 401
    body = {"model": "gpt-4", "messages": ASKED}
    assert streaming.call("POST", "/v1/chat/completions", body, {"api-key": key}).status == 200
    assert streaming.admin("POST", f"/keys/{key_id}/revoke").status == 200
    # its validity is remembered for a minute
    refused = streaming.call("POST", "/v1/chat/completions", body, {"api-key": key})
    assert (refused.status, refused.body["error"]["code"]) == (401, "invalid_api_key")
