"""The official MCP client tests the MCP server: handshake and stateless versions, tools, resources, refusals."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest
from mcp import Client, MCPError
from mcp.client.streamable_http import streamable_http_client

from tests.integration.conftest import Live

Talk = Callable[[Client], Coroutine[Any, Any, None]]
MODES = {"auto": "2026-07-28", "legacy": "2025-11-25", "2026-07-28": "2026-07-28"}
HEADPHONES = "wireless headphones noise canceling"


@asynccontextmanager
async def connected(gateway: Live, mode: str) -> AsyncIterator[Client]:
    headers = {"authorization": f"Bearer {gateway.keys['basic']}"}
    async with (
        httpx2.AsyncClient(headers=headers, timeout=120) as http,
        Client(streamable_http_client(f"{gateway.base_url}/mcp", http_client=http), mode=mode) as client,
    ):
        yield client


def talk(gateway: Live, mode: str, what: Talk) -> None:
    async def run() -> None:
        async with connected(gateway, mode) as client:
            assert client.protocol_version == MODES[mode]
            await what(client)

    asyncio.run(run())


@pytest.mark.parametrize("mode", MODES)
def test_every_tool_is_listed_and_called(gateway: Live, mode: str) -> None:
    calls: dict[str, dict[str, Any]] = {
        "product_search": {"query": HEADPHONES, "limit": 3},
        "get_product": {"productId": "prod-0001"},
        "get_category_products": {"category": "coffee", "maxPrice": 300.5, "limit": 2},
    }

    async def what(client: Client) -> None:
        tools = (await client.list_tools()).tools
        assert {tool.name for tool in tools} == set(calls)
        for name, arguments in calls.items():
            result = await client.call_tool(name, arguments)  # the client compares it with the tool's output schema
            assert not result.is_error
            assert result.structured_content
        found = await client.call_tool("product_search", calls["product_search"])
        names = [each["name"] for each in (found.structured_content or {})["products"]]
        assert len(names) == 3
        assert all("Wireless Noise Canceling" in name for name in names)

    talk(gateway, mode, what)


@pytest.mark.parametrize("mode", MODES)
def test_resources_are_listed_to_the_end_and_read(gateway: Live, mode: str) -> None:
    async def what(client: Client) -> None:
        uris: list[str] = []
        cursor = None
        while True:
            page = await client.list_resources(cursor=cursor)
            uris += [str(each.uri) for each in page.resources]
            cursor = page.next_cursor
            if cursor is None:
                break
        assert len(uris) == len(set(uris)) > 300
        for uri in [each for each in uris if "categories" in each] + uris[-20:]:
            (content,) = (await client.read_resource(uri)).contents
            assert json.loads(getattr(content, "text", ""))
        assert len((await client.list_resource_templates()).resource_templates) == 2

    talk(gateway, mode, what)


@pytest.mark.parametrize(("mode", "not_found"), [("legacy", -32002), ("2026-07-28", -32602)])
def test_errors_reach_the_client_by_code(gateway: Live, mode: str, not_found: int) -> None:
    async def what(client: Client) -> None:
        with pytest.raises(MCPError) as refused:
            await client.read_resource("catalogue://products/nowhere")
        assert refused.value.error.code == not_found
        with pytest.raises(MCPError) as refused:
            await client.call_tool("drop_table", {})
        assert refused.value.error.code == -32602
        wrong = await client.call_tool("get_product", {"productId": "nowhere"})
        assert wrong.is_error

    talk(gateway, mode, what)


def test_a_missing_key_and_a_strange_page_are_turned_away(gateway: Live) -> None:
    ping = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
    bearer = {"authorization": f"Bearer {gateway.keys['basic']}"}
    assert gateway.call("POST", "/mcp", ping).status == 401
    assert gateway.call("POST", "/mcp", ping, {"authorization": "Bearer sk-wrong"}).status == 403
    key, _ = gateway.new_key(scopes=["catalogue"])
    assert gateway.call("POST", "/mcp", ping, {"authorization": f"Bearer {key}"}).status == 403
    assert gateway.call("POST", "/mcp", ping, bearer | {"origin": "https://evil.example"}).status == 403
    assert gateway.call("POST", "/mcp", ping, bearer).status == 200
    for method in ("GET", "DELETE"):
        reply = gateway.call(method, "/mcp", headers=bearer)
        assert (reply.status, reply.headers["allow"]) == (405, "POST")
