"""A key that is bound to a geography calls only models that are known to stay there, and sees no others."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.config.document import parse_config
from gateway.config.service import defaults
from gateway.errors import Forbidden, GatewayError
from gateway.models.geographies import NOWHERE, geography_of, lies_in, within
from gateway.models.model_names import ModelNames
from gateway.models.prices import PriceBook

HOSTS = {
    "here": {"baseUrl": "https://here.example.com/v1", "credential": "none", "geography": "eu"},
    "there": {"baseUrl": "https://there.example.com/v1", "credential": "none", "geography": "us"},
    "unknown": {"baseUrl": "https://unknown.example.com/v1", "credential": "none"},
}
# Targets to which an admin may give a price; their ARN, or its beginning, says where they run.
ARN = "bedrock/arn:aws:bedrock"
HERE = [
    f"{ARN}:eu-central-1:123456789012:inference-profile/eu.anthropic.claude-opus-5-5",
    f"{ARN}:eu-central-1::foundation-model/amazon.nova-lite-v1:0",
    f"{ARN}:eu-central-1:123456789012:provisioned-model/a1b2c3",
]
ELSEWHERE = [
    f"{ARN}:eu-central-1:123456789012:inference-profile/global.anthropic.claude-opus-5-5",
    f"{ARN}:us-east-1:123456789012:inference-profile/eu.anthropic.claude-opus-5-5",
    f"{ARN}:us-east-1::foundation-model/amazon.nova-lite-v1:0",
    f"{ARN}:eu-central-1:123456789012:application-inference-profile/a1b2c3",  # whatever its geography
    f"{ARN}:eu-central-1:123456789012:default-prompt-router/anthropic.claude:1",
    "bedrock/arn:aws",
    "bedrock/zz.anthropic.claude-opus-5-5",
    "bedrock/GLOBAL.anthropic.claude-opus-5-5",
]
PRICES = {target: {"input": 1.0, "output": 1.0} for target in (*(f"{name}/m" for name in HOSTS), *HERE, *ELSEWHERE)}


def names(region: str, providers: tuple[str, ...] = ("openai", "bedrock"), **parts: Any) -> ModelNames:
    document = {**defaults(), "vendors": HOSTS, "prices": PRICES, **parts}
    return ModelNames(parse_config(document), PriceBook.load(region), providers, region, "2026-11-27")


def refused(found: ModelNames, name: str, rule: str) -> Forbidden:
    with pytest.raises(Forbidden) as error:
        found.resolve(name, rule)
    assert (error.value.status, error.value.code, error.value.param) == (403, "residency", "model")
    assert error.value.details == {"residency": rule}
    return error.value


@pytest.mark.parametrize("region", ["us-east-1", "eu-central-1", "eu-west-2", "ap-northeast-1", "us-gov-west-1", ""])
@pytest.mark.parametrize("rule", ["eu", "us", "apac", "jp", "us-gov", "uk", NOWHERE])
def test_whatever_is_listed_stays_within_the_rule(region: str, rule: str) -> None:
    """Over all existing names: no `global.` profile, and no region or host of another geography or of an unknown
    one."""
    found = names(region).routes(residency=rule)
    here = any(host["geography"] == rule for host in HOSTS.values() if "geography" in host)
    assert bool(found) == (here or bool(region and within(lies_in(region), rule)))
    for route in found:
        assert route.provider in ("bedrock", "here", "there")
        if route.provider == "bedrock":
            assert within(lies_in(region), rule)
            assert within(geography_of(route.model) or lies_in(region), rule), route.target
        else:
            assert HOSTS[route.provider]["geography"] == rule
        assert geography_of(route.model) != "global"


def test_a_rule_chooses_the_profile_and_the_vendor() -> None:
    found = names("eu-central-1")
    assert found.resolve("claude-opus", "eu").target == "bedrock/eu.anthropic.claude-opus-5-5"
    sydney = names("ap-southeast-2")
    assert sydney.resolve("claude-opus", "au").target == "bedrock/au.anthropic.claude-opus-5-5"
    assert sydney.resolve("claude-opus", "apac").target == "bedrock/au.anthropic.claude-opus-5-5"
    assert names("ap-southeast-1").resolve("claude-opus", "apac").target == "bedrock/apac.anthropic.claude-opus-5-5"
    refused(names("ap-southeast-1"), "claude-opus", "au")
    # Nobody knows where the first provider is; at the second, the same model follows the rule.
    virginia = names("us-east-1")
    assert virginia.resolve("gpt").target == "openai/gpt-5.4"
    assert virginia.resolve("gpt", "us").target == "bedrock/us.openai.gpt-5.4"
    assert virginia.resolve("gpt-6.1-sol", "us").target == "bedrock/us.openai.gpt-6.1-sol"


def test_an_alias_of_an_admin_s_goes_to_the_profile_of_the_rule() -> None:
    models = {"mine": {"target": "bedrock/global.anthropic.claude-opus-5-5"}}
    found = names("eu-central-1", models=models)
    assert found.resolve("mine").target == models["mine"]["target"]
    assert found.resolve("mine", "eu").target == "bedrock/eu.anthropic.claude-opus-5-5"


@pytest.mark.parametrize(
    ("region", "rule", "name"),
    [
        ("eu-central-1", "eu", "bedrock/global.anthropic.claude-opus-5-5"),  # named outright
        ("eu-central-1", "eu", "bedrock/us.anthropic.claude-opus-5-5"),
        ("eu-central-1", "eu", "gpt"),  # Europe has no profile of this model
        ("eu-central-1", "eu", "openai/gpt-6.1-sol"),
        ("eu-central-1", "us", "claude-opus"),
        ("us-east-1", "eu", "claude-opus"),
        ("us-east-1", "eu", "bedrock/eu.anthropic.claude-opus-5-5"),  # called in a region outside
        ("eu-west-2", "eu", "claude-opus"),
        ("ca-central-1", "us", "claude-opus"),
        ("us-gov-west-1", "us", "claude-opus"),
        ("sa-east-1", "sa", "claude-opus"),
        ("eu-central-1", "eu", "there/m"),
        ("eu-central-1", "eu", "unknown/m"),
        ("eu-central-1", NOWHERE, "here/m"),
        *(("eu-central-1", "eu", target) for target in ELSEWHERE),
    ],
)
def test_what_is_elsewhere_or_nobody_knows_where_is_refused(region: str, rule: str, name: str) -> None:
    error = refused(names(region), name, rule)
    assert name in error.message
    assert ("contradict" in error.message) is (rule == NOWHERE)


@pytest.mark.parametrize(
    ("region", "rule", "target"),
    [
        ("eu-central-1", "eu", "here/m"),
        ("us-east-1", "eu", "here/m"),  # it has its own host: the region is Bedrock's
        ("eu-central-1", "eu", "bedrock/minimax.minimax-m2.5"),  # by its own id, in the region
        ("eu-west-2", "uk", "bedrock/minimax.minimax-m2.5"),
        ("us-gov-west-1", "us-gov", "bedrock/us-gov.anthropic.claude-opus-5-5"),
        *(("eu-central-1", "eu", target) for target in HERE),
    ],
)
def test_what_stays_is_called(region: str, rule: str, target: str) -> None:
    assert names(region).resolve(target, rule).target == target
    assert names(region).keeps(target, region, rule)


def test_a_target_is_held_against_the_region_that_it_is_called_in() -> None:
    """A plan may go to several regions, and each one is judged by itself."""
    found, target = names("eu-central-1"), "bedrock/eu.anthropic.claude-opus-5-5"
    assert [found.keeps(target, region, "eu") for region in ("eu-central-1", "eu-west-1", "us-east-1", "")] == [
        *(True, True, False, False)
    ]
    assert not found.keeps("nobody/m", "eu-central-1", "eu")
    assert found.keeps("nobody/m", "eu-central-1", "")


def test_without_a_rule_nothing_changes() -> None:
    for region in ("us-east-1", "eu-central-1", "sa-east-1"):
        found = names(region)
        for alias in found.config.models:
            try:
                route = found.resolve(alias)
            except GatewayError:
                continue
            assert found.resolve(alias, "") == route
