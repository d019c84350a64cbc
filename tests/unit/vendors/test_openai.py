"""The requests that leave for OpenAI, and its answers."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from gateway.aws.sigv4 import Credentials
from gateway.dialects.chat.usage import usage_of
from gateway.errors import BadRequest
from gateway.models.usage import Usage
from gateway.models.vendors import packaged
from gateway.vendors import Connection, connect
from gateway.vendors.base import Provider
from gateway.vendors.openai import OpenAIProvider
from tests.unit.vendors.asking import MODEL, OPENAI_KEY, ask, at, call
from tests.upstream import FakeUpstream, Steer


def made(connection: Connection) -> OpenAIProvider:
    return OpenAIProvider(packaged()["openai"], connection)


def test_the_answer_is_what_upstream_sent_unknown_fields_included(openai: Provider) -> None:
    answer = ask(openai, call("hello"))
    assert answer.body["x_unknown_field"] == {"kept": True}
    assert answer.body["choices"][0]["message"]["content"].startswith("Reply ")
    assert answer.usage is not None
    assert answer.usage.output_tokens == answer.body["usage"]["completion_tokens"] > 0


def test_the_request_leaves_as_the_client_wrote_it(fake: FakeUpstream) -> None:
    sent: dict[str, Any] = {
        "messages": [{"role": "user", "content": [{"type": "text", "text": "\ud800 ü 😀"}], "x": 1}],
        "temperature": 0.1,
        "seed": 12345678901234567890,
        "something_new": {"authorization": "Bearer stolen", "a": [None, True]},
    }
    ask(
        connect("openai", at(fake.openai_url, api_key=lambda: OPENAI_KEY, pass_fields=("something_new",))),
        call(cap=77, **sent),
    )
    assert fake.seen[0].body == {**sent, "model": MODEL, "max_tokens": 77}
    assert fake.seen[0].headers["authorization"] == f"Bearer {OPENAI_KEY}"


def test_delivery_is_not_the_clients_to_choose(fake: FakeUpstream, openai: Provider) -> None:
    ask(openai, call(model="another", stream=True, stream_options={"include_usage": True}))
    assert set(fake.seen[0].body) == {"messages", "model", "max_tokens"}
    assert fake.seen[0].body["model"] == MODEL


OWN = "https://api.openai.com/v1"
OTHER = "http://127.0.0.1:11434/v1"
AZURE = "https://example.openai.azure.com/openai/v1"


@pytest.mark.parametrize(
    ("endpoint", "asked", "expected"),
    [
        (OWN, {}, {"max_completion_tokens": 100}),
        ("https://eu.api.openai.com/v1", {}, {"max_completion_tokens": 100}),
        ("https://openai.com.evil.invalid/v1", {}, {"max_tokens": 100}),
        (OTHER, {}, {"max_tokens": 100}),
        (OWN, {"max_tokens": 30}, {"max_tokens": 30}),
        (OWN, {"max_tokens": 300}, {"max_tokens": 100}),
        (OWN, {"max_completion_tokens": 300}, {"max_completion_tokens": 100}),
        (OTHER, {"max_completion_tokens": 300}, {"max_completion_tokens": 100, "max_tokens": 100}),
        (AZURE, {"max_completion_tokens": 30}, {"max_completion_tokens": 30}),
        (OTHER, {"max_completion_tokens": None}, {"max_tokens": 100}),
        (OWN, {"max_tokens": 300, "max_completion_tokens": 20}, {"max_tokens": 100, "max_completion_tokens": 20}),
        (OWN, {"max_tokens": 0}, {"max_tokens": 100}),
        (OWN, {"max_tokens": "many"}, {"max_tokens": 100}),
    ],
)
def test_the_cap_is_always_in_the_request(endpoint: str, asked: dict[str, Any], expected: dict[str, int]) -> None:
    body = json.loads(made(at(endpoint, api_key=lambda: "k")).prepare(call(cap=100, **asked)).body)
    assert {name: value for name, value in body.items() if name.startswith("max_")} == expected


def test_an_unknown_field_is_for_openai_or_for_the_host_that_lists_it() -> None:
    def sent(endpoint: str, *passed: str) -> Any:
        provider = made(at(endpoint, api_key=lambda: "k", pass_fields=passed))
        return json.loads(provider.prepare(call(x_new={"a": 1})).body).get("x_new")

    assert [sent(OWN), sent(OTHER, "x_new"), sent(AZURE, "x_new")] == [{"a": 1}] * 3
    for endpoint in (OTHER, AZURE, "https://openai.com.evil.invalid/v1"):
        with pytest.raises(BadRequest) as refused:
            sent(endpoint)
        assert refused.value.param == "x_new"
    for paid in (call(models={}), call(web_search_options={}), call(audio={})):
        with pytest.raises(BadRequest):
            made(at(OWN, api_key=lambda: "k")).prepare(paid)


def test_openai_is_told_the_service_tier_that_was_priced() -> None:
    def sent(endpoint: str, **asked: Any) -> Any:
        provider = made(at(endpoint, api_key=lambda: "k"))
        return json.loads(provider.prepare(call(**asked)).body).get("service_tier")

    assert [sent(OWN), sent(OWN, service_tier=None), sent(OWN, service_tier="flex")] == ["default", "default", "flex"]
    assert sent(OTHER) is None


def test_headers(fake: FakeUpstream, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_ORG_ID", "OPENAI_PROJECT_ID", "OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.setenv(name, "from-the-environment")
    ask(connect("openai", at(fake.openai_url, api_key=lambda: OPENAI_KEY)), call())
    headers = fake.seen[0].headers
    assert "from-the-environment" not in repr(headers)
    assert headers["x-client-request-id"] == "cid-1"
    assert headers["accept-encoding"] == "identity"
    assert headers["content-type"] == "application/json"


def test_a_rotated_key_is_used_at_the_next_call(fake: FakeUpstream) -> None:
    keys = iter(("first", "second"))
    provider = connect("openai", at(fake.openai_url, api_key=lambda: next(keys)))
    ask(provider, call())
    ask(provider, call())
    assert [seen.headers["authorization"] for seen in fake.seen] == ["Bearer first", "Bearer second"]


def test_a_server_without_keys(fake: FakeUpstream) -> None:
    assert ask(connect("openai", at(fake.openai_url)), call()).usage is not None


def test_missing_usage_is_none_and_zero_is_zero(fake: FakeUpstream, openai: Provider) -> None:
    fake.script(Steer(body="no-usage"), Steer(body="zero-usage"))
    assert ask(openai, call()).usage is None
    assert ask(openai, call()).usage == Usage()


def test_tool_calls_come_through(fake: FakeUpstream, openai: Provider) -> None:
    fake.script(Steer(tool="weather", arguments='{"city": "Oslo"}'))
    choice = ask(openai, call()).body["choices"][0]
    assert choice["finish_reason"] == "tool_calls"
    assert choice["message"]["tool_calls"][0]["function"] == {"name": "weather", "arguments": '{"city": "Oslo"}'}


# Usage objects as OpenAI's documentation and servers of its format show them.
GOLDEN: list[tuple[str, Usage | None]] = [
    (
        """{"prompt_tokens": 19, "completion_tokens": 10, "total_tokens": 29,
            "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0,
            "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0}}""",
        Usage(input_tokens=19, output_tokens=10),
    ),
    (
        """{"prompt_tokens": 2006, "completion_tokens": 300, "total_tokens": 2306,
            "prompt_tokens_details": {"cached_tokens": 1920},
            "completion_tokens_details": {"reasoning_tokens": 128}}""",
        Usage(input_tokens=86, cached_tokens=1920, output_tokens=300, reasoning_tokens=128),
    ),
    (
        """{"prompt_tokens": 3000, "completion_tokens": 5, "total_tokens": 3005,
            "prompt_tokens_details": {"cached_tokens": 1000, "cache_write_tokens": 1500}}""",
        Usage(input_tokens=500, cached_tokens=1000, cache_write_tokens=1500, output_tokens=5),
    ),
    ('{"prompt_tokens": 26, "completion_tokens": 298, "total_tokens": 324}', Usage(input_tokens=26, output_tokens=298)),
    (
        '{"prompt_tokens": 0, "completion_tokens": 0, "prompt_tokens_details": null}',
        Usage(input_tokens=0, output_tokens=0),
    ),
    (
        '{"prompt_tokens": 10, "completion_tokens": 1, "prompt_tokens_details": {"cached_tokens": 99}}',
        Usage(cached_tokens=10, output_tokens=1),
    ),
    ('{"total_tokens": 324}', None),
    ('{"prompt_tokens": -1, "completion_tokens": 2}', None),
    ('{"prompt_tokens": "12", "completion_tokens": 2}', None),
    ('{"prompt_tokens": true, "completion_tokens": 2}', None),
    ('{"prompt_tokens": null, "completion_tokens": null}', None),
    ("null", None),
    ("[]", None),
]


@pytest.mark.parametrize(("payload", "expected"), GOLDEN)
def test_usage_golden(payload: str, expected: Usage | None) -> None:
    assert usage_of(json.loads(payload)) == expected


def test_the_registry_imports_a_vendor_only_when_asked() -> None:
    program = (
        "import sys, gateway.vendors, gateway.vendors.base\n"
        "from gateway.vendors import Connection, connect\n"
        "early = {'openai', 'httpx2', 'botocore', 'boto3', 'pydantic'} & set(sys.modules)\n"
        "connect('bedrock', Connection('https://b.invalid', region='r', credentials=lambda: None))\n"
        "print(sorted(early), sorted({'openai', 'httpx2', 'botocore', 'boto3', 'pydantic'} & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env={"PYTHONPATH": "shared"}
    )
    assert done.stdout.split("\n")[0] == "[] []"


def test_an_unknown_provider_is_a_look_up_error() -> None:
    with pytest.raises(LookupError, match="no such provider: acme"):
        connect("acme", at("http://127.0.0.1:9"))


@pytest.mark.parametrize("endpoint", ["ftp://host/v1", "http://", "file:///etc/passwd"])
def test_a_bad_endpoint_is_refused_at_once(endpoint: str) -> None:
    with pytest.raises(ValueError, match="must be a base URL"):
        connect("openai", at(endpoint))


@pytest.mark.parametrize("endpoint", ["http://api.openai.com/v1", "https://127.0.0.1/v1", "https://169.254.169.254"])
def test_an_adapter_goes_where_a_provider_may_be_unless_told_otherwise(endpoint: str) -> None:
    for vendor in packaged():
        with pytest.raises(ValueError, match=r"must begin|leads to"):
            connect(vendor, Connection(endpoint, region="r", credentials=lambda: Credentials("A", "S")))
