"""No input causes a 500: generated bodies on every route that takes a body, through the real authorizer and functions,
with both vendors on the fake upstream. 200 bodies for each route; `make prove` tries 5,000."""

import os
from collections import Counter
from typing import Any

import pytest

from tests.contract.front import Gateway
from tests.contract.mutations import Raw, bodies, nested, written
from tests.reply import Reply
from tools.local.emulator import ROOT
from tools.manifest import load

CASES = 5_000 if os.environ.get("PROVE") else 200
HI = {"role": "user", "content": "hi"}
PIXEL = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo=", "detail": "low"}}
FUNCTION = {
    "name": "weather",
    "description": "The weather",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    "strict": True,
}
USED = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": [{"type": "text", "text": "hi", "cache_control": {"type": "ephemeral"}}, PIXEL]},
    {
        "role": "assistant",
        "content": None,
        "thinking_blocks": [{"type": "thinking", "thinking": "hm", "signature": "c2ln"}],
        "tool_calls": [
            {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Oslo"}'}}
        ],
    },
    {"role": "tool", "tool_call_id": "c1", "content": "rain"},
    {"role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]},
    HI,
]


def chats(model: str) -> list[Any]:
    everything = {
        "model": model,
        "messages": USED,
        "tools": [{"type": "function", "function": FUNCTION}],
        "tool_choice": {"type": "function", "function": {"name": "weather"}},
        "max_tokens": 10,
        "max_completion_tokens": 20,
        "temperature": 0.5,
        "top_p": 0.5,
        "stop": ["END"],
        "user": "u",
        "seed": 5,
        "metadata": {"a": "b"},
        "tags": ["team-a"],
        "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}}},
        "n": 1,
        "logprobs": False,
        "top_logprobs": 0,
        "logit_bias": {},
        "stream": False,
        "stream_options": {"include_usage": True},
        "service_tier": "default",
        "modalities": ["text"],
        "prediction": {"type": "content", "content": "x"},
        "reasoning_effort": "low",
        "thinking": {"type": "enabled", "budget_tokens": 1_024},
        "parallel_tool_calls": True,
        "frequency_penalty": 0,
        "presence_penalty": 0,
        "prompt_cache_key": "k",
        "store": False,
    }
    if model.startswith("openai/"):
        del everything["thinking"]
    plain = {"model": model, "messages": [HI], "max_tokens": 10}
    context = {"productIds": ["p-1"], "searchQuery": "mug", "filters": {"category": "audio", "priceRange": {"min": 1}}}
    return [plain, plain | {"messages": USED}, everything, plain | {"stream": True}, plain | {"mcpContext": context}]


CHATS = [*chats("openai/gpt-4o"), *chats("bedrock/amazon.nova-lite-v1:0")]
LIMITS = {
    "rpm_limit": 10,
    "tpm_limit": 1_000,
    "rph_limit": 100,
    "rpd_limit": 1_000,
    "tpd_limit": 10_000,
    "burst_limit": 5,
    "max_parallel_requests": 2,
    "max_budget": 5.5,
    "budget_duration": "daily",
    "shadow": ["budget"],
    "metadata": {"a": "b"},
}
KEY = {
    "name": "a key",
    "tier": "basic",
    "scopes": ["completions", "models"],
    "models": ["gpt-4"],
    "user_id": "u",
    "model_limits": {"gpt-4": {"max_budget": 1.5, "budget_duration": "daily"}},
    "expires": "2100-01-01T00:00:00Z",
    **LIMITS,
}
PRODUCT = {
    "name": "Mug",
    "description": "A mug",
    "price": {"amount": 5.25, "currency": "EUR", "discount": 10},
    "availability": "in_stock",
    "category": {"path": ["home", "kitchen"]},
    "specifications": {"colour": "red"},
    "images": ["https://example.com/a.png"],
    "rating": {"average": 4.5, "count": 3},
    "seller": "s",
    "tags": ["new"],
}
CONFIG = {
    "rateLimits": {"free": {"requestsPerMinute": 20, "burst": 5, "maxBudget": 1.5, "shadow": ["budget"]}},
    "models": {"mine": {"target": "openai/gpt-4"}},
    "prices": {"openai/new": {"input": 1.5, "output": 2, "cached": 1, "maxOutputTokens": 10}},
    "vendors": {"acme": {"baseUrl": "https://acme.example/v1", "secret": "acme", "passFields": ["top_k"], "caps": []}},
    "circuitBreaker": {"failureThreshold": 5, "failureRatio": 0.5, "windowMs": 30_000},
}


def rpc(method: str, **params: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}


MODERN = {"io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {}}
MCP = [
    rpc("initialize", protocolVersion="2025-06-18", capabilities={}, clientInfo={"name": "a", "version": "1"}),
    rpc("tools/list"),
    rpc("tools/call", name="product_search", arguments={"query": "mug", "limit": 2, "minPrice": 1, "category": "home"}),
    rpc("tools/call", name="get_category_products", arguments={"category": "home", "maxPrice": 9.5}),
    rpc("tools/call", name="get_product", arguments={"productId": "p-1"}),
    rpc("resources/list"),
    rpc("resources/read", uri="product://p-1"),
    rpc("server/discover", _meta=MODERN),
    [rpc("ping"), rpc("tools/list")],
]
VALID: dict[str, list[Any]] = {
    "POST /api/v1/completions": CHATS,
    "POST /v1/chat/completions": CHATS,
    "POST /mcp": MCP,
    "POST /api/v1/admin/config": [CONFIG, {"models": {"mine": None}}],
    "POST /api/v1/admin/circuit-breakers": [
        {"action": "reset", "providers": ["openai"]},
        {"action": "reset", "breakers": ["openai/gpt-4@global"]},
        {"action": "reset"},
    ],
    "POST /api/v1/admin/keys": [KEY, {"name": "b"}],
    "PATCH /api/v1/admin/keys/{id}": [KEY, {"max_budget": None}],
    "POST /api/v1/admin/keys/{id}/rotate": [{"overlap_hours": 1}],
    "POST /api/v1/admin/keys/{id}/revoke": [{}],
    "POST /api/v1/admin/teams": [{"id": "blue", "name": "Blue", **LIMITS}],
    "PUT /api/v1/admin/users/{id}": [{"name": "Ann", **LIMITS}, {}],
    "PATCH /api/v1/admin/teams/{id}": [{"name": "Blue", **LIMITS}, {"rpm_limit": None}],
    "POST /api/v1/admin/corrections": [
        {"key": "000000000000", "amount": -1.5, "reason": "r", "id": "c-1", "date": "2026-11-20", "request_id": "req_1"}
    ],
    "POST /api/v1/admin/products": [PRODUCT | {"id": "p-1"}, PRODUCT],
    "PUT /api/v1/admin/products/{id}": [PRODUCT],
    "PATCH /api/v1/admin/products/{id}": [PRODUCT, {"rating": None}],
    "POST /api/v1/admin/products/import": [{"products": [PRODUCT | {"id": "p-1"}, PRODUCT | {"id": "p-2"}]}],
}


def test_every_route_that_takes_a_body_is_tried() -> None:
    assert set(VALID) == {route for route in load(ROOT).routes() if route.split()[0] in ("POST", "PUT", "PATCH")}


def path_of(gateway: Gateway, route: str) -> str:
    """The route's path, with the id of something that exists."""
    _, path = route.split(" ")
    if route == "POST /api/v1/admin/corrections":  # of a key that exists
        VALID[route][0]["key"] = gateway.post("/api/v1/admin/keys", {"name": "mine"}).body["id"]
    if "{id}" not in path:
        return path
    kind = path.split("/")[4]
    if kind == "users":  # a PUT makes it
        return path.replace("{id}", "ann")
    named = {"name": "mine"}
    body = {"keys": named, "teams": named | {"id": "blue"}, "products": PRODUCT | {"id": "p-1"}}[kind]
    made = gateway.post(f"/api/v1/admin/{kind}", body)
    assert made.status == 201, made.text
    return path.replace("{id}", made.body["id"])


def check(route: str, body: bytes, reply: Reply) -> None:
    """The answer is well-formed, whatever was sent."""
    shown = f"{route}\n{body[:3_000]!r}\n{reply.status} {reply.text[:500]}"
    assert reply.status < 500, shown
    assert all(text.isascii() and text.isprintable() for text in reply.headers.values()), shown
    assert len(reply.text) < 200_000, shown
    if reply.status >= 400 and "error" in reply.body and route != "POST /mcp":
        error = reply.body["error"]
        assert {"message", "type", "param", "code"} <= set(error), shown
        assert isinstance(error["message"], str), shown
        assert 0 < len(error["message"]) < 2_000, shown
        assert error["param"] is None or 0 <= len(error["param"]) <= 300, shown


@pytest.mark.parametrize("route", VALID)
def test_no_generated_body_is_a_500(gateway: Gateway, route: str) -> None:
    method, path = route.split()[0], path_of(gateway, route)
    statuses: Counter[int] = Counter()
    paid: set[str] = set()
    for body in (*map(written, VALID[route]), *bodies(VALID[route], CASES, route)):
        reply = gateway.ask(method, path, body)
        check(route, body, reply)
        statuses[reply.status] += 1
        if reply.status == 200:
            paid.add(reply.headers.get("x-gateway-request-id", ""))
    # The generator tries enough: some bodies are valid, many are refused.
    # (A team whose id already exists is a 409.)
    assert statuses[200] + statuses[201] + statuses[202] + statuses[409] > CASES // 100
    assert sum(count for status, count in statuses.items() if 400 <= status < 500) > CASES // 10 or "revoke" in route
    if "completions" in route:
        assert {row["rid"] for row in gateway.rows() if row["actual"]} <= paid


CHAT = {"model": "openai/gpt-4o", "messages": [HI]}
ODD_CHATS: list[tuple[Any, str | None]] = [
    ({"messages": {"0": HI}}, "messages"),
    ({"messages": [[HI]]}, "messages[0]"),
    ({"messages": [{"role": ["user"], "content": "hi"}]}, "messages[0].role"),
    ({"messages": [{"role": "user", "content": [{"type": ["x"]}]}]}, "messages[0].content[0].type"),
    ({"messages": [{"role": "user", "content": [{"type": {}}]}]}, "messages[0].content[0].type"),
    ({"messages": [{"role": "user", "content": [{"text": "x"}]}]}, "messages[0].content[0].type"),
    ({"messages": [{"role": "user", "content": [{"type": "text", "text": 5}]}]}, "messages[0].content[0].text"),
    (
        {"messages": [HI, {"role": "user", "content": [{"type": "text", "text": "a", "cache_control": 1}]}]},
        "messages[1].content[0].cache_control",
    ),
    ({"messages": [HI, {"role": "assistant", "tool_calls": 1}]}, "messages[1].tool_calls"),
    ({"messages": [HI, {"role": "assistant", "tool_calls": {"id": 1}}]}, "messages[1].tool_calls"),
    ({"messages": [HI, {"role": "assistant", "tool_calls": [1]}]}, "messages[1].tool_calls[0]"),
    (
        {"messages": [HI, {"role": "assistant", "tool_calls": [{"function": {"name": 1, "arguments": "{}"}}]}]},
        "messages[1].tool_calls[0].function.name",
    ),
    (
        {"messages": [HI, {"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": {}}}]}]},
        "messages[1].tool_calls[0].function.arguments",
    ),
    ({"messages": [HI, {"role": "assistant", "thinking_blocks": "x"}]}, "messages[1].thinking_blocks"),
    ({"messages": [HI, {"role": "assistant", "function_call": []}]}, "messages[1].function_call"),
    ({"tools": {}}, "tools"),
    ({"tools": [None]}, "tools[0]"),
    ({"tools": [{"type": ["function"]}]}, "tools[0].type"),
    ({"tools": [{"type": "function", "function": "f"}]}, "tools[0].function"),
    ({"tool_choice": 5}, "tool_choice"),
    ({"tool_choice": ["auto"]}, "tool_choice"),
    ({"response_format": "json_object"}, "response_format"),
    ({"response_format": {"type": 5}}, "response_format.type"),
    ({"response_format": {"type": "json_schema", "json_schema": []}}, "response_format.json_schema"),
    ({"stop": {"a": 1}}, "stop"),
    ({"stop": ["a", None]}, "stop"),
    ({"n": True}, "n"),
    ({"n": 1.0}, "n"),
    ({"n": Raw("1" + "0" * 400)}, "n"),
    ({"max_tokens": -1}, "max_tokens"),
    ({"max_tokens": Raw("1" + "0" * 400)}, "max_tokens"),
    ({"max_completion_tokens": True}, "max_completion_tokens"),
    ({"temperature": True}, "temperature"),
    ({"temperature": "0.5"}, "temperature"),
    ({"temperature": Raw("1" + "0" * 400)}, "temperature"),
    ({"seed": Raw("-1" + "0" * 400)}, "seed"),
    ({"logit_bias": []}, "logit_bias"),
    ({"logit_bias": {"a": "b"}}, "logit_bias"),
    ({"logprobs": 1}, "logprobs"),
    ({"metadata": "x"}, "metadata"),
    ({"metadata": {"a": {"model": "x"}}}, "metadata"),
    ({"modalities": "text"}, "modalities"),
    ({"stream_options": True}, "stream_options"),
    ({"prediction": "x"}, "prediction"),
    ({"service_tier": ["flex"]}, "service_tier"),
    ({"user": {}}, "user"),
    ({"tags": "a"}, "tags"),
    ({"tags": [Raw('"\\ud800"')]}, "tags[0]"),
    ({"mcpContext": []}, "mcpContext"),
    ({"mcpContext": {"productIds": "p-1"}}, "mcpContext.productIds"),
    ({"mcpContext": {"filters": {"priceRange": 5}}}, "mcpContext.filters.priceRange"),
    ({"metadata": nested(500, '{"a":', "1", "}")}, "metadata"),
    ({"tools": [{"type": "function", "function": {"name": "f", "parameters": nested(500)}}]}, "tools"),
    ({"x" * 5_000: 1}, "x" * 64),
    ({"temperature": Raw("NaN")}, None),
    ({"temperature": Raw("1e999")}, None),
    ({"seed": Raw("9" * 5_000)}, None),
]


@pytest.mark.parametrize("model", ["openai/gpt-4o", "bedrock/amazon.nova-lite-v1:0"])
def test_what_is_paid_apart_or_names_a_model_never_leaves(gateway: Gateway, model: str) -> None:
    tool = {"type": "function", "function": {"name": "f"}}
    for change, param in (
        ({"web_search_options": {}}, "web_search_options"),
        ({"audio": {}}, "audio"),
        ({"modalities": ["text", "audio"]}, "modalities"),
        ({"models": ["gpt-5"]}, "models"),
        ({"models": []}, "models"),
        ({"route": "fallback"}, "route"),
        ({"provider": {}}, "provider"),
        ({"plugins": [{"id": "web"}]}, "plugins"),
        ({"extra_body": {"model": "gpt-5"}}, "extra_body"),
        ({"moderation": {"model": "x"}}, "moderation"),
        ({"tools": [{"type": "web_search"}]}, "tools[0].type"),
        ({"tools": [tool | {"model": "gpt-5"}]}, "tools[0].model"),
        ({"max_output_tokens": 10**6}, "max_output_tokens"),
        ({"MODEL": "gpt-5"}, "MODEL"),
        ({"fallbacks": ["gpt-5"]}, "fallbacks"),
        ({"something_new": {}}, "something_new"),
    ):
        reply = gateway.post("/v1/chat/completions", CHAT | {"model": model} | change)
        assert (reply.status, reply.body["error"]["param"]) == (400, param), reply.text
    assert gateway.rows() == []
    assert not gateway.fake.seen
    nothing = {"web_search_options": None, "audio": None, "models": None, "something_new": None}
    assert gateway.post("/v1/chat/completions", CHAT | {"model": model} | nothing).status == 200


def test_a_field_that_the_operator_lists_reaches_the_host(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_PASS_FIELDS", "top_k, something_new")
    gateway.restart()
    extra = {"top_k": 3, "something_new": {"a": [1, None, "ä"]}}
    assert gateway.post("/v1/chat/completions", CHAT | extra).status == 200
    assert gateway.fake.seen[0].body.items() >= extra.items()
    assert gateway.post("/v1/chat/completions", CHAT | {"another": 1}).body["error"]["param"] == "another"


@pytest.mark.parametrize("model", ["openai/gpt-4o", "bedrock/amazon.nova-lite-v1:0"])
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/api/v1/completions"])
def test_odd_requests_are_refused_by_the_path_of_the_field(gateway: Gateway, path: str, model: str) -> None:
    for change, param in ODD_CHATS:
        reply = gateway.post(path, written(CHAT | {"model": model} | change))
        assert reply.status == 400, f"{change}"[:300] + reply.text
        assert reply.body["error"]["param"] == param, f"{change}"[:300] + reply.text
        assert reply.body["error"]["code"] == ("invalid_request" if param else "invalid_json")
    assert gateway.rows() == []
    assert not gateway.fake.seen
