"""Does everything that the gateway can do, once. Rights, counts, logs and traces are compared with this run."""

from __future__ import annotations

import json
import os
import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Any

from gateway.dynamodb.attributes import to_item
from gateway.identity.caller import SCOPES
from gateway.ledger.closing.sweep_store import SweepCursor
from gateway.ledger.rows_store import Row, RowStore, partition_of
from tests.integration.waiting import eventually
from tests.terraform.making import Made
from tests.terraform.recording import Call
from tools.aws.streaming import ask, chat
from tools.local import seed


def do_everything(made: Made) -> None:
    """Every job of every function, and every way in which one fails."""
    for use in (
        _callers_are_refused,
        _models_are_called,
        _catalogue_is_kept_and_read,
        _keys_and_config_are_kept,
        _teams_are_kept,
        _users_are_kept,
        _answers_are_streamed,
        _clients_leave,
        _sessions_are_billed,
        _requests_are_repeated,
        _limits_are_tried,
        _ledger_goes_wrong,
        _key_table_fails,
        _rows_die,
        _tables_fail,
    ):
        use(made)


def _models_are_called(made: Made) -> None:
    live = made.live
    key, key_id = live.new_key()
    for model in ("gpt-4", "bedrock/amazon.nova-lite-v1:0", "bedrock/eu.amazon.nova-lite-v1:0"):
        reply = live.complete(key, model=model)
        assert reply.status == 200, reply.text
    another = {"baseUrl": live.fake.openai_url, "secret": "another"}
    added = {"vendors": {"another": another}, "prices": {"another/m": {"input": 1, "output": 1}}}
    assert live.admin("POST", "/config", added).status == 200
    eventually(lambda: live.complete(key, model="another/m").status == 200)
    context = {"productIds": ["prod-0001"], "searchQuery": "headphones", "filters": {"category": "electronics"}}
    for wanted in (context, {"filters": {"category": "electronics"}}):
        assert live.complete(key, mcpContext=wanted).status == 200
    assert live.complete(key, mcpContext={"filters": {"category": "Spaceships"}}).status == 400
    for model in ("gpt-4", "claude-3-sonnet"):  # opens their breakers
        # More calls than the limit allows, because calls at the end of one window and at the beginning of the next
        # count separately.
        assert any(live.complete(key, "[[fake status=500]]", model=model).status == 503 for _ in range(24))
    eventually(lambda: live.admin("GET", f"/usage?key={key_id}").body["total"]["requests"] >= 5)
    for path in ("/health", "/api/v1/health", "/api/v1/health/detailed", "/api/v1/health/metrics"):
        assert live.call("GET", path).status in (200, 503)


def _answers_are_streamed(made: Made) -> None:
    """The paid calls again at the streaming door: streamed and whole, successful and failed."""
    live, server = made.live, made.server
    key, key_id = live.new_key()
    sent = {"authorization": f"Bearer {key}"}
    messages = [{"role": "user", "content": "hello"}]
    for model in ("gpt-4", "bedrock/amazon.nova-lite-v1:0", "bedrock/eu.amazon.nova-lite-v1:0", "another/m"):
        for stream in (True, False):
            body = {"model": model, "messages": messages, "stream": stream}
            reply = server.call("POST", "/v1/chat/completions", body, sent, trace=_trace())
            assert reply.status == 200, reply.text
    context = {"productIds": ["prod-0001"], "searchQuery": "headphones", "filters": {"category": "electronics"}}
    for wanted in (context, {"filters": {"category": "electronics"}}):
        with_products = {"model": "gpt-4", "messages": messages, "mcpContext": wanted}
        assert server.call("POST", "/v1/chat/completions", with_products, sent).status == 200
    unknown = {"model": "gpt-4", "messages": messages, "mcpContext": {"filters": {"category": "Spaceships"}}}
    assert server.call("POST", "/v1/chat/completions", unknown, sent).status == 400
    for model in ("anthropic.claude-sonnet-4-5-20250929-v1:0", "eu.anthropic.claude-sonnet-4-5-20250929-v1:0"):
        counting = {"model": f"bedrock/{model}", "messages": messages}
        # The gateway waits only a short time for a count and then estimates, so a slow machine may need more than one
        # try.
        eventually(partial(_is_counted, made, counting, sent), 60)
    for path in ("/v1/models", "/v1/models/gpt-4", "/v1/key"):
        assert server.call("GET", path, headers={"x-api-key": key}).status == 200
    assert server.call("GET", "/v1/models", headers={"x-api-key": "gk-nobody"}).status == 401
    once = {**sent, "idempotency-key": "once"}
    for asked, status in (({"model": "gpt-4"}, 400), ({"model": "gpt-4", "messages": messages}, 200)):
        assert server.call("POST", "/v1/chat/completions", asked, once).status == status
    for _ in range(2):
        assert server.call("POST", "/v1/chat/completions", _long(), once | {"idempotency-key": "long"}).status == 200
    ill = {"model": "gpt-4", "messages": [{"role": "user", "content": "[[fake status=500]]"}], "stream": True}
    assert server.call("POST", "/v1/chat/completions", ill, sent).status >= 500
    database = seed.database(live.endpoint, live.deployer.names.region, live.deployer.names.account)
    new, new_id = live.new_key()  # the first call makes its item if it does not exist
    limits = live.deployer.names.table("limits")
    database.call("DeleteItem", {"TableName": limits, "Key": to_item({"id": new_id})})
    good = {"model": "gpt-4", "messages": messages, "stream": True}
    assert server.call("POST", "/v1/chat/completions", good, {"api-key": new}).status == 200
    eventually(lambda: live.admin("GET", f"/usage?key={key_id}").body["total"]["requests"] >= 10)


def _is_counted(made: Made, counting: dict[str, Any], sent: dict[str, str]) -> bool:
    counted = made.server.call("POST", "/v1/messages/count_tokens", counting, sent)
    assert counted.status == 200, counted.text
    return "estimated" not in counted.body


def _clients_leave(made: Made) -> None:
    """A client leaves after the first words of its stream, of which the provider has more for minutes."""
    live = made.live
    key, _ = live.new_key()
    body = chat("gpt-4", f'[[fake chunk-delay=1 text="{" ".join(["word"] * 200)}"]]')
    left = ask(made.server.url, "POST", "/v1/chat/completions", {"authorization": f"Bearer {key}"}, body, pieces=1)
    assert left.status == 200, left.said
    eventually(lambda: any("HangUps" in line for line in made.logged()))


def _trace() -> str:
    return f"Root=1-{os.urandom(4).hex()}-{os.urandom(12).hex()};Parent={os.urandom(8).hex()};Sampled=1"


def _sessions_are_billed(made: Made) -> None:
    live, session = made.live, "0f8fad5b-d9cb-469f-a165-70867728950e"
    key, key_id = live.new_key()
    body = {"model": "gpt-4", "messages": [{"role": "user", "content": "hello"}], "user": "anne@example.com"}
    headers = {"authorization": f"Bearer {key}", "x-claude-code-session-id": session}
    assert live.call("POST", "/v1/chat/completions", body, headers).status == 200
    eventually(lambda: live.admin("GET", f"/usage/sessions?key={key_id}").body["data"])
    assert live.admin("GET", f"/usage/sessions/{session}?key={key_id}").status == 200
    erased = live.admin("DELETE", f"/usage/sessions?key={key_id}&user=anne@example.com")
    assert erased.body == {"erased": 1, "complete": True}
    database = seed.database(live.endpoint, live.deployer.names.region, live.deployer.names.account)
    secret = to_item({"pk": "session-secrets", "sk": f"{datetime.now(UTC):%Y-%m}"})
    database.call(
        "DeleteItem", {"TableName": live.deployer.names.table("state"), "Key": secret}
    )  # either door makes the item
    assert made.server.call("POST", "/v1/chat/completions", body | {"stream": True}, headers).status == 200


def _catalogue_is_kept_and_read(made: Made) -> None:
    live = made.live
    product = {"id": "r-1", "name": "Kettle", "price": {"amount": 49.9}, "category": {"path": ["home"]}}
    assert live.admin("POST", "/products", product).status == 201
    assert live.admin("PATCH", "/products/r-1", {"name": "Pot"}).status == 200
    assert live.admin("POST", "/products/import", {"products": [product]}).status == 200
    assert live.admin("DELETE", "/products/r-1").status == 200
    for path in (
        "/prod-0001",
        "?category=electronics",
        "/search?q=headphones",
        "/search?q=headphones&category=electronics",
    ):
        reply = live.call("GET", f"/api/v1/products{path}", headers={"x-api-key": live.keys["basic"]})
        assert reply.status == 200, reply.text
    headers = {"authorization": f"Bearer {live.keys['basic']}", "accept": "application/json, text/event-stream"}
    for method in ("tools/list", "resources/list"):
        reply = live.call("POST", "/mcp", {"jsonrpc": "2.0", "id": 1, "method": method}, headers)
        assert reply.status == 200, reply.text


def _keys_and_config_are_kept(made: Made) -> None:
    live = made.live
    _, key_id = live.new_key()
    for path in ("/keys", f"/keys/{key_id}", "/metrics", "/usage", "/circuit-breakers", "/config"):
        assert live.admin("GET", path).status == 200
    limits = {"rateLimits": {"free": {"requestsPerMinute": 11}}}
    assert live.admin("POST", "/config", limits).status == 200
    for which in ({}, {"providers": ["openai"]}, {"breakers": ["openai@global"]}):
        assert live.admin("POST", "/circuit-breakers", {"action": "reset", **which}).status == 200
    assert live.admin("PATCH", f"/keys/{key_id}", {"name": "changed"}).status == 200
    assert live.admin("POST", f"/keys/{key_id}/rotate").status == 200
    assert live.admin("POST", f"/keys/{key_id}/revoke").status == 200
    assert live.admin("DELETE", f"/keys/{key_id}").status == 200


def _teams_are_kept(made: Made) -> None:
    live = made.live
    assert live.admin("POST", "/teams", {"id": "blue", "name": "Blue", "max_budget": 5}).status == 201
    key, key_id = live.new_key(team_id="blue")
    assert live.complete(key).status == 200
    assert live.call("GET", "/v1/key", headers={"authorization": f"Bearer {key}"}).body["team"]["id"] == "blue"
    assert live.admin("PATCH", "/teams/blue", {"max_budget": None}).status == 200
    assert live.admin("GET", "/teams").status == 200
    correction = {"key": key_id, "amount": -0.01, "reason": "a test"}
    assert live.admin("POST", "/corrections", correction).status == 201
    assert live.admin("GET", "/corrections").status == 200
    assert live.admin("GET", "/teams/blue/statements").status == 200
    assert live.admin("DELETE", f"/keys/{key_id}").status == 200
    eventually(lambda: live.admin("DELETE", "/teams/blue").status == 200)


def _users_are_kept(made: Made) -> None:
    live = made.live
    key, key_id = live.new_key(user_id="ann", model_limits={"gpt-4": {"max_budget": 5}})
    assert live.admin("PUT", "/users/ann", {"max_budget": 5}).status == 200  # the user's keys get the limit
    assert live.complete(key).status == 200
    assert live.call("GET", "/v1/key", headers={"authorization": f"Bearer {key}"}).body["user"]["id"] == "ann"
    assert live.admin("GET", "/users").status == 200
    assert live.admin("GET", "/users/ann").status == 200
    assert live.admin("DELETE", "/users/ann").status == 200
    assert live.admin("DELETE", f"/keys/{key_id}").status == 200


def _requests_are_repeated(made: Made) -> None:
    live = made.live
    key, _ = live.new_key()
    headers = {"x-api-key": key, "idempotency-key": "once"}
    good = {"model": "gpt-4", "messages": [{"role": "user", "content": "hello"}]}
    for body, status in (({"model": "gpt-4"}, 400), (good, 200), (good, 200), (good | {"user": "other"}, 422)):
        assert live.call("POST", "/api/v1/completions", body, headers).status == status
    for _ in range(2):
        assert live.call("POST", "/api/v1/completions", _long(), headers | {"idempotency-key": "long"}).status == 200


def _long() -> dict[str, Any]:
    """A request whose answer is so long that it is stored next to its claim; it is the same each time."""
    text = random.Random(1).randbytes(3_000).hex()
    return {"model": "gpt-4", "messages": [{"role": "user", "content": f"[[fake text={text}]]"}]}


def _limits_are_tried(made: Made) -> None:
    live = made.live
    key, _ = live.new_key(rpd_limit=1, shadow=["requestsPerDay"])
    assert [live.complete(key).status for _ in range(2)] == [200, 200]


def _ledger_goes_wrong(made: Made) -> None:
    """A bill above the hold, which also exceeds a budget; a lost settlement; an hour that ended long ago and still
    holds money."""
    live = made.live
    key, _ = live.new_key(max_budget=0.5)
    assert live.complete(key, "[[fake cache-write=9000000]]", model="bedrock/amazon.nova-lite-v1:0").status == 200
    eventually(lambda: len([call for call in _calls(made, "analytics") if call.service == "sns"]) == 3)
    key, _ = live.new_key()
    before = len(_rows_opened(made))
    lost = threading.Thread(target=live.complete, args=(key, "[[fake delay=3]]"))
    lost.start()
    eventually(lambda: len(_rows_opened(made)) > before)
    with _cut_off(made, "completions"):
        lost.join()
    names, client = live.deployer.names, live.deployer.client
    database = seed.database(live.endpoint, names.region, names.account)
    # A key's item is made with the key. If it was lost, the first call makes it again.
    key, key_id = live.new_key()
    database.call("DeleteItem", {"TableName": names.table("limits"), "Key": to_item({"id": key_id})})
    assert live.complete(key).status == 200
    hour = "2026-01-01T00_total"
    held = {"id": "old", "st": "R", "kv": 1, "inflight": 1, "used_total": 5, f"o_{hour}": 5, f"n_{hour}": 1}
    database.call("PutItem", {"TableName": names.table("limits"), "Item": to_item(held)})
    run = client("lambda").invoke(FunctionName=live.deployment.functions["reconciler"])
    assert json.load(run["Payload"])["drift"] == 5
    # of a key that does not exist any more
    run = client("lambda").invoke(FunctionName=live.deployment.functions["reconciler"])
    assert json.load(run["Payload"])["removed"] >= 1


def _rows_opened(made: Made) -> list[Call]:
    return [
        call
        for call in _calls(made, "completions")
        if call.target.endswith("PutItem") and "request-analytics" in call.body.get("TableName", "")
    ]


def _key_table_fails(made: Made) -> None:
    # The authorizer can't tell whose key it is, so each function looks the key up itself.
    live = made.live
    key, _ = live.new_key(scopes=list(SCOPES))
    with _cut_off(made, "authorizer"):
        assert live.complete(key).status == 200
        for path in ("/api/v1/products", "/api/v1/admin/keys"):
            assert live.call("GET", path, headers={"x-api-key": key}).status == 200


def _rows_die(made: Made) -> None:
    """A row whose call never ended is swept; the consumer parks a row that can't be read."""
    live = made.live
    names, client = live.deployer.names, live.deployer.client
    database = seed.database(live.endpoint, names.region, names.account)
    rows = RowStore(database, names.table("request-analytics"))
    key, key_id = live.new_key()
    assert live.complete(key).status == 200
    now = int(time.time())
    rows.open(_row("dead", key_id, (now - 5 * 60) * 1_000_000))
    rows.open(stuck := _row("stuck", key_id, (now - 5 * 60) * 1_000_000))
    database.call(
        "UpdateItem",
        {
            "TableName": names.table("request-analytics"),
            "Key": to_item({"minute": stuck.minute, "rid": stuck.rid}),
            "UpdateExpression": "REMOVE est",
        },
    )
    SweepCursor(database, names.table("state")).write(now // 60 - 10)
    client("lambda").invoke(FunctionName=live.deployment.functions["sweeper"])
    rows.open(poison := _row("poison", key_id, now * 1_000_000))
    database.call(
        "UpdateItem",
        {
            "TableName": names.table("request-analytics"),
            "Key": to_item({"minute": poison.minute, "rid": poison.rid}),
            "UpdateExpression": "SET #state = :settled, est = :none",
            "ExpressionAttributeNames": {"#state": "state"},
            "ExpressionAttributeValues": to_item({":settled": "SETTLED", ":none": "no number"}),
        },
    )
    eventually(lambda: any("PutItem" in call.target for call in _calls(made, "analytics")))
    assert any("UpdateItem" in call.target for call in _calls(made, "sweeper"))


def _callers_are_refused(made: Made) -> None:
    live = made.live
    assert live.call("GET", "/v1/models", headers={"authorization": "Bearer gk-nobody"}).status in (401, 403)
    poor, _ = live.new_key(max_budget=0.01)
    reply = live.complete(poor, max_tokens=4_000)
    assert reply.status == 402, reply.text
    small, _ = live.new_key(tier="free")
    assert live.complete(small, model="gpt-4o-mini", n=16, max_tokens=16_000).status == 429


def _tables_fail(made: Made) -> None:
    """No function reaches its tables. Each function reports that and counts it."""
    live = made.live
    key, _ = live.new_key()
    live.complete(key)  # the authorizer's answer is in the API's cache
    read = {"x-api-key": live.keys["basic"]}
    scheduled = ("sweeper", "reconciler")
    with _cut_off(made, "completions", "admin", "mcp", "health", *scheduled):
        assert live.complete(key).status == 503
        assert live.call("GET", "/api/v1/products", headers=read).status == 503
        assert live.admin("GET", "/keys").status == 503
        # a container keeps the last state that it saw for five seconds
        eventually(lambda: live.call("GET", "/api/v1/health").status == 503)
        for name in scheduled:
            run = live.deployer.client("lambda").invoke(FunctionName=live.deployment.functions[name])
            assert "FunctionError" in run
    with _cut_off(made, "analytics"):
        assert live.complete(key).status == 200
        eventually(lambda: any(line.get("message") == "batch" and line["failed"] for line in made.logged()))


@contextmanager
def _cut_off(made: Made, *functions: str) -> Iterator[None]:
    made.recorder.cut_off.update(functions)
    try:
        yield
    finally:
        made.recorder.cut_off.clear()


def _row(rid: str, key_id: str, created: int) -> Row:
    deadline = created // 1_000_000 + 29
    return Row(
        minute=partition_of(rid, created, deadline),
        rid=rid,
        key=key_id,
        tier="free",
        model="gpt-4",
        target="openai/gpt-4",
        provider="openai",
        hour="2026-01-01T00",
        est=100,
        created=created,
        deadline=deadline,
    )


def _calls(made: Made, function: str) -> list[Call]:
    return [call for call in list(made.recorder.calls) if call.function == function]
