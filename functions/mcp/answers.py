"""The schemas of the answers of the catalogue's routes. Only the OpenAPI document uses them: no function loads this."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel


class Tools(BaseModel):
    tools: list[Any]


class RpcMessage(BaseModel):
    """A JSON-RPC message, as the Model Context Protocol defines them."""

    jsonrpc: Literal["2.0"]
