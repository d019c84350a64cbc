"""The vendors' own clients judge the fake: our clients may rely on everything that they accept from it."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import boto3
import botocore.config
import botocore.exceptions
import openai
import pytest

from tests.upstream import FakeUpstream, Steer


@pytest.fixture
def sdk(fake: FakeUpstream) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=fake.openai_url, api_key="sk-test", max_retries=0) as client:
        yield client


@pytest.fixture
def bedrock_client(fake: FakeUpstream) -> Iterator[Any]:
    client = boto3.client(
        "bedrock-runtime",
        region_name="us-east-1",
        endpoint_url=fake.url,
        aws_access_key_id="x",
        aws_secret_access_key="y",
        config=botocore.config.Config(retries={"total_max_attempts": 1}),
    )
    yield client
    client.close()


def test_openai_json_and_stream_say_the_same(sdk: openai.OpenAI) -> None:
    asked: Any = {"model": "gpt-4", "messages": [{"role": "user", "content": "hello"}]}
    whole = sdk.chat.completions.create(**asked)
    chunks = list(sdk.chat.completions.create(**asked, stream=True, stream_options={"include_usage": True}))
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == whole.choices[0].message.content
    assert chunks[-1].usage == whole.usage
    assert whole.usage is not None
    assert whole.usage.completion_tokens == -(-len(text) // 4)
    assert sdk.chat.completions.create(**asked).usage == whole.usage


def test_openai_models_embeddings_and_errors(sdk: openai.OpenAI, fake: FakeUpstream) -> None:
    assert "gpt-4" in [model.id for model in sdk.models.list()]
    assert len(sdk.embeddings.create(model="e", input=["a", "b"], encoding_format="float").data) == 2
    fake.script(Steer(status=429, retry_after="3"))
    with pytest.raises(openai.RateLimitError) as caught:
        sdk.models.list()
    assert caught.value.response.headers["retry-after"] == "3"


def converse(client: Any, text: str, operation: str = "converse", **more: Any) -> Any:
    messages = [{"role": "user", "content": [{"text": text}]}]
    return getattr(client, operation)(modelId="anthropic.claude-v2:1", messages=messages, **more)


def test_bedrock_json_and_event_stream_say_the_same(bedrock_client: Any) -> None:
    whole = converse(bedrock_client, "hello")
    with closing(converse(bedrock_client, "hello", "converse_stream")["stream"]) as stream:
        events = list(stream)
    deltas = [event["contentBlockDelta"]["delta"]["text"] for event in events if "contentBlockDelta" in event]
    assert "".join(deltas) == whole["output"]["message"]["content"][0]["text"]
    assert events[-1]["metadata"]["usage"] == whole["usage"]
    assert next(event["messageStop"] for event in events if "messageStop" in event) == {"stopReason": "end_turn"}


def test_bedrock_tools_caps_and_caches(bedrock_client: Any) -> None:
    assert converse(bedrock_client, "hello", inferenceConfig={"maxTokens": 3})["stopReason"] == "max_tokens"
    tool = converse(bedrock_client, '[[fake tool=f arguments="{\\"a\\": 1}"]]')
    assert tool["output"]["message"]["content"][0]["toolUse"]["input"] == {"a": 1}
    cached = converse(bedrock_client, "[[fake cached=5 cache-write-1h=2]]")["usage"]
    assert (cached["cacheReadInputTokens"], cached["cacheDetails"]) == (5, [{"ttl": "1h", "inputTokens": 2}])


def test_bedrock_errors_in_answers_and_in_mid_stream(bedrock_client: Any) -> None:
    with pytest.raises(bedrock_client.exceptions.ThrottlingException):
        converse(bedrock_client, "[[fake status=429]]")
    with pytest.raises(bedrock_client.exceptions.ValidationException):
        bedrock_client.converse(modelId="m", messages=[{"role": "assistant", "content": [{"text": "first"}]}])
    stream = converse(bedrock_client, "[[fake stream-error=throttlingException after=2]]", "converse_stream")["stream"]
    with closing(stream), pytest.raises(botocore.exceptions.EventStreamError, match="throttlingException"):
        list(stream)


@contextmanager
def answered(fake: FakeUpstream, path: str, headers: dict[str, str], body: Any) -> Iterator[http.client.HTTPResponse]:
    connection = http.client.HTTPConnection("127.0.0.1", fake.port, timeout=10)
    try:
        connection.request("POST", path, json.dumps(body), {"authorization": "Bearer x", **headers})
        yield connection.getresponse()
    finally:
        connection.close()


@pytest.mark.parametrize("steering", [{"x-fake-status": "418"}, {}])
def test_headers_and_words_steer(fake: FakeUpstream, steering: dict[str, str]) -> None:
    text = "hi" if steering else "please [[fake status=418 message='a b']] now"
    body = {"messages": [{"role": "user", "content": text}]}
    with answered(fake, "/v1/chat/completions", steering, body) as response:
        assert response.status == 418
    assert fake.seen[0].body == body


@pytest.mark.parametrize("text", ["[[fake statsu=500]]", "[[fake status]]", "[[fake status=many]]"])
def test_a_mistyped_word_is_told(fake: FakeUpstream, text: str) -> None:
    with answered(fake, "/v1/chat/completions", {}, {"messages": [{"role": "user", "content": text}]}) as response:
        assert response.status == 599


def test_a_stream_may_break(fake: FakeUpstream) -> None:
    fake.script(Steer(reset="body", after=2))
    broken = pytest.raises((ConnectionResetError, http.client.IncompleteRead))
    with answered(fake, "/v1/chat/completions", {}, {"stream": True, "messages": []}) as response, broken:
        response.read()


def test_an_sse_stream_may_end_in_an_error(fake: FakeUpstream) -> None:
    fake.script(Steer(stream_error="overloaded", after=1))
    with answered(fake, "/v1/chat/completions", {}, {"stream": True, "messages": []}) as response:
        events = response.read().decode().split("\n\n")
    assert json.loads(events[1].removeprefix("data: "))["error"]["message"] == "overloaded"


def test_a_function_may_steer_and_reset_forgets(fake: FakeUpstream) -> None:
    fake.decide = lambda seen: Steer(status=503) if "embeddings" in seen.path else None
    for path, status in (("/v1/embeddings", 503), ("/v1/nothing", 404)):
        with answered(fake, path, {}, {}) as response:
            assert response.status == status
    fake.reset()
    assert fake.seen == []
    with answered(fake, "/v1/embeddings", {}, {"input": "x", "model": "e"}) as response:
        assert response.status == 200


def test_it_runs_as_a_program() -> None:
    command = [sys.executable, "-m", "tests.upstream", "--port", "0"]
    program = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert program.stdout is not None
        url = program.stdout.readline().strip()
        with openai.OpenAI(base_url=f"{url}/v1", api_key="sk-test") as client:
            assert client.models.list().data
    finally:
        program.terminate()
        assert program.wait(60) == 0
        if program.stdout:
            program.stdout.close()
