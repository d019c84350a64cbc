"""From a name to a target and a price."""

from typing import Any

import pytest

from gateway.domain.config import parse_config
from gateway.domain.models import Catalog
from gateway.domain.prices import PriceBook
from gateway.errors import BadRequest, NotFound

LIMITS = {tier: {"requestsPerMinute": 10} for tier in ("free", "basic", "premium", "enterprise")}
CLAUDE = "anthropic.claude-3-5-sonnet-20240620-v1:0"


def catalog(providers: tuple[str, ...] = ("openai", "bedrock"), **parts: Any) -> Catalog:
    models = {"gpt-4": {"target": "openai/gpt-4"}, "claude": {"target": f"bedrock/{CLAUDE}"}}
    return Catalog(parse_config({"rateLimits": LIMITS, "models": models} | parts), PriceBook.load(), providers)


@pytest.mark.parametrize(
    ("name", "target"),
    [
        ("gpt-4", "openai/gpt-4"),
        ("claude", f"bedrock/{CLAUDE}"),
        ("openai/gpt-4o-mini", "openai/gpt-4o-mini"),
        ("gpt-4o-mini", "openai/gpt-4o-mini"),
        (CLAUDE, f"bedrock/{CLAUDE}"),
        (f"bedrock/{CLAUDE}", f"bedrock/{CLAUDE}"),
    ],
)
def test_resolves_aliases_and_own_names(name: str, target: str) -> None:
    route = catalog().resolve(name)
    assert (route.target, route.name) == (target, name)
    assert (f"{route.provider}/{route.model}") == target
    assert route.price.input > 0


@pytest.mark.parametrize("name", ["no-such-model", "elsewhere/gpt-4"])
def test_an_unknown_model_is_not_found(name: str) -> None:
    with pytest.raises(NotFound) as refused:
        catalog().resolve(name)
    assert (refused.value.code, refused.value.param) == ("model_not_found", "model")


def test_a_provider_that_is_not_configured() -> None:
    for name in ("gpt-4", "openai/gpt-4", "gpt-4o"):
        with pytest.raises(NotFound):
            catalog(providers=("bedrock",)).resolve(name)


def test_a_model_without_a_price_is_refused_never_free() -> None:
    with pytest.raises(BadRequest) as refused:
        catalog().resolve("openai/unheard-of")
    assert refused.value.code == "model_not_priced"
    with pytest.raises(BadRequest):
        catalog(models={"mine": {"target": "openai/unheard-of"}}).resolve("mine")


def test_an_embedding_model_answers_no_chat() -> None:
    with pytest.raises(BadRequest) as refused:
        catalog().resolve("text-embedding-3-small")
    assert refused.value.code == "model_not_supported"
    assert "openai/text-embedding-3-small" not in catalog().names()


def test_a_price_of_the_config_wins_and_makes_a_model_reachable() -> None:
    prices = {"openai/mine": {"input": 1.5, "output": 0.0}, "openai/gpt-4": {"input": 1.0, "output": 2.0}}
    priced = catalog(prices=prices)
    assert priced.resolve("mine").price.input == 1_500_000
    assert priced.resolve("gpt-4").price.output == 2_000_000


def test_names_are_what_a_key_may_use() -> None:
    names = catalog().names()
    assert names["gpt-4"] == "openai/gpt-4"
    assert f"bedrock/{CLAUDE}" in names
    assert catalog(providers=("bedrock",)).names().get("gpt-4") is None
    assert catalog().names(["gpt-4"]) == {"gpt-4": "openai/gpt-4"}
