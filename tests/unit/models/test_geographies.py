"""Which inference profiles a region can name, where a region lies, and which rules have a geography in common."""

import pytest

from gateway.models.geographies import (
    NOWHERE,
    RESIDENCIES,
    anywhere,
    geography_of,
    lies_in,
    reach,
    strictest,
    within,
)
from tools.local.emulator import ROOT
from tools.manifest import load


@pytest.mark.parametrize(
    ("region", "reached"),
    [
        ("us-east-1", ("us", "global")),
        ("us-gov-west-1", ("us-gov",)),
        ("eu-central-1", ("eu", "global")),
        ("ap-northeast-1", ("jp", "apac", "global")),
        ("ap-northeast-2", ("apac", "global")),
        ("ap-southeast-2", ("au", "apac", "global")),
        ("sa-east-1", ("global",)),
        ("cn-north-1", ()),
        ("", ("global",)),
    ],
)
def test_a_region_reaches_its_own_geography_first(region: str, reached: tuple[str, ...]) -> None:
    assert reach(region) == reached


def test_a_profile_is_told_from_a_model() -> None:
    assert [
        geography_of(name) for name in ("eu.amazon.nova-lite-v1:0", "us-gov.a.b", "amazon.nova-lite-v1:0", "x")
    ] == [*("eu", "us-gov", None, None)]


def test_who_reads_the_config_knows_bedrock_s_region() -> None:
    """Otherwise an admin would see, and could check, another config than the one that completions use at either
    door."""
    functions = load(ROOT).functions
    readers = {name for name in functions if "BEDROCK_REGION" in functions[name].environment}
    assert readers == {"admin", "completions", "stream"}


@pytest.mark.parametrize(
    ("target", "meant"),
    [
        ("bedrock/eu.amazon.nova-lite-v1:0", "bedrock/amazon.nova-lite-v1:0"),
        ("bedrock/us-gov.a.b", "bedrock/a.b"),
        ("bedrock/amazon.nova-lite-v1:0", "bedrock/amazon.nova-lite-v1:0"),
        ("openai/gpt-4.1", "openai/gpt-4.1"),
        ("openai", "openai"),
    ],
)
def test_a_model_is_one_wherever_it_runs(target: str, meant: str) -> None:
    assert anywhere(target) == meant


@pytest.mark.parametrize(
    ("region", "geography"),
    [
        *(("us-east-1", "us"), ("us-gov-west-1", "us-gov"), ("ca-central-1", "ca"), ("sa-east-1", "sa")),
        *(("eu-central-1", "eu"), ("eu-west-1", "eu"), ("eu-west-2", "uk"), ("eu-central-2", "ch")),
        *(("ap-northeast-1", "jp"), ("ap-southeast-2", "au"), ("ap-south-1", "in"), ("ap-southeast-1", "apac")),
        *(("cn-north-1", "cn"), ("eusc-de-east-1", "eu"), ("xx-north-1", ""), ("", "")),
    ],
)
def test_where_a_region_lies(region: str, geography: str) -> None:
    assert lies_in(region) == geography
    assert geography in ("", *RESIDENCIES)


def test_a_rule_is_kept_within_its_geography_alone() -> None:
    assert "global" not in RESIDENCIES
    for rule in RESIDENCIES:
        assert within(rule, rule)
        assert not within("global", rule)
        assert not within("", rule), "nobody knows where"
        kept = {geography for geography in RESIDENCIES if within(geography, rule)}
        assert kept == ({"apac", "au", "in", "jp"} if rule == "apac" else {rule})
    assert all(within(geography, "") for geography in ("", "global", *RESIDENCIES))


def test_of_two_rules_the_narrower_holds_and_of_contradicting_ones_none() -> None:
    assert (strictest(), strictest("", ""), strictest("eu", ""), strictest("", "eu")) == ("", "", "eu", "eu")
    assert (strictest("apac", "jp"), strictest("jp", "apac"), strictest("jp", "au")) == ("jp", "jp", NOWHERE)
    assert (strictest("eu", "us"), strictest("eu", "us", "eu"), strictest(NOWHERE, "eu")) == (NOWHERE,) * 3
    assert not any(within(geography, NOWHERE) for geography in ("", "global", *RESIDENCIES))
