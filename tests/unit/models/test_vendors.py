"""Providers as data: packaged ones can be called, and the special habits of a host are found by its domain."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from gateway.destinations import Destinations
from gateway.models.endpoints import endpoint_for, endpoints_of, needs_profile, rule_of
from gateway.models.prices import PriceBook
from gateway.models.vendors import Quirks, configured, packaged, quirks_at
from tests.unit.models.price_file import ROWS

OWN = Quirks(("max_completion_tokens", "max_tokens"), "default", (), passes_all=True, stores=True)
ONE_CAP = Quirks(("max_completion_tokens", "max_tokens"))


def test_what_is_packaged_is_whole() -> None:
    for name, vendor in packaged().items():
        assert vendor.name == name
        if vendor.base_url:  # otherwise everybody has their own address, which the deployment names
            Destinations().check(vendor.base_url.replace("{region}", "eu-west-1").replace("{domain}", "amazonaws.com"))
        for endpoint in vendor.endpoints.values():
            assert endpoint.path.startswith("/")
            assert endpoint.stream_path.startswith("/")
            assert bool(endpoint.signing_name) is (vendor.credential == "aws")
        assert all(set(rule.endpoints) <= set(vendor.endpoints) and rule.endpoints for rule in vendor.models)
        assert vendor.models[-1].pattern == "*", "whatever a model is called, it has an endpoint"
    # Some have prices for anybody who gives an entry of the config that name.
    assert {target.partition("/")[0] for target in PriceBook.load().targets()} <= {*packaged(), "anthropic", "azure"}


@pytest.mark.parametrize(
    ("endpoint", "expected"),
    [
        ("https://api.openai.com/v1", OWN),
        ("https://EU.api.OpenAI.com/v1", OWN),
        ("https://openai.com/v1", OWN),
        ("https://x.openai.azure.com/openai/v1", replace(ONE_CAP, key_header="api-key", stores=True)),
        ("https://api.together.ai/v1", Quirks(("max_tokens",))),
        ("https://api.together.xyz/v1", Quirks(("max_tokens",))),
        ("https://notopenai.com/v1", Quirks()),
        ("https://openai.com.evil.example/v1", Quirks()),
        (
            "https://api.groq.com/openai/v1",
            replace(ONE_CAP, drops=("messages[].name",), refuses=("logit_bias", "logprobs", "top_logprobs")),
        ),
    ],
)
def test_a_host_is_known_by_its_domain(endpoint: str, expected: Quirks) -> None:
    assert quirks_at(endpoint, Quirks()) == expected


def test_a_known_host_is_known_by_its_name_too_and_a_packaged_provider_only_where_it_has_no_place_of_its_own() -> None:
    elsewhere = "https://models.example.com/v1"
    assert quirks_at(elsewhere, Quirks(), "mistral").tool_id_length == 9
    assert quirks_at(elsewhere, Quirks(), "azure").key_header == "api-key"
    assert quirks_at(elsewhere, Quirks(), "openai") == quirks_at(elsewhere, Quirks(), "acme") == Quirks()


def test_what_is_said_of_a_provider_wins_over_what_is_known_of_its_host() -> None:
    said = Quirks(("max_tokens",), "flex", ("top_k",))
    known = quirks_at("https://api.openai.com/v1", said)
    assert (known.caps, known.service_tier, known.pass_fields, known.passes_all) == (
        ("max_tokens",),
        "flex",
        ("top_k",),
        True,
    )


def test_a_provider_of_the_config_speaks_openai_s_chat_and_embeddings() -> None:
    vendor = configured("groq", base_url="https://api.groq.com/openai/v1", credential="key", secret="g", quirks=OWN)
    assert (vendor.name, vendor.credential, vendor.secret, set(vendor.endpoints)) == (
        "groq",
        "key",
        "g",
        {"chat", "responses", "embeddings"},
    )


CLAUDE, GPT = "eu.anthropic.claude-sonnet-4-5-20250929-v1:0", "us.openai.gpt-5.5"
ARN = "arn:aws:bedrock:eu-west-1:123456789012"


@pytest.mark.parametrize(
    ("model", "names"),
    [
        (CLAUDE, ["converse", "invoke"]),
        ("anthropic.claude-3-haiku-20240307-v1:0", ["converse", "invoke"]),
        (f"{ARN}:inference-profile/{CLAUDE}", ["converse", "invoke"]),
        (f"{ARN}:application-inference-profile/a1b2c3", ["converse"]),
        ("amazon.nova-lite-v1:0", ["converse"]),
        ("openai.gpt-oss-120b-1:0", ["converse"]),
        (GPT, ["openai", "responses"]),
        ("global.openai.gpt-5.5", ["openai", "responses"]),
    ],
)
def test_a_model_s_endpoints_best_first(model: str, names: list[str]) -> None:
    assert [each.name for each in endpoints_of(packaged()["bedrock"], model)] == names


@pytest.mark.parametrize(
    ("model", "dialect", "forced", "path"),
    [
        (CLAUDE, "chat", "", "/model/{model}/converse"),
        (CLAUDE, "messages", "", "/model/{model}/invoke"),
        (CLAUDE, "chat", "invoke", "/model/{model}/invoke"),
        (CLAUDE, "messages", "converse", "/model/{model}/converse"),
        (GPT, "chat", "", "/openai/v1/chat/completions"),
        (GPT, "messages", "", "/openai/v1/chat/completions"),
        ("openai.gpt-oss-20b-1:0", "chat", "openai", "/openai/v1/chat/completions"),
    ],
)
def test_the_endpoint_of_the_client_s_own_dialect_comes_first(model: str, dialect: str, forced: str, path: str) -> None:
    assert endpoint_for(packaged()["bedrock"], model, dialect, forced=forced).path == path


def test_an_endpoint_that_there_is_not_is_a_look_up_error() -> None:
    with pytest.raises(LookupError):
        endpoint_for(packaged()["bedrock"], CLAUDE, "chat", forced="mantle")


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("openai.gpt-5.5", True),
        (GPT, False),
        (f"{ARN}:inference-profile/{GPT}", False),
        ("openai.gpt-oss-120b-1:0", False),
        (CLAUDE.removeprefix("eu."), False),
    ],
)
def test_some_models_answer_by_a_profile_alone(model: str, expected: bool) -> None:
    assert needs_profile(packaged()["bedrock"], model) is expected


@pytest.mark.parametrize(
    "name", sorted(name for name, row in ROWS.items() if "claude" in name and row["litellm_provider"] != "azure")
)
def test_which_claude_takes_sampling_is_what_the_price_file_says(name: str) -> None:
    row = ROWS[name]
    vendor = {"bedrock_converse": "bedrock"}.get(row["litellm_provider"], row["litellm_provider"])
    takes = rule_of(packaged()[vendor], name.rpartition("/")[2]).sampling != "none"
    assert takes is (row.get("supports_sampling_params") is not False)
