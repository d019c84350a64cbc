"""No function may do less than it does, nor more: calls on the wire against the policies that Terraform applies."""

from __future__ import annotations

import fnmatch
import time

import pytest

from gateway.domain.identity import SCOPES
from gateway.stores.attributes import to_item
from gateway.stores.rows import Row, RowStore
from gateway.stores.sweep import SweepCursor
from tests.integration.waiting import eventually
from tests.terraform import applied
from tests.terraform.applied import State
from tests.terraform.conftest import Made
from tests.terraform.recording import Call
from tools.local import seed

# Rights that Lambda itself uses in a function's name: to log, to trace, to read the stream, to set failures aside.
OF_THE_PLATFORM = {"Logs", "Traces", "Stream", "Failures"}
Granted = dict[str, list[tuple[str, str, str]]]


@pytest.fixture(scope="module")
def granted(state: State, made: Made) -> Granted:
    """Function -> what its policy allows, as (statement, action, resource)."""
    policies = applied.facts(state)["policies"]
    return {
        folder: [
            (sid, action, resource)
            for sid, (effect, actions, resources) in policies[name].items()
            for action in actions
            for resource in resources
            if effect == "Allow"
        ]
        for folder, name in made.live.deployment.functions.items()
    }


@pytest.fixture(scope="module")
def used(state: State, made: Made) -> dict[str, set[tuple[str, str]]]:
    """Function -> the rights that its calls needed while everything the gateway does was done once."""
    for use in (
        _models_are_called,
        _catalogue_is_kept_and_read,
        _keys_and_config_are_kept,
        _key_table_fails,
        _rows_die,
    ):
        use(made)
    rights: dict[str, set[tuple[str, str]]] = {folder: set() for folder in made.live.deployment.functions}
    for call in made.recorder.calls:
        rights[call.function] |= call.rights(*state.place)
    return rights


def test_nothing_used_is_missing(used: dict[str, set[tuple[str, str]]], granted: Granted) -> None:
    missing = {
        (folder, action, arn)
        for folder, rights in used.items()
        for action, arn in rights
        if not any(_allows(grant, action, arn) for grant in granted[folder])
    }
    assert missing == set()


def test_nothing_granted_is_unused(used: dict[str, set[tuple[str, str]]], granted: Granted) -> None:
    unused = {
        (folder, *grant)
        for folder, grants in granted.items()
        for grant in grants
        if grant[0] not in OF_THE_PLATFORM and not any(_allows(grant, *right) for right in used[folder])
    }
    assert unused == set()


def test_the_platforms_rights_are_the_only_ones_on_everything(granted: Granted) -> None:
    everything = {grant for grants in granted.values() for grant in grants if grant[2] == "*"}
    assert everything == {("Traces", "xray:PutTelemetryRecords", "*"), ("Traces", "xray:PutTraceSegments", "*")}


def _allows(grant: tuple[str, str, str], action: str, arn: str) -> bool:
    return grant[1] == action and fnmatch.fnmatchcase(arn, grant[2])


# --- everything the gateway does -------------------------------------------------------------------------------------


def _models_are_called(made: Made) -> None:
    live = made.live
    key, key_id = live.new_key()
    for model in ("gpt-4", "bedrock/amazon.nova-lite-v1:0", "bedrock/eu.amazon.nova-lite-v1:0"):
        reply = live.complete(key, model=model)
        assert reply.status == 200, reply.text
    context = {"productIds": ["prod-0001"], "searchQuery": "headphones", "filters": {"category": "electronics"}}
    for wanted in (context, {"filters": {"category": "electronics"}}):
        assert live.complete(key, mcpContext=wanted).status == 200
    assert [live.complete(key, "[[fake status=500]]").status for _ in range(8)][-1] == 503  # the breaker opens
    eventually(lambda: live.admin("GET", f"/usage?key={key_id}").body["total"]["requests"] >= 5)
    for path in ("/health", "/api/v1/health", "/api/v1/health/detailed", "/api/v1/health/metrics"):
        assert live.call("GET", path).status in (200, 503)


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
    assert live.admin("POST", "/circuit-breakers", {"action": "reset"}).status == 200
    assert live.admin("POST", f"/keys/{key_id}/revoke").status == 200


def _key_table_fails(made: Made) -> None:
    # The authorizer can't tell whose key it is, so each function looks for itself.
    live = made.live
    key, _ = live.new_key(scopes=list(SCOPES))
    made.recorder.cut_off.add("authorizer")
    try:
        assert live.complete(key).status == 200
        for path in ("/api/v1/products", "/api/v1/admin/keys"):
            assert live.call("GET", path, headers={"x-api-key": key}).status == 200
    finally:
        made.recorder.cut_off.clear()


def _rows_die(made: Made) -> None:
    """A row whose call never ended is swept; one that can't be read is parked by the consumer."""
    live = made.live
    names, client = live.deployer.names, live.deployer.client
    database = seed.database(live.endpoint, names.region, names.account)
    rows = RowStore(database, names.table("request-analytics"))
    key, key_id = live.new_key()
    assert live.complete(key).status == 200
    now = int(time.time())
    rows.open(_row("dead", key_id, (now - 5 * 60) * 1_000_000))
    SweepCursor(database, names.table("state")).write(now // 60 - 10)
    client("lambda").invoke(FunctionName=names.function("sweeper", live.manifest.functions["sweeper"]))
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


def _row(rid: str, key_id: str, created: int) -> Row:
    return Row(
        rid=rid,
        key=key_id,
        tier="free",
        model="gpt-4",
        target="openai/gpt-4",
        provider="openai",
        hour="2026-01-01T00",
        est=100,
        created=created,
        deadline=created // 1_000_000 + 29,
    )


def _calls(made: Made, function: str) -> list[Call]:
    return [call for call in list(made.recorder.calls) if call.function == function]
