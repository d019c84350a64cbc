"""No key grants more than it has: each field, and the burst that follows from two."""

from dataclasses import replace
from typing import Any

import pytest

from gateway.domain.identity import NUMBERS, SCOPES, Caller, KeyLimits
from gateway.errors import Forbidden
from gateway.services.grants import grant
from gateway.stores.keys import KeyRecord

ADMIN = Caller("admin", "enterprise", SCOPES, version=1)
RECORD = KeyRecord("k", "0" * 64, "test", "free", ("models",), "2026-11-24T00:00:00.000Z")


def granted(own: dict[str, Any], wanted: dict[str, Any]) -> str | None:
    """The field that is refused, None where nothing is."""
    try:
        grant(replace(ADMIN, limits=KeyLimits(**own)), replace(RECORD, limits=KeyLimits(**wanted)))
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
