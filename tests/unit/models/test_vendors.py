"""Providers as data: what is packaged can be called, and a host's peculiarities are found by its domain."""

from __future__ import annotations

import pytest

from gateway.config.service import defaults
from gateway.destinations import Destinations
from gateway.models.prices import PriceBook
from gateway.models.vendors import Quirks, configured, packaged, quirks_at

OWN = Quirks(("max_completion_tokens", "max_tokens"), "default", (), passes_all=True)
ONE_CAP = Quirks(("max_completion_tokens", "max_tokens"))


def test_what_is_packaged_is_whole() -> None:
    for name, vendor in packaged().items():
        assert vendor.name == name
        Destinations().check(vendor.base_url.replace("{region}", "eu-west-1").replace("{domain}", "amazonaws.com"))
        assert all(path.startswith("/") for path in vendor.dialects.values())
    targets = {*PriceBook.load().targets(), *(model["target"] for model in defaults()["models"].values())}
    assert {target.partition("/")[0] for target in targets} <= set(packaged())


@pytest.mark.parametrize(
    ("endpoint", "expected"),
    [
        ("https://api.openai.com/v1", OWN),
        ("https://EU.api.OpenAI.com/v1", OWN),
        ("https://openai.com/v1", OWN),
        ("https://x.openai.azure.com/openai/v1", ONE_CAP),
        ("https://notopenai.com/v1", Quirks()),
        ("https://openai.com.evil.example/v1", Quirks()),
        ("https://api.groq.com/openai/v1", Quirks()),
    ],
)
def test_a_host_is_known_by_its_domain(endpoint: str, expected: Quirks) -> None:
    assert quirks_at(endpoint, Quirks()) == expected


def test_what_is_said_of_a_provider_wins_over_what_is_known_of_its_host() -> None:
    said = Quirks(("max_tokens",), "flex", ("top_k",))
    known = quirks_at("https://api.openai.com/v1", said)
    assert (known.caps, known.service_tier, known.pass_fields, known.passes_all) == (
        ("max_tokens",),
        "flex",
        ("top_k",),
        True,
    )


def test_a_provider_of_the_config_speaks_the_chat_dialect() -> None:
    vendor = configured("groq", base_url="https://api.groq.com/openai/v1", credential="key", secret="g", quirks=OWN)
    assert (vendor.name, vendor.credential, vendor.secret, set(vendor.dialects)) == ("groq", "key", "g", {"chat"})
