"""The main job end to end: a key, a chat request, an answer from the right provider, its cost in the usage report."""

import json
import threading
import time
from collections import Counter
from typing import Any

import pytest

from tests.integration.conftest import OPENAI_KEY, Live
from tests.integration.waiting import eventually


def usage_of(gateway: Live, key_id: str, group_by: str = "key") -> Any:
    reply = gateway.admin("GET", f"/usage?group_by={group_by}&key={key_id}")
    assert reply.status == 200, reply.text
    return reply.body


def settled(gateway: Live, key_id: str, requests: int) -> Any:
    """The key's usage after this many requests are counted."""

    def look() -> Any:
        report = usage_of(gateway, key_id)
        return report if report["total"]["requests"] >= requests else None

    return eventually(look)


@pytest.mark.parametrize(("model", "provider"), [("gpt-4", "openai"), ("claude-3-sonnet", "bedrock")])
def test_a_completion_and_its_cost_once(gateway: Live, model: str, provider: str) -> None:
    key, key_id = gateway.new_key()
    reply = gateway.complete(key, "[[fake text=hello]]", model=model, tags=["team-a", "b", "team-a"])
    assert reply.status == 200, reply.text
    body = reply.body
    assert body["choices"][0]["message"]["content"] == "hello"
    assert (body["provider"], body["cached"], body["cost"]["currency"]) == (provider, False, "USD")
    assert body["cost"]["total"] == pytest.approx(body["cost"]["prompt"] + body["cost"]["completion"])
    assert body["usage"]["cost"] == body["cost"]["total"] > 0
    assert reply.headers["x-gateway-provider"] == provider
    assert float(reply.headers["x-gateway-cost"]) == body["cost"]["total"]
    report = settled(gateway, key_id, 1)
    assert report["total"]["cost"] == body["cost"]["total"]
    assert report["data"][0]["key"] == key_id
    (row,) = usage_of(gateway, key_id, "model")["data"]
    assert (row["model"], row["requests"]) == (model, 1)
    assert row["input_tokens"] == body["usage"]["prompt_tokens"]
    tags = usage_of(gateway, key_id, "tag")["data"]  # the same tag twice in a request counts once
    assert [(row["tag"], row["requests"], row["cost"]) for row in tags] == [
        (tag, 1, body["cost"]["total"]) for tag in ("b", "team-a")
    ]


def test_a_model_by_its_own_name(gateway: Live) -> None:
    key, _ = gateway.new_key()
    for name in ("openai/gpt-4o-mini", "gpt-4o-mini", "amazon.nova-lite-v1:0", "bedrock/amazon.nova-lite-v1:0"):
        reply = gateway.complete(key, model=name)
        assert reply.status == 200, reply.text
        assert reply.headers["x-gateway-model"].endswith(name.rpartition("/")[2])


def test_unknown_fields_reach_openai_untouched(gateway: Live) -> None:
    key, _ = gateway.new_key()
    extra: dict[str, Any] = {"logit_bias": {"50256": -100}, "seed": 7, "something_new": {"a": [1, None, "ä"]}}
    assert gateway.complete(key, **extra).status == 200
    sent = gateway.fake.seen[-1]
    assert {name: sent.body[name] for name in extra} == extra
    assert sent.headers["authorization"] == f"Bearer {OPENAI_KEY}"
    assert "tags" not in sent.body


def test_the_correlation_id_is_everywhere(gateway: Live) -> None:
    key, _ = gateway.new_key()
    body = {"model": "gpt-4", "messages": [{"role": "user", "content": "hi"}]}
    headers = {"x-api-key": key, "x-correlation-id": "corr-1234"}
    reply = gateway.call("POST", "/api/v1/completions", body, headers)
    assert reply.headers["x-correlation-id"] == "corr-1234"
    assert any("corr-1234" in line for line in logs(gateway, "completions"))
    rows = table(gateway, "request-analytics")
    assert [row["correlation"]["S"] for row in rows if row["rid"]["S"] == reply.headers["x-gateway-request-id"]] == [
        "corr-1234"
    ]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"{", 400, "invalid_json"),
        ({"model": "gpt-4"}, 400, "invalid_request"),
        ({"model": "no-such-model", "messages": [{"role": "user", "content": "x"}]}, 400, "model_not_found"),
        ({"model": "openai/unpriced", "messages": [{"role": "user", "content": "x"}]}, 400, "model_not_priced"),
        ({"model": "gpt-4", "messages": [{"role": "user", "content": "x"}], "max_tokens": 0}, 400, "invalid_request"),
    ],
)
def test_bad_input_is_answered_clearly_and_costs_nothing(gateway: Live, body: Any, status: int, code: str) -> None:
    key, key_id = gateway.new_key()
    reply = gateway.call("POST", "/api/v1/completions", body, {"x-api-key": key})
    assert (reply.status, reply.body["error"]["code"]) == (status, code)
    assert reply.body["message"] == reply.body["error"]["message"]
    assert not [row for row in table(gateway, "request-analytics") if row["key"]["S"] == key_id]


@pytest.mark.parametrize(
    ("words", "status", "code", "charged"),
    [
        ("status=500", 502, "upstream_error", False),
        ("status=429 retry-after=7", 429, "upstream_throttled", False),
        ("status=403 error-type=AccessDeniedException", 502, "upstream_credentials", False),
        ("status=400", 400, "upstream_rejected", False),
        ("reset=before", 502, "upstream_error", True),
        ("body=malformed", 502, "upstream_error", False),
        ("body=schema", 502, "upstream_error", False),
        ("body=cut", 502, "upstream_error", True),
    ],
)
@pytest.mark.parametrize("model", ["gpt-4", "claude-3-sonnet"])
def test_upstream_failures(gateway: Live, model: str, words: str, status: int, code: str, charged: bool) -> None:
    key, key_id = gateway.new_key()
    reply = gateway.complete(key, f"[[fake {words}]]", model=model)
    assert (reply.status, reply.body["error"]["code"]) == (status, code), reply.text
    if "retry-after" in words:
        assert reply.headers["retry-after"] == "7"
    report = settled(gateway, key_id, 1)
    assert report["total"]["errors"] == 1
    assert (report["total"]["cost"] > 0) == charged  # an unusable answer is not billed, an unknown outcome is


def test_a_reply_without_usage_is_counted_never_free(gateway: Live) -> None:
    key, _ = gateway.new_key()
    assert gateway.complete(key, "[[fake body=no-usage]]").body["cost"]["total"] > 0
    assert gateway.complete(key, "[[fake body=zero-usage]]").body["cost"]["total"] == 0


def test_fifty_calls_at_once_with_a_free_key(gateway: Live) -> None:
    key, _ = gateway.new_key(tier="free")
    started = time.monotonic()
    # The first call puts the authorizer's answer into the API's cache: 50 cold starts of it would prove nothing.
    replies = [gateway.complete(key, model="claude-3-sonnet")]

    def call() -> None:
        replies.append(gateway.complete(key, model="claude-3-sonnet"))

    threads = [threading.Thread(target=call) for _ in range(49)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    elapsed = time.monotonic() - started
    statuses = Counter(reply.status for reply in replies)
    assert len(replies) == 50
    assert set(statuses) == {200, 429}, statuses
    assert 10 <= statuses[200] <= 10 + elapsed / 6
    for reply in replies:
        if reply.status == 429:
            error = reply.body["error"]
            assert error["dimension"] in ("requests", "parallel")
            assert 0 < int(reply.headers["retry-after-ms"]) <= 60_000
            assert int(reply.headers["retry-after"]) >= int(reply.headers["retry-after-ms"]) / 1_000


def test_a_revoked_key_is_refused_at_its_next_call_under_a_cached_authorizer(gateway: Live) -> None:
    key, key_id = gateway.new_key()
    assert gateway.complete(key).status == 200
    assert gateway.admin("POST", f"/keys/{key_id}/revoke").body["status"] == "revoked"
    refused = gateway.complete(key)
    assert refused.status in (401, 403)
    if refused.status == 401:
        assert refused.body["error"]["code"] == "invalid_api_key"


def test_a_budget_holds(gateway: Live) -> None:
    key, key_id = gateway.new_key(max_budget=0.01)
    reply = gateway.complete(key, "x", model="gpt-4", max_tokens=10)
    assert reply.status == 200, reply.text
    assert 0 < float(reply.headers["x-gateway-key-remaining"]) < 0.01
    refused = gateway.complete(key, "x", model="gpt-4", max_tokens=4_000)
    assert (refused.status, refused.body["error"]["code"]) == (402, "budget_exceeded")
    assert refused.headers["x-should-retry"] == "false"
    assert settled(gateway, key_id, 1)["total"]["requests"] == 1


def test_a_key_of_some_models_only(gateway: Live) -> None:
    key, _ = gateway.new_key(models=["gpt-4"])
    assert gateway.complete(key, model="gpt-4").status == 200
    refused = gateway.complete(key, model="claude-3-sonnet")
    assert (refused.status, refused.body["error"]["code"]) == (403, "model_not_allowed")
    listed = gateway.call("GET", "/v1/models", headers={"authorization": f"Bearer {key}"}).body
    assert [model["id"] for model in listed["data"]] == ["gpt-4"]


def test_no_secret_is_in_any_log_or_row(gateway: Live) -> None:
    key, _ = gateway.new_key()
    prompt = "canary-prompt-5f1c"
    gateway.complete(key, prompt)
    gateway.complete(key, f"{prompt} [[fake status=401]]")
    gateway.complete(key, prompt, model=prompt)
    gateway.call("POST", "/api/v1/completions", prompt.encode(), {"x-api-key": key, "content-type": "application/json"})
    sinks = {f"log of {name}": "\n".join(logs(gateway, name)) for name in gateway.deployment.functions}
    sinks |= {f"table {name}": json.dumps(table(gateway, name), default=repr) for name in gateway.deployment.tables}
    assert key.split("-")[1] in sinks["log of completions"]  # the scan would find a leak, because it finds the ids
    for place, text in sinks.items():
        for secret in (OPENAI_KEY, OPENAI_KEY[3:], key, key[16:], prompt):
            assert secret not in text, f"{place} holds a secret"


def logs(gateway: Live, function: str) -> list[str]:
    group = f"/aws/lambda/{gateway.deployment.functions[function]}"
    pages = gateway.deployer.client("logs").get_paginator("filter_log_events").paginate(logGroupName=group)
    return [event["message"] for page in pages for event in page["events"]]


def table(gateway: Live, name: str) -> list[dict[str, Any]]:
    pages = (
        gateway.deployer.client("dynamodb").get_paginator("scan").paginate(TableName=gateway.deployment.tables[name])
    )
    return [item for page in pages for item in page["Items"]]
