"""The addresses from which a key may be used: at both doors, in every dialect, exact from the next paid call on."""

import json
import logging
from typing import Any

import pytest

from tests.contract.asked import Door
from tests.contract.front import Gateway, Place

CHAT: dict[str, Any] = {"model": "gpt-4", "messages": [{"role": "user", "content": "Hello!"}], "max_tokens": 5}
MESSAGE = CHAT | {"model": "claude-sonnet"}
PING = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
HOME, AWAY = "192.0.2.1", "203.0.113.9"


@pytest.fixture
def place() -> Place:
    return Place(providers="openai,bedrock,anthropic")


def change(gateway: Gateway, key_id: str, networks: list[str]) -> None:
    was, gateway.front.source = gateway.front.source, HOME
    reply = gateway.ask("PATCH", f"/api/v1/admin/keys/{key_id}", {"allowed_ips": networks})
    assert reply.status == 200, reply.text
    gateway.front.source = was


def test_both_doors_refuse_an_address_and_say_no_more_than_it_knows(gateway: Gateway) -> None:
    key, _ = gateway.new_key(allowed_ips=["192.0.2.0/24", "2001:db8::/32"])
    asked = [
        ("POST", "/api/v1/completions", CHAT),
        ("POST", "/v1/chat/completions", CHAT),
        ("GET", "/v1/models", None),
        ("GET", "/v1/key", None),
        ("GET", "/api/v1/products", None),
        ("POST", "/mcp", PING),
    ]
    streamed = [
        ("POST", "/v1/chat/completions", CHAT),
        ("POST", "/v1/messages", MESSAGE),
        ("POST", "/v1/messages/count_tokens", MESSAGE),
        ("POST", "/v1/responses", {"model": "gpt-4", "input": "Hello!", "max_output_tokens": 16}),
        ("POST", "/v1/embeddings", {"model": "text-embedding-3-small", "input": "a"}),
        ("GET", "/v1/models", None),
    ]
    door = Door(gateway, "/")
    for source, status in ((HOME, 200), ("2001:db8:1::5", 200), ("::ffff:192.0.2.200", 200), (AWAY, 403), ("", 403)):
        gateway.front.source = source
        for method, url, body in asked:
            reply = gateway.ask(method, url, body, key=key, x_forwarded_for=HOME)
            assert reply.status == status, (url, source, reply.text)
            if status == 403:
                check_refusal(json.loads(reply.text), source)
        for method, path, body in streamed:
            answer = door.ask(body, method=method, path=path, key=key, x_forwarded_for=HOME)
            assert answer.status == status, (path, source, answer.data)
            if status == 403:
                check_refusal(answer.body, source)
    assert all(row["state"] == "SETTLED" for row in gateway.rows())
    assert len(gateway.rows()) == 3 * (2 + 4)


def check_refusal(body: Any, source: str) -> None:
    told = body["error"].get("data", body["error"])
    assert (told["code"], told["type"]) == ("address_not_allowed", "permission_error")
    assert source in body["error"]["message"]
    assert "192.0.2" not in json.dumps(body)


def test_a_change_holds_at_the_next_paid_call_whatever_is_cached(
    gateway: Gateway, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    key, key_id = gateway.new_key(max_budget=5)
    gateway.front.source = AWAY

    def ask(source: str, **headers: str) -> int:
        gateway.front.source = source
        return gateway.ask("POST", "/v1/chat/completions", CHAT, key=key, **headers).status

    assert ask(AWAY, idempotency_key="one") == 200
    change(gateway, key_id, ["192.0.2.0/24"])
    # according to the authorizer's cached answer: from anywhere
    assert (ask(AWAY), ask(HOME), ask(AWAY)) == (403, 200, 403)
    assert (ask(AWAY, idempotency_key="one"), ask(HOME, idempotency_key="one")) == (403, 200)
    gateway.front.cache.clear()
    assert (ask(HOME), ask(AWAY)) == (200, 403)
    change(gateway, key_id, ["203.0.113.0/24"])
    assert (ask(AWAY), ask(HOME)) == (200, 403)  # with the cached answer it is the other way round
    gateway.front.source = AWAY
    assert gateway.ask("GET", "/v1/key", key=key).body["allowed_ips"] == ["203.0.113.0/24"]
    change(gateway, key_id, [])
    assert ask("198.51.100.1") == 200
    standing = gateway.ask("GET", "/v1/key", key=key).body
    assert standing["budget"]["held"] == 0  # the refused call holds nothing
    said = [vars(each) for each in caplog.records if each.getMessage() == "key's addresses changed"]
    assert [(each["changed_key"], each["allowed_ips"]) for each in said] == [
        (key_id, ["192.0.2.0/24"]),
        (key_id, ["203.0.113.0/24"]),
        (key_id, []),
    ]
    assert all(each["by"] for each in said)


@pytest.mark.parametrize(
    "sent",
    [
        "10.0.0.1/8",
        "x",
        "::ffff:1.2.3.4",
        "fe80::1%a b",
        ["10.0.0.0/8"] * 2 + ["1.1.1.1"] * 40,
        [5],
        ["10.0.0.0/8", ""],
    ],
)
def test_what_is_no_network_is_refused_by_its_path(gateway: Gateway, sent: Any) -> None:
    networks = sent if isinstance(sent, list) else [sent]
    reply = gateway.post("/api/v1/admin/keys", {"name": "a", "allowed_ips": networks})
    assert reply.status == 400
    assert reply.error["param"].startswith("allowed_ips")


def test_an_admin_at_home_makes_keys_for_home(gateway: Gateway) -> None:
    admin, admin_id = gateway.new_key(scopes=["admin", "completions"], allowed_ips=["192.0.2.0/24"])
    made = gateway.ask("POST", "/api/v1/admin/keys", {"name": "a", "scopes": ["completions"]}, key=admin)
    assert (made.status, made.body["allowed_ips"]) == (201, ["192.0.2.0/24"])
    for networks in ([], ["0.0.0.0/0"]):
        wider = {"name": "a", "scopes": ["completions"], "allowed_ips": networks}
        assert gateway.ask("POST", "/api/v1/admin/keys", wider, key=admin).status == 403
        own = gateway.ask("PATCH", f"/api/v1/admin/keys/{admin_id}", {"allowed_ips": networks}, key=admin)
        assert (own.status, own.error["param"]) == (403, "allowed_ips")
    gateway.front.source = AWAY
    assert gateway.ask("GET", "/api/v1/admin/keys", key=admin).status == 403
