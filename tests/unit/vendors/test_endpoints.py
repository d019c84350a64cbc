"""Any endpoint for one client's dialect: the requests that leave for each, judged by the fake upstream, and its
answers."""

from __future__ import annotations

import json
from typing import Any

import pytest
from anthropic.types import Message
from msgspec.structs import replace
from openai.types.chat import ChatCompletion

from gateway.aws.sigv4 import Credentials
from gateway.errors import (
    BadRequest,
    UpstreamCredentials,
    UpstreamError,
    UpstreamRejected,
    UpstreamThrottled,
    UpstreamTimeout,
)
from gateway.models.usage import Usage
from gateway.vendors import connect
from gateway.vendors.base import Answer, ModelCall, Prepared, Provider
from tests.unit.vendors.asking import OPENAI_KEY, ask, at, call, failure
from tests.unit.vendors.conftest import ENDPOINTS
from tests.upstream import FakeUpstream, Steer

TOOLS = [
    {"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}}},
    {"type": "function", "function": {"name": "now"}},
]
HISTORY = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "hi"},
    {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {"id": "call_1|odd", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Oslo"}'}}
        ],
    },
    {"role": "tool", "tool_call_id": "call_1|odd", "content": "rain"},
    {"role": "user", "content": "so?"},
]
CLAUDE = "eu.anthropic.claude-sonnet-4-5-20250929-v1:0"
GPT = "eu.openai.gpt-5.5"
PATHS = {
    "openai": "/v1/chat/completions",
    "anthropic": "/v1/messages",
    "bedrock": "/model/{}/converse",
    "bedrock_invoke": "/model/{}/invoke",
    "bedrock_openai": "/openai/v1/chat/completions",
}
NAMES = {
    "openai": "chat",
    "anthropic": "messages",
    "bedrock": "converse",
    "bedrock_invoke": "invoke",
    "bedrock_openai": "openai",
}


@pytest.fixture(params=ENDPOINTS)
def endpoint(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def provider(endpoint: str, request: pytest.FixtureRequest) -> Provider:
    found: Provider = request.getfixturevalue(endpoint)
    return found


@pytest.fixture(params=["anthropic", "bedrock_invoke"])
def claude(request: pytest.FixtureRequest) -> Provider:
    """The endpoints that speak Messages."""
    found: Provider = request.getfixturevalue(request.param)
    return found


def messages(text: str = "hello", *, cap: int = 100, model: str = CLAUDE, beta: str = "", **body: Any) -> ModelCall:
    given = {"model": "claude", "max_tokens": 500, "messages": [{"role": "user", "content": text}], **body}
    return ModelCall(model, given, cap, 10.0, dialect="messages", beta=beta)


def at_bedrock(fake: FakeUpstream) -> Provider:
    """Bedrock as it is packaged: each model has its own endpoints."""
    credentials = Credentials("AKIA", "secret")
    return connect("bedrock", at(fake.url, region="eu-west-1", credentials=lambda: credentials))


def sent(prepared: Prepared) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(prepared.body)
    return body


def test_an_exchange_and_its_counts(fake: FakeUpstream, provider: Provider, endpoint: str) -> None:
    fake.script(Steer(text="Hello there.", cached=40))
    asked = call("hello", cap=50)
    prepared = provider.prepare(asked)
    assert prepared.endpoint.name == NAMES[endpoint]
    (answer,) = provider.send(prepared)
    assert isinstance(answer, Answer)
    ChatCompletion.model_validate(answer.body)
    assert answer.body["choices"][0]["message"]["content"] == "Hello there."
    assert answer.body["choices"][0]["finish_reason"] == "stop"
    usage = getattr(answer, "usage", None)
    assert isinstance(usage, Usage)
    assert (usage.cached_tokens, usage.output_tokens, usage.source) == (40, 3, "provider")
    assert answer.body["usage"]["prompt_tokens"] == usage.prompt_tokens
    assert fake.seen[0].path == PATHS[endpoint].format(asked.model.replace(":", "%3A"))


def test_tools_there_and_back(fake: FakeUpstream, provider: Provider) -> None:
    fake.script(Steer(tool="weather", arguments='{"city": "\u00c5rhus"}'))
    answer = ask(provider, call(messages=HISTORY, tools=TOOLS, tool_choice="auto"))
    ChatCompletion.model_validate(answer.body)
    choice = answer.body["choices"][0]
    assert choice["finish_reason"] == "tool_calls"
    (called,) = choice["message"]["tool_calls"]
    assert called["function"]["name"] == "weather"
    assert json.loads(called["function"]["arguments"]) == {"city": "\u00c5rhus"}


def test_the_cap_is_enforced_wherever_it_goes(provider: Provider) -> None:
    body = sent(provider.prepare(call(cap=70, max_tokens=9_000)))
    said = {**body, **body.get("inferenceConfig", {})}
    caps = [said[name] for name in ("max_tokens", "max_completion_tokens", "maxTokens") if name in said]
    assert caps
    assert set(caps) == {70}


def test_an_unknown_field_is_refused_by_its_name(provider: Provider) -> None:
    asked = call(x_new={"a": 1})
    with pytest.raises((BadRequest, UpstreamRejected)) as refused:
        provider.prepare(asked)
    assert refused.value.param == "x_new"


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, UpstreamRejected),
        (401, UpstreamCredentials),
        (402, UpstreamCredentials),
        (403, UpstreamCredentials),
        (404, UpstreamRejected),
        (413, UpstreamRejected),
        (429, UpstreamThrottled),
        (500, UpstreamError),
        (504, UpstreamTimeout),
        (529, UpstreamError),
    ],
)
def test_a_status_of_anthropic_s_is_its_error(
    fake: FakeUpstream, anthropic: Provider, status: int, kind: type[UpstreamError]
) -> None:
    fake.script(Steer(status=status, retry_after="7", header="x-should-retry: false"))
    error = failure(anthropic, call())
    assert type(error) is kind
    assert (error.upstream_status, error.headers["x-should-retry"]) == (status, "false")
    assert error.reason.endswith(("_error", "request_too_large"))
    assert error.retry_after == (7.0 if status in (429, 500, 504, 529) else None)


def test_what_anthropic_finds_wrong_is_told_by_the_client_s_own_path(fake: FakeUpstream, anthropic: Provider) -> None:
    wrong = "messages.1.content.0.text: Input should be a valid string"
    fake.script(Steer(status=400, message=wrong), Steer(status=400, message=wrong))
    assert failure(anthropic, messages()).param == "messages[1].content[0].text"
    found = failure(anthropic, call(messages=HISTORY, tools=TOOLS))
    assert found.param == "messages[2].tool_calls[0]"


def test_anthropic_is_told_key_version_and_betas(fake: FakeUpstream, anthropic: Provider) -> None:
    given = "context-management-2025-06-27, odd name, context-1m-2025-08-07"
    asked = messages(beta=given, anthropic_beta=["files-api-2025-04-14"])
    assert anthropic.prepare(asked).dropped == ("anthropic-beta.context-1m-2025-08-07",)
    ask(anthropic, asked)
    headers = fake.seen[0].headers
    assert (headers["x-api-key"], headers["anthropic-version"]) == (OPENAI_KEY, "2023-06-01")
    assert headers["anthropic-beta"] == "context-management-2025-06-27,files-api-2025-04-14"
    assert "authorization" not in headers


def test_no_setting_of_an_account_chooses_the_tier(anthropic: Provider, bedrock_openai: Provider) -> None:
    assert sent(anthropic.prepare(call()))["service_tier"] == "standard_only"
    assert sent(anthropic.prepare(messages()))["service_tier"] == "standard_only"
    assert sent(anthropic.prepare(messages(service_tier="auto")))["service_tier"] == "auto"
    assert sent(bedrock_openai.prepare(call()))["service_tier"] == "default"


def test_messages_pass_through_as_they_are(fake: FakeUpstream, claude: Provider) -> None:
    system = [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral", "ttl": "1h"}}]
    asked = messages(system=system, stop_sequences=["x"], thinking={"type": "disabled"})
    prepared = claude.prepare(asked)
    assert prepared.dropped == ()
    body = sent(prepared)
    assert {name: body[name] for name in ("system", "messages", "stop_sequences", "thinking", "max_tokens")} == {
        "system": system,
        "messages": asked.body["messages"],
        "stop_sequences": ["x"],
        "thinking": {"type": "disabled"},
        "max_tokens": 100,
    }
    fake.script(Steer(text="Hi.", cached=7, cache_write=5, cache_write_1h=2, reasoning="Hm."))
    answer = ask(claude, asked)
    Message.model_validate(answer.body)
    assert answer.body["x_unknown_field"] == {"kept": True}
    assert [block["type"] for block in answer.body["content"]] == ["thinking", "text"]
    assert answer.usage is not None
    counts = answer.usage.cached_tokens, answer.usage.cache_write_tokens, answer.usage.cache_write_1h_tokens
    assert counts == (7, 5, 2)


def test_invoke_has_the_version_and_the_betas_in_the_body_and_no_more_than_it_knows(fake: FakeUpstream) -> None:
    beta = "context-management-2025-06-27,files-api-2025-04-14"
    edits = {"edits": [{"type": "clear_tool_uses_20250919"}]}
    asked = messages(beta=beta, stream=True, metadata={"user_id": "u"}, context_management=edits)
    provider = at_bedrock(fake)
    prepared = provider.prepare(asked)
    body = sent(prepared)
    assert (body["anthropic_version"], body["anthropic_beta"]) == (
        "bedrock-2023-05-31",
        ["context-management-2025-06-27"],
    )
    assert body.keys().isdisjoint({"model", "stream", "metadata", "service_tier"})
    assert set(prepared.dropped) == {"anthropic-beta.files-api-2025-04-14", "metadata"}
    ask(provider, asked)


def test_messages_at_an_endpoint_of_another_dialect(fake: FakeUpstream, provider: Provider) -> None:
    fake.script(Steer(text="Hi.", cached=7))
    answer = ask(provider, messages(system="Be brief."))
    Message.model_validate(answer.body)
    assert answer.body["content"] == [{"type": "text", "text": "Hi."}]
    assert (answer.body["stop_reason"], answer.body["usage"]["cache_read_input_tokens"]) == ("end_turn", 7)


def test_an_end_that_nobody_knows_is_the_client_s_to_judge(fake: FakeUpstream, claude: Provider) -> None:
    fake.script(Steer(finish="a_new_word"), Steer(finish="a_new_word"))
    assert ask(claude, messages()).body["stop_reason"] == "a_new_word"
    assert failure(claude, call()).reason == "unknown_stop_reason"


@pytest.mark.parametrize(
    ("model", "dialect", "forced", "path"),
    [
        (CLAUDE, "chat", "", "/converse"),
        (CLAUDE, "messages", "", "/invoke"),
        (CLAUDE, "chat", "invoke", "/invoke"),
        (CLAUDE, "messages", "converse", "/converse"),
        (GPT, "chat", "", "/openai/v1/chat/completions"),
        (GPT, "messages", "", "/openai/v1/chat/completions"),
        ("amazon.nova-lite-v1:0", "messages", "", "/converse"),
        ("openai.gpt-oss-120b-1:0", "chat", "openai", "/openai/v1/chat/completions"),
    ],
)
def test_bedrock_by_model_and_dialect(fake: FakeUpstream, model: str, dialect: str, forced: str, path: str) -> None:
    base = call() if dialect == "chat" else messages()
    asked = replace(base, model=model, endpoint=forced)
    ask(at_bedrock(fake), asked)
    assert fake.seen[0].path.endswith(path)
    assert "/eu-west-1/bedrock/aws4_request" in fake.seen[0].headers["authorization"]


def test_a_model_without_its_profile_and_an_endpoint_that_there_is_not_are_told_before_anything_leaves(
    fake: FakeUpstream,
) -> None:
    for asked, word in (
        (replace(call(), model="openai.gpt-5.5"), "us.openai.gpt-5.5"),
        (replace(call(), endpoint="mantle"), "no endpoint mantle"),
    ):
        with pytest.raises(UpstreamRejected, match=word) as refused:
            at_bedrock(fake).prepare(asked)
        assert (refused.value.param, refused.value.sent) == ("model", False)


def test_a_host_that_stores_unless_it_is_told_not_to_is_told(fake: FakeUpstream, bedrock_openai: Provider) -> None:
    """The endpoint stores `metadata` with an answer. Without storing, it refuses the field."""
    prepared = bedrock_openai.prepare(call(store=True, metadata={"a": "b"}))
    assert (sent(prepared)["store"], "metadata" in sent(prepared)) == (False, False)
    assert prepared.dropped == ("store", "metadata")
    for untold in ({}, {"store": False}, {"store": None}):
        prepared = bedrock_openai.prepare(call(**untold))
        assert (sent(prepared)["store"], prepared.dropped) == (False, ())
    allowed = bedrock_openai.prepare(replace(call(store=True, metadata={"a": "b"}), may_store=True))
    assert (sent(allowed)["store"], sent(allowed)["metadata"], allowed.dropped) == (True, {"a": "b"}, ())
    assert sent(bedrock_openai.prepare(replace(call(), may_store=True)))["store"] is False


def test_a_host_that_nobody_says_it_of_is_told_nothing(fake: FakeUpstream, openai: Provider) -> None:
    """It might refuse the field."""
    plain = openai.prepare(call(metadata={"a": "b"}))
    assert ("store" in sent(plain), sent(plain)["metadata"], plain.dropped) == (False, {"a": "b"}, ())
    asked = openai.prepare(call(store=True))
    assert ("store" in sent(asked), asked.dropped) == (False, ("store",))
    allowed = openai.prepare(replace(call(store=True), may_store=True))
    assert (sent(allowed)["store"], allowed.dropped) == (True, ())


def test_ids_of_ours_stand_in_bedrock_s_log(fake: FakeUpstream, bedrock: Provider, bedrock_invoke: Provider) -> None:
    ids = {"key-id": "key_1", "request-id": "req_1", "odd": "a\nb"}
    asked = replace(call(), metadata=ids)
    known = {"correlation-id": "cid-1", "key-id": "key_1", "request-id": "req_1"}
    assert sent(bedrock.prepare(asked))["requestMetadata"] == known
    ask(bedrock_invoke, asked)
    assert json.loads(fake.seen[0].headers["x-amzn-bedrock-request-metadata"]) == known
    assert "x-amzn-bedrock-request-metadata" in fake.seen[0].headers["authorization"]


def test_counts_may_stand_in_headers_alone(fake: FakeUpstream, bedrock_invoke: Provider) -> None:
    document = {"type": "message", "content": [{"type": "text", "text": "x"}], "stop_reason": "end_turn"}
    wire = json.dumps(document)
    counts = "x-amzn-bedrock-input-token-count: 12\r\nx-amzn-bedrock-output-token-count: 3\r\n"
    fake.script(Steer(wire=f"HTTP/1.1 200 OK\r\n{counts}content-length: {len(wire)}\r\n\r\n{wire}"))
    assert ask(bedrock_invoke, call()).usage == Usage(input_tokens=12, output_tokens=3)


def test_the_tier_that_answers_may_stand_in_a_header(fake: FakeUpstream, bedrock_invoke: Provider) -> None:
    fake.script(Steer(header="x-amzn-bedrock-service-tier: flex"))
    assert ask(bedrock_invoke, call()).tier == "flex"


SAMPLED: dict[str, Any] = {"temperature": 0.5, "top_p": 0.9, "top_k": 5}


@pytest.mark.parametrize(
    ("model", "dropped"),
    [
        ("eu.anthropic.claude-opus-4-7", ("temperature", "top_p", "top_k")),
        (CLAUDE, ("top_p",)),
        ("eu.amazon.nova-pro-v1:0", ()),
    ],
)
def test_a_model_is_sampled_as_it_takes_it_at_every_endpoint(
    fake: FakeUpstream, anthropic: Provider, model: str, dropped: tuple[str, ...]
) -> None:
    prepared = at_bedrock(fake).prepare(replace(call(**SAMPLED), model=model))
    assert (prepared.endpoint.name, prepared.dropped) == ("converse", dropped)
    own = sent(prepared).get("additionalModelRequestFields", {})
    left = {"temperature": "temperature", "top_p": "topP"}
    said = {name: sent(prepared)["inferenceConfig"].get(there) for name, there in left.items()} | {
        "top_k": own.get("top_k")
    }
    assert said == {name: None if name in dropped else value for name, value in SAMPLED.items()}
    if "claude" in model:
        there = anthropic.prepare(replace(call(**SAMPLED), model=model.removeprefix("eu.anthropic.")))
        assert there.dropped == dropped
        assert {name: sent(there).get(name) for name in SAMPLED} == said


@pytest.mark.parametrize(
    ("named", "path"),
    [
        ("stop", "stop_sequences"),
        ("temperature", "temperature"),
        ("messages[3].content", None),  # about the messages as they left, which the client did not send in this form
        ("secret-host", None),
    ],
)
def test_what_a_host_of_chat_names_is_told_a_client_of_messages_as_it_calls_it(
    fake: FakeUpstream, openai: Provider, named: str, path: str | None
) -> None:
    body = json.dumps({"error": {"message": "no", "param": named}})
    fake.script(Steer(wire=f"HTTP/1.1 400 Bad Request\r\ncontent-length: {len(body)}\r\n\r\n{body}"))
    assert failure(openai, messages()).param == path
