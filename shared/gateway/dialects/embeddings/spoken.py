"""Embeddings as clients of the gateway speak them: requests, and answers with their cost."""

from __future__ import annotations

import base64
import struct
from collections.abc import Mapping
from typing import Any, Final

from gateway.dialects.embeddings.schema import EmbeddingsRequest, parse_embeddings
from gateway.dialects.values import mapping
from gateway.dialects.vectors.answers import written_usage
from gateway.models.usage import Usage, shown

_GATEWAYS: Final = ("model", "tags")


class _Spoken:
    """See `gateway.calls.asked.Spoken`."""

    mode = "embedding"

    def parse(self, body: Mapping[str, Any]) -> EmbeddingsRequest:
        return parse_embeddings(body)

    def leaving(self, body: Mapping[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in body.items() if name not in _GATEWAYS}

    def billed(
        self, asked: EmbeddingsRequest, body: Mapping[str, Any], usage: Usage | None, cost: Mapping[str, Any]
    ) -> dict[str, Any]:
        counted = shown(mapping(body.get("usage")), usage, written_usage)
        data = body["data"]
        if asked.encoding_format == "base64":  # for any provider: few have this form
            data = [{**each, "embedding": _packed(each["embedding"])} for each in data]
        return {**body, "data": data, "usage": {**counted, **cost}}


def _packed(vector: Any) -> str:
    """Four bytes per number, little-endian, in base64."""
    if isinstance(vector, str):
        return vector
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()


SPOKEN: Final = _Spoken()
