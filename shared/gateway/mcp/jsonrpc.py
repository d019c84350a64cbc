"""JSON-RPC 2.0 messages as MCP uses them: parsed, checked, answered. Source: jsonrpc.org, MCP's basic protocol."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
INTERNAL_ERROR = -32603
RESOURCE_NOT_FOUND = -32002  # MCP's, up to 2025-11-25; later versions answer INVALID_PARAMS
HEADER_MISMATCH = -32020  # MCP's, from 2026-07-28 on
UNSUPPORTED_VERSION = -32022

Id = str | int | None


class RpcError(Exception):
    """An exception that becomes an `error` object; `data` must be JSON."""

    def __init__(self, code: int, message: str, data: Any = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.data = data


class Call(Struct, frozen=True):
    """A request. If `id` is None, it is a notification, or a response to a request that we never made: no answer."""

    method: str
    params: Mapping[str, Any]
    id: Id


def call_of(message: Any) -> Call:
    """The call in a message. Raises RpcError (invalid request, invalid params)."""
    if not isinstance(message, dict) or message.get("jsonrpc") != "2.0":
        raise RpcError(INVALID_REQUEST, 'A message must be an object with "jsonrpc": "2.0".')
    if "method" not in message and _is_response(message):
        return Call("", {}, None)
    method, identifier = message.get("method"), id_of(message)
    if not isinstance(method, str) or not method or ("id" in message and identifier is None):
        raise RpcError(INVALID_REQUEST, "A request must have a method and an id, both text (an id may be an integer).")
    params = message.get("params")
    params = {} if params is None else params
    if not isinstance(params, dict):
        raise RpcError(INVALID_PARAMS, "params must be an object.")
    return Call(method, params, identifier)


def id_of(message: Any) -> Id:
    """The id to answer to; None if there is no valid one."""
    identifier = message.get("id") if isinstance(message, dict) else None
    if isinstance(identifier, float) and identifier.is_integer():
        return int(identifier)  # some clients write every number as a float
    valid = isinstance(identifier, (str, int)) and not isinstance(identifier, bool)
    return identifier if valid else None


def result(identifier: Id, value: Mapping[str, Any]) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": identifier, "result": dict(value)}


def failure(identifier: Id, error: RpcError) -> dict[str, Any]:
    """An error response; the id is null if the request's id could not be read."""
    facts = {"code": error.code, "message": error.message}
    return {"jsonrpc": "2.0", "id": identifier, "error": facts | ({} if error.data is None else {"data": error.data})}


def _is_response(message: Mapping[str, Any]) -> bool:
    return id_of(message) is not None and (("result" in message) != isinstance(message.get("error"), dict))
