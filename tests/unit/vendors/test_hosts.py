"""Known hosts and the special rules that they document, against fakes that follow these rules."""

from __future__ import annotations

import re
from typing import Any

import pytest
from msgspec.structs import replace
from openai.types.chat import ChatCompletion

from gateway.errors import BadRequest, UpstreamCredentials, UpstreamError, UpstreamRejected, UpstreamThrottled
from gateway.models.endpoints import endpoint_for
from gateway.models.vendors import Quirks, configured, known_hosts, packaged
from gateway.vendors.base import Provider
from tests.unit.vendors.asking import ask, call, failure
from tests.unit.vendors.registered import PREFIX, World
from tests.upstream import FakeUpstream

KEY = "sk-host"
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}


@pytest.fixture
def world(fake: FakeUpstream) -> World:
    return World(fake)


def host(world: World, name: str) -> Provider:
    """A provider of the config that has the name of a known host, at the fake's address."""
    world.fake.secrets[f"{PREFIX}/providers/{name}"] = KEY
    base = f"{world.fake.url}/hosts/{name}/v1"
    world.said[name] = configured(name, base_url=base, credential="key", secret=name, quirks=Quirks())
    return world.vendors().provider(name)


def history(tool_id: str) -> list[dict[str, Any]]:
    used = {"id": tool_id, "type": "function", "function": {"name": "f", "arguments": "{}"}}
    return [
        {"role": "user", "content": "hello"},
        {"role": "assistant", "content": None, "tool_calls": [used]},
        {"role": "tool", "tool_call_id": tool_id, "content": "4"},
    ]


@pytest.mark.parametrize("name", sorted(known_hosts()))
def test_each_takes_the_fields_that_it_may_be_sent(world: World, name: str) -> None:
    provider = host(world, name)
    chat = call(user="u", store=False, seed=7, temperature=0.5, max_completion_tokens=50, logprobs=False, cap=40)
    answer = ask(provider, chat)
    assert answer.usage is not None
    ChatCompletion.model_validate(answer.body | {"service_tier": None})  # some have tiers with other names
    sent = world.fake.seen[-1].body
    caps = {field: sent[field] for field in ("max_tokens", "max_completion_tokens") if field in sent}
    assert list(caps.values()) == [40], "one name of the cap, and the enforced one"


def test_mistral(world: World) -> None:
    provider = host(world, "mistral")
    prepared = provider.prepare(call(user="u", service_tier="auto", seed=7, messages=history("call_abc|1")))
    assert set(prepared.dropped) == {"user", "service_tier"}
    ask(provider, call(seed=7, messages=history("call_abc|1"), tools=[TOOL]))
    sent = world.fake.seen[-1].body
    assert (sent["random_seed"], "seed" in sent) == (7, False)
    ids = sent["messages"][1]["tool_calls"][0]["id"], sent["messages"][2]["tool_call_id"]
    assert ids[0] == ids[1]
    assert re.fullmatch(r"[a-zA-Z0-9]{9}", ids[0])
    ask(provider, call(messages=history("D681PevKs")))
    assert world.fake.seen[-1].body["messages"][2]["tool_call_id"] == "D681PevKs", "its own stay as they are"
    answer = ask(provider, call("what?"))
    (choice,) = answer.body["choices"]
    assert isinstance(choice["message"]["content"], str)
    assert choice["message"]["reasoning_content"] == "I think."
    used = ask(provider, call("[[fake tool=f]]", tools=[TOOL])).body["choices"][0]["message"]["tool_calls"]
    assert [(each["id"], each["type"]) for each in used] == [("D681PevKs", "function")]
    refusals: list[tuple[str, Any]] = [("logit_bias", {"1": 2}), ("logprobs", True), ("functions", [{"name": "f"}])]
    for name, value in refusals:
        with pytest.raises(UpstreamRejected) as refused:
            provider.prepare(call(**{name: value}))
        assert (refused.value.param, refused.value.sent) == (name, False)


def test_the_client_s_own_document_is_not_changed(world: World) -> None:
    messages = history("call_abc|1")
    messages[0]["name"] = "ann"
    for name in ("mistral", "groq"):
        host(world, name).prepare(call(messages=messages))
    assert messages == [history("call_abc|1")[0] | {"name": "ann"}, *history("call_abc|1")[1:]]


def test_groq(world: World) -> None:
    provider = host(world, "groq")
    named = [{"role": "user", "name": "ann", "content": "hi"}]
    assert provider.prepare(call(messages=named)).dropped == ("messages[0].name",)
    answer = ask(provider, call("hi", messages=named, logprobs=False, top_logprobs=0))
    assert answer.body["x_groq"] == {"id": "req_01fake"}
    assert answer.body["usage"]["queue_time"] == 0.01
    assert "name" not in world.fake.seen[-1].body["messages"][0]
    with pytest.raises(UpstreamRejected) as refused:
        provider.prepare(call(logprobs=True))
    assert (refused.value.param, refused.value.message) == ("logprobs", "The provider groq has no field logprobs.")


def test_deepseek(world: World) -> None:
    provider = host(world, "deepseek")
    answer = ask(provider, call("[[fake cached=30 reasoning-tokens=5]]"))
    assert answer.usage is not None
    assert (answer.usage.cached_tokens, answer.usage.reasoning_tokens) == (30, 5)
    assert answer.body["choices"][0]["message"]["reasoning_content"] == "I think."
    error = failure(provider, call("[[fake status=402 code=invalid_request_error]]"))
    assert isinstance(error, UpstreamCredentials), "the account that the key belongs to has no money"


def test_gemini(world: World) -> None:
    provider = host(world, "gemini")
    answer = ask(provider, call("[[fake reasoning-tokens=9]]"))
    assert answer.usage is not None
    counts = answer.body["usage"]
    assert (
        answer.usage.output_tokens
        == counts["completion_tokens"] + 9
        == counts["total_tokens"] - counts["prompt_tokens"]
    )
    (choice,) = ask(provider, call("[[fake tool=f]]", tools=[TOOL])).body["choices"]
    ids = [each["id"] for each in choice["message"]["tool_calls"]]
    assert (len(set(ids)), all(ids), choice["finish_reason"]) == (3, True, "tool_calls"), "missing, and repeated"
    bad = failure(provider, call('[[fake status=400 message="API key not valid. Please pass a valid API key."]]'))
    assert isinstance(bad, UpstreamCredentials)
    bad = failure(provider, call("[[fake status=429 code=RESOURCE_EXHAUSTED]]"))
    assert (type(bad), bad.reason) == (UpstreamThrottled, "RESOURCE_EXHAUSTED")


def test_xai(world: World) -> None:
    error = failure(host(world, "xai"), call('[[fake status=400 message="Incorrect API key provided: sk***3a9."]]'))
    assert isinstance(error, UpstreamCredentials)


@pytest.fixture
def azure(world: World) -> Provider:
    world.fake.secrets[f"{PREFIX}/azure"] = KEY
    base = f"{world.fake.url}/hosts/azure/openai/v1"
    said = {"GATEWAY_PROVIDERS": "azure", "AZURE_BASE_URL": base, "AZURE_SECRET_ID": f"{PREFIX}/azure"}
    return world.vendors(**said).provider("azure")


def deployed(text: str = "hello", **said: Any) -> Any:
    """A call to a deployment of the resource."""
    return replace(call(text, **said), model="prod-gpt-4o")


def test_azure(world: World, azure: Provider) -> None:
    answer = ask(azure, deployed(max_tokens=20))
    assert answer.body["prompt_filter_results"]
    seen = world.fake.seen[-1]
    assert seen.path == "/hosts/azure/openai/v1/chat/completions"
    assert (seen.headers["api-key"], "authorization" in seen.headers) == (KEY, False)
    assert (seen.body["model"], seen.body["max_tokens"]) == ("prod-gpt-4o", 20)
    unknown = failure(azure, call())
    assert (unknown.upstream_status, unknown.reason) == (404, "DeploymentNotFound")


def test_azure_s_responses(world: World, azure: Provider) -> None:
    """At the fake's address an alias must name the endpoint, because it is known only at azure.com."""
    body = {"input": "[[fake cached=30]]", "store": True, "prompt_cache_key": "k", "reasoning": {"effort": "low"}}
    asked = replace(call(), model="prod-gpt-4o", dialect="responses", body=body, max_output_tokens=20)
    assert azure.prepare(asked).endpoint.name == "chat"
    named = replace(asked, endpoint="responses")
    answer = ask(azure, named)
    seen = world.fake.seen[-1]
    assert (seen.path, seen.headers["api-key"]) == ("/hosts/azure/openai/v1/responses", KEY)
    enforced = {"model": "prod-gpt-4o", "max_output_tokens": 20, "store": False, "service_tier": "default"}
    assert seen.body == {**body, **enforced}
    assert (answer.body["object"], answer.body["store"]) == ("response", False)
    assert answer.usage is not None
    assert answer.usage.cached_tokens == 30
    ask(azure, replace(named, may_store=True))
    assert world.fake.seen[-1].body["store"] is True
    unknown = failure(azure, replace(named, model="no-such"))
    assert (unknown.upstream_status, unknown.reason) == (404, "DeploymentNotFound")
    with pytest.raises(BadRequest) as refused:
        azure.prepare(replace(named, body={**body, "made_up": 1}))
    assert refused.value.param == "made_up"


@pytest.mark.parametrize(
    ("name", "base", "model", "endpoint"),
    [
        ("azure", "https://x.openai.azure.com/openai/v1", "prod", "responses"),
        ("azure", "https://x.services.ai.azure.com/openai/v1", "gpt-4.1", "responses"),
        ("azure", "https://x.openai.azure.com/openai/v1", "gpt-35-turbo", "chat"),
        ("azure", "https://x.openai.azure.com/openai/v1", "gpt-4-turbo", "chat"),
        ("azure", "https://proxy.example.com/v1", "prod", "chat"),
        ("", "https://y.openai.azure.com/openai/v1", "prod", "responses"),
        ("", "https://eu.api.openai.com/v1", "gpt-5", "responses"),
        ("", "https://api.groq.com/openai/v1", "llama", "chat"),
    ],
)
def test_where_responses_are_passed_as_they_are(name: str, base: str, model: str, endpoint: str) -> None:
    own = configured("mine", base_url=base, credential="key", secret="s", quirks=Quirks())
    vendor = packaged()[name] if name else own
    assert endpoint_for(vendor, model, "responses", base_url=base).name == endpoint
    assert endpoint_for(vendor, model, "chat", base_url=base).name == "chat"


@pytest.mark.parametrize(
    ("words", "kind", "code", "wait"),
    [
        ("status=400 code=content_filter", UpstreamRejected, "content_filter", None),
        ("status=429 retry-after-ms=2500", UpstreamThrottled, "upstream_throttled", 2.5),
        ('status=401 message="Access denied due to invalid subscription key"', UpstreamCredentials, None, None),
    ],
)
def test_what_azure_refuses(azure: Provider, words: str, kind: type[UpstreamError], code: str, wait: float) -> None:
    error = failure(azure, deployed(f"[[fake {words}]]"))
    assert (type(error), error.retry_after) == (kind, wait)
    assert code is None or error.code == code


def test_an_azure_resource_of_the_config_gets_its_key_where_azure_takes_it(world: World) -> None:
    assert "azure" not in known_hosts(), "a packaged provider"
    base = "https://other.openai.azure.com/openai/v1"
    vendor = configured("azure-sweden", base_url=base, credential="key", secret="s", quirks=Quirks())
    world.said["azure-sweden"] = vendor
    assert vars(world.vendors().provider("azure-sweden"))["_key_header"] == "api-key"


def test_without_its_resource_azure_can_not_be_called(world: World) -> None:
    assert packaged()["azure"].base_url == ""
    with pytest.raises(UpstreamError) as refused:
        world.vendors(GATEWAY_PROVIDERS="azure").provider("azure")
    assert (refused.value.sent, refused.value.reason) == (False, "base_url")
