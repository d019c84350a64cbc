"""The requests that leave for Bedrock's Converse, and its answers in OpenAI's form."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec.structs import replace

from gateway.aws.sigv4 import Credentials
from gateway.dialects.chat.stream import completion
from gateway.dialects.converse.answer import finish_reason, read_answer
from gateway.dialects.converse.usage import usage_of
from gateway.dialects.neutral import Failed, Finish, Rest, TextDelta
from gateway.dialects.unsupported import Unusable
from gateway.errors import UpstreamRejected
from gateway.models.usage import Usage, openai_usage
from gateway.vendors import connect
from gateway.vendors.base import ModelCall, Prepared, Provider
from tests.unit.dialects.in_one_go import read_converse_events as read_events
from tests.unit.vendors.asking import MODEL, ask, at, call, failure
from tests.upstream import FakeUpstream, Steer
from tests.upstream.converse_judge import faults

PIXEL = "iVBORw0KGgo="
TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "weather",
            "description": "The weather of a city",
            "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
            "strict": True,
        },
    },
    {"type": "function", "function": {"name": "now"}},
]
USED = [
    {"role": "user", "content": "hi"},
    {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Oslo"}'}},
            {"id": "c2", "type": "function", "function": {"name": "now", "arguments": ""}},
        ],
    },
    {"role": "tool", "tool_call_id": "c1", "content": "rain"},
    {"role": "tool", "tool_call_id": "c2", "content": [{"type": "text", "text": "noon"}]},
    {"role": "user", "content": "so?"},
]


def prepared(chat: ModelCall) -> Prepared:
    credentials = Credentials("AKIA", "secret")
    provider = connect("bedrock", at("http://127.0.0.1:9", region="eu-west-1", credentials=lambda: credentials))
    return provider.prepare(chat)


def _request(chat: ModelCall) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(prepared(chat).body)
    assert faults(body) == []
    return body


def test_one_exchange(fake: FakeUpstream, bedrock: Provider) -> None:
    fake.script(Steer(text="Hello there.", cached=40, cache_write=8, cache_write_1h=2))
    answer = ask(bedrock, call("hello", cap=50))
    assert answer.body["object"] == "chat.completion"
    assert answer.body["model"] == MODEL
    assert answer.body["choices"] == [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "Hello there."},
            "logprobs": None,
            "finish_reason": "stop",
        }
    ]
    usage = answer.usage
    assert usage is not None
    assert (usage.cached_tokens, usage.cache_write_tokens, usage.cache_write_1h_tokens) == (40, 8, 2)
    assert answer.body["usage"]["prompt_tokens"] == usage.input_tokens + 50
    assert answer.body["usage"]["total_tokens"] == usage.total_tokens


def test_the_model_is_one_path_segment_and_the_request_is_signed(fake: FakeUpstream, bedrock: Provider) -> None:
    ask(bedrock, call("hello", cap=50))
    seen = fake.seen[0]
    assert seen.path == f"/model/{MODEL.replace(':', '%3A')}/converse"
    assert seen.headers["authorization"].startswith("AWS4-HMAC-SHA256 Credential=AKIACANARYACCESSKEY0/")
    assert "/eu-west-1/bedrock/aws4_request" in seen.headers["authorization"]
    assert seen.body == {
        "messages": [{"role": "user", "content": [{"text": "hello"}]}],
        "inferenceConfig": {"maxTokens": 50},
        "requestMetadata": {"correlation-id": "cid-1"},
    }


def test_missing_usage_is_none_and_zero_is_zero(fake: FakeUpstream, bedrock: Provider) -> None:
    fake.script(Steer(body="no-usage"), Steer(body="zero-usage"))
    missing, zero = ask(bedrock, call()), ask(bedrock, call())
    assert missing.usage is None
    assert "usage" not in missing.body
    assert zero.usage == Usage()
    assert zero.body["usage"]["total_tokens"] == 0


def test_a_tool_call_there_and_back(fake: FakeUpstream, bedrock: Provider) -> None:
    fake.script(Steer(tool="weather", arguments='{"city": "Århus"}', reasoning="Think."))
    asked = call("weather?", tools=TOOLS, tool_choice="required")
    choice = ask(bedrock, asked).body["choices"][0]
    assert choice["finish_reason"] == "tool_calls"
    assert choice["message"] == {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {
                "id": "tooluse_fake",
                "type": "function",
                "function": {"name": "weather", "arguments": '{"city":"Århus"}'},
            }
        ],
        "thinking_blocks": [{"type": "thinking", "thinking": "Think.", "signature": "c2ln"}],
        "reasoning_content": "Think.",
    }
    result = {"role": "tool", "tool_call_id": "tooluse_fake", "content": "rain"}
    ask(bedrock, call(messages=[*asked.body["messages"], choice["message"], result], tools=TOOLS))
    assert fake.seen[1].body["messages"][1:] == [
        {
            "role": "assistant",
            "content": [
                {"reasoningContent": {"reasoningText": {"text": "Think.", "signature": "c2ln"}}},
                {"toolUse": {"toolUseId": "tooluse_fake", "name": "weather", "input": {"city": "Århus"}}},
            ],
        },
        {"role": "user", "content": [{"toolResult": {"toolUseId": "tooluse_fake", "content": [{"text": "rain"}]}}]},
    ]


def converse(**body: Any) -> dict[str, Any]:
    return _request(call(**body))


def test_messages() -> None:
    sent = converse(
        messages=[
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "one"},
            {"role": "developer", "content": [{"type": "text", "text": "Be kind."}]},
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": ""},
                    {"type": "text", "text": "two", "cache_control": {"type": "ephemeral", "ttl": "1h"}},
                    {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}", "detail": "low"}},
                ],
            },
            {"role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]},
            {"role": "user", "content": "three"},
        ]
    )
    assert sent["system"] == [{"text": "Be brief."}, {"text": "Be kind."}]
    assert sent["messages"] == [
        {
            "role": "user",
            "content": [
                {"text": "one"},
                {"text": "two"},
                {"cachePoint": {"type": "default", "ttl": "1h"}},
                {"image": {"format": "png", "source": {"bytes": PIXEL}}},
            ],
        },
        {"role": "assistant", "content": [{"text": "No."}]},
        {"role": "user", "content": [{"text": "three"}]},
    ]


def test_tool_results_of_one_turn_are_one_message() -> None:
    assert converse(messages=USED, tools=TOOLS)["messages"] == [
        {"role": "user", "content": [{"text": "hi"}]},
        {
            "role": "assistant",
            "content": [
                {"toolUse": {"toolUseId": "c1", "name": "weather", "input": {"city": "Oslo"}}},
                {"toolUse": {"toolUseId": "c2", "name": "now", "input": {}}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"toolResult": {"toolUseId": "c1", "content": [{"text": "rain"}]}},
                {"toolResult": {"toolUseId": "c2", "content": [{"text": "noon"}]}},
                {"text": "so?"},
            ],
        },
    ]


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        (None, None),
        ("auto", None),
        ("required", {"any": {}}),
        ({"type": "function", "function": {"name": "now"}}, {"tool": {"name": "now"}}),
    ],
)
def test_tool_choice(choice: Any, expected: Any) -> None:
    config = converse(tools=TOOLS, tool_choice=choice)["toolConfig"]
    assert config.get("toolChoice") == expected
    assert config["tools"] == [
        {
            "toolSpec": {
                "name": "weather",
                "description": "The weather of a city",
                "inputSchema": {"json": {"type": "object", "properties": {"city": {"type": "string"}}}},
            }
        },
        {"toolSpec": {"name": "now", "inputSchema": {"json": {"type": "object", "properties": {}}}}},
    ]


def test_no_tools_where_none_may_be_used() -> None:
    assert "toolConfig" not in converse(tools=TOOLS, tool_choice="none")
    assert "toolConfig" not in converse(tools=[])


def test_parameters() -> None:
    sent = converse(
        cap=9, max_tokens=500, temperature=0, top_p=0.5, stop="END", reasoning_effort="low", top_k=3,
        response_format={"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}}},
    )  # fmt: skip
    assert sent["inferenceConfig"] == {"maxTokens": 9, "temperature": 0, "topP": 0.5, "stopSequences": ["END"]}
    assert sent["additionalModelRequestFields"] == {"top_k": 3}
    schema = {"schema": '{"type":"object"}', "name": "n"}
    assert sent["outputConfig"] == {
        "effort": "low",
        "textFormat": {"type": "json_schema", "structure": {"jsonSchema": schema}},
    }
    assert converse(stop=["A", "B"])["inferenceConfig"]["stopSequences"] == ["A", "B"]


def test_what_has_no_effect_is_left_out() -> None:
    plain = converse()
    harmless = {"user": "u", "seed": 1, "store": False, "metadata": {"a": "b"}, "n": 1, "logprobs": False}
    neutral = {"frequency_penalty": 0, "presence_penalty": 0.0, "parallel_tool_calls": True, "service_tier": "auto"}
    empty = {"tools": None, "audio": None, "logit_bias": {}, "response_format": {"type": "text"}, "stop": None}
    assert converse(**harmless, **neutral, **empty) == plain


def user(*parts: dict[str, Any]) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": list(parts)}]}


def used(arguments: Any) -> dict[str, Any]:
    function = {"name": "f", "arguments": arguments}
    return {"messages": [{"role": "assistant", "tool_calls": [{"id": "1", "type": "function", "function": function}]}]}


def image(url: str) -> dict[str, Any]:
    return user({"type": "text", "text": "see"}, {"type": "image_url", "image_url": {"url": url}})


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"n": 2}, "n"),
    ({"logprobs": True}, "logprobs"),
    ({"logit_bias": {"1": 5}}, "logit_bias"),
    ({"service_tier": "scale"}, "service_tier"),
    ({"functions": []}, "functions"),
    ({"something_new": 5}, "something_new"),
    ({"thinking": {"type": "enabled", "budget_tokens": 2_000, "effort": "x"}}, "thinking.effort"),
    ({"tools": [{"type": "function", "function": {"name": "f", "parameters": [1]}}]}, "tools[0].function.parameters"),
    ({"additionalModelRequestFields": {"max_tokens_to_sample": 9_999}}, "additionalModelRequestFields"),
    ({"response_format": {"type": "grammar"}}, "response_format"),
    ({"response_format": {"type": "json_schema"}}, "response_format.json_schema.schema"),
    ({"tools": [{"type": "custom", "custom": {"name": "f"}}]}, "tools[0]"),
    ({"tools": TOOLS, "tool_choice": {"type": "allowed_tools"}}, "tool_choice"),
    ({"tools": TOOLS, "tool_choice": {"type": "function", "function": {"name": "other"}}}, "tool_choice"),
    ({"tool_choice": "required"}, "tool_choice"),
    ({"messages": [{"role": "system", "content": " "}]}, "messages"),
    ({"messages": [{"role": "user", "content": ""}]}, "messages"),
    ({"messages": [{"role": "assistant", "content": None}]}, "messages"),
    ({"messages": [{"role": "function", "content": "x"}]}, "messages[0].role"),
    ({"messages": [{"role": "assistant", "function_call": {"name": "f"}}]}, "messages[0].function_call"),
    (user({"type": "input_audio", "input_audio": {}}), "messages[0].content[0]"),
    (image("https://example.com/a.png"), "messages[0].content[1].image_url"),
    (image("http://169.254.169.254/latest"), "messages[0].content[1].image_url"),
    (image("data:image/svg+xml;base64,AAAA"), "messages[0].content[1].image_url"),
    (image("data:image/png;base64,no base64"), "messages[0].content[1].image_url"),
    (used("{broken"), "messages[0].tool_calls[0].function.arguments"),
    (used("[1]"), "messages[0].tool_calls[0].function.arguments"),
    (used(None), "messages[0].tool_calls[0].function.arguments"),
    (used("[" * 100_000), "messages[0].tool_calls[0].function.arguments"),
]


@pytest.mark.parametrize(("body", "param"), REFUSED)
def test_what_bedrock_cannot_express_is_refused_by_name(
    fake: FakeUpstream, bedrock: Provider, body: dict[str, Any], param: str
) -> None:
    error = failure(bedrock, call(**body))
    assert isinstance(error, UpstreamRejected)
    assert (error.status, error.param, error.sent) == (400, param, False)
    assert param.partition("[")[0] in error.message
    assert not fake.seen


@pytest.mark.parametrize(
    ("stop_reason", "expected"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("tool_use", "tool_calls"),
        ("guardrail_intervened", "content_filter"),
        ("content_filtered", "content_filter"),
    ],
)
def test_finish_reasons(stop_reason: str, expected: str) -> None:
    assert finish_reason(stop_reason) == expected


@pytest.mark.parametrize("stop_reason", ["malformed_tool_use", "malformed_model_output", "a_new_one", "\ud800"])
def test_an_end_that_is_none_is_no_plain_stop(stop_reason: str) -> None:
    with pytest.raises(Unusable):
        finish_reason(stop_reason)


@pytest.mark.parametrize("stop_reason", ["malformed_tool_use", "malformed_model_output", "a_new_one"])
def test_an_answer_that_is_none_keeps_its_bill(fake: FakeUpstream, bedrock: Provider, stop_reason: str) -> None:
    fake.script(Steer(finish=stop_reason))
    error = failure(bedrock, call())
    assert (error.status, error.upstream_status) == (502, 200)
    assert error.reason == (stop_reason if stop_reason.startswith("malformed") else "unknown_stop_reason")
    assert isinstance(error.usage, Usage)
    assert error.usage.output_tokens > 0


def test_other_content_of_a_stream_comes_before_its_end() -> None:
    citation = {"citation": {"title": "a"}}
    events: list[tuple[str, dict[str, Any]]] = [
        ("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "See"}}),
        ("contentBlockDelta", {"contentBlockIndex": 0, "delta": citation}),
        ("messageStop", {"stopReason": "end_turn"}),
    ]
    rest = Rest({"other_content": [citation]})
    assert list(read_events(events, {})) == [TextDelta(0, "See"), rest, Finish("stop")]
    events[-1] = ("messageStop", {"stopReason": "malformed_tool_use"})
    assert list(read_events(events, {}))[-1] == Failed("malformed_tool_use")


def test_the_tier_that_answers_is_told_where_the_bill_looks(fake: FakeUpstream, bedrock: Provider) -> None:
    answer = {
        "output": {"message": {"role": "assistant", "content": [{"text": "a"}]}},
        "stopReason": "end_turn",
        "usage": {"inputTokens": 1, "outputTokens": 2, "totalTokens": 3},
        "serviceTier": {"type": "flex"},
    }
    fake.script(Steer(exact=json.dumps(answer)), Steer(exact=json.dumps(answer | {"stopReason": "malformed_tool_use"})))
    assert ask(bedrock, call(service_tier="flex")).body["service_tier"] == "flex"
    assert failure(bedrock, call(service_tier="flex")).tier == "flex"


def test_what_is_left_out_is_told_with_the_call() -> None:
    odd = {"role": "user", "content": "hi", "na me": "x"}
    assert prepared(call(seed=1, messages=[odd])).dropped == ("messages[0].na?me", "seed")


@pytest.mark.parametrize(
    ("model", "own"),
    [
        ("anthropic.claude-sonnet-4-6", True),
        ("eu.anthropic.claude-haiku-5-5", True),
        ("arn:aws:bedrock:us-east-1::foundation-model/anthropic.claude-opus-4-1-20250805-v1:0", True),
        ("anthropic.claude-3-5-sonnet-20240620-v1:0", False),
        ("us.anthropic.claude-3-7-sonnet-20250219-v1:0", False),
        ("anthropic.claude-v2:1", False),
        ("anthropic.claude-instant-v1", False),
        ("amazon.nova-lite-v1:0", False),
    ],
)
def test_one_tool_at_a_time_where_the_model_can_be_told(model: str, own: bool) -> None:
    asked = prepared(replace(call(tools=TOOLS, parallel_tool_calls=False), model=model))
    assert ("parallel_tool_calls" in asked.dropped) is not own
    assert ("additionalModelRequestFields" in json.loads(asked.body)) is own


@pytest.mark.parametrize(
    ("model", "takes"),
    [
        ("us.anthropic.claude-opus-4-6-v1", True),
        ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", True),
        ("us.anthropic.claude-haiku-4-5-20251001-v1:0", True),
        ("amazon.nova-lite-v1:0", True),
        ("us.anthropic.claude-opus-4-7", False),
        ("us.anthropic.claude-opus-4-8", False),
        ("eu.anthropic.claude-opus-5", False),
        ("global.anthropic.claude-opus-5-5", False),
        ("us.anthropic.claude-sonnet-5", False),
        ("us.anthropic.claude-sonnet-5-5", False),
        ("us.anthropic.claude-haiku-5-5", False),
        ("us.anthropic.claude-fable-5-1", False),
        ("us.anthropic.claude-mythos-5-1", False),
    ],
)
def test_no_sampling_where_the_model_refuses_it(model: str, takes: bool) -> None:
    asked = prepared(replace(call(temperature=0.5, top_k=3), model=model))
    sent = json.loads(asked.body)
    assert ("temperature" in sent["inferenceConfig"]) is takes
    assert ("top_k" in sent.get("additionalModelRequestFields", {})) is takes
    assert (list(asked.dropped) == []) is takes
    assert takes or list(asked.dropped) == ["temperature", "top_k"]


def test_sampling_that_changes_nothing_is_left_out_in_silence() -> None:
    asked = prepared(replace(call(temperature=1, top_p=1), model="us.anthropic.claude-sonnet-5-5"))
    assert json.loads(asked.body)["inferenceConfig"].keys() == {"maxTokens"}
    assert not asked.dropped


def test_other_content_blocks() -> None:
    blocks = [
        {"reasoningContent": {"redactedContent": "c2VjcmV0"}},
        {"text": "See "},
        {"citationsContent": {"content": [{"text": "this"}], "citations": []}},
        {"somethingNew": {}},
    ]
    deltas = read_answer({"output": {"message": {"content": blocks}}, "stopReason": "end_turn"}, {})
    assert deltas is not None
    body = completion(deltas, {"id": "chatcmpl-r", "created": 9, "model": "m"})
    assert (body["id"], body["created"]) == ("chatcmpl-r", 9)
    assert body["choices"][0]["message"] == {
        "role": "assistant",
        "content": "See this",
        "thinking_blocks": [{"type": "redacted_thinking", "data": "c2VjcmV0"}],
        "other_content": blocks[2:],
    }


# Usage objects as the documentation and the answers of the Converse API show them.
GOLDEN: list[tuple[str, Usage | None]] = [
    ('{"inputTokens": 30, "outputTokens": 628, "totalTokens": 658}', Usage(input_tokens=30, output_tokens=628)),
    (
        """{"inputTokens": 4, "outputTokens": 97, "totalTokens": 2150,
            "cacheReadInputTokens": 2049, "cacheWriteInputTokens": 0}""",
        Usage(input_tokens=4, cached_tokens=2049, output_tokens=97),
    ),
    (
        """{"inputTokens": 10, "outputTokens": 20, "totalTokens": 1830, "cacheReadInputTokens": 300,
            "cacheWriteInputTokens": 1500,
            "cacheDetails": [{"ttl": "5m", "inputTokens": 500}, {"ttl": "1h", "inputTokens": 1000}]}""",
        Usage(input_tokens=10, cached_tokens=300, cache_write_tokens=500, cache_write_1h_tokens=1000, output_tokens=20),
    ),
    (
        """{"inputTokens": 1, "outputTokens": 2, "cacheWriteInputTokens": 5,
            "cacheDetails": [{"ttl": "1h", "inputTokens": 50}, null, {"ttl": "1h"}]}""",
        Usage(input_tokens=1, cache_write_1h_tokens=5, output_tokens=2),
    ),
    ('{"inputTokens": 0, "outputTokens": 0, "totalTokens": 0}', Usage()),
    ('{"inputTokens": 7}', None),
    ('{"inputTokens": 7.5, "outputTokens": 1}', None),
    ("null", None),
]


@pytest.mark.parametrize(("payload", "expected"), GOLDEN)
def test_usage_golden(payload: str, expected: Usage | None) -> None:
    assert usage_of(json.loads(payload)) == expected


def test_usage_as_openai_reports_it() -> None:
    usage = Usage(
        input_tokens=10, cached_tokens=300, cache_write_tokens=500, cache_write_1h_tokens=1000, output_tokens=20
    )
    assert openai_usage(usage) == {
        "prompt_tokens": 1810,
        "completion_tokens": 20,
        "total_tokens": 1830,
        "prompt_tokens_details": {"cached_tokens": 300, "cache_write_tokens": 1500},
    }


def test_an_odd_correlation_id_stays_home() -> None:
    assert "requestMetadata" not in _request(replace(call(), correlation_id="a\nb"))


def test_bedrock_needs_region_and_credentials() -> None:
    with pytest.raises(ValueError, match="region and credentials"):
        connect("bedrock", at("http://127.0.0.1:9"))


def test_a_schema_is_sent_no_longer_than_it_was_counted() -> None:
    given = {"type": "object", "description": "é漢🌍" * 100, "properties": {}}
    body = _request(call(response_format={"type": "json_schema", "json_schema": {"schema": given}}))
    sent = body["outputConfig"]["textFormat"]["structure"]["jsonSchema"]["schema"]
    assert json.loads(sent) == given
    assert len(sent.encode()) <= len(json.dumps(given, ensure_ascii=False, separators=(",", ":")).encode())
