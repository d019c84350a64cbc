"""Requests to count tokens, judged by the fake upstream as the provider would judge them, and the result of each."""

from __future__ import annotations

import base64
import json
from typing import Any, get_type_hints
from urllib.parse import quote

import pytest
from msgspec.structs import replace

from gateway.aws.sigv4 import Credentials
from gateway.errors import (
    UpstreamCredentials,
    UpstreamError,
    UpstreamRejected,
    UpstreamThrottled,
    UpstreamTimeout,
)
from gateway.models.vendors import packaged
from gateway.vendors import connect
from gateway.vendors.base import ModelCall, Provider
from tests.unit.vendors.asking import ACCESS_KEY, OPENAI_KEY, SECRET_KEY, at
from tests.upstream import FakeUpstream, Steer
from tests.upstream.counting import tokens

SONNET = "anthropic.claude-sonnet-4-5-20250929-v1:0"
TURNS = [{"role": "user", "content": "Hello!"}]
TOOLS = [{"name": "Read", "description": "Reads.", "input_schema": {"type": "object", "properties": {}}}]
ASKED: dict[str, Any] = {
    "messages": TURNS,
    "system": [{"type": "text", "text": "You are an agent.", "cache_control": {"type": "ephemeral"}}],
    "tools": TOOLS,
    "tool_choice": {"type": "auto"},
    "thinking": {"type": "enabled", "budget_tokens": 1_024},
    "max_tokens": 1_025,
    "metadata": {"user_id": "u"},
    "stop_sequences": ["stop"],
    "temperature": 1,
}


def bedrock(fake: FakeUpstream) -> Provider:
    credentials = Credentials(ACCESS_KEY, SECRET_KEY, None)
    return connect("bedrock", at(fake.url, region="eu-west-1", credentials=lambda: credentials))


def asked(model: str = "claude-sonnet-4-5", **said: Any) -> ModelCall:
    call = ModelCall(model, ASKED, 1_025, timeout=10, dialect="messages", correlation_id="cid-1")
    return replace(call, **said)


def counted(provider: Provider, call: ModelCall) -> dict[str, Any]:
    counter = provider.counter(provider.prepare(call))
    assert counter is not None
    return counter()


def test_anthropic_is_asked_of_the_prompt_alone(fake: FakeUpstream, anthropic: Provider) -> None:
    told = counted(anthropic, asked(beta="token-counting-2024-11-01", version="2026-10-21"))
    (seen,) = fake.seen
    assert told == {"input_tokens": tokens([ASKED["system"], TURNS, TOOLS])}
    assert seen.path == "/v1/messages/count_tokens"
    assert seen.body == {name: ASKED[name] for name in ("messages", "system", "tools", "tool_choice", "thinking")} | {
        "model": "claude-sonnet-4-5"
    }
    assert seen.headers["anthropic-version"] == "2026-10-21"
    assert seen.headers["anthropic-beta"] == "token-counting-2024-11-01"


def test_what_a_count_may_not_be_told_is_what_anthropic_s_package_has_of_a_message_alone() -> None:
    from anthropic.types import message_count_tokens_params, message_create_params
    from anthropic.types.beta import message_count_tokens_params as beta_count
    from anthropic.types.beta import message_create_params as beta_create

    created = get_type_hints(message_create_params.MessageCreateParamsStreaming) | get_type_hints(
        beta_create.MessageCreateParamsStreaming
    )
    counting = get_type_hints(message_count_tokens_params.MessageCountTokensParams) | get_type_hints(
        beta_count.MessageCountTokensParams
    )
    known = packaged()["anthropic"].endpoints["messages"].counting
    assert known is not None
    sampling = {"temperature", "top_p", "top_k"}  # earlier versions accept it; the package has no type for it any more
    assert set(known.omits) == (created.keys() - counting.keys()) | sampling


@pytest.mark.parametrize("model", [SONNET, f"eu.{SONNET}", f"arn:aws:bedrock:eu-west-1:123456789012:x/eu.{SONNET}"])
def test_bedrock_is_asked_by_the_model_s_own_id_in_each_of_its_forms(fake: FakeUpstream, model: str) -> None:
    provider = bedrock(fake)
    for endpoint in ("invoke", "converse"):
        told = counted(provider, asked(model, endpoint=endpoint, metadata={"key-id": "k"}))
        seen = fake.seen[-1]
        assert told["input_tokens"] > 0
        assert set(told) == {"input_tokens"}
        assert seen.path == f"/model/{quote(SONNET, safe='')}/count-tokens"
        assert "x-amzn-bedrock-request-metadata" not in seen.headers
        assert seen.headers["authorization"].startswith("AWS4-HMAC-SHA256 Credential=")
    invoked, conversed = (each.body["input"] for each in fake.seen)
    body = json.loads(base64.b64decode(invoked["invokeModel"]["body"]))
    assert (body["anthropic_version"], body["system"]) == ("bedrock-2023-05-31", ASKED["system"])
    assert set(conversed["converse"]) == {"messages", "system", "toolConfig", "additionalModelRequestFields"}


@pytest.mark.parametrize(
    "model",
    [
        "eu.anthropic.claude-sonnet-5-5",
        "eu.anthropic.claude-opus-4-7",
        "anthropic.claude-3-haiku-20240307-v1:0",
        "eu.amazon.nova-lite-v1:0",
        "arn:aws:bedrock:eu-west-1:123456789012:application-inference-profile/abc",
    ],
)
def test_bedrock_is_not_asked_of_models_that_it_does_not_count(fake: FakeUpstream, model: str) -> None:
    provider = bedrock(fake)
    assert provider.counter(provider.prepare(asked(model))) is None


def test_hosts_of_chat_are_not_asked(openai: Provider) -> None:
    assert openai.counter(openai.prepare(asked("gpt-6-luna"))) is None


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, UpstreamRejected),
        (403, UpstreamCredentials),
        (404, UpstreamRejected),
        (429, UpstreamThrottled),
        (500, UpstreamError),
        (529, UpstreamError),
    ],
)
def test_a_refusal_is_told_and_no_other_key_is_tried(
    fake: FakeUpstream, status: int, kind: type[UpstreamError]
) -> None:
    def another(*_: object) -> str:
        raise AssertionError("a limit on counting is none on calls")

    provider = connect("anthropic", at(fake.url, api_key=lambda: OPENAI_KEY, another=another))
    fake.script(Steer(status=status, message=f"key {OPENAI_KEY}"))
    with pytest.raises(kind) as refused:
        counted(provider, asked())
    assert OPENAI_KEY not in repr(vars(refused.value))
    assert len(fake.seen) == 1


@pytest.mark.parametrize(
    "steer", [Steer(exact="{}"), Steer(exact='{"input_tokens": -1}'), Steer(body="malformed"), Steer(reset="headers")]
)
def test_what_is_no_count_is_an_error(fake: FakeUpstream, anthropic: Provider, steer: Steer) -> None:
    fake.script(steer)
    with pytest.raises(UpstreamError):
        counted(anthropic, asked())


def test_it_takes_no_longer_than_it_may(fake: FakeUpstream, anthropic: Provider) -> None:
    fake.script(Steer(delay=60))
    with pytest.raises(UpstreamTimeout):
        counted(anthropic, asked(timeout=0.2))


def test_what_else_is_told_of_a_count_is_passed_on(fake: FakeUpstream, anthropic: Provider) -> None:
    cleared = {"input_tokens": 7, "context_management": {"original_input_tokens": 70}}
    fake.script(Steer(exact=json.dumps(cleared)))
    assert counted(anthropic, asked()) == cleared


def test_the_version_is_the_client_s_where_it_speaks_the_dialect_and_else_ours(
    fake: FakeUpstream, anthropic: Provider
) -> None:
    def sent(call: ModelCall) -> str:
        list(anthropic.send(anthropic.prepare(call)))
        return fake.seen[-1].headers["anthropic-version"]

    body = {"messages": TURNS}
    assert sent(asked(body=body)) == "2023-06-01"
    assert sent(asked(body=body, version="2026-10-21")) == "2026-10-21"
    # The newer version has no temperature: a translated request uses the earlier version.
    chat = asked("claude-3-5-haiku", body=body | {"temperature": 0.5}, dialect="chat", version="2026-10-21")
    assert sent(chat) == "2023-06-01"
    assert fake.seen[-1].body["temperature"] == 0.5
