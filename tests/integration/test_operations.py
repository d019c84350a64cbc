"""Health, breakers, config and keys over HTTP."""

import gzip
import json
from typing import Any

import pytest

from tests.integration.conftest import Live
from tests.integration.waiting import eventually


def test_health_asks_for_no_key_and_shows_no_names(gateway: Live) -> None:
    for path in ("/health", "/api/v1/health", "/api/v1/health/detailed"):
        reply = gateway.call("GET", path)
        assert (reply.status, reply.body["status"]) == (200, "healthy"), reply.text
        assert not any(word in reply.text for word in ("arn:", "ai-gateway", "127.0.0.1", "localhost"))
    services = gateway.call("GET", "/api/v1/health/detailed").body["services"]
    assert set(services) == {"dynamodb", "openai", "bedrock"}


def test_health_shows_what_the_consumer_saw(gateway: Live) -> None:
    key, _ = gateway.new_key()
    assert gateway.complete(key).status == 200

    def seen() -> Any:
        return gateway.call("GET", "/api/v1/health/detailed").body["services"]["openai"]["lastSeen"]

    assert eventually(seen)
    assert eventually(lambda: gateway.call("GET", "/api/v1/health/metrics").body["metrics"]["requests"])


def test_a_failing_provider_opens_the_breaker_for_all_and_an_operator_closes_it(gateway: Live) -> None:
    key, _ = gateway.new_key()
    statuses = [gateway.complete(key, "[[fake status=500]]").status for _ in range(8)]
    assert statuses[0] == 502
    assert statuses[-1] == 503
    calls = len(gateway.fake.seen)
    refused = gateway.complete(key)
    assert (refused.status, refused.body["error"]["code"]) == (503, "upstream_unavailable")
    assert int(refused.headers["retry-after"]) > 0
    assert len(gateway.fake.seen) == calls
    assert gateway.complete(key, model="claude-3-sonnet").status == 200  # the other provider is not affected

    def opened() -> bool:
        states = gateway.call("GET", "/api/v1/health/circuit-breakers").body["circuitBreakers"]
        return bool(states["openai"]["state"] == "open" and states["bedrock"]["state"] == "closed")

    assert eventually(opened)
    reset = gateway.admin("POST", "/circuit-breakers", {"action": "reset", "providers": ["openai"]})
    assert reset.body["circuitBreakers"]["openai"]["state"] == "closed"
    assert eventually(lambda: gateway.complete(key).status == 200)


def test_an_operator_opens_a_breaker(gateway: Live) -> None:
    key, _ = gateway.new_key()
    assert gateway.admin("POST", "/circuit-breakers", {"action": "open", "providers": ["bedrock"]}).status == 200
    assert eventually(lambda: gateway.complete(key, model="claude-3-sonnet").status == 503)


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"action": "explode"}, "action"),
        ({"action": "reset", "providers": ["nobody"]}, "providers"),
        ({}, "action"),
    ],
)
def test_a_wrong_breaker_action(gateway: Live, body: dict[str, Any], param: str) -> None:
    reply = gateway.admin("POST", "/circuit-breakers", body)
    assert (reply.status, reply.body["error"]["param"]) == (400, param)


def test_a_config_update_takes_effect(gateway: Live) -> None:
    before = gateway.admin("GET", "/config")
    etag = before.headers["etag"]
    patch = {"rateLimits": {"premium": {"requestsPerMinute": 1, "requestsPerHour": 100}}}
    changed = gateway.admin("POST", "/config", patch, if_match=etag)
    assert changed.status == 200, changed.text
    assert changed.body["config"]["rateLimits"]["premium"]["requestsPerMinute"] == 1
    assert gateway.admin("POST", "/config", patch, if_match=etag).status == 412

    def limited() -> bool:
        key, _ = gateway.new_key(tier="premium")
        return gateway.complete(key).headers["x-ratelimit-limit-requests"] == "1"

    assert eventually(limited)
    assert gateway.admin("POST", "/config", {"rateLimits": {"premium": {"requestsPerMinute": "many"}}}).status == 400
    restored = {"rateLimits": {"premium": before.body["config"]["rateLimits"]["premium"]}}
    assert gateway.admin("POST", "/config", restored).status == 200


def test_keys_are_listed_shown_and_revoked_but_never_told_again(gateway: Live) -> None:
    key, key_id = gateway.new_key(name="to be listed", tier="basic", metadata={"owner": "me"})
    shown = gateway.admin("GET", f"/keys/{key_id}").body
    assert (shown["name"], shown["tier"], shown["status"], shown["metadata"]) == (
        "to be listed",
        "basic",
        "active",
        {"owner": "me"},
    )
    found, cursor = [], ""
    while True:
        page = gateway.admin("GET", f"/keys?limit=2{cursor}").body
        found += page["data"]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert [entry["id"] for entry in found].count(key_id) == 1
    assert all("digest" not in entry and "key" not in entry for entry in found)
    for _ in range(2):
        assert gateway.admin("POST", f"/keys/{key_id}/revoke").body["status"] == "revoked"
    assert gateway.complete(key).status in (401, 403)
    assert gateway.admin("POST", "/keys/nobody/revoke").status == 404


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"tier": "gold"}, "tier"),
        ({"name": ""}, "name"),
        ({"scopes": []}, "scopes"),
        ({"max_budget": -1}, "max_budget"),
        ({"expires": "2020-01-01T00:00:00Z"}, "expires"),
        ({"expires": "2099-01-01T00:00:00"}, "expires"),
        ({"digest": "x"}, "digest"),
    ],
)
def test_a_wrong_key(gateway: Live, fields: dict[str, Any], param: str) -> None:
    reply = gateway.admin("POST", "/keys", {"name": "x"} | fields)
    assert (reply.status, reply.body["error"]["param"]) == (400, param)


@pytest.mark.parametrize("path", ["/config", "/metrics", "/usage", "/circuit-breakers", "/keys"])
def test_admin_routes_need_the_admin_scope(gateway: Live, path: str) -> None:
    assert gateway.call("GET", f"/api/v1/admin{path}").status == 401
    reply = gateway.call("GET", f"/api/v1/admin{path}", headers={"x-api-key": gateway.keys["enterprise"]})
    assert (reply.status, reply.body["error"]["code"]) == (403, "insufficient_scope")


def test_usage_as_csv_and_wrong_parameters(gateway: Live) -> None:
    reply = gateway.admin("GET", "/usage?format=csv&group_by=day")
    assert reply.headers["content-type"].startswith("text/csv")
    assert reply.text.splitlines()[0].startswith("day,requests,errors,")
    for query, param in (
        ("group_by=moon", "group_by"),
        ("from=yesterday", "from"),
        ("cursor=x", "cursor"),
        ("a=b", "a"),
    ):
        wrong = gateway.admin("GET", f"/usage?{query}")
        assert (wrong.status, wrong.body["error"]["param"]) == (400, param)


def test_a_packed_body_arrives_or_is_refused_for_what_it_is(gateway: Live) -> None:
    key, _ = gateway.new_key()
    body = gzip.compress(json.dumps({"model": "gpt-4", "messages": [{"role": "user", "content": "hello"}]}).encode())
    for content_type, status in (("application/vnd.api+json", 200), ("application/json", 415)):
        headers = {"x-api-key": key, "content-encoding": "gzip", "content-type": content_type}
        reply = gateway.call("POST", "/api/v1/completions", body, headers)
        assert reply.status == status, reply.text
        assert reply.headers["x-request-id"]


def test_an_unknown_route(gateway: Live) -> None:
    assert gateway.call("GET", "/nowhere").status == 404
