"""A user's keys are found by the user's id, a page at a time, and only by callers that may see them."""

from typing import Any

from tests.contract.front import Gateway


def listed(gateway: Gateway, query: str, key: str = "admin") -> Any:
    reply = gateway.ask("GET", f"/api/v1/admin/keys?{query}", key=key)
    assert reply.status == 200, reply.text
    return reply.body


def test_a_user_s_keys_are_listed_by_its_id(gateway: Gateway) -> None:
    assert gateway.ask("POST", "/api/v1/admin/teams", {"id": "blue", "name": "Blue"}).status == 201
    anns = {gateway.new_key(user_id="ann")[1] for _ in range(3)}
    _, of_team = gateway.new_key(user_id="ann", team_id="blue")
    gateway.new_key(user_id="bob")
    gateway.new_key()
    found, cursor, pages = set(), "", 0
    while cursor is not None:
        page = listed(gateway, f"user_id=ann&limit=2{f'&cursor={cursor}' if cursor else ''}")
        found |= {each["id"] for each in page["data"]}
        cursor, pages = page["next_cursor"], pages + 1
    assert (found, pages >= 2) == ({*anns, of_team}, True)
    assert listed(gateway, "user_id=nobody")["data"] == []
    team, _ = gateway.new_key(team_id="blue", scopes=["admin"])
    assert [each["id"] for each in listed(gateway, "user_id=ann", team)["data"]] == [of_team]


def test_nobody_is_no_user_and_not_all_of_them(gateway: Gateway) -> None:
    gateway.new_key(user_id="ann")
    reply = gateway.ask("GET", "/api/v1/admin/keys?user_id=")
    assert (reply.status, reply.error["param"]) == (400, "user_id")
    assert "ann" not in reply.text
