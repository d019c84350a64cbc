"""Every request of a key is counted, at both doors and in every dialect; and requests that cost nothing need few
requests to AWS."""

from collections import Counter
from typing import Any

import pytest

from gateway import wiring
from gateway.api.pace import Buckets, Pace
from gateway.config.service import ConfigSource
from gateway.dynamodb.client import Database
from tests.contract.asked import Door
from tests.contract.conftest import CountingDatabase
from tests.contract.front import Gateway, Place

CHAT: dict[str, Any] = {"model": "gpt-4", "messages": [{"role": "user", "content": "Hello!"}], "max_tokens": 5}
RATE, MOST = 1, 10  # calls a minute, and requests of any kind a minute


@pytest.fixture
def place() -> Place:
    return Place(providers="openai,bedrock,anthropic")


def asked_of(gateway: Gateway) -> CountingDatabase:
    """The requests of the containers to their tables from now on. Their clocks stand still, so that no bucket is filled
    again, and the config is read only once, however long a test takes."""
    gateway.restart()
    made = wiring.gateway()
    counting = CountingDatabase(made.database)
    database: Database = counting
    made.database = database
    made.config_source = ConfigSource(made.config_store, lambda: 0.0)
    made.pace = Pace(made.pace.rate, Buckets(lambda: 1_000_000_000))
    return counting


def search(number: int) -> dict[str, Any]:
    params = {"name": "product_search", "arguments": {"query": "wireless headphones"}}
    return {"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": params}


@pytest.mark.parametrize(
    ("method", "url", "body"),
    [
        ("GET", "/v1/models", None),
        ("GET", "/v1/models/gpt-4", None),
        ("GET", "/v1/key", None),
        ("GET", "/api/v1/products", None),
        ("GET", "/api/v1/products/search?q=mug", None),
        ("GET", "/api/v1/mcp/tools", None),
        ("POST", "/mcp", {"jsonrpc": "2.0", "id": 1, "method": "ping"}),
        ("POST", "/mcp", {}),
        ("POST", "/v1/chat/completions", {}),
        ("POST", "/api/v1/completions", b"{"),
        ("GET", "/api/v1/admin/keys", None),
    ],
)
def test_at_the_http_api(gateway: Gateway, method: str, url: str, body: Any) -> None:
    key, _ = gateway.new_key(rpm_limit=RATE)
    gateway.ask(method, url, body, key=key)  # the authorizer's answer is kept from here on
    asked = asked_of(gateway)
    replies = [gateway.ask(method, url, body, key=key) for _ in range(MOST)]
    assert 429 not in {reply.status for reply in replies}
    before = len(asked.calls)
    refused = [gateway.ask(method, url, body, key=key) for _ in range(5)]
    assert {reply.status for reply in refused} == {429}
    assert len(asked.calls) == before
    facts = refused[0].body["error"]
    assert facts.get("data", facts)["dimension"] == "all_requests"
    assert refused[0].headers["x-ratelimit-limit-requests"] == str(MOST)
    assert refused[0].headers["retry-after"] == "6"


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/v1/messages/count_tokens", {"model": "nova-lite", "messages": CHAT["messages"]}),
        ("POST", "/v1/messages", {}),
        ("POST", "/v1/responses", {}),
        ("POST", "/v1/embeddings", {}),
        ("POST", "/v1/completions", {}),
        ("GET", "/v1/models", None),
        ("GET", "/v1/key", None),
    ],
)
def test_at_the_door_that_streams(gateway: Gateway, method: str, path: str, body: Any) -> None:
    key, _ = gateway.new_key(rpm_limit=RATE)
    asked_of(gateway)
    door = Door(gateway, path)
    answers = [door.ask(body, method=method, key=key) for _ in range(MOST + 5)]
    statuses = [answer.status for answer in answers]
    assert 429 not in statuses[:MOST]
    assert statuses[MOST:] == [429] * 5
    told = answers[-1].body["error"]
    assert (told["type"], told["code"], told["dimension"]) == (
        "rate_limit_error",
        "rate_limit_exceeded",
        "all_requests",
    )
    assert answers[-1].headers["retry-after-ms"] == "6000"


def test_a_repeat_is_counted_before_it_writes(gateway: Gateway) -> None:
    key, _ = gateway.new_key(rpm_limit=RATE, burst_limit=RATE)
    sent = {"key": key, "idempotency_key": "one"}
    asked = asked_of(gateway)
    assert gateway.ask("POST", "/v1/chat/completions", CHAT, **sent).status == 200
    replies = [gateway.ask("POST", "/v1/chat/completions", CHAT, **sent) for _ in range(100)]
    assert Counter(reply.status for reply in replies) == {200: MOST - 1, 429: 100 - MOST + 1}
    assert all(reply.headers.get("idempotency-replayed") for reply in replies[: MOST - 1])
    writes = [operation for operation, table in asked.on if operation == "PutItem" and table.endswith("state")]
    assert len(writes) <= MOST
    assert len(gateway.rows()) == 1


def test_a_batch_counts_each_of_its_messages_or_none(gateway: Gateway) -> None:
    key, _ = gateway.new_key(rpm_limit=RATE)
    gateway.ask("POST", "/mcp", search(1), key=key)
    asked = asked_of(gateway)
    batch = [search(number) for number in range(6)]
    assert gateway.ask("POST", "/mcp", batch, key=key).status == 200
    before = len(asked.calls)
    assert before <= 6 * 8 + 2
    refused = gateway.ask("POST", "/mcp", batch, key=key)
    assert (refused.status, refused.body["error"]["data"]["dimension"]) == (429, "all_requests")
    assert len(asked.calls) == before
    fewer = gateway.ask("POST", "/mcp", batch[:2], key=key)
    assert (fewer.status, len(fewer.body)) == (200, 2)
    assert gateway.ask("POST", "/mcp", search(1), key=key).status == 200
    assert gateway.ask("POST", "/mcp", search(1), key=key).status == 429
    other, _ = gateway.new_key(rpm_limit=100)
    assert gateway.ask("POST", "/mcp", [search(number) for number in range(11)], key=other).status == 400


def test_a_rate_in_shadow_refuses_nobody(gateway: Gateway) -> None:
    key, _ = gateway.new_key(rpm_limit=RATE, shadow=["requestsPerMinute"])
    asked_of(gateway)
    assert {gateway.ask("GET", "/v1/key", key=key).status for _ in range(3 * MOST)} == {200}
