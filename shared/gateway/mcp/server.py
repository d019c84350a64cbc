"""A stateless MCP server over Streamable HTTP: any container answers each POST whole, as JSON.

Source: modelcontextprotocol.io, versions 2025-03-26 to 2025-11-25 (a handshake, then calls) and 2026-07-28 (no
handshake: each request carries its version and repeats its method in headers). It does not use the SDK, whose import
costs 1.4 s of CPU.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Struct

from gateway import observability
from gateway.catalogue.catalogue import Catalogue
from gateway.errors import BadRequest, GatewayError
from gateway.mcp import jsonrpc
from gateway.mcp.catalogue_tools import CatalogueMethods
from gateway.mcp.jsonrpc import Call, RpcError, call_of, failure, id_of

HANDSHAKE_VERSIONS = ("2025-03-26", "2025-06-18", "2025-11-25")
MODERN = "2026-07-28"
VERSIONS = (*HANDSHAKE_VERSIONS, MODERN)
_BATCHES = "2025-03-26"  # the only version with batches, and the default for a request that names no version
MOST_BATCHED = 10  # each message counts as one request of its key
_META = "io.modelcontextprotocol/"
_ENVELOPE = (f"{_META}protocolVersion", f"{_META}clientCapabilities")
_NAMED = {"tools/call": "name", "resources/read": "uri"}
_CACHED_MS = {"server/discover": 300_000, "tools/list": 300_000, "resources/templates/list": 300_000}
_CACHEABLE = {*_CACHED_MS, "resources/list", "resources/read"}
_STATUS = {
    jsonrpc.PARSE_ERROR: 400,
    jsonrpc.INVALID_REQUEST: 400,
    jsonrpc.INVALID_PARAMS: 400,
    jsonrpc.HEADER_MISMATCH: 400,
    jsonrpc.UNSUPPORTED_VERSION: 400,
    jsonrpc.METHOD_NOT_FOUND: 404,
}
_HANDSHAKE_STATUS = {jsonrpc.PARSE_ERROR: 400, jsonrpc.INVALID_REQUEST: 400, jsonrpc.UNSUPPORTED_VERSION: 400}
_INSTRUCTIONS = (
    "A product catalogue. Search it by words with product_search, list a category with get_category_products, "
    "and read one product with get_product. Prices include the discount as `final`."
)


class Reply(Struct, frozen=True):
    """An HTTP answer; it has no body for messages that get none (notifications, responses)."""

    status: int
    body: Any = None


class McpServer:
    """`version` is the gateway's version."""

    def __init__(self, catalogue: Catalogue, version: str) -> None:
        self._info = {"name": "ai-model-gateway", "title": "AI Model Gateway", "version": version}
        self._methods = CatalogueMethods(catalogue)

    def answer(self, message: Any, headers: Mapping[str, str]) -> Reply:
        """The answer to a parsed body; `headers` have lower-case names. No input from a caller makes it raise."""
        version = headers.get("mcp-protocol-version")
        if version == MODERN or (version is None and _has_envelope(message)):
            return self._modern(message, headers)
        if version is not None and version not in HANDSHAKE_VERSIONS:
            facts = {"supported": list(VERSIONS), "requested": version}
            error = RpcError(jsonrpc.UNSUPPORTED_VERSION, "Unsupported protocol version", facts)
            return Reply(400, failure(id_of(message), error))
        if isinstance(message, list):
            return self._batch(message, version or _BATCHES)
        return self._single(message, lambda call: self._handshake_result(call, batched=False), _HANDSHAKE_STATUS)

    def _single(self, message: Any, run: Callable[[Call], Mapping[str, Any]], statuses: Mapping[int, int]) -> Reply:
        try:
            call = call_of(message)
            if call.id is None:
                return Reply(202)
            return Reply(200, jsonrpc.result(call.id, run(call)))
        except RpcError as error:
            return Reply(statuses.get(error.code, 200), failure(id_of(message), error))

    def _batch(self, messages: list[Any], version: str) -> Reply:
        if version != _BATCHES or not 1 <= len(messages) <= MOST_BATCHED:
            limit = f"1 to {MOST_BATCHED} messages of version {_BATCHES}"
            return Reply(400, failure(None, RpcError(jsonrpc.INVALID_REQUEST, f"A batch may hold {limit}.")))
        replies = [
            self._single(message, lambda call: self._handshake_result(call, batched=True), {}) for message in messages
        ]
        bodies = [reply.body for reply in replies if reply.body is not None]
        return Reply(200, bodies) if bodies else Reply(202)

    def _handshake_result(self, call: Call, *, batched: bool) -> Mapping[str, Any]:
        if call.method == "initialize":
            if batched:
                raise RpcError(jsonrpc.INVALID_REQUEST, "initialize must not be part of a batch.")
            return self._initialize(call.params)
        return {} if call.method == "ping" else self._result(call, jsonrpc.RESOURCE_NOT_FOUND)

    def _initialize(self, params: Mapping[str, Any]) -> dict[str, Any]:
        asked = params.get("protocolVersion")
        if not isinstance(asked, str):
            raise RpcError(jsonrpc.INVALID_PARAMS, "params.protocolVersion must be text.")
        version = asked if asked in HANDSHAKE_VERSIONS else HANDSHAKE_VERSIONS[-1]
        return {"protocolVersion": version, "serverInfo": self._info} | _offer()

    def _modern(self, message: Any, headers: Mapping[str, str]) -> Reply:
        def run(call: Call) -> Mapping[str, Any]:
            _check_envelope(call, headers)
            return self._modern_result(call)

        if isinstance(message, list):
            error = RpcError(jsonrpc.INVALID_REQUEST, "This version has no batches.")
            return Reply(400, failure(None, error))
        return self._single(message, run, _STATUS)

    def _modern_result(self, call: Call) -> dict[str, Any]:
        if call.method == "server/discover":
            found: Mapping[str, Any] = {"supportedVersions": list(VERSIONS)} | _offer()
        else:
            found = self._result(call, jsonrpc.INVALID_PARAMS)
        caching = {"ttlMs": _CACHED_MS.get(call.method, 0), "cacheScope": "private"}
        answer = dict(found) | {"resultType": "complete", "_meta": {f"{_META}serverInfo": self._info}}
        return answer | caching if call.method in _CACHEABLE else answer

    def _result(self, call: Call, not_found: int) -> Mapping[str, Any]:
        method = self._methods.by_name.get(call.method)
        if method is None:
            raise RpcError(jsonrpc.METHOD_NOT_FOUND, f"Method not found: {call.method[:64]}")
        try:
            return method(call.params)
        except BadRequest as error:
            observability.count("Refusals", reason=error.code)
            raise RpcError(jsonrpc.INVALID_PARAMS, error.message) from None
        except GatewayError as error:
            observability.count("Refusals", reason=error.code)
            if error.status == 404:
                raise RpcError(not_found, "Resource not found", {"uri": call.params.get("uri")}) from None
            raise RpcError(jsonrpc.INTERNAL_ERROR, error.message) from None


def _offer() -> dict[str, Any]:
    return {"capabilities": {"tools": {}, "resources": {}}, "instructions": _INSTRUCTIONS}


def _has_envelope(message: Any) -> bool:
    params = message.get("params") if isinstance(message, dict) else None
    meta = params.get("_meta") if isinstance(params, dict) else None
    return isinstance(meta, dict) and _ENVELOPE[0] in meta


def _check_envelope(call: Call, headers: Mapping[str, str]) -> None:
    """Check what each request of 2026-07-28 must carry: version, capabilities, and headers that agree with the body."""
    meta = call.params.get("_meta")
    missing = [name for name in _ENVELOPE if not isinstance(meta, dict) or name not in meta]
    if missing or not isinstance(meta, dict):
        raise RpcError(jsonrpc.INVALID_PARAMS, f"params._meta lacks {', '.join(missing)}.")
    said = {"mcp-protocol-version": meta[_ENVELOPE[0]], "mcp-method": call.method}
    named = call.params.get(_NAMED.get(call.method, ""))
    if named is not None:
        said["mcp-name"] = named
    for header, value in said.items():
        if value is None or _decoded(headers.get(header)) != value:
            raise RpcError(jsonrpc.HEADER_MISMATCH, f"The header {header} does not match the body.")


def _decoded(header: str | None) -> str | None:
    """A header's value; one that is not ASCII comes as =?base64?...?= (MCP 2026-07-28, transports)."""
    if header is None or not (header.startswith("=?base64?") and header.endswith("?=")):
        return header
    try:
        return base64.b64decode(header[9:-2], validate=True).decode()
    except (binascii.Error, ValueError):
        return None
