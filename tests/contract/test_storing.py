"""`store: true`, through the doors and on the tables: it is passed on if the record that admits the call says that the
key's team allows it; and the answer says whether it was stored."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from gateway import wiring
from gateway.calls.completions import Way
from gateway.dynamodb.attributes import to_item
from gateway.identity.account_ids import team_item
from gateway.identity.store import DAMAGED, KeyStore, TeamRecord
from gateway.keys import teams
from tests.contract.conftest import Tables
from tests.contract.front import Gateway, Place
from tests.contract.test_responses import Door, offer

BODY: dict[str, Any] = {"model": "it", "input": "Hello!", "max_output_tokens": 50, "store": True}
CHAT: dict[str, Any] = {"model": "it", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 5, "store": True}
TEAM = "/api/v1/admin/teams/blue"


@pytest.fixture
def place() -> Place:
    return Place(providers="openai,bedrock,anthropic")


def member(gateway: Gateway, **team: Any) -> str:
    """A key of a team with these fields."""
    assert gateway.post("/api/v1/admin/teams", {"id": "blue", "name": "Blue", **team}).status == 201
    return gateway.new_key(team_id="blue")[0]


def said(gateway: Gateway) -> Any:
    """The fields of the last request to the provider."""
    return gateway.fake.seen[-1].body.get("store")


def test_a_record_keeps_it_and_an_odd_one_damages_its_record(tables: Tables) -> None:
    store = KeyStore(tables.database, tables["api-keys"])
    store.create_team(TeamRecord("blue", "Blue", "2026-11-27T00:00:00.000Z", may_store=True))
    read = store.team("blue")
    assert read is not None
    assert (read.may_store, teams.shown(read)["may_store"]) == (True, True)
    tables.database.call(
        "UpdateItem",
        {
            "TableName": tables["api-keys"],
            "Key": to_item({"id": team_item("blue")}),
            "UpdateExpression": "SET may_store = :odd",
            "ExpressionAttributeValues": to_item({":odd": "yes"}),
        },
    )
    assert store.team("blue") is None, "nobody calls by it"
    assert [each.state for each in store.list_teams(10)[0]] == [DAMAGED]


@pytest.mark.parametrize("limited", [False, True])
@pytest.mark.parametrize("way", ["native", "native at AWS"])
def test_a_change_holds_at_the_next_call_and_the_answer_tells_the_truth(
    gateway: Gateway, way: str, limited: bool
) -> None:
    """Whatever an authorizer has cached, the test waits for nothing here."""
    offer(gateway, way)
    key = member(gateway, **({"max_budget": 5} if limited else {}))
    for allowed in (False, True, False, True):
        patched = gateway.ask("PATCH", TEAM, {"may_store": allowed})
        assert (patched.status, patched.body["may_store"]) == (200, allowed)
        answer = Door(gateway).ask(BODY, key=key)
        assert (answer.status, answer.body["store"], said(gateway)) == (200, allowed, allowed)
        assert ("store" in answer.headers.get("x-gateway-dropped", "")) is not allowed
        events = Door(gateway).ask(BODY | {"stream": True}, key=key).events()
        assert {event["response"]["store"] for _, event in events if "response" in event} == {allowed}
        assert said(gateway) is allowed
        quiet = {name: value for name, value in BODY.items() if name != "store"}
        assert Door(gateway).ask(quiet, key=key).body["store"] is False
        assert said(gateway) is False, "who does not ask for it has nothing stored"


@pytest.mark.parametrize("dialect", ["responses", "chat"])
@pytest.mark.parametrize("allowed", [False, True])
def test_the_record_that_admits_the_call_decides(gateway: Gateway, dialect: str, allowed: bool) -> None:
    offer(gateway, "native" if dialect == "responses" else "chat")
    key = member(gateway, may_store=not allowed)
    cached = wiring.identity().verify(key)
    assert cached is not None
    assert cached.may_store is not allowed
    assert gateway.ask("PATCH", TEAM, {"may_store": allowed}).status == 200
    body, way = (BODY, Way(dialect="responses")) if dialect == "responses" else (CHAT, Way())
    call = wiring.gateway().completions.start(cached, body, correlation_id="c", seconds_left=20, way=way)
    answer = call.gather()
    assert said(gateway) is (True if allowed else False if dialect == "responses" else None)
    assert ("store" in call.dropped) is not allowed
    assert answer.get("store") is (allowed if dialect == "responses" else None)


@pytest.mark.parametrize("way", ["native", "chat", "messages", "converse"])
def test_a_key_without_a_team_has_nothing_stored(gateway: Gateway, way: str) -> None:
    offer(gateway, way)
    answer = Door(gateway).ask(BODY, key=gateway.new_key()[0])
    assert (answer.status, answer.body["store"], bool(said(gateway))) == (200, False, False)
    assert answer.headers["x-gateway-dropped"] == "store"


@pytest.mark.parametrize("way", ["chat", "messages", "converse"])
def test_what_is_translated_is_never_stored(gateway: Gateway, way: str) -> None:
    offer(gateway, way)
    answer = Door(gateway).ask(BODY, key=member(gateway, may_store=True))
    assert (answer.status, answer.body["store"], bool(said(gateway))) == (200, False, False)
    assert answer.headers["x-gateway-dropped"] == "store"


def test_what_a_provider_stored_is_asked_for_by_nobody(gateway: Gateway) -> None:
    """The request does not contain those tokens, so nothing could be held for them; and all teams share one account at
    the provider."""
    offer(gateway, "native")
    key = member(gateway, may_store=True)
    first = Door(gateway).ask(BODY, key=key).body["id"]
    again = Door(gateway).ask(BODY | {"previous_response_id": first}, key=key)
    assert again.status == 400
    error = again.body["error"]
    assert error["code"] == "previous_response_not_found"
    assert "Send the whole conversation" in error["message"]


@pytest.mark.parametrize("wrong", ["yes", 1, [], "true"])
def test_it_is_true_or_false(gateway: Gateway, wrong: object) -> None:
    for reply in (
        gateway.post("/api/v1/admin/teams", {"id": "blue", "name": "Blue", "may_store": wrong}),
        gateway.post("/api/v1/admin/keys", {"name": "test", "tier": "free", "may_store": True}),
    ):
        assert (reply.status, reply.error["param"]) == (400, "may_store")


def test_a_stale_caller_of_another_team_stores_nothing(gateway: Gateway) -> None:
    """A key that was moved: its calls follow the rules of its new team."""
    offer(gateway, "native")
    member(gateway, may_store=True)
    key, key_id = gateway.new_key(team_id="blue")
    cached = wiring.identity().verify(key)
    assert cached is not None
    assert gateway.ask("PATCH", f"/api/v1/admin/keys/{key_id}", {"team_id": None}).status == 200
    stale = replace(cached, may_store=True)
    way = Way(dialect="responses")
    start = wiring.gateway().completions.start
    assert start(stale, BODY, correlation_id="c", seconds_left=20, way=way).gather()["store"] is False
    assert said(gateway) is False
