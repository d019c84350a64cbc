"""The life of keys and teams over HTTP, the limits that a caller can see, and requests that are sent twice."""

import json
import subprocess
import sys
from dataclasses import replace

from tests.integration.conftest import Live
from tests.integration.waiting import eventually
from tools.local.emulator import ROOT


def bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


def test_a_change_of_a_key_holds_at_its_next_call_under_a_cached_authorizer(gateway: Live) -> None:
    key, key_id = gateway.new_key()
    assert gateway.complete(key).status == 200
    changed = gateway.admin("PATCH", f"/keys/{key_id}", {"models": ["claude-3-sonnet"], "max_budget": 1})
    assert (changed.status, changed.body["max_budget"], changed.headers["etag"]) == (200, 1.0, '"2"')
    refused = gateway.complete(key)
    assert (refused.status, refused.body["error"]["code"]) == (403, "model_not_allowed")
    stale = gateway.admin("PATCH", f"/keys/{key_id}", {"name": "x"}, if_match='"1"')
    assert (stale.status, stale.body["error"]["code"]) == (412, "precondition_failed")
    assert gateway.admin("PATCH", f"/keys/{key_id}", {"id": "x"}).body["error"]["param"] == "id"


def test_a_key_in_any_other_header_does_not_exist(gateway: Live) -> None:
    """The HTTP API caches the authorizer's answer by one header. The request is sent twice, so that the second one is
    answered from the cache."""
    gateway = replace(gateway, v1_url=gateway.doors["http"])
    key, _ = gateway.new_key()
    shared = {"authorization": "Basic c2hhcmVk"}
    for headers in (shared | {"x-api-key": key}, shared | {"x-api-key": key}, shared):
        assert gateway.call("GET", "/v1/models", headers=headers).status == 403
    assert gateway.call("GET", "/v1/models", headers={"x-api-key": key}).status == 401
    shared = {"x-api-key": "shared"}
    for headers in (shared | bearer(gateway.keys["admin"]), shared):
        assert gateway.call("GET", "/api/v1/admin/keys", headers=headers).status == 403
    other, other_id = gateway.new_key()
    assert gateway.call("GET", "/v1/key", headers=bearer(other) | {"x-api-key": key}).body["id"] == other_id


def test_an_admin_that_is_revoked_reads_nothing_more(gateway: Live) -> None:
    key, key_id = gateway.new_key(scopes=["admin"])
    headers = {"x-api-key": key}
    assert gateway.call("GET", "/api/v1/admin/keys?limit=1", headers=headers).status == 200
    assert gateway.admin("POST", f"/keys/{key_id}/revoke").status == 200
    assert gateway.call("GET", "/api/v1/admin/keys?limit=1", headers=headers).status in (401, 403)


def test_a_team_s_admin_stays_with_its_team(gateway: Live) -> None:
    assert gateway.admin("POST", "/teams", {"id": "violet", "name": "Violet", "max_budget": 1}).status == 201
    key, _ = gateway.new_key(team_id="violet", scopes=["admin", "models"])
    _, victim = gateway.new_key(scopes=["models"])
    headers = {"x-api-key": key}

    def ask(method: str, path: str, body: object = None) -> tuple[int, object]:
        reply = gateway.call(method, f"/api/v1/admin{path}", body, headers)
        return reply.status, reply.body.get("error", {}).get("code")

    assert ask("POST", "/keys", {"name": "x", "team_id": "violet", "scopes": ["models"]})[0] == 201
    for method, path, body in (
        ("PATCH", f"/keys/{victim}", {"team_id": "violet"}),
        ("POST", f"/keys/{victim}/rotate", {}),
        ("POST", "/config", {"rateLimits": {"free": {"requestsPerMinute": 1}}}),
        ("POST", "/circuit-breakers", {"action": "open"}),
        ("GET", "/usage?team=red", None),
    ):
        assert ask(method, path, body) == (403, "not_permitted"), path
    assert ask("GET", "/usage?team=violet")[0] == 200


def test_rotation_overlap_and_deletion(gateway: Live) -> None:
    key, key_id = gateway.new_key()
    assert gateway.complete(key).status == 200
    rotated = gateway.admin("POST", f"/keys/{key_id}/rotate", {"overlap_hours": 1})
    assert (rotated.status, rotated.headers["cache-control"]) == (200, "no-store")
    assert rotated.body["previous_key_expires"]
    assert [gateway.complete(each).status for each in (key, rotated.body["key"])] == [200, 200]
    last = gateway.admin("POST", f"/keys/{key_id}/rotate", {"overlap_hours": 0}).body["key"]
    assert gateway.complete(key).status in (401, 403)
    assert gateway.complete(rotated.body["key"]).status in (401, 403)
    assert gateway.complete(last).status == 200
    assert gateway.admin("DELETE", f"/keys/{key_id}").body == {"id": key_id, "deleted": True}
    assert gateway.complete(last).status in (401, 403)
    assert gateway.admin("GET", f"/keys/{key_id}").status == 404
    assert gateway.admin("POST", f"/keys/{key_id}/rotate", {"overlap_hours": 100}).status in (400, 404)


def test_a_team_s_budget_binds_its_keys(gateway: Live) -> None:
    made = gateway.admin("POST", "/teams", {"id": "red", "name": "Red", "max_budget": 0.01})
    assert (made.status, made.body["max_budget"]) == (201, 0.01)
    key, key_id = gateway.new_key(team_id="red")
    reply = gateway.complete(key, "x", max_tokens=10)
    assert reply.status == 200, reply.text
    assert 0 < float(reply.headers["x-gateway-team-remaining"]) < 0.01
    refused = gateway.complete(key, "x", max_tokens=4_000)
    assert (refused.status, refused.body["error"]["scope"]) == (402, "team")
    mine = gateway.call("GET", "/v1/key", headers=bearer(key)).body
    assert mine["id"] == key_id
    assert mine["team"]["budget"]["spent"] == mine["budget"]["spent"] > 0
    assert mine["limits"]["requests_per_minute"]["limit"] == 10_000
    assert gateway.admin("DELETE", "/teams/red").status == 409
    assert gateway.admin("GET", "/teams/nobody").status == 404
    assert gateway.admin("POST", "/keys", {"name": "x", "team_id": "nobody"}).body["error"]["param"] == "team_id"


def test_a_user_s_budget_and_a_model_s_bind_its_keys(gateway: Live) -> None:
    key, key_id = gateway.new_key(user_id="ann@example.com")
    assert gateway.complete(key, "x", max_tokens=10).status == 200
    made = gateway.admin("PUT", "/users/ann@example.com", {"max_budget": 0.01})
    assert (made.status, made.body["max_budget"]) == (200, 0.01)
    refused = gateway.complete(key, "x", max_tokens=4_000)
    assert (refused.status, refused.body["error"]["scope"]) == (402, "user")
    assert gateway.admin("DELETE", "/users/ann@example.com").status == 200
    limits = {"model_limits": {"gpt-4": {"max_budget": 0.01, "budget_duration": "daily"}}}
    assert gateway.admin("PATCH", f"/keys/{key_id}", limits).status == 200
    refused = gateway.complete(key, "x", model="openai/gpt-5.4", max_tokens=4_000)  # by the model's own name
    assert (refused.status, refused.body["error"]["scope"], refused.body["error"]["model"]) == (402, "model", "gpt-4")
    assert gateway.complete(key, "x", max_tokens=10).status == 200
    mine = gateway.call("GET", "/v1/key", headers=bearer(key)).body
    assert mine["model_limits"]["gpt-4"]["budget"]["spent"] > 0
    assert mine["user"] == {"id": "ann@example.com"}


def test_a_repeated_request_is_answered_and_billed_once(gateway: Live) -> None:
    key, key_id = gateway.new_key()
    body = {"model": "gpt-4", "messages": [{"role": "user", "content": "hello"}]}
    headers = bearer(key) | {"idempotency-key": "order-1"}
    first = gateway.call("POST", "/v1/chat/completions", body, headers)
    again = gateway.call("POST", "/v1/chat/completions", body, headers)
    assert (first.status, again.status, again.text) == (200, 200, first.text)
    assert again.headers["idempotency-replayed"] == "true"
    assert again.headers["x-gateway-request-id"] == first.headers["x-gateway-request-id"]
    assert "idempotency-replayed" not in first.headers
    other = gateway.call("POST", "/v1/chat/completions", body | {"user": "u"}, headers)
    assert (other.status, other.body["error"]["code"]) == (422, "idempotency_key_reused")
    eventually(lambda: gateway.admin("GET", f"/usage?key={key_id}").body["total"]["requests"] == 1)


def test_the_openai_client_repeats_with_a_key(gateway: Live) -> None:
    key, _ = gateway.new_key()
    script = f"""
import openai
client = openai.OpenAI(base_url="{gateway.base_url}/v1", api_key="{key}")
ask = lambda: client.chat.completions.create(
    model="gpt-4", messages=[{{"role": "user", "content": "hello"}}], extra_headers={{"idempotency-key": "k"}})
print(ask().id == ask().id)
"""
    run = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert json.loads(run.stdout.strip().lower()) is True
