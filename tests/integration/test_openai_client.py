"""The official client with the base URL and a key: answers, and its own exception classes."""

from typing import Any

import openai
import pytest

from gateway.identity import key_text as keys
from tests.integration.conftest import Live

MESSAGES: Any = [{"role": "user", "content": '[[fake text="Good day"]]'}]


@pytest.fixture
def gateway(doors: Live) -> Live:
    """The gateway, at each door."""
    return doors


def client(gateway: Live, key: str, **options: Any) -> openai.OpenAI:
    return openai.OpenAI(api_key=key, base_url=gateway.url("/v1/"), max_retries=0, **options)


def test_gets_an_answer_from_either_provider(gateway: Live) -> None:
    key, _ = gateway.new_key()
    for model in ("gpt-4", "claude-3-sonnet"):
        with client(gateway, key) as sdk:
            answer = sdk.chat.completions.create(model=model, messages=MESSAGES, max_tokens=50)
        assert answer.choices[0].message.content == "Good day"
        assert answer.choices[0].finish_reason == "stop"
        assert answer.usage is not None
        assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens
        assert answer.usage.model_extra is not None
        assert answer.usage.model_extra["cost"] > 0


def test_tools_go_both_ways(gateway: Live) -> None:
    key, _ = gateway.new_key()
    tool: Any = {
        "type": "function",
        "function": {"name": "look_up", "parameters": {"type": "object", "properties": {}}},
    }
    asked: Any = [{"role": "user", "content": "[[fake tool=look_up]]"}]
    for model in ("gpt-4", "claude-3-sonnet"):
        with client(gateway, key) as sdk:
            answer = sdk.chat.completions.create(model=model, messages=asked, tools=[tool])
        (call,) = answer.choices[0].message.tool_calls or []
        assert call.type == "function"
        assert call.function.name == "look_up"
        assert answer.choices[0].finish_reason == "tool_calls"


def test_a_stream_in_one_piece(gateway: Live) -> None:
    key, _ = gateway.new_key()
    with client(gateway, key) as sdk:
        stream = sdk.chat.completions.create(
            model="gpt-4", messages=MESSAGES, stream=True, stream_options={"include_usage": True}
        )
        chunks = list(stream)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == "Good day"
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "stop"
    assert chunks[-1].usage is not None


def test_lists_models(gateway: Live) -> None:
    with client(gateway, gateway.keys["basic"]) as sdk:
        names = {model.id for model in sdk.models.list()}
        assert {"gpt-4", "gpt-3.5-turbo", "claude-3-sonnet"} <= names
        assert sdk.models.retrieve("openai/gpt-4o").owned_by == "openai"
        with pytest.raises(openai.NotFoundError):
            sdk.models.retrieve("no-such-model")


def test_a_browser_s_preflight_of_the_js_library_is_answered(gateway: Live) -> None:
    wanted = "authorization,content-type,openai-organization,openai-project,x-stainless-lang,x-stainless-retry-count"
    asked = {"access-control-request-method": "POST", "access-control-request-headers": wanted}
    reply = gateway.call("OPTIONS", "/v1/chat/completions", headers={"origin": "https://app.example.com"} | asked)
    assert reply.status in (200, 204)
    allowed = {name.strip().lower() for name in reply.headers["access-control-allow-headers"].split(",")}
    assert set(wanted.split(",")) <= allowed


def test_the_library_shows_the_request_s_id(gateway: Live) -> None:
    with client(gateway, gateway.keys["basic"]) as sdk:
        assert sdk.models.list()._request_id
        with pytest.raises(openai.NotFoundError) as refused:
            sdk.models.retrieve("no-such-model")
        assert refused.value.request_id


def test_a_missing_key(gateway: Live) -> None:
    omitted: Any = {"Authorization": openai.Omit()}
    with client(gateway, "unused") as sdk, pytest.raises(openai.AuthenticationError):
        sdk.chat.completions.create(model="gpt-4", messages=MESSAGES, extra_headers=omitted)


@pytest.mark.parametrize("key", ["sk-wrong", keys.new_key()], ids=["malformed", "unknown"])
def test_a_refused_key(gateway: Live, key: str) -> None:
    """If the authorizer refuses a key, the HTTP API itself answers with a 403; the function answers with a 401."""
    by_the_api = gateway.v1_url == gateway.doors["http"]
    refused = openai.PermissionDeniedError if by_the_api else openai.AuthenticationError
    with client(gateway, key) as sdk, pytest.raises(refused):
        sdk.chat.completions.create(model="gpt-4", messages=MESSAGES)


def test_an_unknown_model(gateway: Live) -> None:
    key, _ = gateway.new_key()
    with client(gateway, key) as sdk, pytest.raises(openai.NotFoundError) as refused:
        sdk.chat.completions.create(model="no-such-model", messages=MESSAGES)
    assert refused.value.code == "model_not_found"


def test_a_bad_request(gateway: Live) -> None:
    key, _ = gateway.new_key()
    with client(gateway, key) as sdk, pytest.raises(openai.BadRequestError) as refused:
        sdk.chat.completions.create(model="gpt-4", messages=[])
    assert refused.value.param == "messages"


def test_a_rate_limit(gateway: Live) -> None:
    key, _ = gateway.new_key(rpm_limit=1)
    with client(gateway, key) as sdk:
        sdk.chat.completions.create(model="gpt-4", messages=MESSAGES)
        with pytest.raises(openai.RateLimitError) as refused:
            sdk.chat.completions.create(model="gpt-4", messages=MESSAGES)
    assert refused.value.code == "rate_limit_exceeded"
    assert 1 <= int(refused.value.response.headers["retry-after"]) <= 60


def test_an_upstream_that_fails(gateway: Live) -> None:
    key, _ = gateway.new_key()
    asked: Any = [{"role": "user", "content": "[[fake status=503]]"}]
    with client(gateway, key) as sdk, pytest.raises(openai.InternalServerError):
        sdk.chat.completions.create(model="gpt-4", messages=asked)
