"""How often a key may ask for anything at all: by its own rate, otherwise by its tier's, also if no config can be
read."""

from collections.abc import Iterator
from typing import Any

import pytest

from gateway import wiring
from gateway.config.service import packaged
from gateway.identity.caller import Caller, KeyLimits
from tests.fakes.database import DownDatabase
from tests.fakes.wired import wired


@pytest.fixture(autouse=True)
def down(gateway_environment: None) -> Iterator[None]:
    """No table answers: the tiers are the packaged ones."""
    wired(database=DownDatabase())
    yield
    wiring.reset()


@pytest.mark.parametrize("tier", ["free", "basic", "premium", "enterprise"])
@pytest.mark.parametrize(
    ("limits", "rate"),
    [
        ({}, None),
        ({"rpm_limit": 7}, (7, 7)),
        ({"rpm_limit": 7, "burst_limit": 3}, (7, 3)),
        ({"rpm_limit": 7, "shadow": ("requestsPerHour",)}, (7, 7)),
    ],
)
def test_a_key_s_own_rate_goes_before_its_tier_s(tier: str, limits: dict[str, Any], rate: tuple[int, int]) -> None:
    caller = Caller("k", tier, ("models",), version=1, limits=KeyLimits(**limits))
    usual = packaged().tier(tier)
    assert wiring.pace().rate(caller) == (rate or (usual.requests_per_minute, usual.burst or usual.requests_per_minute))


def test_a_rate_in_shadow_is_none() -> None:
    shadow = KeyLimits(rpm_limit=7, shadow=("requestsPerMinute",))
    assert wiring.pace().rate(Caller("k", "free", ("models",), version=1, limits=shadow)) is None
