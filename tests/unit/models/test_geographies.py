"""Which inference profiles a region can name, and that each shipped alias has one that is priced and not at its end."""

import json
from typing import Any

import pytest

from gateway.config.document import parse_config
from gateway.config.service import defaults
from gateway.models.geographies import GEOGRAPHIES, anywhere, geography_of, nearest, reach
from gateway.models.model_names import ModelNames
from gateway.models.prices import PriceBook
from tools.local.emulator import ROOT
from tools.manifest import load

# Bedrock's commercial regions and GovCloud's; model-lifecycle tells what has ended there.
REGIONS = (
    *("us-east-1", "us-east-2", "us-west-1", "us-west-2", "ca-central-1", "ca-west-1", "mx-central-1", "sa-east-1"),
    *("eu-central-1", "eu-central-2", "eu-north-1", "eu-south-1", "eu-south-2", "eu-west-1", "eu-west-2", "eu-west-3"),
    *("ap-northeast-1", "ap-northeast-2", "ap-northeast-3", "ap-south-1", "ap-south-2", "ap-southeast-1"),
    *("ap-southeast-2", "ap-southeast-3", "ap-southeast-4", "ap-southeast-5", "ap-east-2", "me-south-1"),
    *("me-central-1", "il-central-1", "af-south-1"),
)
GOV = ("us-gov-west-1", "us-gov-east-1")
ENDED = ("claude-3", "claude-v", "claude-instant", "claude-sonnet-4-2", "claude-opus-4-2", "titan-text")


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
    by_geography = {geography: geography for geography in GEOGRAPHIES}
    assert nearest(by_geography, region) == (reached[0] if reached else None)
    assert nearest({"mars": "x"}, region) is None


def test_a_profile_is_told_from_a_model() -> None:
    assert [
        geography_of(name) for name in ("eu.amazon.nova-lite-v1:0", "us-gov.a.b", "amazon.nova-lite-v1:0", "x")
    ] == [*("eu", "us-gov", None, None)]


def packaged() -> Any:
    return json.loads((ROOT / "shared" / "gateway" / "data" / "config.json").read_text(encoding="utf-8"))["models"]


@pytest.mark.parametrize("region", [*REGIONS, *GOV])
def test_each_shipped_alias_of_bedrock_answers_in_each_region(region: str) -> None:
    """By a profile that the region can name, priced, of a model that has not ended: a bare id is refused there."""
    config = parse_config(defaults(region))
    model_names = ModelNames(config, PriceBook.load(region), ("openai", "bedrock"))
    aliases = {name for name, model in packaged().items() if isinstance(model["target"], dict)}
    present = aliases & set(config.models)
    assert {"claude-3-sonnet", "claude-3-haiku", "claude-3-5-sonnet"} <= present
    for name in present:
        route = model_names.resolve(name)
        assert route.provider == "bedrock"
        assert geography_of(route.model) in reach(region), route.target
        assert not any(ended in route.model for ended in ENDED), route.target
        assert route.price.input > 0
    if region.startswith(("us-e", "us-w", "eu-", "ap-", "ca-")):
        assert present == aliases
        # Not out of the geography unasked.
        assert geography_of(model_names.resolve("claude-3-sonnet").model) != "global"


def test_who_reads_the_config_knows_bedrock_s_region() -> None:
    """Else an admin would be shown, and could check, another config than completions have."""
    functions = load(ROOT).functions
    assert {name for name in functions if "BEDROCK_REGION" in functions[name].environment} == {"admin", "completions"}


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


def test_no_shipped_target_is_another_s_geography() -> None:
    for name, model in packaged().items():
        if isinstance(model["target"], dict):
            for geography, target in model["target"].items():
                assert target.startswith(f"bedrock/{geography}."), (name, geography)
        else:
            assert model["target"].startswith("openai/")
