"""Embeddings through the streaming door: OpenAI's format at every kind of endpoint, billed to the micro-dollar however
a batch ends."""

from __future__ import annotations

import base64
import random
import struct
from typing import Any

import pytest
from openai.types import CreateEmbeddingResponse

from gateway.dialects.embeddings.schema import MOST_INPUTS
from gateway.dialects.vectors.inputs import most_tokens
from gateway.dialects.vectors.pair import MOST_REQUESTS
from tests.contract.asked import Door
from tests.contract.front import Gateway
from tests.upstream import Steer
from tests.upstream.embeddings_api import count, vector
from tests.upstream.server import Seen

TITAN, COHERE, SMALL = "titan-embed-text-v2", "cohere-embed-v4", "text-embedding-3-small"
PATH = "/v1/embeddings"
# Micro-dollars per million tokens, from the vendors' price lists.
PRICES = {SMALL: 20_000, TITAN: 20_000, COHERE: 120_000, "cohere-embed-english-v3": 100_000}


@pytest.fixture
def door(gateway: Gateway) -> Door:
    return Door(gateway, PATH)


def cost(model: str, tokens: int) -> int:
    return -(-tokens * PRICES[model] // 1_000_000)


def long_texts(number: int) -> list[str]:
    """Texts of different lengths, so that no sum is right by chance."""
    return [f"text {at}: " + "word " * (40 + 7 * at) for at in range(number)]


@pytest.mark.parametrize("model", PRICES)
@pytest.mark.parametrize("given", ["one text", ["one"], long_texts(5)])
def test_vectors_usage_and_cost(gateway: Gateway, door: Door, model: str, given: str | list[str]) -> None:
    answer = door.ask({"model": model, "input": given, "dimensions": 1_024})
    body = answer.body
    assert answer.status == 200, body
    read = CreateEmbeddingResponse.model_validate(body, strict=True)
    texts = [given] if isinstance(given, str) else given
    assert [each.index for each in read.data] == list(range(len(texts)))
    assert [each.embedding for each in read.data] == [vector(text, 1_024) for text in texts]
    tokens = sum(map(count, texts))
    assert (read.usage.prompt_tokens, read.usage.total_tokens) == (tokens, tokens)
    (row,) = gateway.rows()
    assert (row["state"], row["dialect"], row["input_tokens"]) == ("SETTLED", "embeddings", tokens)
    assert row["actual"] == cost(model, tokens) == round(body["usage"]["cost"] * 1e6)
    assert row["actual"] <= row["est"]
    one_by_one = model == TITAN and len(texts) > 1
    assert len(gateway.fake.seen) == (len(texts) if one_by_one else 1)


@pytest.mark.parametrize("model", PRICES)
def test_base64_says_the_same_as_numbers(door: Door, model: str) -> None:
    asked = {"model": model, "input": ["a", "b"]}
    plain = door.ask(asked).body["data"]
    packed = door.ask(asked | {"encoding_format": "base64"}).body["data"]
    for numbers, text in zip(plain, packed, strict=True):
        data = base64.b64decode(text["embedding"])
        assert list(struct.unpack(f"<{len(data) // 4}f", data)) == numbers["embedding"]


def test_a_host_that_knows_no_base64(gateway: Gateway, door: Door) -> None:
    gateway.fake.script(Steer(exact='{"data": [{"embedding": [0.5, 2]}], "usage": {"total_tokens": 3}}'))
    body = door.ask({"model": SMALL, "input": "a", "encoding_format": "base64"}).body
    assert base64.b64decode(body["data"][0]["embedding"]) == struct.pack("<2f", 0.5, 2)
    assert (body["object"], body["usage"]["prompt_tokens"]) == ("list", 3)


@pytest.mark.parametrize(("given", "tokens"), [([1, 2, 3], 3), ([[1, 2], [3, 4, 5]], 5)])
def test_tokens(gateway: Gateway, door: Door, given: list[Any], tokens: int) -> None:
    body = door.ask({"model": SMALL, "input": given}).body
    assert body["usage"]["prompt_tokens"] == tokens
    assert gateway.fake.seen[-1].body["input"] == given
    for model in (TITAN, COHERE):
        refused = door.ask({"model": model, "input": given})
        where = "input" if isinstance(given[0], int) else "input[0]"
        assert (refused.status, refused.body["error"]["param"]) == (400, where)


def test_what_each_is_told(gateway: Gateway, door: Door) -> None:
    said = {"input": ["a"], "user": "u", "input_type": "search_query", "dimensions": 512}
    assert door.ask({"model": SMALL} | said).headers["x-gateway-dropped"] == "input_type"
    assert gateway.fake.seen[-1].body == {
        "model": SMALL,
        "input": ["a"],
        "user": "u",
        "dimensions": 512,
    }
    assert door.ask({"model": TITAN} | said).headers["x-gateway-dropped"] == "user, input_type"
    assert gateway.fake.seen[-1].body == {"inputText": "a", "dimensions": 512}
    assert door.ask({"model": COHERE} | said).headers["x-gateway-dropped"] == "user"
    assert gateway.fake.seen[-1].body == {
        "texts": ["a"],
        "input_type": "search_query",
        "embedding_types": ["float"],
        "output_dimension": 512,
    }
    door.ask({"model": COHERE, "input": "a"})
    assert gateway.fake.seen[-1].body["input_type"] == "search_document"


def test_a_model_of_one_length(gateway: Gateway, door: Door) -> None:
    model = "cohere-embed-english-v3"
    assert door.ask({"model": model, "input": "a", "dimensions": 1_024}).status == 200
    assert "output_dimension" not in gateway.fake.seen[-1].body
    refused = door.ask({"model": model, "input": "a", "dimensions": 256})
    assert (refused.status, refused.body["error"]["param"]) == (400, "dimensions")


@pytest.mark.parametrize(
    ("said", "param"),
    [
        ({"input": ""}, "input"),
        ({"input": []}, "input"),
        ({"input": ["a", ""]}, "input[1]"),
        ({"input": ["a", 1]}, "input[1]"),
        ({"input": [1, "a"]}, "input[1]"),
        ({"input": [[1], []]}, "input[1]"),
        ({"input": [[1], [-1]]}, "input[1][0]"),
        ({"input": [True]}, "input[0]"),
        ({"input": {"text": "a"}}, "input"),
        ({"input": ["a"] * (MOST_INPUTS + 1)}, "input"),
        ({"dimensions": 0}, "dimensions"),
        ({"encoding_format": "int8"}, "encoding_format"),
        ({"input_type": "image"}, "input_type"),
        ({"stream": True}, "stream"),
        ({"service_tier": "flex"}, "service_tier"),
        ({"messages": []}, "messages"),
        ({"Model": "other"}, "Model"),
        ({"fallbacks": ["other"]}, "fallbacks"),
    ],
)
def test_what_is_refused(gateway: Gateway, door: Door, said: dict[str, Any], param: str) -> None:
    answer = door.ask({"model": SMALL, "input": "a"} | said)
    assert (answer.status, answer.body["error"]["param"]) == (400, param)
    assert (gateway.fake.seen, gateway.rows()) == ([], [])


def test_a_batch_has_a_bound_where_each_text_is_a_request(gateway: Gateway, door: Door) -> None:
    assert door.ask({"model": TITAN, "input": ["a"] * MOST_REQUESTS}).status == 200
    assert len(gateway.fake.seen) == MOST_REQUESTS
    refused = door.ask({"model": TITAN, "input": ["a"] * (MOST_REQUESTS + 1)})
    assert (refused.status, refused.body["error"]["param"]) == (400, "input")
    assert len(gateway.rows()) == 1


def test_a_batch_of_many_where_96_texts_are_a_request(gateway: Gateway, door: Door) -> None:
    texts = [f"text {at}" for at in range(200)]
    body = door.ask({"model": COHERE, "input": texts, "encoding_format": "float"}).body
    assert [len(seen.body["texts"]) for seen in gateway.fake.seen] == [96, 96, 8]
    assert [each["embedding"] for each in body["data"]] == [vector(text, 1_536) for text in texts]
    assert [each["index"] for each in body["data"]] == list(range(200))
    (row,) = gateway.rows()
    assert row["actual"] == cost(COHERE, sum(map(count, texts)))


class TestBatchesThatEndEarly:
    """If a batch is sent in parts, the inputs that were answered are billed, and those that were not sent are not."""

    @pytest.mark.parametrize("at", range(4))
    @pytest.mark.parametrize(
        ("steer", "status", "owed"),
        [
            (Steer(status=429), 429, False),
            (Steer(status=500), 502, False),
            (Steer(status=400), 400, False),
            (Steer(reset="before"), 502, True),
            (Steer(reset="body"), 502, True),
            (Steer(body="cut"), 502, True),
        ],
    )
    def test_a_failure(self, gateway: Gateway, door: Door, at: int, steer: Steer, status: int, *, owed: bool) -> None:
        texts = long_texts(4)
        gateway.fake.script(*[Steer()] * at, steer)
        answer = door.ask({"model": TITAN, "input": texts})
        assert answer.status == status, answer.body
        assert len(gateway.fake.seen) == at + 1, "no part is sent twice, and none behind the one that failed"
        (row,) = gateway.rows()
        done = sum(map(count, texts[:at]))
        assert row["actual"] == cost(TITAN, done + (most_tokens(texts[at]) if owed else 0))
        assert row["actual"] <= row["est"]
        assert answer.headers["x-gateway-cost"] == f"{row['actual'] / 1e6:.6f}"

    def test_an_answer_that_is_none(self, gateway: Gateway, door: Door) -> None:
        texts = long_texts(3)
        gateway.fake.script(Steer(), Steer(exact='{"embedding": [], "inputTextTokenCount": 7}'))
        assert door.ask({"model": TITAN, "input": texts}).status == 502
        (row,) = gateway.rows()
        assert row["actual"] == cost(TITAN, count(texts[0]) + 7)

    @pytest.mark.parametrize("at", range(3))
    def test_a_client_that_hangs_up(self, gateway: Gateway, door: Door, at: int) -> None:
        texts, gone = long_texts(3), list[bool]()

        def decide(seen: Seen) -> Steer:
            if len(gateway.fake.seen) <= at + 1 and seen.body["inputText"] == texts[at]:
                gone.append(True)
                return Steer(delay=30)
            return Steer()

        gateway.fake.decide = decide
        door.ask({"model": TITAN, "input": texts}, gone=lambda: bool(gone))
        gateway.fake.closing.set()
        (row,) = gateway.rows()
        assert (row["state"], row["status"]) == ("SETTLED", "client_closed_request")
        assert row["actual"] == cost(TITAN, sum(map(count, texts[:at])) + most_tokens(texts[at]))
        assert len(gateway.fake.seen) == at + 1

    def test_counts_that_did_not_come(self, gateway: Gateway, door: Door) -> None:
        texts = long_texts(3)
        gateway.fake.script(Steer(), Steer(body="no-usage"), Steer())
        body = door.ask({"model": TITAN, "input": texts}).body
        tokens = count(texts[0]) + most_tokens(texts[1]) + count(texts[2])
        (row,) = gateway.rows()
        assert (row["actual"], body["usage"]["prompt_tokens"]) == (cost(TITAN, tokens), tokens)

    def test_no_other_region_is_asked_for_what_is_paid(self, gateway: Gateway, door: Door) -> None:
        target = "bedrock/amazon.titan-embed-text-v2:0"
        regional = {"it": {"target": target, "regions": ["us-east-1", "us-west-2"]}}
        assert gateway.post("/api/v1/admin/config", {"models": regional}).status == 200
        gateway.restart()
        texts = long_texts(3)
        gateway.fake.script(Steer(status=503))
        assert door.ask({"model": "it", "input": texts}).status == 200, "nothing was paid: the next region does all"
        gateway.fake.script(Steer(), Steer(status=503))
        assert door.ask({"model": "it", "input": texts}).status == 502
        first, second = gateway.rows()
        tokens = [count(text) for text in texts]
        assert (first["actual"], second["actual"]) == (cost(TITAN, sum(tokens)), cost(TITAN, tokens[0]))


@pytest.mark.parametrize("seed", range(3))
def test_what_is_billed_is_what_was_made(gateway: Gateway, door: Door, seed: int) -> None:
    """Calls of any size that end in any way: the rows have the upstream's counts, and never more than was held."""
    chance, made = random.Random(seed), dict[str, int]()

    def decide(seen: Seen) -> Steer:
        return Steer(status=503) if chance.random() < 0.15 else Steer()

    gateway.fake.decide = decide
    for number in range(12):
        model = chance.choice([TITAN, COHERE, SMALL])
        texts = ["é" * chance.randrange(1, 900) for _ in range(chance.choice([1, 2, 5, 100]) if model != TITAN else 5)]
        before = len(gateway.fake.seen)
        answer = door.ask({"model": model, "input": texts, "tags": [f"t{number}"]})
        parts = {TITAN: 1, COHERE: 96}.get(model, len(texts))
        sent = len(gateway.fake.seen) - before
        done = texts if answer.status == 200 else texts[: max(0, sent - 1) * parts]
        made[f"t{number}"] = cost(model, sum(map(count, done)))
    rows = {row["tags"][0]: row for row in gateway.rows()}
    assert {tag: row["actual"] for tag, row in rows.items()} == made
    assert all(row["actual"] <= row["est"] and row["state"] == "SETTLED" for row in rows.values())


class TestLimits:
    def test_a_budget(self, gateway: Gateway, door: Door) -> None:
        key, _ = gateway.new_key(max_budget=0.000001)
        refused = door.ask({"model": SMALL, "input": "word " * 1_000}, key=key)
        assert (refused.status, refused.body["error"]["code"]) == (402, "budget_exceeded")
        assert gateway.fake.seen == []

    def test_tokens_a_minute_and_requests(self, gateway: Gateway, door: Door) -> None:
        key, _ = gateway.new_key(tpm_limit=100)
        assert door.ask({"model": SMALL, "input": [1] * 101}, key=key).status == 429
        once, _ = gateway.new_key(rpm_limit=1, burst_limit=1)
        assert door.ask({"model": TITAN, "input": ["a", "b"]}, key=once).status == 200, "a batch is one request"
        assert door.ask({"model": SMALL, "input": "a"}, key=once).status == 429

    def test_a_repeat_is_answered_and_billed_once(self, gateway: Gateway, door: Door) -> None:
        asked = {"model": TITAN, "input": ["a", "b"]}
        first = door.ask(asked, idempotency_key="once").body
        again = door.ask(asked, idempotency_key="once")
        assert (again.headers["idempotency-replayed"], again.body) == ("true", first)
        assert (len(gateway.fake.seen), len(gateway.rows())) == (2, 1)


class TestWhichModel:
    def test_each_kind_has_its_routes(self, gateway: Gateway, door: Door) -> None:
        chat = {"messages": [{"role": "user", "content": "Hello!"}]}
        refusals = (
            door.ask({"model": "gpt-4", "input": "a"}),
            door.ask({"model": SMALL} | chat, path="/v1/chat/completions"),
            door.ask({"model": COHERE, "input": "Hello!"}, path="/v1/responses"),
            door.ask({"model": TITAN, "prompt": "Hello!"}, path="/v1/completions"),
            door.ask({"model": TITAN, "max_tokens": 5} | chat, path="/v1/messages"),
        )
        for refused in refusals:
            assert refused.status == 400, refused.body
            assert "POST /v1/" in refused.body["error"]["message"]
        assert refusals[0].body["error"]["code"] == "model_not_supported"
        assert (gateway.fake.seen, gateway.rows()) == ([], [])

    def test_an_endpoint_of_another_kind_is_refused(self, gateway: Gateway, door: Door) -> None:
        forced = {"it": {"target": "openai/text-embedding-3-small", "endpoint": "chat"}}
        assert gateway.post("/api/v1/admin/config", {"models": forced}).status == 200
        gateway.restart()
        assert door.ask({"model": "it", "input": "a"}).status == 400
        assert gateway.fake.seen == []

    def test_a_list_tells_what_each_does(self, gateway: Gateway, door: Door) -> None:
        shown = {each["id"]: each for each in door.ask(method="GET", path="/v1/models").body["data"]}
        told = {name: (shown[name]["mode"], shown[name]["dialects"]) for name in (SMALL, TITAN, COHERE, "gpt-4")}
        assert told == {
            SMALL: ("embedding", ["embeddings"]),
            TITAN: ("embedding", ["titan"]),
            COHERE: ("embedding", ["cohere"]),
            "gpt-4": ("chat", ["chat", "responses"]),
        }
        page = door.ask(method="GET", path="/v1/models", anthropic_version="2023-06-01").body["data"]
        assert not [each["id"] for each in page if "embed" in each["id"]]

    def test_a_host_of_the_config(self, gateway: Gateway, door: Door) -> None:
        host = {"baseUrl": gateway.fake.openai_url, "secret": "mine", "passFields": ["input_type"]}
        price = {"input": 0.5, "output": 0, "mode": "embedding"}
        reply = gateway.post("/api/v1/admin/config", {"vendors": {"mine": host}, "prices": {"mine/nomic": price}})
        assert reply.status == 200, reply.text
        gateway.restart()
        asked = {"model": "mine/nomic", "input": "a"}
        refused = door.ask(asked | {"truncate": True})
        assert (refused.status, refused.body["error"]["param"]) == (400, "truncate")
        gateway.fake.script(Steer(exact='{"data": [{"embedding": [1, 2]}], "usage": {"prompt_tokens": 9}}', status=200))
        gateway.fake.decide = lambda seen: Steer()
        answer = door.ask(asked)
        assert (answer.status, answer.body["data"][0]["embedding"]) == (200, [1, 2])
        (row,) = gateway.rows()
        assert (row["target"], row["actual"]) == ("mine/nomic", -(-9 * 500_000 // 1_000_000))
