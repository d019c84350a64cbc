"""Error codes that callers seldom get, each with a call that gets it (docs/errors.md has all codes)."""

from typing import Any

import pytest

from gateway import wiring
from gateway.dynamodb.attributes import to_item
from gateway.errors import BadRequest, UpstreamRejected
from gateway.identity.account_ids import user_item
from gateway.mcp.tools import tool
from gateway.vendors.failures import refused
from tests.contract.conftest import Tables
from tests.contract.front import Gateway
from tests.fakes.database import DownDatabase
from tests.reply import Reply


def admin(gateway: Gateway, method: str, path: str, body: Any = None, **headers: str) -> Reply:
    return gateway.ask(method, f"/api/v1/admin{path}", body, **headers)


def test_a_revoked_key_is_changed_no_more(gateway: Gateway) -> None:
    _, key_id = gateway.new_key()
    assert admin(gateway, "POST", f"/keys/{key_id}/revoke").status == 200
    again = admin(gateway, "PATCH", f"/keys/{key_id}", {"name": "x"})
    assert (again.status, again.error["code"]) == (409, "key_revoked")


def test_what_a_team_s_id_allows(gateway: Gateway) -> None:
    blue = {"id": "blue", "name": "Blue"}
    assert admin(gateway, "POST", "/teams", blue).status == 201
    again = admin(gateway, "POST", "/teams", blue)
    assert (again.status, again.error["code"]) == (409, "team_exists")
    renamed = admin(gateway, "PATCH", "/teams/blue", {"id": "green"})
    assert (renamed.status, renamed.error["code"]) == (409, "id_is_fixed")
    gateway.new_key(team_id="blue")
    kept = admin(gateway, "DELETE", "/teams/blue")
    assert (kept.status, kept.error["code"]) == (409, "team_has_keys")


def test_the_id_of_a_correction_stands_for_one(gateway: Gateway) -> None:
    _, key_id = gateway.new_key()
    entry = {"key": key_id, "amount": -1, "reason": "a credit", "id": "june"}
    assert admin(gateway, "POST", "/corrections", entry).status == 201
    other = admin(gateway, "POST", "/corrections", entry | {"amount": -2})
    assert (other.status, other.error["code"]) == (409, "correction_exists")


def test_limits_of_a_user_that_can_not_be_read(gateway: Gateway, tables: Tables) -> None:
    assert admin(gateway, "PUT", "/users/ann", {"max_budget": 5}).status == 200
    damaged = {"id": user_item("ann"), "kind": "user", "user": "ann"}
    tables.database.call("PutItem", {"TableName": tables["api-keys"], "Item": to_item(damaged)})
    again = admin(gateway, "PUT", "/users/ann", {"max_budget": 6})
    assert (again.status, again.error["code"]) == (409, "user_damaged")


PING = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
CALL = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "nothing", "arguments": {}}}


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"host": "evil.example"}, "host_not_allowed"),
        ({"host": "localhost", "origin": "https://evil.example"}, "origin_not_allowed"),
    ],
)
def test_mcp_is_for_its_own_host_and_pages(gateway: Gateway, headers: dict[str, str], code: str) -> None:
    reply = gateway.ask("POST", "/mcp", PING, **headers)
    assert (reply.status, reply.body["error"]["data"]["code"]) == (403, code)


def test_a_tool_that_there_is_not(gateway: Gateway) -> None:
    told = gateway.ask("POST", "/mcp", CALL, host="localhost").error
    assert told["code"] == -32602
    assert "The tools are product_search, " in told["message"]
    with pytest.raises(BadRequest) as refused_here:
        tool("nothing")
    assert refused_here.value.code == "unknown_tool"


def test_a_store_that_is_down_is_no_refusal(gateway: Gateway) -> None:
    gateway.restart()
    wiring.gateway().database = DownDatabase()
    reply = gateway.ask("GET", "/v1/key")
    assert (reply.status, reply.error["code"]) == (503, "store_unavailable")


@pytest.mark.parametrize("code", ["content_filter", "content_policy_violation"])
def test_a_provider_s_filter_is_told_by_its_own_code(code: str) -> None:
    error = refused("openai", 400, {}, code=code)
    assert (type(error), error.code) == (UpstreamRejected, code)
