"""Where a region of Bedrock may send a call: the inference profiles that it can name (`us.`, `eu.`, ...), nearest
first. Also the geography that a region itself lies in.

A profile's model runs in any region of its geography, and with `global.` in any commercial region of the world. Source:
Amazon Bedrock's user guide, "Supported Regions and models for inference profiles".
"""

from __future__ import annotations

# By the prefix of a region's name; the first match counts.
_REACH = (
    ("us-gov-", ("us-gov",)),
    ("us-", ("us", "global")),
    ("ca-", ("us", "global")),
    ("eu-", ("eu", "global")),
    ("ap-northeast-1", ("jp", "apac", "global")),
    ("ap-northeast-3", ("jp", "apac", "global")),
    ("ap-southeast-2", ("au", "apac", "global")),
    ("ap-southeast-4", ("au", "apac", "global")),
    ("ap-south-", ("in", "apac", "global")),
    ("ap-", ("apac", "global")),
    ("cn-", ()),
    ("eusc-", ()),
    ("", ("global",)),
)
GEOGRAPHIES = frozenset(geography for _, reached in _REACH for geography in reached)
# The geography of a region: London and Zurich are not in the European Union, and Canada is not in the United States.
_LIES = (
    ("us-gov-", "us-gov"),
    ("us-", "us"),
    ("eu-west-2", "uk"),
    ("eu-central-2", "ch"),
    ("eu-", "eu"),
    ("eusc-", "eu"),
    ("ap-northeast-1", "jp"),
    ("ap-northeast-3", "jp"),
    ("ap-southeast-2", "au"),
    ("ap-southeast-4", "au"),
    ("ap-south-", "in"),
    ("ap-", "apac"),
    *((f"{each}-", each) for each in ("af", "ca", "cn", "il", "me", "mx", "sa")),
)
_PARTS = {"apac": frozenset(("apac", "au", "in", "jp"))}
# The geographies that a rule may bind calls to. A rule that allows the world would bind nothing.
RESIDENCIES = tuple(sorted({*(lies for _, lies in _LIES), *GEOGRAPHIES} - {"global"}))
NOWHERE = "-"  # the result of two rules that have nothing in common


def reach(region: str) -> tuple[str, ...]:
    """The geographies whose profiles a region may call, nearest first."""
    return next(reached for start, reached in _REACH if region.startswith(start))


def geography_of(model: str) -> str | None:
    """The geography of an inference profile's id; None for a model's own id."""
    start = model.partition(".")[0]
    return start if start in GEOGRAPHIES else None


def without_arn(model: str) -> str:
    """The id at the end of an ARN; any other id is returned as it is."""
    return model.rpartition("/")[2] if model.startswith("arn:") else model


def own_id(model: str) -> str:
    """A model's own id, also from an inference profile's id."""
    geography = geography_of(model)
    return model if geography is None else model.removeprefix(f"{geography}.")


def anywhere(target: str) -> str:
    """A target (`provider/model`) with its model's own id: the profiles of all geographies are one model."""
    provider, slash, model = target.partition("/")
    return f"{provider}{slash}{own_id(without_arn(model))}"


def lies_in(region: str) -> str:
    """The geography of a region; empty where it is unknown."""
    return next((geography for start, geography in _LIES if region.startswith(start)), "")


def within(geography: str, residency: str) -> bool:
    """Whether running in a geography (empty if unknown) keeps a rule. If there is no rule, any geography does."""
    return not residency or geography == residency or geography in _PARTS.get(residency, ())


def strictest(*rules: str) -> str:
    """The narrowest of several rules; empty without any rule, `NOWHERE` if they have nothing in common."""
    holds = ""
    for rule in filter(None, rules):
        if within(rule, holds):
            holds = rule
        elif not within(holds, rule):
            return NOWHERE
    return holds
