"""The fake as a model that does what a client asks; the vendors' own clients judge it, in each dialect."""

from __future__ import annotations

import http.client
import json
from typing import Any

import anthropic
import boto3
import openai
import pydantic

from tests.upstream import FakeUpstream, Steer
from tests.upstream.obliging import oblige

SCHEMA: Any = {"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}}
PROMPT = "The weather in 'Bern' for 3 days, please."
FILLED = {"city": "Bern", "days": 3}


def test_chat_calls_the_tool_then_says_what_it_said(fake: FakeUpstream) -> None:
    fake.decide = oblige
    tool: Any = {"type": "function", "function": {"name": "weather", "parameters": SCHEMA}}
    messages: Any = [{"role": "user", "content": PROMPT}]
    with openai.OpenAI(base_url=fake.openai_url, api_key="sk-test", max_retries=0) as sdk:
        asked: Any = {"model": "m", "messages": messages, "tools": [tool]}
        (call,) = sdk.chat.completions.create(**asked).choices[0].message.tool_calls
        assert (call.function.name, json.loads(call.function.arguments)) == ("weather", FILLED)
        messages += [
            {"role": "assistant", "tool_calls": [call]},
            {"role": "tool", "tool_call_id": call.id, "content": "dry"},
        ]
        said = sdk.chat.completions.create(model="m", messages=messages, tools=[tool]).choices[0].message.content
        assert said == "The tools said: dry"
        refused = sdk.chat.completions.create(model="m", messages=messages[:1], tools=[tool], tool_choice="none")
        assert not refused.choices[0].message.tool_calls


def test_messages_calls_the_tool_then_says_what_it_said(fake: FakeUpstream) -> None:
    fake.decide = oblige
    tools: Any = [{"name": "other", "input_schema": {"type": "object"}}, {"name": "weather", "input_schema": SCHEMA}]
    asked: Any = {
        "model": "claude",
        "max_tokens": 100,
        "tools": tools,
        "tool_choice": {"type": "tool", "name": "weather"},
    }
    messages: Any = [{"role": "user", "content": PROMPT}]
    with anthropic.Anthropic(base_url=fake.url, api_key="sk-test", max_retries=0) as sdk:
        with sdk.messages.stream(**asked, messages=messages) as stream:
            (use,) = stream.get_final_message().content
        assert use.type == "tool_use"
        assert (use.name, use.input) == ("weather", FILLED)
        result = {"type": "tool_result", "tool_use_id": use.id, "content": [{"type": "text", "text": "dry"}]}
        messages += [{"role": "assistant", "content": [use]}, {"role": "user", "content": [result]}]
        (text,) = sdk.messages.create(**asked, messages=messages).content
        assert text.type == "text"
        assert text.text == "The tools said: dry"


def test_converse_calls_the_tool_then_says_what_it_said(fake: FakeUpstream) -> None:
    fake.decide = oblige
    spec: Any = {"toolSpec": {"name": "weather", "inputSchema": {"json": SCHEMA}}}
    known = {"aws_access_key_id": "x", "aws_secret_access_key": "y", "region_name": "us-east-1"}
    client = boto3.client("bedrock-runtime", endpoint_url=fake.url, **known)
    asked = {"modelId": "amazon.nova-lite-v1:0", "toolConfig": {"tools": [spec]}}
    messages: Any = [{"role": "user", "content": [{"text": PROMPT}]}]
    use = client.converse(**asked, messages=messages)["output"]["message"]["content"][0]["toolUse"]
    assert (use["name"], use["input"]) == ("weather", FILLED)
    result = {"toolResult": {"toolUseId": use["toolUseId"], "content": [{"json": {"sky": "dry"}}]}}
    messages += [{"role": "assistant", "content": [{"toolUse": use}]}, {"role": "user", "content": [result]}]
    said = client.converse(**asked, messages=messages)["output"]["message"]["content"]
    assert said == [{"text": 'The tools said: {"sky": "dry"}'}]
    client.close()


class Trip(pydantic.BaseModel):
    city: str
    days: int


def test_a_schema_is_filled_in(fake: FakeUpstream) -> None:
    fake.decide = oblige
    messages: Any = [{"role": "user", "content": PROMPT}]
    with openai.OpenAI(base_url=fake.openai_url, api_key="sk-test", max_retries=0) as sdk:
        parsed = (
            sdk.chat.completions.parse(model="m", messages=messages, response_format=Trip).choices[0].message.parsed
        )
    with anthropic.Anthropic(base_url=fake.url, api_key="sk-test", max_retries=0) as claude:
        also = claude.messages.parse(
            model="claude", max_tokens=100, messages=messages, output_format=Trip
        ).parsed_output
    assert parsed == also == Trip(city="Bern", days=3)


def test_a_prompt_s_own_words_come_first(fake: FakeUpstream) -> None:
    fake.decide = oblige
    tool: Any = {"type": "function", "function": {"name": "weather", "parameters": SCHEMA}}
    asked: Any = [{"role": "user", "content": '[[fake tool=a,b arguments="[{}, {\\"x\\": 1}]"]]'}]
    with openai.OpenAI(base_url=fake.openai_url, api_key="sk-test", max_retries=0) as sdk:
        called = (
            sdk.chat.completions.create(model="m", messages=asked, tools=[tool]).choices[0].message.tool_calls or ()
        )
    told = [(call.function.name, call.function.arguments) for call in called if call.type == "function"]
    assert told == [("a", "{}"), ("b", '{"x": 1}')]
    assert len({call.id for call in called}) == 2


def test_a_held_stream_waits_for_each_event_to_be_let_go(fake: FakeUpstream) -> None:
    fake.script(Steer(text="one two", held=2))
    connection = http.client.HTTPConnection("127.0.0.1", fake.port, timeout=30)
    body = json.dumps({"messages": [{"role": "user", "content": "x"}], "stream": True})
    connection.request("POST", "/v1/chat/completions", body, {"authorization": "Bearer x"})
    answer = connection.getresponse()
    seen = []
    for number in range(5):  # role, two words, the end, [DONE]
        if number >= 2:
            fake.let()
        seen.append(answer.readline())
        answer.readline()
    assert seen[-1] == b"data: [DONE]\n"
    assert answer.read() == b""
    connection.close()
