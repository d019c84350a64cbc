"""The catalogue's function: REST and MCP over HTTP, with their checks."""

import base64
import json
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from functions.mcp.handler import handler
from gateway import wiring
from gateway.api.pace import Pace
from gateway.catalogue.catalogue import Catalogue
from gateway.catalogue.store import ProductStore
from gateway.identity.caller import SCOPES, Caller
from tests.fakes.database import DownDatabase
from tests.fakes.products import MemoryProducts, product
from tests.fakes.wired import wired

CONTEXT = SimpleNamespace(aws_request_id="aws-1", get_remaining_time_in_millis=lambda: 29_000)
ODD_TEXTS = (
    *("🎧", "👩🏽‍💻🏳️‍🌈", "!", " ", "\x00", "\x1b["),
    *("\ud83c", "\udfa7\ud83c", "\u0301\u0327", "\u202e", "\u200d\u200b", "\ufeff", "\uffff", "\U0010ffff"),
)
PING = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "ping"})


@pytest.fixture(autouse=True)
def fresh(gateway_environment: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("MCP_ALLOWED_ORIGINS", "https://app.example.com")
    records = MemoryProducts(product(), product(id="p-2", name="Mug", price={"amount": 5}))
    wired(catalogue=Catalogue(records), pace=Pace(lambda _caller: (1_000_000, 1_000_000)))
    yield
    wiring.reset()


def call(
    route: str,
    body: str | bytes | None = None,
    query: dict[str, str] | None = None,
    scopes: tuple[str, ...] = SCOPES,
    path: dict[str, str] | None = None,
    **headers: str,
) -> tuple[int, Any, dict[str, str]]:
    sent = {"host": "localhost:8080", "content-type": "application/json"}
    sent |= {name.replace("_", "-"): text for name, text in headers.items()}
    method, _, raw_path = route.partition(" ")
    event = {
        "routeKey": route,
        "rawPath": raw_path,
        "headers": sent,
        "queryStringParameters": query,
        "pathParameters": path,
        "body": base64.b64encode(body).decode() if isinstance(body, bytes) else body,
        "isBase64Encoded": isinstance(body, bytes),
        "requestContext": {
            "http": {"method": method, "path": raw_path},
            "requestId": "r",
            "authorizer": {"lambda": Caller("k", "free", scopes, version=1).to_context()},
        },
    }
    reply = handler(event, CONTEXT)
    return reply["statusCode"], json.loads(reply["body"]) if reply["body"] else None, reply["headers"]


def test_products_over_rest() -> None:
    status, body, _ = call("GET /api/v1/products", query={"category": "audio", "maxPrice": "10.50", "limit": "1"})
    assert (status, [each["id"] for each in body["products"]], body["nextCursor"]) == (200, ["p-2"], None)
    status, body, _ = call("GET /api/v1/products/search", query={"q": "wireless headphones"})
    assert (status, [each["id"] for each in body["products"]]) == (200, ["p-1"])
    status, body, _ = call("GET /api/v1/products/{id}", path={"id": "p-2"})
    assert (status, body["price"]["final"]) == (200, 5.0)
    status, body, _ = call("GET /api/v1/mcp/tools")
    assert (status, len(body["tools"])) == (200, 3)


@pytest.mark.parametrize(
    ("route", "query", "param"),
    [
        ("GET /api/v1/products", {"limit": "0"}, "limit"),
        ("GET /api/v1/products", {"limit": "ten"}, "limit"),
        ("GET /api/v1/products", {"minPrice": "NaN"}, "minPrice"),
        ("GET /api/v1/products", {"minPrice": "1e400"}, "minPrice"),
        ("GET /api/v1/products", {"minPrice": "2", "maxPrice": "1"}, "priceRange"),
        ("GET /api/v1/products", {"min_price": "2"}, "min_price"),
        ("GET /api/v1/products", {"availability": "soon"}, "availability"),
        ("GET /api/v1/products", {"cursor": "x"}, "cursor"),
        ("GET /api/v1/products/search", {}, "query"),
        ("GET /api/v1/products/search", {"q": ""}, "query"),
        ("GET /api/v1/products/search", {"q": "x" * 501}, "query"),
        ("GET /api/v1/products/search", {"q": "mug", "limit": "2.5"}, "limit"),
        ("GET /api/v1/products/search", {"q": "mug", "category": "Spaceships"}, "category"),
        ("GET /api/v1/products", {"category": "Spaceships"}, "category"),
        ("GET /api/v1/products", {"category": ""}, "category"),
    ],
)
def test_a_wrong_parameter_is_named(route: str, query: dict[str, str], param: str) -> None:
    status, body, _ = call(route, query=query)
    assert (status, body["error"]["param"]) == (400, param)


@pytest.mark.parametrize(
    ("limit", "why"),
    [
        ("-1", "must be at least 1; -1 was sent"),
        ("12345678901", "must be at most 100; 12345678901 was sent"),
        ("ten", "must be a whole number; text was sent"),
    ],
)
def test_a_number_in_a_parameter_is_read_as_one(limit: str, why: str) -> None:
    _, body, _ = call("GET /api/v1/products", query={"limit": limit})
    assert body["message"] == f"limit: {why}"


def test_categories_in_any_case_and_words_of_any_script_over_rest_and_mcp() -> None:
    for category in ("Electronics", "ELECTRONICS / Audio", "electronics > audio"):
        for route, query in (
            ("GET /api/v1/products", {"category": category}),
            ("GET /api/v1/products/search", {"q": "wireless", "category": category}),
        ):
            status, body, _ = call(route, query=query)
            assert (status, body["products"][0]["id"]) == (200, "p-2" if "search" not in route else "p-1")
    for words in ODD_TEXTS:
        status, body, _ = call("GET /api/v1/products/search", query={"q": words})
        assert (status, body) == (200, {"products": [], "nextCursor": None})
        result = tool("product_search", {"query": words, "limit": 2.0, "category": "Electronics", "cursor": None})
        assert (result["isError"], result["structuredContent"]["products"]) == (False, [])


def tool(name: str, arguments: Any) -> Any:
    sent = {"jsonrpc": "2.0", "id": 1.0, "method": "tools/call", "params": {"name": name, "arguments": arguments}}
    status, body, _ = call("POST /mcp", json.dumps(sent))
    assert (status, body["id"]) == (200, 1)
    return body["result"]


@pytest.mark.parametrize("name", ["product_search", "get_category_products"])
def test_whole_numbers_with_a_point_and_nulls_are_what_they_mean(name: str) -> None:
    wanted = {"product_search": {"query": "audio"}, "get_category_products": {"category": "audio"}}[name]
    optional = {"limit", "minPrice", "maxPrice", "availability", "cursor"} | (
        {"category"} if name == "product_search" else set()
    )
    usual = tool(name, wanted)
    assert len(usual["structuredContent"]["products"]) == 2
    assert tool(name, wanted | dict.fromkeys(optional)) == usual
    assert tool(name, wanted | {"limit": 2.0}) == tool(name, wanted | {"limit": 2}) == usual
    assert len(tool(name, wanted | {"limit": 1.0})["structuredContent"]["products"]) == 1
    for limit in (2.5, "2", True, False, 0.0, -1.0, 1e300, [2], {"a": 2}):
        refused = tool(name, wanted | {"limit": limit})
        assert refused["isError"]
        assert "limit" in refused["content"][0]["text"]
    assert tool(name, dict.fromkeys(wanted))["isError"]  # null where a value is required


def test_a_call_without_arguments_or_with_null() -> None:
    assert "productId" in tool("get_product", None)["content"][0]["text"]
    sent = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": None}
    assert len(call("POST /mcp", json.dumps(sent))[1]["result"]["tools"]) == 3


def test_no_text_makes_a_tool_or_a_route_fail() -> None:
    """Whatever a text field contains, the result is an answer or a refusal that the model can correct; never an error
    of ours."""
    long = ("x" * 10_000, "🎧" * 10_000, "𠀀" * 40, "ß" * 400, "ﷺ" * 400, "e\u0301" * 200)
    odd = [*ODD_TEXTS, *long, "שלום", "أهلا", "𝐇𝐞𝐚𝐝"]
    for text in odd:
        for name, arguments in (
            ("product_search", {"query": text}),
            ("product_search", {"query": "mug", "category": text}),
            ("product_search", {"query": "mug", "cursor": text}),
            ("product_search", {"query": "mug", "availability": text}),
            ("get_product", {"productId": text}),
            ("get_category_products", {"category": text}),
            ("get_product", {"productId": "p-1", text: text}),
        ):
            result = tool(name, arguments)
            assert result["isError"] or result["structuredContent"]
        for route, query in (
            ("GET /api/v1/products", {"category": text}),
            ("GET /api/v1/products", {"cursor": text}),
            ("GET /api/v1/products/search", {"q": text}),
            ("GET /api/v1/products/search", {"q": "mug", text: text}),
        ):
            assert call(route, query=query)[0] in (200, 400)
        assert call("GET /api/v1/products/{id}", path={"id": text})[0] == 404
        for method, params in (
            ("tools/call", {"name": text}),
            ("resources/read", {"uri": f"catalogue://categories/{text}"}),
            ("resources/read", {"uri": f"catalogue://products/{text}"}),
            (text, {}),
        ):
            sent = {"jsonrpc": "2.0", "id": text, "method": method, "params": params}
            assert call("POST /mcp", json.dumps(sent))[0] in (200, 400)


@pytest.mark.parametrize("identifier", ["nowhere", "#categories", "a b", ""])
def test_a_product_that_is_not_there(identifier: str) -> None:
    assert call("GET /api/v1/products/{id}", path={"id": identifier})[0] == 404


@pytest.mark.parametrize(("route", "scope"), [("GET /api/v1/products", "catalogue"), ("POST /mcp", "mcp")])
def test_each_door_has_its_scope(route: str, scope: str) -> None:
    others = tuple(each for each in SCOPES if each != scope)
    assert call(route, PING, scopes=others)[0] == 403
    assert call(route, PING, scopes=(scope,))[0] == 200


def test_a_call_and_a_notification() -> None:
    assert call("POST /mcp", PING)[:2] == (200, {"jsonrpc": "2.0", "id": 1, "result": {}})
    status, body, _ = call("POST /mcp", '{"jsonrpc": "2.0", "method": "notifications/initialized"}')
    assert (status, body) == (202, None)


def test_there_is_no_stream_and_no_session() -> None:
    for route in ("GET /mcp", "DELETE /mcp"):
        status, body, headers = call(route)
        assert (status, headers["allow"], body["error"]["code"]) == (405, "POST", -32600)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"origin": "https://app.example.com"}, 200),
        ({"origin": "https://evil.example"}, 403),
        ({"host": "evil.example"}, 403),
        ({"accept": "application/json, text/event-stream"}, 200),
        ({"accept": "*/*;q=0.1"}, 200),
        ({"accept": "text/event-stream"}, 406),
        ({"content_type": "text/plain"}, 415),
        ({"content_type": "application/json; charset=utf-8"}, 200),
        ({"mcp_protocol_version": "2025-06-18"}, 200),
        ({"mcp_protocol_version": "1999-01-01"}, 400),
    ],
)
def test_headers_of_the_transport(headers: dict[str, Any], status: int) -> None:
    assert call("POST /mcp", PING, **headers)[0] == status


@pytest.mark.parametrize("body", ["", "{", '{"a": NaN}', "[" * 100_000, '{"id": ' + "9" * 5_000 + "}", b"\xff\xfe"])
def test_what_is_no_json_is_a_parse_error(body: str | bytes) -> None:
    status, answered, _ = call("POST /mcp", body)
    assert (status, answered["error"]["code"], answered["id"]) == (400, -32700, None)


def test_a_store_that_is_down_is_a_503_over_rest() -> None:
    wired(catalogue=Catalogue(ProductStore(DownDatabase(), "t")), database=DownDatabase())
    for route, query in (("GET /api/v1/products", None), ("GET /api/v1/products/search", {"q": "mug"})):
        assert call(route, query=query)[0] == 503


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_no_body_makes_it_fail(body: bytes) -> None:
    status, answered, _ = call("POST /mcp", body)
    assert status == 400
    assert answered["error"]["code"] in (-32700, -32600)
