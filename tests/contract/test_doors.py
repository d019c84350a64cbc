"""The behaviour of the doors for a client, end to end: real authorizer and handlers, DynamoDB Local, fake providers."""

import gzip
import json
import math
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest

from gateway import wiring
from gateway.api.message import MAX_BODY_BYTES
from gateway.catalogue.admin import ProductAdmin
from gateway.catalogue.store import ProductStore
from gateway.identity.caller import Caller
from tests.contract.asked import Door
from tests.contract.conftest import Tables
from tests.contract.front import Gateway, Place
from tests.fakes.products import described
from tools.local.emulator import ROOT
from tools.manifest import load

CHAT: dict[str, Any] = {"model": "gpt-4", "messages": [{"role": "user", "content": "Hello!"}], "max_tokens": 5}
SURROGATE = (
    b'{"model": "gpt-4", "messages": [{"role": "user", "content": "hi"}], "mcpContext": {"searchQuery": "\\ud83c"}}'
)


@pytest.fixture
def place(request: pytest.FixtureRequest) -> Place:
    return getattr(request, "param", Place("eu-central-1"))


@pytest.fixture
def gateway(gateway: Gateway, tables: Tables) -> Gateway:
    """With two products."""
    products = ProductAdmin(ProductStore(tables.database, tables["product-catalog"]))
    rows = [described(), described(id="p-2", name="Mug", category={"path": ["Home & Kitchen"]})]
    assert not products.load(rows, Caller("t", "enterprise", ("admin",), version=1), lambda: math.inf).refused
    return gateway


@pytest.mark.parametrize("place", [Place("eu-central-1"), Place("us-east-1", "bedrock")], indirect=True)
def test_every_model_that_is_listed_answers(gateway: Gateway) -> None:
    aliases = [each["id"] for each in gateway.ask("GET", "/v1/models").body["data"]]
    listed = [each["id"] for each in gateway.ask("GET", "/v1/models?all=true").body["data"]]
    assert {"claude-3-sonnet", "claude-3-haiku", "nova-lite"} <= set(aliases)
    assert listed[: len(aliases)] == aliases
    assert len(listed) > 2 * len(aliases)
    modes = {each["id"]: each["mode"] for each in gateway.ask("GET", "/v1/models?all=true").body["data"]}
    assert set(modes.values()) == {"chat", "embedding"}
    for name in listed:
        if modes[name] == "embedding":
            answer = Door(gateway, "/v1/embeddings").ask({"model": name, "input": "a"})
            assert answer.status == 200, (name, answer.body)
        else:
            reply = gateway.ask("POST", "/v1/chat/completions", CHAT | {"model": name})
            assert reply.status == 200, (name, reply.text)
        assert gateway.ask("GET", f"/v1/models/{quote(name)}").body["id"] == name


def test_a_limited_key_is_shown_what_it_may_call(gateway: Gateway) -> None:
    wanted = ["claude-3-sonnet", "openai/gpt-6-luna", "gpt-5.4-2026-03-05", "bedrock/amazon.nova-lite-v1:0", "nobody"]
    key, _ = gateway.new_key(models=wanted)
    listed = {each["id"] for each in gateway.ask("GET", "/v1/models", key=key).body["data"]}
    assert listed == {*wanted, "gpt-6-luna"} - {"nobody"}
    assert "This key may not" in gateway.ask("GET", "/v1/models/gpt-4", key=key).error["message"]
    assert "GET /v1/models" in gateway.ask("GET", "/v1/models/nobody").error["message"]
    for name in {*wanted, "gpt-nano", "gpt-4", "nova-pro"}:
        status = gateway.ask("POST", "/v1/chat/completions", CHAT | {"model": name}, key=key).status
        assert (status == 200) == (name in listed), name
        assert (gateway.ask("GET", f"/v1/models/{quote(name)}", key=key).status == 200) == (name in listed), name


@pytest.mark.parametrize(
    ("place", "start"),
    [
        (Place("eu-central-1", "bedrock"), "eu."),
        (Place("us-west-2", "bedrock"), "us."),
        (Place("ap-northeast-1", "bedrock"), "jp."),
        (Place("sa-east-1", "bedrock"), "global."),
    ],
    indirect=["place"],
)
def test_an_alias_goes_to_the_profile_of_the_region_and_costs_its_price(gateway: Gateway, start: str) -> None:
    for alias in ("claude-3-sonnet", "claude-3-haiku"):
        reply = gateway.ask("POST", "/api/v1/completions", CHAT | {"model": alias})
        assert reply.status == 200, reply.text
        model = reply.headers["x-gateway-model"]
        assert model.startswith(f"bedrock/{start}anthropic.")
        assert quote(model.removeprefix("bedrock/"), safe="") in gateway.fake.seen[-1].path
        assert reply.body["cost"]["total"] > 0


def test_the_runbook_s_fallback_answers(gateway: Gateway) -> None:
    """docs/runbooks/breaker-open.md: an alias is pointed at the target of another alias, at the other provider."""
    config = gateway.ask("GET", "/api/v1/admin/config").body["config"]
    assert config["models"]["nova-pro"] == {"models": ["nova-pro"]}
    patch = {"models": {"gpt-4": config["models"]["nova-pro"]}}
    assert gateway.ask("POST", "/api/v1/admin/config", patch).status == 200
    wiring.reset()  # as if ten seconds had passed
    reply = gateway.ask("POST", "/v1/chat/completions", CHAT)
    assert (reply.status, reply.headers["x-gateway-model"]) == (200, "bedrock/eu.amazon.nova-pro-v1:0")


def test_the_original_s_requests_work_as_it_sent_them(gateway: Gateway) -> None:
    for path in ("/health", "/api/v1/health", "/api/v1/health/detailed"):
        assert gateway.ask("GET", path, key="").status == 200
    for path in ("/api/v1/health/circuit-breakers", "/api/v1/health/metrics"):
        assert gateway.ask("GET", path, key="").status == 200
    context = {
        "searchQuery": "wireless headphones",
        "productIds": ["p-2", "prod-123"],
        "filters": {"category": "Electronics", "priceRange": {"min": 50, "max": 500}, "availability": "in_stock"},
    }
    for model in ("gpt-4", "gpt-3.5-turbo", "claude-3-sonnet"):
        body = CHAT | {"model": model, "temperature": 0.7, "mcpContext": context}
        reply = gateway.ask("POST", "/api/v1/completions", body, x_correlation_id="corr-1")
        assert reply.status == 200, reply.text
        assert {"provider", "latency", "cost", "cached", "choices", "usage"} <= set(reply.body)
        assert reply.headers["x-correlation-id"] == "corr-1"
        assert [each["id"] for each in reply.body["mcpContext"]["products"]] == ["p-2", "p-1"]
    limits = {"requestsPerMinute": 10, "requestsPerHour": 100}
    update = {"rateLimits": {"free": limits}, "circuitBreaker": {"failureThreshold": 5, "timeoutMs": 60000}}
    assert gateway.ask("POST", "/api/v1/admin/config", update).status == 200
    for path in ("/config", "/metrics", "/circuit-breakers"):
        assert gateway.ask("GET", f"/api/v1/admin{path}").status == 200
    action = {"action": "reset", "providers": ["openai", "bedrock"]}
    assert gateway.ask("POST", "/api/v1/admin/circuit-breakers", action).status == 200
    for path in ("?category=Electronics", "/search?q=headphones&category=ELECTRONICS", "/p-1"):
        assert gateway.ask("GET", f"/api/v1/products{path}").status == 200
    assert gateway.ask("GET", "/api/v1/mcp/tools").status == 200
    wrong: tuple[Any, ...] = (b"{bad", {"model": "gpt-4"}, CHAT | {"model": "gpt-99"})
    for body in wrong:
        refused = gateway.ask("POST", "/api/v1/completions", body)
        assert (refused.status, bool(refused.body["error"]), bool(refused.body["message"])) == (400, True, True)
    assert gateway.ask("POST", "/api/v1/completions", CHAT, key="").status == 401
    assert gateway.ask("GET", "/api/v1/nothing").status == 404


@pytest.mark.parametrize("place", [Place("eu-central-1", "bedrock")], indirect=True)
def test_a_reset_names_both_providers_whatever_is_configured(gateway: Gateway) -> None:
    both = ["openai", "bedrock"]
    reset = gateway.ask("POST", "/api/v1/admin/circuit-breakers", {"action": "reset", "providers": both})
    assert (reset.status, set(reset.body["circuitBreakers"])) == (200, {"bedrock"})
    for action in ({"action": "open", "providers": both}, {"action": "reset", "providers": ["acme"]}):
        refused = gateway.ask("POST", "/api/v1/admin/circuit-breakers", action)
        assert (refused.status, refused.error["param"]) == (400, "providers")


@pytest.mark.parametrize("query", ["🎧", "👩🏽‍💻", "\u0301", "\u202e", "\x00", "!", "the best"])
def test_a_search_query_of_any_text_fails_no_call(gateway: Gateway, query: str) -> None:
    reply = gateway.ask("POST", "/api/v1/completions", CHAT | {"mcpContext": {"searchQuery": query}})
    assert (reply.status, reply.body["mcpContext"]["products"]) == (200, [])
    assert gateway.ask("GET", f"/api/v1/products/search?q={quote(query)}").body["products"] == []


def test_half_a_surrogate_pair_fails_no_call(gateway: Gateway) -> None:
    assert gateway.ask("POST", "/api/v1/completions", SURROGATE).status == 200


def test_words_of_any_script_are_keys_that_the_table_takes(gateway: Gateway) -> None:
    for words in ("𠀀" * 40, "ﷺ" * 20, "שלום أهلا", "𝐇𝐞𝐚𝐝𝐩𝐡𝐨𝐧𝐞𝐬", "ß" * 200, "e\u0301" * 100, "🎧 headphones"):
        reply = gateway.ask("GET", f"/api/v1/products/search?q={quote(words)}")
        assert reply.status == 200, reply.text
        assert bool(reply.body["products"]) == (words[0] in "𝐇🎧")


@pytest.mark.parametrize("category", ["Spaceships", "🎧", "electronics/shoes"])
def test_an_unknown_category_is_refused_with_those_there_are(gateway: Gateway, category: str) -> None:
    context = {"searchQuery": "headphones", "filters": {"category": category}}
    refused = gateway.ask("POST", "/api/v1/completions", CHAT | {"mcpContext": context})
    assert (refused.status, refused.error["param"]) == (400, "mcpContext.filters.category")
    listed = gateway.ask("GET", f"/api/v1/products?category={quote(category)}")
    assert (listed.status, listed.error["code"]) == (400, "unknown_category")
    for reply in (refused, listed):
        assert "electronics/audio/headphones, home-kitchen" in reply.error["message"]
    assert gateway.fake.seen == []
    shown = gateway.ask("GET", f"/api/v1/products?category={quote('Home & Kitchen')}")
    assert [each["id"] for each in shown.body["products"]] == ["p-2"]


def test_a_stream_is_asked_of_the_other_route(gateway: Gateway) -> None:
    for headers in ({}, {"idempotency_key": "k-1"}):
        refused = gateway.ask("POST", "/api/v1/completions", CHAT | {"stream": True}, **headers)
        assert (refused.status, refused.error["param"]) == (400, "stream")
        assert "/v1/chat/completions" in refused.error["message"]
    assert gateway.fake.seen == []
    for stream in (False, None):
        assert gateway.ask("POST", "/api/v1/completions", CHAT | {"stream": stream}).status == 200
    assert gateway.ask("POST", "/api/v1/completions", CHAT | {"stream": "yes"}).error["param"] == "stream"
    streamed = gateway.ask("POST", "/v1/chat/completions", CHAT | {"stream": True})
    assert streamed.text.endswith("data: [DONE]\n\n")
    again = gateway.ask("POST", "/api/v1/completions", CHAT, idempotency_key="k-1")
    assert again.status == 200  # the key was given back


def test_every_answer_of_a_function_has_a_request_id(gateway: Gateway) -> None:
    calls: list[tuple[str, str, Any, str, dict[str, str]]] = [
        ("GET", "/health", None, "", {}),
        ("GET", "/openapi.json", None, "", {}),
        ("GET", "/v1/models", None, "free", {}),
        ("GET", "/v1/models/nobody", None, "free", {}),
        ("GET", "/v1/key", None, "free", {}),
        ("POST", "/v1/chat/completions", CHAT, "enterprise", {}),
        ("POST", "/v1/chat/completions", CHAT | {"stream": True}, "enterprise", {}),
        ("POST", "/v1/chat/completions", b"{", "enterprise", {}),
        ("POST", "/v1/chat/completions", b"{", "enterprise", {"content_encoding": "gzip"}),
        (
            "POST",
            "/api/v1/completions",
            CHAT | {"messages": [{"role": "user", "content": "[[fake status=500]]"}]},
            "free",
            {},
        ),
        ("GET", "/api/v1/admin/config", None, "free", {}),
        ("GET", "/api/v1/admin/keys", None, "admin", {}),
        ("GET", "/api/v1/admin/usage?group_by=moon", None, "admin", {}),
        ("GET", "/api/v1/products", None, "free", {}),
        ("GET", "/api/v1/products/nobody", None, "free", {}),
        ("POST", "/mcp", {"jsonrpc": "2.0", "id": 1, "method": "ping"}, "free", {}),
        ("POST", "/mcp", {"jsonrpc": "2.0", "method": "notifications/x"}, "free", {}),
        ("POST", "/mcp", b"{", "free", {}),
        ("GET", "/mcp", None, "free", {}),
    ]
    for method, path, body, key, headers in calls:
        reply = gateway.ask(method, path, body, key=key, **headers)
        assert reply.headers["x-request-id"] == "r", (path, reply.status)
        assert reply.headers["x-correlation-id"]
        # A page's script can read the exposed headers, and the few that CORS always allows.
        shown = {*load(ROOT).cors.expose_headers, "content-type", "cache-control", "allow"}
        assert set(reply.headers) <= shown, path


def test_a_replay_is_another_request_but_the_same_call(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    first = gateway.ask("POST", "/v1/chat/completions", CHAT, idempotency_key="once")
    monkeypatch.setattr("tests.contract.front.REQUEST_ID", "another")
    again = gateway.ask("POST", "/v1/chat/completions", CHAT, idempotency_key="once", x_correlation_id="c-2")
    assert (first.status, again.status, again.headers["idempotency-replayed"]) == (200, 200, "true")
    assert (first.headers["x-request-id"], again.headers["x-request-id"]) == ("r", "another")
    assert again.headers["x-correlation-id"] == "c-2"
    assert first.headers["x-gateway-request-id"] == again.headers["x-gateway-request-id"]
    assert len(gateway.fake.seen) == 1


def test_the_log_names_a_call_and_its_cost_as_the_caller_was_told(
    gateway: Gateway, log_lines: Callable[[], list[dict[str, Any]]]
) -> None:
    reply = gateway.ask("POST", "/v1/chat/completions", CHAT)
    (line,) = [each for each in log_lines() if each.get("message") == "request" and each["service"] == "completions"]
    assert line["gateway_request_id"] == reply.headers["x-gateway-request-id"]
    assert line["cost_usd"] == float(reply.headers["x-gateway-cost"]) > 0


def test_a_packed_body_is_the_same_request(gateway: Gateway) -> None:
    plain, packed = json.dumps(CHAT).encode(), gzip.compress(json.dumps(CHAT).encode())
    sent = {"content_type": "application/vnd.api+json", "content_encoding": "gzip"}
    first = gateway.ask("POST", "/v1/chat/completions", plain, idempotency_key="k")
    again = gateway.ask("POST", "/v1/chat/completions", packed, idempotency_key="k", **sent)
    assert (first.status, again.status, again.headers["idempotency-replayed"]) == (200, 200, "true")
    bomb = gzip.compress(b" " * (MAX_BODY_BYTES + 1))
    for path, key in (("/v1/chat/completions", "free"), ("/api/v1/admin/config", "admin"), ("/mcp", "free")):
        assert gateway.ask("POST", path, bomb, key=key, **sent).status == 413
        assert gateway.ask("POST", path, packed[:-1], key=key, **sent).status == 400
        refusals = [sent | {"content_encoding": coding} for coding in ("br", "zstd", "deflate", "gzip, gzip")]
        # the last one is sent as application/json, although it came as text
        for refusal in [*refusals, {"content_encoding": "gzip"}]:
            refused = gateway.ask("POST", path, packed, key=key, **refusal)
            assert (refused.status, "gzip" in refused.error["message"]) == (415, True), refusal
    assert gateway.ask("POST", "/mcp", packed, **sent).status == 415  # it accepts only application/json
    assert len(gateway.fake.seen) == 1


def test_what_a_provider_is_not_told_is_named(gateway: Gateway) -> None:
    asked = CHAT | {"model": "bedrock/eu.amazon.nova-lite-v1:0", "seed": 1}
    asked["messages"] = [CHAT["messages"][0] | {"name\r\nx": "é"}]
    for path in ("/v1/chat/completions", "/api/v1/completions"):
        reply = gateway.ask("POST", path, asked, idempotency_key=path.replace("/", "-"))
        again = gateway.ask("POST", path, asked, idempotency_key=path.replace("/", "-"))
        assert (reply.status, reply.headers["x-gateway-dropped"]) == (200, "messages[0].name??x, seed")
        assert again.headers["x-gateway-dropped"] == reply.headers["x-gateway-dropped"]
        assert set(reply.headers) <= {*load(ROOT).cors.expose_headers, "content-type"}
    assert "x-gateway-dropped" not in gateway.ask("POST", "/v1/chat/completions", CHAT).headers
