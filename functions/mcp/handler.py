"""The product catalogue over REST, and as an MCP server."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from gateway.api.http_api import http_api
from gateway.api.message import Request, Response, parse_json
from gateway.api.origin import check_origin
from gateway.api.routes import Described, Handler, Route, Schema
from gateway.catalogue.products import PRODUCT_ID
from gateway.config.reasons import validated
from gateway.errors import BadRequest, NotFound, UnsupportedMediaType
from gateway.mcp import jsonrpc
from gateway.mcp.jsonrpc import RpcError, failure
from gateway.mcp.server import MOST_BATCHED
from gateway.mcp.tools import (
    TOOLS,
    ListArguments,
    SearchArguments,
    list_products,
    search_products,
)
from gateway.settings import settings
from gateway.wiring import gateway, identity, pace

_WHOLE = re.compile(r"-?[0-9]{1,18}", re.ASCII)
_ACCEPTED = ("*/*", "application/*", "application/json")


def _list(request: Request) -> Response:
    arguments = validated(ListArguments, _arguments(request.query))
    return Response(200, list_products(gateway().catalogue, arguments).model_dump(mode="json"))


def _search(request: Request) -> Response:
    query = dict(request.query)
    if "q" in query and "query" not in query:
        query["query"] = query.pop("q")
    arguments = validated(SearchArguments, _arguments(query))
    return Response(200, search_products(gateway().catalogue, arguments).model_dump(mode="json"))


def _one(request: Request) -> Response:
    identifier = request.parameters["id"]
    if not re.fullmatch(PRODUCT_ID, identifier):
        raise NotFound("There is no such product.", param="id")
    return Response(200, gateway().catalogue.get(identifier).model_dump(mode="json"))


def _tools(_request: Request) -> Response:
    return Response(200, {"tools": [tool.described for tool in TOOLS.values()]})


def _mcp(request: Request) -> Response:
    _guard(request)
    if not _accepts_json(request.headers.get("accept")):
        message = "The client must accept application/json."
        return Response(406, failure(None, RpcError(jsonrpc.INVALID_REQUEST, message)))
    if request.media_type() != "application/json":
        raise UnsupportedMediaType("The body must be JSON, with content-type: application/json.")
    try:
        message = parse_json(request.body)
    except BadRequest as error:
        return Response(400, failure(None, RpcError(jsonrpc.PARSE_ERROR, error.message)))
    if isinstance(message, list):  # the request itself has already been counted
        pace().count(request.caller, min(len(message), MOST_BATCHED) - 1)
    reply = gateway().mcp.answer(message, request.headers)
    return Response(reply.status, "" if reply.body is None else reply.body)


def _no_stream(request: Request) -> Response:
    """GET would open a stream and DELETE would end a session. A stateless server has neither."""
    _guard(request)
    message = "This MCP server is stateless: only POST is allowed."
    return Response(405, failure(None, RpcError(jsonrpc.INVALID_REQUEST, message)), {"allow": "POST"})


def _guard(request: Request) -> None:
    config = settings()
    check_origin(request.headers, config.mcp_allowed_origins, config.mcp_allowed_hosts)


def _accepts_json(accept: str | None) -> bool:
    ranges = [part.partition(";")[0].strip().lower() for part in (accept or "*/*").split(",")]
    return any(part in _ACCEPTED for part in ranges)


def _arguments(query: Mapping[str, str]) -> dict[str, Any]:
    """Query parameters as a tool takes them. A value that is not a number stays text, so that it is refused by name."""
    arguments: dict[str, Any] = dict(query)
    for name in ("minPrice", "maxPrice"):
        if name in query:
            arguments[name] = _number(query[name])
    limit = query.get("limit", "")
    if _WHOLE.fullmatch(limit):
        arguments["limit"] = int(limit)
    return arguments


def _number(text: str) -> Decimal | str:
    try:
        number = Decimal(text)
    except InvalidOperation:
        return text
    return number if number.is_finite() else text


_TOOLS: Schema = "functions.mcp.answers:Tools"
_MESSAGE: Schema = "functions.mcp.answers:RpcMessage"
_PRODUCTS = "gateway.mcp.tools:Products"
_FILTERS: dict[str, Schema] = {
    "category": {"type": "string"},
    "minPrice": {"type": "number"},
    "maxPrice": {"type": "number"},
    "availability": {"enum": ["in_stock", "limited", "preorder", "out_of_stock"]},
    "limit": {"type": "integer", "minimum": 1, "maximum": 100},
    "cursor": {"type": "string"},
}
_WORDS: dict[str, Schema] = {"q": {"type": "string"}, "query": {"type": "string"}}


def _rest(path: str, handler: Handler, described: Described) -> Route:
    return Route(
        method_path=f"GET /api/v1/{path}",
        handler=handler,
        auth="api-key",
        scope="catalogue",
        errors="gateway",
        described=described,
    )


def _rpc(method: str, handler: Handler, described: Described) -> Route:
    return Route(
        method_path=f"{method} /mcp", handler=handler, auth="bearer", scope="mcp", errors="jsonrpc", described=described
    )


ROUTES = (
    _rest(
        "products",
        _list,
        Described(
            summary="Lists products by category and price, the cheapest first.",
            query=_FILTERS,
            answers={200: _PRODUCTS},
        ),
    ),
    _rest(
        "products/search",
        _search,
        Described(
            summary="Searches products by words, the best match first.",
            query=_WORDS | _FILTERS,
            answers={200: _PRODUCTS},
        ),
    ),
    _rest(
        "products/{id}",
        _one,
        Described(summary="Shows one product.", answers={200: "gateway.catalogue.products:Product"}),
    ),
    _rest(
        "mcp/tools",
        _tools,
        Described(summary="Lists the tools of the MCP server.", answers={200: "functions.mcp.answers:Tools"}),
    ),
    _rpc(
        "POST",
        _mcp,
        Described(
            summary="The MCP server over Streamable HTTP. It takes one JSON-RPC message.",
            body={"type": "object"},
            answers=dict.fromkeys((200, 400, 404, 406), _MESSAGE) | {202: {}},
        ),
    ),
    _rpc(
        "GET",
        _no_stream,
        Described(summary="Refuses to open a stream, because the MCP server is stateless.", answers={405: _MESSAGE}),
    ),
    _rpc(
        "DELETE",
        _no_stream,
        Described(summary="Refuses to end a session, because the MCP server has none.", answers={405: _MESSAGE}),
    ),
)
handler = http_api("mcp", ROUTES, identity, pace)
