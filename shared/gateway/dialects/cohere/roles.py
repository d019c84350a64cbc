"""Cohere's embeddings as InvokeModel speaks them: 96 texts per request, the token count in a header of the answer.

API: https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-embed.html
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from gateway.dialects.values import mapping
from gateway.dialects.vectors.answers import Vector, is_vector
from gateway.dialects.vectors.inputs import Inputs
from gateway.models.usage import Usage

_USUAL: Final = "search_document"
_FLOATS: Final = "float"


class _Native:
    """See `gateway.dialects.vectors.pair.Native`."""

    most = 96
    purposes: tuple[str, ...] = (_USUAL, "search_query", "classification", "clustering")
    fields: Mapping[str, str] = MappingProxyType(
        {"texts": "input", "output_dimension": "dimensions", "input_type": "input_type"}
    )

    def write(self, inputs: Inputs) -> dict[str, Any]:
        sized = {"output_dimension": inputs.dimensions} if inputs.dimensions is not None else {}
        said = {"input_type": inputs.purpose or _USUAL, "embedding_types": [_FLOATS]}
        return {"texts": list(inputs.texts), **said, **sized}

    def vectors(self, answer: Mapping[str, Any]) -> list[Vector] | None:
        given = answer.get("embeddings")
        found = mapping(given).get(_FLOATS, given)  # by type if one was named, though v3 may not do so
        return found if isinstance(found, list) and found and all(map(is_vector, found)) else None

    def usage_of(self, answer: Mapping[str, Any]) -> Usage | None:
        return None


NATIVE: Final = _Native()
