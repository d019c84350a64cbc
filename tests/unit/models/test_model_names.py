"""From a name to a target and a price."""

import json
from importlib import resources
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.config.document import parse_config
from gateway.dialects.chat.schema import parse_chat
from gateway.errors import BadRequest, GatewayError, NotFound
from gateway.models.model_names import ModelNames, permits
from gateway.models.prices import PriceBook
from tests.unit.models.offered import offered

LIMITS = {tier: {"requestsPerMinute": 10} for tier in ("free", "basic", "premium", "enterprise")}
CLAUDE = "anthropic.claude-3-5-sonnet-20240620-v1:0"


def model_names(providers: tuple[str, ...] = ("openai", "bedrock"), **parts: Any) -> ModelNames:
    models = {"gpt-4": {"target": "openai/gpt-4"}, "claude": {"target": f"bedrock/{CLAUDE}"}}
    return ModelNames(parse_config({"rateLimits": LIMITS, "models": models} | parts), PriceBook.load(), providers)


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
    route = model_names().resolve(name)
    assert (route.target, route.name) == (target, name)
    assert (f"{route.provider}/{route.model}") == target
    assert route.price.input > 0


def test_each_packaged_alias_reaches_a_model_that_has_not_ended() -> None:
    aliases = json.loads(resources.files("gateway").joinpath("data/config.json").read_bytes())["models"]
    cards = json.loads(resources.files("gateway").joinpath("data/models.json").read_bytes())
    prices = PriceBook.load()
    for name, said in aliases.items():
        at = [cards["models"][each]["at"] for each in said["models"]]
        targets = {f"{vendor}/{each}" for places in at for vendor, ids in places.items() for each in ids}
        found = [prices.find(target) for target in targets]
        assert any(each and (not each.ends or each.ends > cards["date"]) for each in found), name


@pytest.mark.parametrize("name", ["no-such-model", "elsewhere/gpt-4"])
def test_an_unknown_model_is_not_found(name: str) -> None:
    with pytest.raises(NotFound) as refused:
        model_names().resolve(name)
    assert (refused.value.code, refused.value.param) == ("model_not_found", "model")


def test_a_provider_that_is_not_configured() -> None:
    for name in ("gpt-4", "openai/gpt-4", "gpt-4o"):
        with pytest.raises(NotFound):
            model_names(providers=("bedrock",)).resolve(name)


def test_a_model_without_a_price_is_refused_never_free() -> None:
    with pytest.raises(BadRequest) as refused:
        model_names().resolve("openai/unheard-of")
    assert refused.value.code == "model_not_priced"
    with pytest.raises(BadRequest):
        model_names(models={"mine": {"target": "openai/unheard-of"}}).resolve("mine")


def test_a_model_of_a_kind_that_no_endpoint_takes_is_refused_and_not_listed() -> None:
    for name in ("bedrock/amazon.titan-embed-image-v1", "openai/gpt-3.5-turbo-instruct"):
        with pytest.raises(BadRequest) as refused:
            model_names().resolve(name)
        assert refused.value.code == "model_not_supported"
        assert name not in offered(model_names())


def test_an_embedding_model_is_one_of_those_that_answer() -> None:
    assert model_names().resolve("text-embedding-3-small").price.mode == "embedding"
    assert "openai/text-embedding-3-small" in offered(model_names())
    own = model_names(prices={"openai/text-embedding-3-small": {"input": 1.0, "output": 0.0}})
    assert own.resolve("text-embedding-3-small").price.mode == "embedding", "the list says what it does"


def test_a_price_of_the_config_wins_and_makes_a_model_reachable() -> None:
    prices = {"openai/mine": {"input": 1.5, "output": 0.0}, "openai/gpt-4": {"input": 1.0, "output": 2.0}}
    priced = model_names(prices=prices)
    assert priced.resolve("mine").price.input == 1_500_000
    assert priced.resolve("gpt-4").price.output == 2_000_000


def test_names_are_what_a_key_may_use() -> None:
    names = offered(model_names())
    assert names["gpt-4"] == "openai/gpt-4"
    assert f"bedrock/{CLAUDE}" in names
    assert offered(model_names(providers=("bedrock",))).get("gpt-4") is None
    assert offered(model_names(), ["gpt-4"]) == {"gpt-4": "openai/gpt-4"}


# Aliases of every kind: to what is priced, to what is not, to an embedding, to a provider that may not be there, to an
# id with an @, named as a target is; and prices of the operator's own.
ODD: dict[str, Any] = {
    "models": {
        "good": {"target": "openai/gpt-4o"},
        "free": {"target": "openai/unheard-of"},
        "vectors": {"target": "openai/text-embedding-3-small"},
        "titan": {"target": "bedrock/amazon.titan-embed-text-v2:0"},
        "claude": {"target": "bedrock/anthropic.claude-haiku-4-5@20251001"},
        "at@home": {"target": "openai/mine"},
        "openai/gpt-4": {"target": "bedrock/eu.amazon.nova-lite-v1:0"},
        "gpt-4o-mini": {"target": "openai/gpt-4"},
    },
    "prices": {"openai/mine": {"input": 1.0, "output": 1.0}, "bedrock/a@b": {"input": 1.0, "output": 1.0}},
}
REGIONS = ("", "us-east-1", "eu-central-1", "us-gov-west-1", "ap-northeast-1", "cn-north-1")
PROVIDERS: tuple[tuple[str, ...], ...] = (("openai", "bedrock"), ("bedrock", "openai"), ("openai",), ("bedrock",), ())
NAMES = (*ODD["models"], *ODD["prices"], "nobody", "gpt-4", "gpt-4o-2024-08-06", "amazon.nova-lite-v1:0", "a@b", "mine")


def world(region: str, providers: tuple[str, ...]) -> ModelNames:
    return ModelNames(parse_config({"rateLimits": LIMITS} | ODD), PriceBook.load(region), providers)


def accepted(model_names: ModelNames, name: str, allowed: list[str]) -> bool:
    """Whether a completion with this name passes the route's own checks: form, model, price, the key's models."""
    try:
        parse_chat({"model": name, "messages": [{"role": "user", "content": "hi"}]})
        return permits(allowed, name, model_names.resolve(name).target)
    except GatewayError:
        return False


@pytest.mark.parametrize("region", REGIONS)
@pytest.mark.parametrize("providers", PROVIDERS)
def test_what_is_listed_is_accepted_and_each_accepted_alias_is_listed(region: str, providers: tuple[str, ...]) -> None:
    model_names = world(region, providers)
    names = offered(model_names)
    assert all(accepted(model_names, name, []) for name in names)
    assert {name for name in ODD["models"] if accepted(model_names, name, [])} == set(ODD["models"]) & set(names)
    assert all(model_names.resolve(name).target == target for name, target in names.items())
    assert all(model_names.found(name) for name in names)


@settings(max_examples=60)
@given(
    region=st.sampled_from(REGIONS),
    providers=st.sampled_from(PROVIDERS),
    data=st.data(),
)
def test_a_limited_key_is_listed_just_what_it_may_call(
    region: str, providers: tuple[str, ...], data: st.DataObject
) -> None:
    model_names = world(region, providers)
    pool = [*NAMES, *list(model_names.prices.targets())[:40]]
    allowed = data.draw(st.lists(st.sampled_from(pool), min_size=1, max_size=8))
    names = offered(model_names, allowed)
    assert all(accepted(model_names, name, allowed) for name in names)
    for name in {*pool, *allowed} - set(names):
        # Not listed: it is refused, or another spelling of a listed one (the model's own name, without a provider).
        assert not accepted(model_names, name, allowed) or model_names.resolve(name).target in names.values()
    assert set(names) >= {name for name in allowed if accepted(model_names, name, allowed)}
    for name in pool:
        assert (model_names.found(name, allowed) is not None) == accepted(model_names, name, allowed)


def test_what_a_name_stands_for_is_kept_for_a_config_and_no_more_names_than_a_bound() -> None:
    found = model_names(models={"a": {"target": "openai/gpt-4o"}})
    route = found.resolve("a")
    assert found.resolve("a") is route
    others = [f"openai/ft:gpt-4o-mini-2024-07-18:{number}" for number in range(300)]
    for name in others:
        assert found.resolve(name).name == name
    assert found.resolve("a") == route
    assert found.resolve("a") is not route
    with pytest.raises(NotFound):
        found.resolve("nobody")
    assert model_names(models={"nobody": {"target": "openai/gpt-4o"}}).resolve("nobody").target == "openai/gpt-4o"
