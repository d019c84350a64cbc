"""Amazon Titan's text embeddings as InvokeModel speaks them: one text per request, `inputTextTokenCount` in the answer.

API: https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-titan-embed-text.html
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from gateway.dialects.values import count
from gateway.dialects.vectors.answers import Vector, is_vector
from gateway.dialects.vectors.inputs import Inputs
from gateway.models.usage import Usage


class _Native:
    """See `gateway.dialects.vectors.pair.Native`."""

    most = 1
    purposes: tuple[str, ...] = ()
    fields: Mapping[str, str] = MappingProxyType({"inputText": "input", "dimensions": "dimensions"})

    def write(self, inputs: Inputs) -> dict[str, Any]:
        sized = {"dimensions": inputs.dimensions} if inputs.dimensions is not None else {}
        return {"inputText": inputs.texts[0], **sized}

    def vectors(self, answer: Mapping[str, Any]) -> list[Vector] | None:
        vector = answer.get("embedding")
        return [vector] if isinstance(vector, list) and is_vector(vector) else None

    def usage_of(self, answer: Mapping[str, Any]) -> Usage | None:
        prompt = count(answer.get("inputTextTokenCount"))
        return Usage(input_tokens=prompt) if prompt is not None else None


NATIVE: Final = _Native()
