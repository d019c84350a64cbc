"""Embeddings: whatever is sent is refused with a path or accepted by the target, and costs at most what is held."""

from __future__ import annotations

import base64
import json
import random
import struct
import unicodedata
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from gateway.calls.estimate_inputs import estimate_inputs
from gateway.dialects.embeddings.policy import DOCUMENTED, REFUSED
from gateway.dialects.embeddings.schema import EmbeddingsRequest, parse_embeddings
from gateway.dialects.embeddings.spoken import SPOKEN
from gateway.dialects.pairs import pair
from gateway.dialects.vectors.answers import is_vector
from gateway.dialects.vectors.inputs import most_tokens
from gateway.dialects.written import Asked
from gateway.models.endpoints import rule_of
from gateway.models.money import MICRO, Price, cost_of
from gateway.models.usage import Usage
from gateway.models.vendors import Quirks, packaged
from tests.unit.dialects.test_any_messages import changed, refusal_of
from tests.upstream import embeddings_api

PRICE = Price(input=130_000, output=0, mode="embedding", max_input_tokens=8_191)
MODELS = (
    "amazon.titan-embed-text-v1",
    "amazon.titan-embed-text-v2:0",
    "us.cohere.embed-v4:0",
    "cohere.embed-english-v3",
)
BODIES: list[dict[str, Any]] = [
    {"input": "one text"},
    {"input": ["a", "b", "ﷺ"], "dimensions": 512, "encoding_format": "base64", "user": "u"},
    {"input": [1, 2, 3], "dimensions": 1_024},
    {"input": [[1], [2, 3]], "encoding_format": "float"},
    {"input": ["x"] * 97, "input_type": "search_query", "tags": ["t"]},
    {"input": "x", "stream": False, "dimensions": None},
]
texts = st.lists(st.text(st.characters(exclude_categories=()), min_size=1), min_size=1, max_size=9)


def asked(body: dict[str, Any], model: str) -> Asked:
    lengths = rule_of(packaged()["bedrock"], model).dimensions
    return Asked(SPOKEN.leaving(body), model, 0, dimensions=lengths)


def bodies_for(model: str, body: dict[str, Any]) -> list[dict[str, Any]]:
    """The bodies that leave for a model of Bedrock, each one judged."""
    dialect = "titan" if "titan" in model else "cohere"
    written = pair("embeddings", dialect).request(asked(body, model))
    found = [part.body for part in written.parts] or [written.body]
    judge = embeddings_api.titan_faults if dialect == "titan" else embeddings_api.cohere_faults
    assert [fault for each in found for fault in judge(model, each)] == []
    return found


def to_host(body: dict[str, Any]) -> list[dict[str, Any]]:
    written = pair("embeddings", "embeddings").request(Asked(SPOKEN.leaving(body), "m", 0))
    assert embeddings_api.openai_faults(written.body) == []
    return [written.body]


@pytest.mark.parametrize("seed", range(6))
def test_whatever_is_sent_is_refused_by_a_path_or_taken(seed: int) -> None:
    chance, taken = random.Random(seed), 0
    for body in BODIES * 20:
        body = {**body, **{name: changed(each, chance) for name, each in body.items() if chance.random() < 0.4}}
        body = json.loads(json.dumps({**body, "model": "m"}))
        if refusal_of(body, parse_embeddings):
            continue
        for send in (to_host, *(lambda body, model=model: bodies_for(model, body) for model in MODELS)):
            path = refusal_of(body, send)
            taken += path is None
            assert path is None or path.partition(".")[0].partition("[")[0] in body, path
    assert taken > 100


@settings(deadline=None)
@given(texts)
def test_parts_say_all_texts_in_order_and_their_bounds_are_within_what_is_held(given: list[str]) -> None:
    body = {"model": "m", "input": given}
    prompt = estimate_inputs(body, PRICE).prompt
    for dialect, name in (("titan", "inputText"), ("cohere", "texts")):
        written = pair("embeddings", dialect).request(asked(body, MODELS[1]))
        parts = written.parts
        said = [part.body[name] for part in parts] or [written.body[name]]
        flat = [text for each in said for text in (each if isinstance(each, list) else [each])]
        assert flat == given
        assert sum(part.most for part in parts) <= prompt


@settings(deadline=None)
@given(texts)
def test_what_is_held_is_never_less_than_a_bill(given: list[str]) -> None:
    """A token has at least one byte, of the text itself or of its normalised form."""
    est = estimate_inputs({"input": given}, PRICE)
    sizes = [len(text.encode(errors="surrogatepass")) for text in given]
    normal = [len(unicodedata.normalize("NFKC", text).encode(errors="surrogatepass")) for text in given]
    for most in (sum(sizes), sum(normal), sum(map(max, sizes, normal))):
        assert cost_of(Usage(input_tokens=most + 8 * len(given)), PRICE).total <= est.cost
    assert est.typical <= est.cost
    assert all(size <= most_tokens(text) for size, text in zip(sizes, given, strict=True))


def test_a_batch_is_held_whole_though_each_text_fits_the_model() -> None:
    long = "word " * 8_000
    est = estimate_inputs({"input": [long] * 50}, replace(PRICE, input=MICRO))
    assert est.cost > 50 * len(long) / 5, "the most that a model reads is the most of each text, not of all"
    assert estimate_inputs({"input": [[7] * 8_000] * 50}, PRICE).prompt == 50 * 8_000 + 128


@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1))
def test_base64_is_four_bytes_a_number(vector: list[float]) -> None:
    if not is_vector(vector):
        return  # at the very end of the range
    answer = {"data": [{"object": "embedding", "index": 0, "embedding": vector}], "usage": {"prompt_tokens": 1}}
    request = parse_embeddings({"model": "m", "input": "a", "encoding_format": "base64"})
    packed = SPOKEN.billed(request, answer, None, {})["data"][0]["embedding"]
    assert list(struct.unpack(f"<{len(vector)}f", base64.b64decode(packed))) == vector


@pytest.mark.parametrize("vector", [[], ["0.1"], [True], [None], [1e39], [-1e39], "text", {}, [[0.1]]])
def test_what_is_no_vector(vector: Any) -> None:
    for dialect, answer in (
        ("titan", {"embedding": vector}),
        ("cohere", {"embeddings": {"float": [vector]}}),
        ("cohere", {"embeddings": [[0.1], vector]}),
        ("cohere", {"embeddings": vector}),
        ("embeddings", {"data": [{"embedding": vector}]}),
        ("embeddings", {"data": vector}),
    ):
        if dialect == "embeddings" and vector == "text" and isinstance(answer["data"], list):
            continue  # as base64 arrives
        if answer == {"embeddings": [[0.1]]}:
            continue  # as version 3 answers
        read = pair("embeddings", dialect).answer(answer, None, names={}, known=str, model="m")
        assert read is None, (dialect, answer)


def test_counts_that_a_host_says_in_one_place_alone() -> None:
    same = pair("embeddings", "embeddings")
    for usage, tokens in (
        ({"prompt_tokens": 3}, 3),
        ({"total_tokens": 4}, 4),
        ({"prompt_tokens": 0, "total_tokens": 5}, 5),
    ):
        assert same.usage_of({"usage": usage}) == Usage(input_tokens=tokens)
    nothing: tuple[Any, ...] = ({}, {"prompt_tokens": -1}, {"prompt_tokens": "3"}, None, [])
    for none in nothing:
        assert same.usage_of({"usage": none}) is None


def test_every_field_of_the_package_has_its_fate() -> None:
    from openai.types.embedding_create_params import EmbeddingCreateParams

    assert set(EmbeddingCreateParams.__annotations__) == DOCUMENTED <= set(EmbeddingsRequest.model_fields)
    assert not DOCUMENTED & set(REFUSED)


def test_what_a_host_takes_beyond_passes_where_it_is_listed() -> None:
    def sent(body: dict[str, Any], quirks: Quirks) -> dict[str, Any]:
        return pair("embeddings", "embeddings").request(Asked(body, "m", 0, quirks=quirks)).body

    body = {"input": "a", "input_type": "search_query", "truncate": "END"}
    assert sent(body, Quirks(pass_fields=("input_type", "truncate"))) == body | {"model": "m"}
    assert sent(body, Quirks(passes_all=True)) == {"input": "a", "truncate": "END", "model": "m"}
    assert refusal_of(body, lambda body: sent(body, Quirks())) == "truncate"
