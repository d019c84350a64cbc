"""Where a region of Bedrock may send a call: the inference profiles that it can name, `us.`, `eu.`, ..., nearest first.

A profile's model runs in any region of its geography; `global.` in any commercial region of the world. Source: Amazon
Bedrock's user guide, "Supported Regions and models for inference profiles".
"""

from __future__ import annotations

from collections.abc import Mapping

# By the beginning of a region's name; the first that fits counts.
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
    ("", ("global",)),
)
GEOGRAPHIES = frozenset(geography for _, reached in _REACH for geography in reached)


def reach(region: str) -> tuple[str, ...]:
    """The geographies whose profiles a region may call, nearest first."""
    return next(reached for start, reached in _REACH if region.startswith(start))


def nearest(by_geography: Mapping[str, str], region: str) -> str | None:
    """The entry of the nearest geography that has one; None where a region reaches none."""
    return next((by_geography[each] for each in reach(region) if each in by_geography), None)


def geography_of(model: str) -> str | None:
    """The geography of an inference profile's id; None for a model's own id."""
    start = model.partition(".")[0]
    return start if start in GEOGRAPHIES else None


def own_id(model: str) -> str:
    """A model's own id, of an inference profile's too."""
    geography = geography_of(model)
    return model if geography is None else model.removeprefix(f"{geography}.")


def anywhere(target: str) -> str:
    """A target (`provider/model`) by its model's own id: the profiles of all geographies are one model."""
    provider, _, model = target.partition("/")
    return target if geography_of(model) is None else f"{provider}/{own_id(model)}"
