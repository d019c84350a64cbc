"""The MCP server: the rules of every version, error codes, and that no message makes it raise."""

import json
from collections.abc import Mapping
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.catalogue.catalogue import Catalogue
from gateway.catalogue.store import ProductStore
from gateway.mcp.server import HANDSHAKE_VERSIONS, MODERN, VERSIONS, McpServer, Reply
from gateway.mcp.tools import TOOLS
from tests.fakes.database import DownDatabase
from tests.fakes.products import MemoryProducts, product

SERVER = McpServer(Catalogue(MemoryProducts(product(), product(id="p-2", name="Mug"))), "1.2.3")
DOWN = McpServer(Catalogue(ProductStore(DownDatabase(), "t")), "1.2.3")
META = {"io.modelcontextprotocol/protocolVersion": MODERN, "io.modelcontextprotocol/clientCapabilities": {}}
NAMES = {"tools/call": "name", "resources/read": "uri"}


def message(method: str, params: Any = None, **extra: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": 1, "method": method, "params": {} if params is None else params} | extra


def ask(method: str, params: Any = None, version: str = "2025-11-25", server: McpServer = SERVER) -> Reply:
    """A well-formed request as a client of that version sends it."""
    params, headers = dict(params or {}), {"mcp-protocol-version": version}
    if version == MODERN:
        headers["mcp-method"] = method
        if method in NAMES:
            headers["mcp-name"] = params[NAMES[method]]
        params["_meta"] = META
    return server.answer(message(method, params), headers)


def code(reply: Reply) -> int:
    return int(reply.body["error"]["code"])


@pytest.mark.parametrize(
    ("asked", "agreed"),
    [
        *((version, version) for version in HANDSHAKE_VERSIONS),
        ("2024-11-05", "2025-11-25"),
        ("2099-01-01", "2025-11-25"),
    ],
)
def test_the_handshake_agrees_on_a_version(asked: str, agreed: str) -> None:
    params = {"protocolVersion": asked, "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
    result = SERVER.answer(message("initialize", params), {}).body["result"]
    assert result["protocolVersion"] == agreed
    assert result["serverInfo"]["version"] == "1.2.3"
    assert set(result["capabilities"]) == {"tools", "resources"}
    assert SERVER.answer(message("notifications/initialized") | {"id": 7}, {}).status == 200
    assert SERVER.answer({"jsonrpc": "2.0", "method": "notifications/initialized"}, {}) == Reply(202)


@pytest.mark.parametrize("version", VERSIONS)
def test_each_tool_answers_by_its_schemas(version: str) -> None:
    listed = {each["name"]: each for each in ask("tools/list", version=version).body["result"]["tools"]}
    assert set(listed) == {"product_search", "get_product", "get_category_products"} == set(TOOLS)
    calls: Mapping[str, dict[str, Any]] = {
        "product_search": {"query": "headphones", "maxPrice": 200.5, "availability": "in_stock", "limit": 5},
        "get_product": {"productId": "p-1"},
        "get_category_products": {"category": "electronics/audio"},
    }
    for name, arguments in calls.items():
        jsonschema.validate(arguments, listed[name]["inputSchema"])
        result = ask("tools/call", {"name": name, "arguments": arguments}, version).body["result"]
        jsonschema.validate(result["structuredContent"], listed[name]["outputSchema"])
        assert json.loads(result["content"][0]["text"]) == result["structuredContent"]
        assert result["isError"] is False
        assert "p-1" in result["content"][0]["text"]


@pytest.mark.parametrize("version", VERSIONS)
def test_each_resource_that_is_listed_can_be_read(version: str) -> None:
    listed = ask("resources/list", version=version).body["result"]["resources"]
    assert len(listed) == 4
    for each in listed:
        (content,) = ask("resources/read", {"uri": each["uri"]}, version).body["result"]["contents"]
        assert content["uri"] == each["uri"]
        assert json.loads(content["text"])
    assert len(ask("resources/templates/list", version=version).body["result"]["resourceTemplates"]) == 2


def test_a_category_without_products_is_empty_not_unknown() -> None:
    records = MemoryProducts(product())
    records.delete(records.items["p-1"])
    reply = ask("resources/read", {"uri": "catalogue://categories/audio"}, server=McpServer(Catalogue(records), "1"))
    assert json.loads(reply.body["result"]["contents"][0]["text"])["products"] == []


@pytest.mark.parametrize(
    ("method", "params", "expected"),
    [
        ("nothing", {}, -32601),
        ("prompts/list", {}, -32601),
        ("tools/call", {"name": 5}, -32602),
        ("tools/call", {"name": "drop_table"}, -32602),
        ("tools/call", {"name": "get_product", "arguments": []}, -32602),
        ("tools/list", {"cursor": "x"}, -32602),
        ("resources/list", {"cursor": "x"}, -32602),
        ("resources/list", {"cursor": 5}, -32602),
        ("resources/read", {}, -32602),
        ("resources/read", {"uri": "file:///etc/passwd"}, -32002),
        ("resources/read", {"uri": "catalogue://products/nowhere"}, -32002),
        ("resources/read", {"uri": "catalogue://categories/nowhere"}, -32002),
        ("resources/read", {"uri": "catalogue://categories/"}, -32002),
        ("initialize", {}, -32602),
    ],
)
def test_errors_have_their_codes(method: str, params: dict[str, Any], expected: int) -> None:
    reply = ask(method, params)
    assert (reply.status, code(reply), reply.body["id"]) == (200, expected, 1)


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (5, -32600),
        (None, -32600),
        ({}, -32600),
        ({"jsonrpc": "1.0", "id": 1, "method": "ping"}, -32600),
        ({"jsonrpc": "2.0", "id": 1}, -32600),
        ({"jsonrpc": "2.0", "id": 1, "method": 5}, -32600),
        ({"jsonrpc": "2.0", "id": None, "method": "ping"}, -32600),
        ({"jsonrpc": "2.0", "id": True, "method": "ping"}, -32600),
        ({"jsonrpc": "2.0", "id": 1.5, "method": "ping"}, -32600),
        ({"jsonrpc": "2.0", "id": 1, "result": {}, "error": {}}, -32600),
    ],
)
def test_what_is_no_request_is_400(sent: Any, expected: int) -> None:
    reply = SERVER.answer(sent, {})
    assert (reply.status, code(reply)) == (400, expected)


def test_params_that_are_no_object() -> None:
    reply = SERVER.answer(message("ping", [1]), {})
    assert (reply.status, code(reply)) == (200, -32602)


def test_responses_and_notifications_are_taken_without_an_answer() -> None:
    for sent in ({"id": 1, "result": {}}, {"id": "a", "error": {"code": 1, "message": ""}}, {"method": "x"}):
        assert SERVER.answer({"jsonrpc": "2.0"} | sent, {}) == Reply(202)


def test_wrong_arguments_are_told_to_the_model() -> None:
    for arguments in ({}, {"productId": "p-1", "x": 1}, {"productId": "../p"}, {"productId": "p-9"}):
        result = ask("tools/call", {"name": "get_product", "arguments": arguments}).body["result"]
        assert result["isError"] is True
        assert result["content"][0]["text"]


def test_a_store_that_is_down_is_an_internal_error() -> None:
    for version in VERSIONS:
        for method, params in (
            ("tools/call", {"name": "get_product", "arguments": {"productId": "p"}}),
            ("resources/list", {}),
        ):
            reply = ask(method, params, version, DOWN)
            assert (reply.status, code(reply)) == (200, -32603)


def test_batches_belong_to_one_version() -> None:
    batch = [message("ping"), {"jsonrpc": "2.0", "method": "notifications/x"}, 5, message("initialize", id="i")]
    for headers in ({}, {"mcp-protocol-version": "2025-03-26"}):
        reply = SERVER.answer(batch, headers)
        assert reply.status == 200
        assert [each.get("error", {}).get("code") for each in reply.body] == [None, -32600, -32600]
    assert SERVER.answer(batch[1:2], {}) == Reply(202)
    for refused, version in (
        ([], "2025-03-26"),
        (batch * 6, "2025-03-26"),
        *((batch, later) for later in VERSIONS[1:]),
    ):
        reply = SERVER.answer(refused, {"mcp-protocol-version": version})
        assert (reply.status, code(reply)) == (400, -32600)


@pytest.mark.parametrize("version", ["2024-11-05", "2099-01-01", "", "2025-11-25, 2025-11-25"])
def test_an_unknown_version_is_told_which_there_are(version: str) -> None:
    reply = SERVER.answer(message("ping"), {"mcp-protocol-version": version})
    assert (reply.status, code(reply)) == (400, -32022)
    assert reply.body["error"]["data"] == {"supported": list(VERSIONS), "requested": version}


def test_the_latest_version_has_no_handshake() -> None:
    result = ask("server/discover", version=MODERN).body["result"]
    assert (result["resultType"], MODERN in result["supportedVersions"]) == ("complete", True)
    for method in ("initialize", "ping"):
        reply = ask(method, {"protocolVersion": MODERN}, MODERN)
        assert (reply.status, code(reply)) == (404, -32601)
    assert code(ask("resources/read", {"uri": "catalogue://products/none"}, MODERN)) == -32602
    assert "ttlMs" in ask("tools/list", version=MODERN).body["result"]


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"mcp-protocol-version": None}, -32020),
        ({"mcp-protocol-version": "2025-11-25"}, None),
        ({"mcp-method": None}, -32020),
        ({"mcp-method": "tools/list"}, -32020),
        ({"mcp-name": None}, -32020),
        ({"mcp-name": "product_search"}, -32020),
        ({"mcp-name": "=?base64?!!?="}, -32020),
        ({"mcp-name": "=?base64?Z2V0X3Byb2R1Y3Q=?="}, None),
        ({}, None),
    ],
)
def test_headers_of_the_latest_version_say_what_the_body_says(headers: dict[str, Any], expected: int | None) -> None:
    sent = {"mcp-protocol-version": MODERN, "mcp-method": "tools/call", "mcp-name": "get_product"} | headers
    params = {"name": "get_product", "arguments": {"productId": "p-1"}, "_meta": META}
    reply = SERVER.answer(message("tools/call", params), {name: text for name, text in sent.items() if text})
    assert reply.body.get("error", {}).get("code") == expected
    assert reply.status == (400 if expected else 200)


def test_the_latest_version_needs_its_envelope() -> None:
    for meta in (None, 5, {}, {"io.modelcontextprotocol/protocolVersion": MODERN}):
        headers = {"mcp-protocol-version": MODERN, "mcp-method": "tools/list"}
        reply = SERVER.answer(message("tools/list", {"_meta": meta}), headers)
        assert (reply.status, code(reply)) == (400, -32602)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)
methods = st.sampled_from(
    [
        *("initialize", "ping", "tools/list", "tools/call", "resources/list", "resources/templates/list"),
        *("resources/read", "server/discover", "notifications/initialized", "logging/setLevel"),
    ]
)
uris = st.sampled_from(["catalogue://products/", "catalogue://categories/", "catalogue:", "http://"])
odd_params = json_values | st.fixed_dictionaries(
    {},
    optional={
        "name": st.sampled_from(sorted(TOOLS)) | json_values,
        "arguments": json_values
        | st.fixed_dictionaries(
            {},
            optional=dict.fromkeys(("query", "productId", "category", "limit", "cursor", "maxPrice"), json_values),
        ),
        "uri": json_values | st.builds("".join, st.tuples(uris, st.text())),
        "cursor": json_values,
        "protocolVersion": st.sampled_from(VERSIONS) | json_values,
        "_meta": st.just(META) | json_values,
    },
)
requests = st.fixed_dictionaries(
    {},
    optional={
        "jsonrpc": st.just("2.0") | json_values,
        "id": st.integers() | st.text() | json_values,
        "method": methods | json_values,
        "params": odd_params,
        "result": json_values,
        "error": json_values,
    },
)
odd_headers = st.fixed_dictionaries(
    {},
    optional={
        "mcp-protocol-version": st.sampled_from(VERSIONS) | st.text(),
        "mcp-method": methods,
        "mcp-name": st.text(),
    },
)
CODES = {-32700, -32600, -32601, -32602, -32002, -32020, -32022}


def right(body: Any) -> bool:
    """Whether an answer is a result, or an error that a caller can have caused."""
    answered = ("result" in body) != ("error" in body)
    return body["jsonrpc"] == "2.0" and answered and ("error" not in body or body["error"]["code"] in CODES)


@settings(max_examples=500)
@given(requests | json_values | st.lists(requests, max_size=4), odd_headers)
def test_any_message_gets_a_right_answer(sent: Any, headers: dict[str, str]) -> None:
    reply = SERVER.answer(sent, headers)
    assert reply.status in (200, 202, 400, 404)
    assert (reply.body is None) == (reply.status == 202)
    json.dumps(reply.body, allow_nan=False)
    if reply.body is not None:
        assert all(right(body) for body in (reply.body if isinstance(reply.body, list) else [reply.body]))
