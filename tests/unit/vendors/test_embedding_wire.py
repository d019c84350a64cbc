"""The bytes that leave for an embedding model are those that AWS's own client would send, and its answers are read
correctly."""

from __future__ import annotations

import json
from typing import Any

import boto3
import botocore.config
import pytest
from msgspec.structs import replace

from gateway.aws.sigv4 import Credentials
from gateway.dialects.vectors.inputs import most_tokens
from gateway.models.usage import Usage
from gateway.models.vendors import packaged
from gateway.vendors import connect
from gateway.vendors.base import Answer, Chunk, Counted, ModelCall, Provider
from tests.unit.vendors.asking import ACCESS_KEY, SECRET_KEY, SESSION_TOKEN, at
from tests.upstream import FakeUpstream
from tests.upstream.embeddings_api import count, vector

TITAN, COHERE = "amazon.titan-embed-text-v2:0", "us.cohere.embed-v4:0"


@pytest.fixture
def there(fake: FakeUpstream) -> Provider:
    credentials = Credentials(ACCESS_KEY, SECRET_KEY, SESSION_TOKEN)
    return connect(packaged()["bedrock"], at(fake.url, region="us-east-1", credentials=lambda: credentials))


def call(model: str, texts: list[str]) -> ModelCall:
    metadata = {"key-id": "k", "request-id": "r"}
    body: dict[str, Any] = {"input": texts}
    return ModelCall(model, body, 0, timeout=10, dialect="embeddings", mode="embedding", metadata=metadata)


@pytest.mark.parametrize("model", [TITAN, COHERE])
def test_botocore_sends_and_reads_the_same(fake: FakeUpstream, there: Provider, model: str) -> None:
    *_, answer = there.send(there.prepare(call(model, ["one text"])))
    assert isinstance(answer, Answer)
    ours = fake.seen[-1]
    known = {"aws_access_key_id": ACCESS_KEY, "aws_secret_access_key": SECRET_KEY, "aws_session_token": SESSION_TOKEN}
    config = botocore.config.Config(retries={"total_max_attempts": 1})
    client: Any = boto3.client("bedrock-runtime", "us-east-1", endpoint_url=fake.url, config=config, **known)
    said = json.loads(ours.headers["x-amzn-bedrock-request-metadata"])
    assert said == {"key-id": "k", "request-id": "r"}
    reply = client.invoke_model(modelId=model, body=ours.raw, contentType="application/json", accept="application/json")
    theirs = fake.seen[-1]
    assert (ours.method, ours.path, ours.raw) == (theirs.method, theirs.path, theirs.raw)
    for name in ("content-type", "accept"):
        assert ours.headers[name] == theirs.headers[name]
    read = json.loads(reply["body"].read())
    made = read["embedding"] if model == TITAN else read["embeddings"]["float"][0]
    assert answer.body["data"][0]["embedding"] == made
    counted = reply["ResponseMetadata"]["HTTPHeaders"]["x-amzn-bedrock-input-token-count"]
    assert answer.usage == Usage(input_tokens=int(counted))


def test_the_events_of_a_batch(fake: FakeUpstream, there: Provider) -> None:
    """Before each part, the amount that may be billed by then; after each part, that content has come; at last the
    whole."""
    texts = ["one", "twice as long", "thrice"]
    events = list(there.send(there.prepare(call(TITAN, texts))))
    assert [type(event) for event in events] == [Counted, Chunk] * 3 + [Answer]
    owed = [event.usage.input_tokens for event in events if isinstance(event, Counted)]
    assert owed == [sum(map(count, texts[:at])) + most_tokens(text) for at, text in enumerate(texts)]
    answer = events[-1]
    assert isinstance(answer, Answer)
    assert answer.usage == Usage(input_tokens=sum(map(count, texts)))
    assert answer.body["usage"]["prompt_tokens"] == answer.usage.prompt_tokens
    assert [each["embedding"] for each in answer.body["data"]] == [vector(text, 1_024) for text in texts]
    assert [each["index"] for each in answer.body["data"]] == [0, 1, 2]
    assert len({seen.client for seen in fake.seen}) == 1, "over one connection"


def test_a_batch_has_the_time_of_one_call(fake: FakeUpstream, there: Provider) -> None:
    prepared = there.prepare(call(TITAN, ["one", "two"]))
    late = replace(prepared, call=replace(prepared.call, timeout=0))
    with pytest.raises(Exception, match="did not answer in time") as caught:
        list(there.send(late))
    assert (getattr(caught.value, "sent", None), fake.seen) == (False, [])
