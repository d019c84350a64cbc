"""The rights of each kind of caller, end to end: the API with its caching authorizers, the real functions, DynamoDB
Local."""

import base64
import json
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from functions.admin.handler import ROUTES
from gateway import wiring
from gateway.dynamodb.attributes import to_item
from gateway.errors import StoreUnavailable
from gateway.identity import key_text as keys
from gateway.identity.store import KeyStore
from gateway.limits import NUMBERS
from tests.contract.conftest import CountingDatabase, Tables
from tests.contract.front import Front
from tests.contract.front import Gateway as Started
from tests.fakes.wired import wired
from tests.reply import Reply

PATHS = [route.method_path for route in ROUTES]
MODEL = "bedrock/amazon.nova-lite-v1:0"
OTHER = "bedrock/amazon.nova-micro-v1:0"
CHAT = {"model": MODEL, "messages": [{"role": "user", "content": "hello"}], "max_tokens": 10}
ADMINS = ["completions", "models", "catalogue", "mcp", "admin"]
SOON = "2099-01-01T00:00:00Z"


@dataclass
class Gateway:
    """The API, a full admin's key, and keys that it makes."""

    api: Front
    full: str
    tables: Tables
    teams: int = 0

    def admin(self, key: str, method: str, path: str, body: Any = None, **headers: str) -> Reply:
        return self.api.call(method, f"/api/v1/admin{path}", body, x_api_key=key, **headers)

    def key(self, **fields: Any) -> tuple[str, str]:
        """A key's text and its id."""
        made = self.admin(self.full, "POST", "/keys", {"name": "k", "tier": "enterprise"} | fields)
        assert made.status == 201, made.body
        return made.body["key"], made.body["id"]

    def team(self, name: str, **fields: Any) -> str:
        assert self.admin(self.full, "POST", "/teams", {"id": name, "name": name} | fields).status == 201
        return name

    def bound(self, **fields: Any) -> tuple[str, str]:
        """An admin's key with its bounds."""
        return self.key(scopes=ADMINS, **fields)

    def chat(self, key: str, **headers: str) -> Reply:
        return self.api.call("POST", "/v1/chat/completions", CHAT, authorization=f"Bearer {key}", **headers)


@pytest.fixture
def gateway(gateway: Started, tables: Tables) -> Gateway:
    return Gateway(gateway.front, gateway.keys["admin"], tables)


# A1


def test_no_header_but_the_identity_source_decides_who_calls(gateway: Gateway) -> None:
    a, a_id = gateway.key()
    b, b_id = gateway.key()
    models, api = "/v1/models", gateway.api
    assert api.call("GET", models, authorization="Basic c2hhcmVk", x_api_key=a).status == 403
    assert api.call("GET", models, authorization="Basic c2hhcmVk", x_api_key=b).status == 403
    assert api.call("GET", models, authorization="Basic c2hhcmVk").status == 403
    assert api.call("GET", models, x_api_key=a).status == 401
    admin = "/api/v1/admin/keys"
    assert api.call("GET", admin, x_api_key="shared", authorization=f"Bearer {gateway.full}").status == 403
    assert api.call("GET", admin, x_api_key="shared").status == 403
    mine = api.call("GET", "/v1/key", authorization=f"Bearer {b}", x_api_key=a)
    assert mine.body["id"] == b_id != a_id
    assert all(verdict["context"].get("keyId") != a_id for verdict in api.cache.values())


def test_a_key_that_could_not_be_looked_up_is_checked_by_the_same_header(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the table is down, the answer is cached like any other. Nobody can use it with another header or key."""
    a, a_id = gateway.key()
    b, _ = gateway.key()

    def down(_self: KeyStore, _key_id: str) -> None:
        raise StoreUnavailable("down")

    with monkeypatch.context() as broken:
        broken.setattr(KeyStore, "get", down)
        assert gateway.api.call("GET", "/v1/models", authorization=f"Bearer {a}").status == 503
    assert gateway.api.call("GET", "/v1/models", authorization=f"Bearer {a}").status == 200
    assert gateway.api.call("GET", "/v1/key", authorization=f"Bearer {a}", x_api_key=b).body["id"] == a_id
    (verdict,) = (each for each in gateway.api.cache.values() if "unverified" in each["context"])
    gateway.api.cache["bearer", "Basic x"] = verdict  # in case it were cached for another caller
    assert gateway.api.call("GET", "/v1/models", authorization="Basic x", x_api_key=a).status == 401
    gateway.api.cache["bearer", f"Bearer {b}"] = verdict
    assert gateway.api.call("GET", "/v1/models", authorization=f"Bearer {b}").status == 401


# A2


def test_a_team_s_admin_can_t_take_another_team_s_key(gateway: Gateway) -> None:
    gateway.team("blue", max_budget=5)
    gateway.team("red", max_budget=5)
    mine, _ = gateway.bound(team_id="blue")
    victim, victim_id = gateway.key(team_id="red")
    _, free_id = gateway.key()
    assert gateway.chat(victim, idempotency_key="order-1").status == 200
    before = gateway.admin(gateway.full, "GET", f"/keys/{victim_id}").body
    for target in (victim_id, free_id):
        tries: list[tuple[str, str, Any]] = [
            ("PATCH", "", {"team_id": "blue"}),
            ("PATCH", "", {"name": "mine"}),
            ("POST", "/rotate", {}),
            ("POST", "/revoke", None),
            ("DELETE", "", None),
            ("GET", "", None),
        ]
        for method, path, body in tries:
            refused = gateway.admin(mine, method, f"/keys/{target}{path}", body)
            assert (refused.status, refused.code) == (403, "not_permitted"), (method, path)
    after = gateway.admin(gateway.full, "GET", f"/keys/{victim_id}").body
    assert {**after, "last_used": None} == {**before, "last_used": None}
    listed = gateway.admin(mine, "GET", "/keys").body["data"]
    assert {key["team_id"] for key in listed} == {"blue"}
    assert [team["id"] for team in gateway.admin(mine, "GET", "/teams").body["data"]] == ["blue"]


def test_nobody_puts_a_limit_of_its_tier_in_shadow(gateway: Gateway) -> None:
    """Neither for itself nor for a key that it creates: that would be a key that its tier no longer limits."""
    gateway.team("green", max_budget=5)
    bounds: list[dict[str, Any]] = [{"tier": "free"}, {"team_id": "green"}, {"tier": "free", "team_id": "green"}]
    for fields in bounds:
        admin, admin_id = gateway.bound(**fields)
        shadow = {"shadow": ["requestsPerMinute"]}
        for refused in (
            gateway.admin(admin, "PATCH", f"/keys/{admin_id}", shadow),
            gateway.admin(admin, "POST", "/keys", {"name": "k", "tier": "free"} | fields | shadow),
        ):
            assert (refused.status, refused.code, refused.param) == (403, "not_permitted", "shadow")
    tried = gateway.admin(gateway.full, "POST", "/keys", {"name": "k", "tier": "free", "shadow": ["requestsPerMinute"]})
    assert tried.status == 201


@pytest.mark.parametrize(
    ("weaker", "stronger"),
    [
        ({"tier": "basic"}, {"tier": "enterprise", "scopes": ADMINS}),
        ({"expires": SOON}, {}),
        ({"models": [MODEL]}, {"models": [MODEL, OTHER]}),
        ({"rpd_limit": 5}, {"rpd_limit": 6}),
        ({"max_budget": 1}, {}),
        ({"max_budget": 1}, {"max_budget": 0.5, "budget_duration": "daily"}),
        ({"tier": "basic"}, {"tier": "free", "rpm_limit": 1_000}),
    ],
)
def test_a_weaker_admin_neither_downgrades_nor_ends_a_stronger_key(
    gateway: Gateway, weaker: dict[str, Any], stronger: dict[str, Any]
) -> None:
    by, _ = gateway.bound(**weaker)
    _, target = gateway.key(**stronger)
    for method, path, body in (
        ("PATCH", "", weaker | {"scopes": ["models"]}),
        ("PATCH", "", {"name": "x"}),
        ("POST", "/rotate", {"overlap_hours": 0}),
        ("POST", "/revoke", None),
        ("DELETE", "", None),
    ):
        assert gateway.admin(by, method, f"/keys/{target}{path}", body).code == "not_permitted", (method, path)
    assert gateway.admin(gateway.full, "GET", f"/keys/{target}").body["version"] == 1


def test_an_admin_can_t_give_itself_more(gateway: Gateway) -> None:
    gateway.team("blue", max_budget=5)
    bounds = {"team_id": "blue", "expires": SOON, "models": [MODEL], "tier": "basic", "max_budget": 1, "rpm_limit": 5}
    for name, value in bounds.items():
        mine, me = gateway.bound(**{name: value})
        wider = {"tier": "premium", "max_budget": 2, "rpm_limit": 6, "expires": "2100-01-01T00:00:00Z", "models": []}
        for body in ({name: None}, {name: wider.get(name, "red")}):
            if body != {"tier": None}:  # the default tier is the lowest
                refused = gateway.admin(mine, "PATCH", f"/keys/{me}", body)
                assert (refused.status, refused.param) == (403, name), body
        assert gateway.admin(mine, "PATCH", f"/keys/{me}", {"name": "me"}).status == 200
        assert gateway.admin(mine, "POST", f"/keys/{me}/rotate", {"overlap_hours": 0}).status == 200


def test_a_key_that_changed_since_it_was_judged_is_not_ended(gateway: Gateway) -> None:
    """The record that was checked is the one that is replaced."""
    by, _ = gateway.bound(tier="basic")
    _, target = gateway.key(tier="free")
    store = KeyStore(gateway.tables.database, gateway.tables["api-keys"])
    read = store.get(target)
    assert read is not None
    gateway.admin(gateway.full, "PATCH", f"/keys/{target}", {"tier": "enterprise"})

    stale = [read]

    class Late(KeyStore):
        """Reads the old record once."""

        def get(self, key_id: str) -> Any:
            return stale.pop() if key_id == target and stale else super().get(key_id)

    wiring.gateway().keys.records = Late(gateway.tables.database, gateway.tables["api-keys"])
    assert gateway.admin(by, "POST", f"/keys/{target}/revoke").status == 403
    after = store.get(target)
    assert after is not None
    assert (after.state, stale) == ("active", [])


# A3

BOUND: dict[str, dict[str, Any]] = {
    "team_id": {"team_id": "blue"},
    "user_id": {"user_id": "ann"},
    "model_limits": {"model_limits": {MODEL: {"max_budget": 5}}},
    "models": {"models": [MODEL]},
    "expires": {"expires": SOON},
    **{name: {name: 5} for name in NUMBERS},
}
SETTINGS: dict[str, Any] = {
    "POST /config": {"prices": {MODEL: {"input": 0, "output": 0}}},
    "POST /circuit-breakers": {"action": "reset"},
    "POST /corrections": {"key": "", "amount": -1, "reason": "mine"},
    "POST /teams": {"id": "mine", "name": "mine"},
    "PATCH /teams/blue": {"max_budget": 1_000},
    "DELETE /teams/empty": None,
    "PUT /users/blue": {"max_budget": 1_000},
    "DELETE /users/empty": None,
    "DELETE /usage/sessions": None,
    "POST /products": {"name": "x", "price": {"amount": 1}, "category": {"path": ["a"]}},
    "POST /products/import": {"products": []},
    "PUT /products/p": {"name": "x", "price": {"amount": 1}, "category": {"path": ["a"]}},
    "PATCH /products/p": {"name": "y"},
    "DELETE /products/p": None,
}


@pytest.mark.parametrize("bound", BOUND)
def test_what_holds_for_everybody_is_set_by_unbound_admins(gateway: Gateway, bound: str) -> None:
    gateway.team("blue", max_budget=5)
    gateway.team("empty")
    assert gateway.admin(gateway.full, "PUT", "/users/ann", {"max_budget": 5}).status == 200
    limited, limited_id = gateway.bound(**BOUND[bound])
    tried = set()
    for route, body in SETTINGS.items():
        method, path = route.split(" ")
        sent = body | {"key": limited_id} if body and "amount" in body else body
        refused = gateway.admin(limited, method, path, sent)
        assert (refused.status, refused.code, refused.param) == (403, "not_permitted", bound), route
        allowed = gateway.admin(gateway.full, method, path, sent)
        assert allowed.code not in ("not_permitted", "insufficient_scope"), route
        tried.add(route)
    assert gateway.admin(limited, "GET", "/config").status == 200
    assert gateway.admin(limited, "GET", "/circuit-breakers").status == 200
    writes = {route.replace("/api/v1/admin", "") for route in PATHS if not route.startswith("GET ")}
    of_keys = {route for route in writes if "/keys" in route}
    named = {route.replace("{id}", "p" if "products" in route else "blue") for route in writes - of_keys}
    assert {route.replace("empty", "blue") for route in tried} == named  # a new route must say to whom it belongs


def test_a_lower_tier_sets_no_tiers(gateway: Gateway) -> None:
    lower, _ = gateway.bound(tier="premium")
    body = {"rateLimits": {"premium": {"requestsPerMinute": 1_000_000}}}
    assert gateway.admin(lower, "POST", "/config", body).param == "tier"


def test_budgets_are_not_multiplied(gateway: Gateway) -> None:
    gateway.team("poor")
    gateway.team("rich", max_budget=5)
    gateway.team("shadow", max_budget=5, shadow=["budget"])
    own, _ = gateway.bound(max_budget=1)
    assert gateway.admin(own, "POST", "/keys", {"name": "x", "max_budget": 1}).param == "max_budget"
    assert gateway.admin(own, "POST", "/keys", {"name": "x", "max_budget": 0.1}).param == "max_budget"
    for team, status in (("poor", 403), ("shadow", 403), ("rich", 201)):
        by, _ = gateway.bound(team_id=team)
        assert gateway.admin(by, "POST", "/keys", {"name": "x", "team_id": team}).status == status, team
        for other in ({}, {"team_id": "poor"} if team != "poor" else {"team_id": "rich"}):
            assert gateway.admin(by, "POST", "/keys", {"name": "x"} | other).param == "team_id"
    rich, _ = gateway.bound(team_id="rich", max_budget=1)
    assert gateway.admin(rich, "POST", "/keys", {"name": "x", "team_id": "rich", "max_budget": 1}).status == 403
    gateway.admin(gateway.full, "POST", "/config", {"rateLimits": {"free": {"maxBudget": 1}}})
    wiring.reset()
    free, _ = gateway.bound(tier="free")
    assert gateway.admin(free, "POST", "/keys", {"name": "x"}).param == "max_budget"


def test_a_user_s_limits_and_a_model_s_bind_whoever_is_bound_by_them(gateway: Gateway) -> None:
    """Keys that a user's admin creates belong to that user. A key can't leave its user, and no limit on a model can be
    multiplied."""
    full = gateway.full
    assert gateway.admin(full, "PUT", "/users/ann", {"max_budget": 5, "name": "Ann"}).body["max_budget"] == 5
    assert gateway.admin(full, "PUT", "/users/bob", {"rpm_limit": 5}).status == 200
    ann, ann_id = gateway.bound(user_id="ann")
    _, bob_id = gateway.key(user_id="bob")
    made = gateway.admin(ann, "POST", "/keys", {"name": "x"})
    assert (made.status, made.body["user_id"]) == (201, "ann")
    for other in ("", "bob"):
        assert gateway.admin(ann, "POST", "/keys", {"name": "x", "user_id": other}).param == "user_id"
        for key in (ann_id, made.body["id"]):
            assert gateway.admin(ann, "PATCH", f"/keys/{key}", {"user_id": other}).param == "user_id"
    for method, path, body in (("PATCH", "", {"user_id": "ann"}), ("POST", "/rotate", {}), ("DELETE", "", None)):
        assert gateway.admin(ann, method, f"/keys/{bob_id}{path}", body).param == "user_id"
    assert gateway.admin(ann, "PUT", "/users/ann", {}).param == "user_id"
    assert [gateway.admin(ann, "GET", f"/users/{user}").status for user in ("ann", "bob")] == [200, 403]
    assert [user["id"] for user in gateway.admin(ann, "GET", "/users").body["data"]] == ["ann"]
    assert {user["id"] for user in gateway.admin(full, "GET", "/users").body["data"]} == {"ann", "bob"}
    rate_only, _ = gateway.bound(user_id="bob")
    assert gateway.admin(rate_only, "POST", "/keys", {"name": "x"}).param == "user_id"
    model, model_id = gateway.bound(model_limits={MODEL: {"max_budget": 1}})
    assert gateway.admin(model, "POST", "/keys", {"name": "x"}).param == "model_limits"
    for limits in ({MODEL: None}, {MODEL: {"max_budget": 2}}, {MODEL: {"shadow": ["budget"]}}):
        assert gateway.admin(model, "PATCH", f"/keys/{model_id}", {"model_limits": limits}).param == "model_limits"
    for user, refused in (("a b", 400), (".", 400), ("a" * 65, 400), ("a" * 64, 200)):
        assert gateway.admin(full, "PUT", f"/users/{user}", {"max_budget": 1}).status == refused, user
    removed = gateway.admin(full, "DELETE", "/users/ann")
    assert (removed.status, gateway.admin(full, "GET", "/users/ann").status) == (200, 404)
    assert gateway.admin(full, "DELETE", "/users/ann").status == 404
    again = gateway.admin(full, "PUT", "/users/ann", {"max_budget": 1}, if_match='"2"')
    assert again.status == 412
    assert gateway.admin(full, "PUT", "/users/ann", {"max_budget": 1}).headers["etag"] == '"3"'


def test_a_user_s_and_a_model_s_budget_end_paid_calls(gateway: Gateway) -> None:
    """End to end, with the authorizer's cached answer, and shown by `GET /v1/key`."""
    key, key_id = gateway.key(user_id="ann")
    assert gateway.chat(key).status == 200
    assert gateway.admin(gateway.full, "PUT", "/users/ann", {"max_budget": 0.000001}).status == 200
    refused = gateway.chat(key)
    assert (refused.status, refused.body["error"]["scope"]) == (402, "user")
    assert gateway.admin(gateway.full, "PUT", "/users/ann", {"max_budget": 5}).status == 200
    answered = gateway.chat(key)
    assert (answered.status, answered.headers["x-gateway-user-remaining"][:4]) == (200, "4.99")
    assert gateway.admin(gateway.full, "POST", "/config", {"models": {"lite": {"target": MODEL}}}).status == 200
    wiring.reset()
    limits = {"model_limits": {"lite": {"max_budget": 0.000001}}}
    assert gateway.admin(gateway.full, "PATCH", f"/keys/{key_id}", limits).status == 200
    refused = gateway.chat(key)  # by the model's own name, whatever alias the limit named
    assert (refused.status, refused.body["error"]["scope"]) == (402, "model")
    assert refused.body["error"]["model"] == "lite"
    shown = gateway.api.call("GET", "/v1/key", authorization=f"Bearer {key}").body
    assert (shown["user"]["id"], shown["user"]["budget"]["limit"]) == ("ann", 5)
    assert shown["model_limits"]["lite"]["budget"]["limit"] == 0.000001
    seen = gateway.admin(gateway.full, "GET", "/users/ann").body["standing"]
    assert seen["budget"] == shown["user"]["budget"]
    assert (seen["budget"]["spent"] > 0, seen["budget"]["held"]) == (True, 0)


def test_an_admin_sees_what_is_left_of_what_keys_share(gateway: Gateway) -> None:
    """Also before the first call. A key's holder sees the same with `GET /v1/key`."""
    gateway.team("blue", max_budget=5, rph_limit=9)
    assert gateway.admin(gateway.full, "PUT", "/users/ann", {"max_budget": 2, "tpd_limit": 50_000}).status == 200
    paths = {"team": "/teams/blue", "user": "/users/ann"}
    fresh = {each: gateway.admin(gateway.full, "GET", path).body["standing"] for each, path in paths.items()}
    assert [fresh[each]["budget"]["spent"] for each in paths] == [0, 0]
    assert [fresh[each]["budget"]["remaining"] for each in paths] == [5, 2]
    assert fresh["team"]["limits"]["requests_per_hour"]["remaining"] == 9
    assert fresh["user"]["limits"]["tokens_per_day"]["remaining"] == 50_000
    key, _ = gateway.key(team_id="blue", user_id="ann")
    assert gateway.chat(key).status == 200
    told = gateway.api.call("GET", "/v1/key", authorization=f"Bearer {key}").body
    for each, path in paths.items():
        now = gateway.admin(gateway.full, "GET", path).body["standing"]
        assert now["budget"] == told[each]["budget"]
        assert now["budget"]["spent"] > 0
        assert now["limits"] == told[each]["limits"]


def test_a_team_s_key_reads_its_team_s_bill(gateway: Gateway) -> None:
    gateway.team("blue", max_budget=5)
    gateway.team("red", max_budget=5)
    mine, _ = gateway.bound(team_id="blue")
    _, theirs = gateway.key(team_id="red")
    correction = {"key": theirs, "amount": 1, "reason": "r"}
    assert gateway.admin(gateway.full, "POST", "/corrections", correction).status == 201
    for path in ("/usage", "/metrics", "/corrections"):
        assert gateway.admin(mine, "GET", path).status == 200
        assert gateway.admin(mine, "GET", f"{path}?team=blue").status == 200
        for team in ("red", "-", ""):
            assert gateway.admin(mine, "GET", f"{path}?team={team}").code == "not_permitted", (path, team)
    assert gateway.admin(mine, "GET", "/corrections").body["data"] == []
    assert len(gateway.admin(gateway.full, "GET", "/corrections").body["data"]) == 1
    for team, status in (("blue", 200), ("red", 403), ("-", 403)):
        assert gateway.admin(mine, "GET", f"/teams/{team}/statements").status == status
    assert [gateway.admin(mine, "GET", f"/teams/{team}").status for team in ("blue", "red")] == [200, 403]


# A4


@pytest.mark.parametrize("change", ["revoke", "delete", "no scope", "expired secret", "no team"])
def test_an_admin_that_is_none_any_more_reads_nothing_under_a_cached_answer(gateway: Gateway, change: str) -> None:
    admin, admin_id = gateway.bound()
    reads = [route.removeprefix("GET ") for route in PATHS if route.startswith("GET ")]
    assert gateway.admin(admin, "GET", "/keys").status == 200
    steps: dict[str, tuple[str, str, Any]] = {
        "revoke": ("POST", f"/keys/{admin_id}/revoke", None),
        "delete": ("DELETE", f"/keys/{admin_id}", None),
        "no scope": ("PATCH", f"/keys/{admin_id}", {"scopes": ["models"]}),
        "expired secret": ("POST", f"/keys/{admin_id}/rotate", {"overlap_hours": 0}),
        "no team": ("PATCH", f"/keys/{admin_id}", {"scopes": ["completions"]}),
    }
    method, path, body = steps[change]
    assert gateway.admin(gateway.full, method, path, body).status == 200
    status = 403 if change.startswith("no ") else 401
    for read in reads:
        url = read.replace("{id}", admin_id)
        assert gateway.api.call("GET", url, x_api_key=admin).status == status, url


@pytest.mark.parametrize(
    ("change", "status"),
    [
        (("POST", "/revoke", None), 401),
        (("DELETE", "", None), 401),
        (("POST", "/rotate", {"overlap_hours": 0}), 401),
        (("PATCH", "", {"scopes": ["models"]}), 403),
        (("PATCH", "", {"models": [OTHER]}), 403),
        (("PATCH", "", {"name": "other"}), 200),
        (("PATCH", "", {"models": [MODEL]}), 200),
    ],
)
def test_a_kept_answer_is_for_who_could_ask_for_it_now(
    gateway: Gateway, change: tuple[str, str, Any], status: int
) -> None:
    text, key_id = gateway.key()
    first = gateway.chat(text, idempotency_key="order-1")
    assert first.status == 200, first.body
    again = gateway.chat(text, idempotency_key="order-1")
    assert (again.status, again.headers["idempotency-replayed"]) == (200, "true")
    method, path, body = change
    assert gateway.admin(gateway.full, method, f"/keys/{key_id}{path}", body).status == 200
    later = gateway.chat(text, idempotency_key="order-1")
    assert later.status == status, later.body
    other = gateway.api.call(
        "POST",
        "/v1/chat/completions",
        CHAT | {"user": "u"},
        authorization=f"Bearer {text}",
        idempotency_key="order-1",
    )
    assert other.status == (422 if status == 200 else status)  # it does not learn that the key was used


def test_what_goes_by_the_authorizer_s_answer_is_no_more_than_is_said(gateway: Gateway) -> None:
    """docs/api.md, "When a change takes effect": lists read on for as long as the API keeps an answer; no more does."""
    text, key_id = gateway.key()
    bearer, ping = {"authorization": f"Bearer {text}"}, {"jsonrpc": "2.0", "id": 1, "method": "ping"}
    lists: list[tuple[str, str, Any, dict[str, str]]] = [
        ("GET", "/v1/models", None, bearer),
        ("GET", "/api/v1/products", None, {"x_api_key": text}),
        ("GET", "/api/v1/mcp/tools", None, {"x_api_key": text}),
        ("POST", "/mcp", ping, bearer),
    ]

    def statuses() -> set[int]:
        return {gateway.api.call(method, path, body, **headers).status for method, path, body, headers in lists}

    assert statuses() == {200}
    assert gateway.admin(gateway.full, "POST", f"/keys/{key_id}/revoke").status == 200
    assert statuses() == {200}
    assert gateway.api.call("GET", "/v1/key", **bearer).status == 401
    assert gateway.chat(text).status == 401
    gateway.api.cache.clear()  # as if 60 seconds had passed
    assert statuses() == {403}


def test_a_call_that_is_paid_checks_every_scope_by_the_record(gateway: Gateway) -> None:
    text, key_id = gateway.key()
    assert gateway.chat(text).status == 200
    scopes = {"scopes": ["completions", "models"]}
    assert gateway.admin(gateway.full, "PATCH", f"/keys/{key_id}", scopes).status == 200
    context = CHAT | {"mcpContext": {"productIds": ["nobody"]}}
    refused = gateway.api.call("POST", "/v1/chat/completions", context, authorization=f"Bearer {text}")
    assert (refused.status, refused.param) == (403, "mcpContext")
    assert gateway.chat(text).status == 200


def test_a_new_key_and_its_team_are_ready_for_first_calls(gateway: Gateway) -> None:
    """Otherwise many first calls at once would each create the item, with transactions that hinder each other."""
    made, limited = gateway.team("made", max_budget=5), gateway.team("limited")
    assert gateway.admin(gateway.full, "PATCH", f"/teams/{limited}", {"max_budget": 5}).status == 200
    keys = [gateway.key(team_id=team)[0] for team in (made, limited)]
    counting = CountingDatabase(wiring.gateway().database)
    wired(database=counting)
    assert [gateway.chat(key).status for key in keys] == [200, 200]
    assert "TransactWriteItems" not in counting.calls


def test_only_a_repeat_costs_a_read(gateway: Gateway) -> None:
    """This is about the key's record. The state of breakers and the config are read again every few seconds."""
    text, _ = gateway.key()
    counting = CountingDatabase(wiring.gateway().database)
    wired(database=counting)

    def reads() -> list[str]:
        counting.on.clear()
        assert gateway.chat(text, idempotency_key="a").status == 200
        return [
            operation for operation, table in counting.on if table == gateway.tables["api-keys"] and "Get" in operation
        ]

    gateway.chat(text)
    assert reads() == []
    assert "GetItem" in reads()


# A5

DEEP: Any = "x"
for _ in range(500):
    DEEP = {"a": DEEP}


@pytest.mark.parametrize(
    "expires",
    [
        "9999-12-31T23:59:59-23:59",
        "9999-12-31T23:59:59Z",
        "10000-01-01T00:00:00Z",
        "2200-01-01T00:00:00Z",
        "1970-01-01T00:00:00Z",
        "1969-12-31T23:59:59Z",
        "0001-01-01T00:00:00+23:59",
        "1900-06-01T00:00:00Z",
        0,
        -1,
        0.5,
        1e18,
        253402300800,
        10**40,
        "-1",
        "0",
        "2027-01-31T00:00:00",
    ],
)
def test_a_key_ends_at_a_moment_that_a_calendar_has(gateway: Gateway, expires: Any) -> None:
    _, key_id = gateway.key()
    for method, path in (("POST", ""), ("PATCH", f"/{key_id}")):
        refused = gateway.admin(gateway.full, method, f"/keys{path}", {"name": "x", "expires": expires})
        assert (refused.status, refused.param) == (400, "expires"), (method, refused.body)
    assert gateway.admin(gateway.full, "GET", "/keys").status == 200


ODD_IDS = [
    "team%23blue",
    "%00",
    "a%00b",
    "a%0Ab",
    "%0A",
    "a" * 65,
    "a" * 3_000,
    "%F0%9F%92%A9",
    "..",
    "a%20b",
    "%FF",
    "%",
]


@pytest.mark.parametrize("odd", ODD_IDS)
def test_an_id_that_nothing_can_have_is_not_found(gateway: Gateway, odd: str) -> None:
    gateway.team("blue")
    for route in PATHS:
        if "{id}" not in route:
            continue
        method, path = route.replace("{id}", odd).split(" ")
        body: Any = {} if method in ("POST", "PATCH", "PUT") else None
        reply = gateway.api.call(method, path, body, x_api_key=gateway.full)
        # A caller that creates something under an id gets an error that says which ids are allowed.
        makes = route == "PUT /api/v1/admin/users/{id}"
        assert reply.status == (400 if makes else 404), route
        assert reply.body["error"]["param"] == "id" or not makes
    assert gateway.admin(gateway.full, "GET", "/teams/blue").status == 200


def cursor_of(value: Any) -> str:
    text = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(text).decode().rstrip("=")


CURSORS = [
    "x",
    "%00",
    "é",
    "=" * 10,
    "A" * 3_000,
    cursor_of(b"[" * 1_400),
    cursor_of(b'{"a":' * 280),
    cursor_of(b"\xff\xfe"),
    cursor_of([]),
    cursor_of(None),
    cursor_of({"id": 1, "kind": "key", "created": "2026"}),
    cursor_of({"id": "", "kind": "key", "created": ""}),
    cursor_of({"id": "\ud800", "kind": "key", "created": "2026"}),
    cursor_of({"id": "a", "kind": "key", "created": "x" * 1_200}),
    cursor_of({"id": "team#blue", "kind": "team", "created": "2026", "more": 1}),
    cursor_of({"id": "a", "team_id": "red"}),
    cursor_of({"after": "a"}),
    cursor_of({"after": ["a"]}),
    cursor_of({"after": 5}),
    cursor_of({"after": {"S": "a"}}),
]


@pytest.mark.parametrize("cursor", CURSORS)
def test_a_cursor_of_anything_else_is_refused(gateway: Gateway, cursor: str) -> None:
    gateway.team("blue", max_budget=5)
    member, _ = gateway.bound(team_id="blue")
    tried = [(gateway.full, path) for path in ("/keys", "/teams", "/usage", "/corrections")]
    for by, path in [*tried, (member, "/keys")]:
        refused = gateway.admin(by, "GET", f"{path}?cursor={cursor}")
        assert (refused.status, refused.param) == (400, "cursor"), path


def test_a_cursor_serves_its_own_listing_alone(gateway: Gateway) -> None:
    gateway.team("blue", max_budget=5)
    gateway.team("red", max_budget=5)
    cursors = {}
    for team in ("blue", "red"):
        by, _ = gateway.bound(team_id=team)
        gateway.key(team_id=team)
        cursors[by] = gateway.admin(by, "GET", "/keys?limit=1").body["next_cursor"]
    whole = gateway.admin(gateway.full, "GET", "/keys?limit=1").body["next_cursor"]
    teams = gateway.admin(gateway.full, "GET", "/teams?limit=1").body["next_cursor"]
    (blue, of_blue), (red, of_red) = cursors.items()
    assert all((whole, teams, of_blue, of_red))
    for by, path, cursor, status in (
        (blue, "/keys", of_blue, 200),
        (blue, "/keys", of_red, 400),
        (blue, "/keys", whole, 400),
        (red, "/keys", of_blue, 400),
        (gateway.full, "/keys", whole, 200),
        (gateway.full, "/keys", teams, 400),
        (gateway.full, "/teams", whole, 400),
        (gateway.full, "/keys", of_blue, 400),
        (gateway.full, "/usage", whole, 400),
    ):
        assert gateway.admin(by, "GET", f"{path}?cursor={cursor}").status == status, (path, cursor)


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/config", DEEP),
        ("POST", "/config", {"models": DEEP}),
        ("POST", "/keys", {"name": "x", "metadata": DEEP}),
        ("POST", "/teams", {"id": "x", "name": "x", "metadata": DEEP}),
        ("POST", "/products", {"specifications": DEEP}),
        ("PATCH", "/products/p", {"specifications": DEEP}),
        ("POST", "/corrections", DEEP),
        ("POST", "/circuit-breakers", {"action": "reset", "providers": ["bedrock"] * 100_000}),
        ("POST", "/corrections", {"key": "a" * 12, "amount": 1, "reason": "r", "date": "0001-01-01"}),
        ("POST", "/corrections", {"key": "a" * 12, "amount": 1, "reason": "r", "date": 0}),
        ("POST", "/keys", {"name": "\ud800"}),
        ("POST", "/keys", {"name": "x", "metadata": {"a": "\ud800"}}),
        ("POST", "/keys", {"name": "x", "rpm_limit": 10**4000}),
        ("POST", "/keys", {"name": "x", "max_budget": 10**400}),
        ("POST", "/keys", '{"name": "x", "max_budget": 1e400}'),
        ("POST", "/keys", '{"name": "x", "rpm_limit": ' + "9" * 5_000 + "}"),
        ("POST", "/keys", '{"name": "x", "max_budget": NaN}'),
        ("POST", "/keys", "[" * 100_000),
        ("GET", "/keys?limit=0", None),
        ("GET", "/keys?limit=1e3", None),
        ("GET", "/keys?limit=99999999999999999999", None),
        ("GET", "/usage?from=0000-00-00", None),
        ("GET", "/usage?from=99999-01-01", None),
        ("GET", "/usage?to=2026-02-30", None),
        ("GET", "/usage?key=" + "a" * 3_000, None),
        ("GET", "/usage?key=%00", None),
        ("GET", "/usage?team=a%0Ab", None),
        ("GET", "/metrics?from=2026-01-01%00", None),
        ("GET", "/corrections?month=0000-01", None),
        ("GET", "/corrections?month=9999-12", None),
        ("GET", "/corrections?key=" + "a" * 200, None),
        ("GET", "/teams/blue/statements?month=2026-13", None),
        ("GET", "/teams/blue/statements?" + "x" * 3_000 + "=1", None),
    ],
)
def test_what_enters_is_bounded(gateway: Gateway, method: str, path: str, body: Any) -> None:
    refused = gateway.admin(gateway.full, method, path, body)
    assert refused.status == 400, (path, refused.body)


ODD: Any = st.sampled_from([None, "", "x", -1, 10**30, ["x"], {"a": ["b"]}, True, {"a": 5}, "2026"])
FIELDS = [
    "digest", "name", "tier", "scopes", "created", "state", "version", "models", "team_id", "user_id", "expires",
    "limits", "model_limits", "metadata", "generation", "previous_digest", "previous_until",
]  # fmt: skip


def test_a_record_that_can_t_be_read_hides_no_other(gateway: Gateway) -> None:
    text, key_id = gateway.key()
    gateway.team("blue")
    database, table = gateway.tables.database, gateway.tables["api-keys"]
    whole = database.call("GetItem", {"TableName": table, "Key": to_item({"id": key_id})})["Item"]
    team = database.call("GetItem", {"TableName": table, "Key": to_item({"id": "team#blue"})})["Item"]
    listed = {key["id"] for key in gateway.admin(gateway.full, "GET", "/keys").body["data"]}

    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(name=st.sampled_from(FIELDS), odd=ODD, missing=st.booleans())
    def damaged(name: str, odd: Any, missing: bool) -> None:
        for item, path in ((whole, "/keys"), (team, "/teams")):
            broken = {each: value for each, value in item.items() if each != name or not missing}
            if not missing and not (
                name in ("created", "team_id", "user_id") and (not isinstance(odd, str) or not odd)
            ):
                broken |= to_item({name: odd})
            if missing and name in ("created", "kind"):
                continue  # not in the index, so in no list at all
            database.call("PutItem", {"TableName": table, "Item": broken})
            reply = gateway.admin(gateway.full, "GET", path)
            assert reply.status == 200, (name, odd, reply.body)
            if path == "/keys":
                assert {key["id"] for key in reply.body["data"]} == listed
                assert gateway.admin(gateway.full, "GET", f"/keys/{key_id}").status == 200

    damaged()
    database.call("PutItem", {"TableName": table, "Item": whole | to_item({"scopes": 5, "digest": keys.digest(text)})})
    gateway.api.cache.clear()
    assert gateway.chat(text).status == 403  # no call uses it by mistake
    lower, _ = gateway.bound(tier="premium")
    assert gateway.admin(lower, "POST", f"/keys/{key_id}/revoke").status == 403
    assert gateway.admin(gateway.full, "GET", f"/keys/{key_id}").body["status"] == "damaged"
    assert gateway.admin(gateway.full, "PATCH", f"/keys/{key_id}", {"name": "x"}).code == "key_damaged"
    assert gateway.admin(gateway.full, "DELETE", f"/keys/{key_id}").status == 200
    assert gateway.admin(gateway.full, "GET", f"/keys/{key_id}").status == 404


def stored(gateway: Gateway, key_id: str) -> dict[str, Any]:
    key = {"TableName": gateway.tables["api-keys"], "Key": to_item({"id": key_id})}
    item: dict[str, Any] = gateway.tables.database.call("GetItem", key)["Item"]
    return item


def store(gateway: Gateway, item: Any) -> None:
    gateway.tables.database.call("PutItem", {"TableName": gateway.tables["api-keys"], "Item": item})


def test_a_change_of_its_team_leaves_a_damaged_record_as_it_is(gateway: Gateway) -> None:
    """If a team gets or loses limits, its keys are updated. A record that can't be read must not be overwritten."""
    gateway.team("blue")
    _, key_id = gateway.key(team_id="blue")
    broken = stored(gateway, key_id) | to_item({"name": 5})
    store(gateway, broken)
    for budget in (5, None):
        assert gateway.admin(gateway.full, "PATCH", "/teams/blue", {"max_budget": budget}).status == 200
    assert stored(gateway, key_id) == broken


LIMITS = {"budget_duration": "monthly", "shadow": []}


@pytest.mark.parametrize(
    "odd",
    [
        {"state": "x"},
        {"state": "damaged"},
        {"state": 5},
        {"version": "x"},
        {"version": None},
        {"tier": "gold"},
        {"limits": LIMITS | {"rpm_limit": -5}},
        {"limits": LIMITS | {"rpm_limit": 0}},
        {"limits": LIMITS | {"burst_limit": -1}},
        {"limits": LIMITS | {"max_budget": -1}},
        {"limits": LIMITS | {"budget_duration": "yearly"}},
    ],
    ids=str,
)
def test_a_damaged_record_lets_nobody_pass_and_can_be_ended(gateway: Gateway, odd: dict[str, Any]) -> None:
    for method, path in (("POST", "/revoke"), ("DELETE", "")):
        text, key_id = gateway.key()
        store(gateway, stored(gateway, key_id) | to_item(odd))
        assert gateway.chat(text).status == 403
        assert gateway.admin(gateway.full, "GET", f"/keys/{key_id}").body["status"] == "damaged"
        ended = gateway.admin(gateway.full, method, f"/keys/{key_id}{path}")
        assert (ended.status, ended.body.get("status", "revoked")) == (200, "revoked")
        assert gateway.admin(gateway.full, "DELETE", f"/keys/{key_id}").status in (200, 404)
        assert gateway.admin(gateway.full, "GET", f"/keys/{key_id}").status == 404
