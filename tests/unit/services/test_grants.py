"""No key grants more than it has: each field, and the burst that follows from two."""

from dataclasses import replace
from typing import Any

import pytest

from gateway.domain.config import TierLimits
from gateway.domain.identity import NUMBERS, SCOPES, Caller, KeyLimits
from gateway.errors import Forbidden
from gateway.services.grants import grant
from gateway.stores.keys import KeyRecord

ADMIN = Caller("admin", "enterprise", SCOPES, version=1)
RECORD = KeyRecord("k", "0" * 64, "test", "free", ("models",), "2026-11-24T00:00:00.000Z")


TIERS = {
    "free": TierLimits(requests_per_minute=10),
    "basic": TierLimits(requests_per_minute=100, shadow=("requestsPerHour", "tokensPerMinute")),
    "enterprise": TierLimits(requests_per_minute=1_000, shadow=("tokensPerMinute",)),
}


def granted(own: dict[str, Any], wanted: dict[str, Any], tier: str = "free") -> str | None:
    """The field that is refused, None where nothing is."""
    issuer = replace(ADMIN, limits=KeyLimits(**own))
    try:
        grant(issuer, replace(RECORD, tier=tier, limits=KeyLimits(**wanted)), TIERS.__getitem__)
    except Forbidden as refused:
        return refused.param
    return None


@pytest.mark.parametrize("name", NUMBERS)
def test_each_limit_bounds_what_is_granted(name: str) -> None:
    assert granted({name: 5}, {name: 5}) is None
    assert granted({name: 5}, {name: 6}) == name
    assert granted({name: 5}, {}) == name
    assert granted({}, {name: 6}) is None


@pytest.mark.parametrize(
    ("own", "wanted", "refused"),
    [
        ({"rpm_limit": 5}, {"rpm_limit": 5, "burst_limit": 5}, None),
        ({"rpm_limit": 5}, {"rpm_limit": 5, "burst_limit": 6}, "burst_limit"),  # its own rate is its own burst
        ({"rpm_limit": 5, "burst_limit": 9}, {"rpm_limit": 5, "burst_limit": 9}, None),
        ({"rpm_limit": 5, "burst_limit": 2}, {"rpm_limit": 5}, "burst_limit"),
        ({"burst_limit": 5}, {"rpm_limit": 5}, None),
        ({"burst_limit": 5}, {"rpm_limit": 6}, "burst_limit"),
    ],
)
def test_what_may_come_at_once_is_bounded_too(own: dict[str, int], wanted: dict[str, int], refused: str | None) -> None:
    assert granted(own, wanted) == refused


def test_a_budget_is_granted_for_the_same_time() -> None:
    assert granted({"max_budget": 5}, {"max_budget": 5, "budget_duration": "daily"}) == "budget_duration"


FIELDS = {
    "requestsPerMinute": "rpm_limit",
    "requestsPerHour": "rph_limit",
    "requestsPerDay": "rpd_limit",
    "tokensPerDay": "tpd_limit",
    "maxParallelRequests": "max_parallel_requests",
    "budget": "max_budget",
}


@pytest.mark.parametrize(("limit", "field"), FIELDS.items())
def test_a_key_that_is_limited_makes_none_whose_limit_only_counts(limit: str, field: str) -> None:
    own, shadow = {field: 5}, {"shadow": (limit,)}
    assert granted(own, own | shadow) == "shadow"
    assert granted(own | shadow, own | shadow) is None  # it is not limited itself
    assert granted({}, own | shadow) is None
    others = tuple(name for name in FIELDS if name != limit)
    assert granted(own | {"shadow": others}, own | shadow) == "shadow"
    assert granted(own, own | {"shadow": others}) is None


def test_nor_by_a_burst_or_by_another_tier() -> None:
    assert granted({"burst_limit": 5}, {"burst_limit": 5, "shadow": ("requestsPerMinute",)}) == "shadow"
    assert granted({"rph_limit": 5}, {"rph_limit": 5}, tier="basic") == "tier"
    assert granted({"rph_limit": 5}, {"rph_limit": 5}, tier="enterprise") is None
    assert granted({"tpm_limit": 5}, {"tpm_limit": 5}, tier="basic") is None  # in its own tier it is in shadow too
    assert granted({"tpm_limit": 5}, {"tpm_limit": 5, "shadow": ("tokensPerMinute",)}) is None
