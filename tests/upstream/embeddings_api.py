"""Embeddings of OpenAI and of Bedrock's two families of models: checks bodies and returns vectors."""

from __future__ import annotations

import base64
import functools
import hashlib
import struct
from collections.abc import Mapping
from typing import Any

from pydantic import TypeAdapter

from tests.upstream.counting import tokens
from tests.upstream.steering import Steer
from tests.upstream.typed import shape_faults

_TITAN_V2 = (256, 512, 1024)
_COHERE_V4 = (256, 512, 1024, 1536)
_PURPOSES = ("search_document", "search_query", "classification", "clustering", "image")


def said(body: Mapping[str, Any]) -> str:
    """The last text of a request, which may contain steering."""
    given = body.get("inputText") or body.get("texts") or body.get("input") or ""
    last = given[-1] if isinstance(given, list) and given else given
    return last if isinstance(last, str) else ""


def openai(request: Mapping[str, Any], steer: Steer) -> dict[str, Any]:
    """Vectors of eight numbers, or of as many as were requested, which depend on the text."""
    given = request.get("input", "")
    one = isinstance(given, str) or (bool(given) and isinstance(given[0], int))
    inputs = [given] if one else given
    length = request.get("dimensions") or 8
    packed = request.get("encoding_format") == "base64"
    data = [
        {"object": "embedding", "index": index, "embedding": _packed(each, length) if packed else vector(each, length)}
        for index, each in enumerate(inputs)
    ]
    used = sum(map(count, inputs))
    usage = {"prompt_tokens": used, "total_tokens": used}
    body = {"object": "list", "data": data, "model": request.get("model"), "usage": usage}
    if steer.body == "no-usage":
        del body["usage"]
    return body


def openai_faults(body: Mapping[str, Any]) -> list[str]:
    """The faults that OpenAI would report: by the package's types, then by the rules for an input in the API's
    reference."""
    given = body.get("input")
    # Lists of tokens are checked one by one, because pydantic tries only the first of a union of iterators.
    inputs = given if isinstance(given, list) and any(isinstance(each, list) for each in given) else [given]
    found = [fault for each in inputs for fault in shape_faults(_params(), {**body, "input": each})]
    if not given or (isinstance(given, list) and (len(given) > 2_048 or not all(each or each == 0 for each in given))):
        found.append("input: '$.input' is invalid. Please check the API reference.")
    return found


def is_titan(model: str) -> bool:
    """Whether it is a Titan model that embeds text."""
    return "titan-embed-" in model and "-text-" in model


def titan(model: str, request: Mapping[str, Any], steer: Steer) -> tuple[dict[str, Any], dict[str, str]]:
    """The body, and the headers with the counts."""
    length = request.get("dimensions", 1_024 if "v2" in model else 1_536)
    used = count(request["inputText"])
    body: dict[str, Any] = {"embedding": vector(request["inputText"], length), "inputTextTokenCount": used}
    if "v2" in model:
        body["embeddingsByType"] = {"float": body["embedding"]}
    if steer.body == "no-usage":
        del body["inputTextTokenCount"]
        return body, {}
    return body, {"x-amzn-bedrock-input-token-count": str(used)}


def cohere(model: str, request: Mapping[str, Any], steer: Steer) -> tuple[dict[str, Any], dict[str, str]]:
    """The same for Cohere's models, whose body has no counts."""
    length, texts = request.get("output_dimension", 1_536 if "v4" in model else 1_024), request["texts"]
    vectors = [vector(text, length) for text in texts]
    kind = "embeddings_by_type" if "embedding_types" in request else "embeddings_floats"
    shaped = {"float": vectors} if kind == "embeddings_by_type" else vectors
    body = {"id": "fake", "texts": list(texts), "embeddings": shaped, "response_type": kind}
    used = sum(map(count, texts))
    return body, {} if steer.body == "no-usage" else {"x-amzn-bedrock-input-token-count": str(used)}


def titan_faults(model: str, body: Mapping[str, Any]) -> list[str]:
    """The faults that Bedrock would report for a body for Titan's text embeddings."""
    known = ("inputText", "dimensions", "normalize", "embeddingTypes") if "v2" in model else ("inputText",)
    found = [f"#: extraneous key [{name}] is not permitted" for name in body if name not in known]
    text = body.get("inputText")
    if not isinstance(text, str) or not text:
        found.append("#/inputText: expected minLength: 1, actual: 0")
    elif len(text) > 50_000:
        found.append("#/inputText: expected maxLength: 50000")
    if body.get("dimensions", 256) not in _TITAN_V2:
        found.append(f"#/dimensions: {body['dimensions']} is not a valid enum value")
    return found


def cohere_faults(model: str, body: Mapping[str, Any]) -> list[str]:
    """The same for Cohere's models."""
    known = {"texts", "images", "input_type", "truncate", "embedding_types"}
    known |= {"inputs", "output_dimension", "max_tokens"} if "v4" in model else set()
    found = [f"#: extraneous key [{name}] is not permitted" for name in body if name not in known]
    texts = body.get("texts")
    if not isinstance(texts, list) or not 1 <= len(texts) <= 96 or not all(isinstance(each, str) for each in texts):
        found.append("#/texts: expected minimum item count: 1, maximum item count: 96")
    if body.get("input_type") not in _PURPOSES:
        found.append("#: required key [input_type] not found")
    if body.get("output_dimension", 256) not in _COHERE_V4:
        found.append(f"#/output_dimension: {body['output_dimension']} is not a valid enum value")
    return found


def count(given: Any) -> int:
    """The tokens of an input: of a text, or of a list of tokens."""
    return len(given) if isinstance(given, list) else tokens(given)


def vector(given: Any, length: int) -> list[float]:
    """Numbers that four bytes hold exactly, so that both encodings have the same values."""
    seed = hashlib.sha256(str(given).encode("utf-8", "replace")).digest()
    return [seed[at % len(seed)] / 256 for at in range(length)]


def _packed(given: Any, length: int) -> str:
    return base64.b64encode(struct.pack(f"<{length}f", *vector(given, length))).decode()


@functools.cache
def _params() -> TypeAdapter[Any]:
    # Imported here, because a fake that is only used for another dialect starts faster without it.
    from openai.types.embedding_create_params import EmbeddingCreateParams

    return TypeAdapter(EmbeddingCreateParams)
