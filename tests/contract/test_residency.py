"""A residency rule, through the doors and on the tables: of a key, of its team, of the config. It is checked at the
plan, and again with the record that admitted the call."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from gateway import wiring
from gateway.dynamodb.attributes import to_item
from gateway.errors import Forbidden
from gateway.identity.store import ACTIVE, DAMAGED, KeyStore, TeamRecord
from gateway.keys import key_fields, teams
from tests.contract.conftest import Tables
from tests.contract.front import Gateway, Place
from tests.contract.world import World

EU, US = "bedrock/eu.anthropic.claude-opus-5-5", "bedrock/global.anthropic.claude-opus-5-5"
BODY: dict[str, Any] = {"model": "claude-opus", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 5}
HERE = pytest.mark.parametrize("place", [Place("eu-central-1", "bedrock")], indirect=True)


def test_a_record_keeps_its_rule(tables: Tables) -> None:
    store = KeyStore(tables.database, tables["api-keys"])
    store.create_team(TeamRecord("blue", "Blue", "2026-11-27T00:00:00.000Z", residency="eu"))
    world = World(tables)
    record = replace(world.record, residency="jp", version=2, team_id="blue")
    store.replace(record, version=1)
    read, team = store.get(record.id), store.team("blue")
    assert read == record
    assert team is not None
    assert (team.residency, read.caller(team).bound_to if read else "") == ("eu", "-")
    assert read is not None
    assert (key_fields.shown(read)["residency"], teams.shown(team)["residency"]) == ("jp", "eu")
    store.replace(replace(record, residency="", version=3), version=2)
    loose = store.get(record.id)
    assert loose is not None
    assert (loose.residency, loose.caller(team).bound_to) == ("", "eu")
    assert key_fields.shown(loose)["residency"] is None
    store.replace_team(replace(team, residency="", version=2), version=1)
    freed = store.team("blue")
    assert freed is not None
    assert loose.caller(freed).bound_to == ""


@pytest.mark.parametrize("written", ["moon", "global", "-", 7])
def test_a_rule_that_is_none_damages_its_record(tables: Tables, written: object) -> None:
    """Nobody knows where its calls may go, so the key can't be used."""
    world = World(tables)
    tables.database.call(
        "UpdateItem",
        {
            "TableName": tables["api-keys"],
            "Key": to_item({"id": world.key}),
            "UpdateExpression": "SET residency = :rule",
            "ExpressionAttributeValues": to_item({":rule": written}),
        },
    )
    read = KeyStore(tables.database, tables["api-keys"]).get(world.key)
    assert read is not None
    assert read.state == DAMAGED != ACTIVE


@HERE
def test_a_key_that_is_bound_calls_and_is_shown_what_stays_alone(gateway: Gateway) -> None:
    key, _ = gateway.new_key(residency="eu")
    reply = gateway.ask("POST", "/v1/chat/completions", BODY, key=key)
    assert (reply.status, reply.headers["x-gateway-model"]) == (200, EU)
    seen = len(gateway.fake.seen)
    for name in (US, "gpt", "bedrock/us.anthropic.claude-opus-5-5"):
        for path in ("/v1/chat/completions", "/api/v1/completions"):
            refused = gateway.ask("POST", path, BODY | {"model": name}, key=key)
            assert (refused.status, refused.error["code"], refused.error["param"]) == (403, "residency", "model")
        hidden = gateway.ask("GET", f"/v1/models/{name}", key=key)
        assert (hidden.status, hidden.error["code"]) == (404, "model_not_found")
        assert hidden.error["message"] == refused.error["message"], "which says why"
    assert len(gateway.fake.seen) == seen, "nothing was sent"
    shown = gateway.ask("GET", "/v1/models?all=true", key=key).body["data"]
    targets = {each["target"].removeprefix("bedrock/") for each in shown}
    assert EU.removeprefix("bedrock/") in targets
    assert not any(target.startswith(("global.", "us.", "apac.")) for target in targets)
    assert any(each["target"] == US for each in gateway.ask("GET", "/v1/models?all=true").body["data"])


@HERE
def test_a_team_s_rule_binds_its_keys_and_the_narrower_holds(gateway: Gateway) -> None:
    assert gateway.post("/api/v1/admin/teams", {"id": "blue", "name": "Blue", "residency": "us"}).status == 201
    key, key_id = gateway.new_key(team_id="blue")
    refused = gateway.ask("POST", "/v1/chat/completions", BODY, key=key)
    assert (refused.status, refused.error["code"], refused.error["residency"]) == (403, "residency", "us")
    patched = gateway.ask("PATCH", "/api/v1/admin/teams/blue", {"residency": "eu"})
    assert (patched.status, patched.body["residency"]) == (200, "eu")
    gateway.front.cache.clear()  # as if a minute had passed: the authorizer's cached answer may be stricter
    assert gateway.ask("POST", "/v1/chat/completions", BODY, key=key).status == 200
    assert gateway.ask("PATCH", f"/api/v1/admin/keys/{key_id}", {"residency": "us"}).body["residency"] == "us"
    gateway.front.cache.clear()
    contradicted = gateway.ask("POST", "/v1/chat/completions", BODY, key=key)
    assert (contradicted.status, "contradict" in contradicted.error["message"]) == (403, True)
    assert gateway.ask("GET", "/v1/models", key=key).body["data"] == []
    assert gateway.ask("PATCH", f"/api/v1/admin/keys/{key_id}", {"residency": None}).body["residency"] is None
    gateway.front.cache.clear()
    assert gateway.ask("POST", "/v1/chat/completions", BODY, key=key).status == 200


@HERE
@pytest.mark.parametrize("limited", [False, True])
@pytest.mark.parametrize("whose", ["key", "team"])
def test_a_rule_that_is_set_meanwhile_binds_the_next_call_and_nothing_is_held(
    gateway: Gateway, whose: str, limited: bool
) -> None:
    """Whatever an authorizer has cached, the rule is checked again with the record that admits the call."""
    limits = {"max_budget": 5} if limited else {}
    assert gateway.post("/api/v1/admin/teams", {"id": "blue", "name": "Blue", **limits}).status == 201
    key, key_id = gateway.new_key(team_id="blue", max_budget=5)
    cached = wiring.identity().verify(key)
    assert cached is not None
    service, seen = wiring.gateway().completions, len(gateway.fake.seen)
    service.start(cached, BODY, correlation_id="c", seconds_left=20).gather()
    path = f"/api/v1/admin/keys/{key_id}" if whose == "key" else "/api/v1/admin/teams/blue"
    for rule in ("us", "jp"):  # from no rule to one, and from one to another
        cached = wiring.identity().verify(key) or cached
        assert gateway.ask("PATCH", path, {"residency": rule}).status == 200
        stale = replace(cached, residency="", team_residency="")
        with pytest.raises(Forbidden) as refused:
            service.start(stale, BODY, correlation_id="c", seconds_left=20)
        assert (refused.value.code, refused.value.details) == ("residency", {"residency": rule})
    assert len(gateway.fake.seen) == seen + 1
    held = [row for row in gateway.rows() if row["key"] == key_id and row["state"] == "OPEN"]
    assert held == []
    gateway.ask("PATCH", path, {"residency": "eu"})
    service.start(stale, BODY, correlation_id="c", seconds_left=20).gather()


@HERE
def test_the_config_s_rule_binds_every_key(gateway: Gateway) -> None:
    assert gateway.ask("POST", "/v1/chat/completions", BODY | {"model": US}).status == 200
    assert gateway.post("/api/v1/admin/config", {"residency": "eu"}).status == 200
    wiring.reset()  # as if ten seconds had passed
    refused = gateway.ask("POST", "/v1/chat/completions", BODY | {"model": US})
    assert (refused.status, refused.error["code"]) == (403, "residency")
    assert gateway.ask("POST", "/v1/chat/completions", BODY).headers["x-gateway-model"] == EU
    wrong = gateway.post("/api/v1/admin/config", {"residency": "global"})
    assert (wrong.status, wrong.error["param"]) == (400, "residency")


@HERE
def test_a_kept_answer_is_for_who_may_have_it_now(gateway: Gateway) -> None:
    key, key_id = gateway.new_key()
    headers = {"idempotency_key": "k-1"}
    first = gateway.ask("POST", "/v1/chat/completions", BODY, key=key, **headers)
    assert first.status == 200
    assert gateway.ask("PATCH", f"/api/v1/admin/keys/{key_id}", {"residency": "us"}).status == 200
    again = gateway.ask("POST", "/v1/chat/completions", BODY, key=key, **headers)
    assert (again.status, again.error["code"]) == (403, "residency")
