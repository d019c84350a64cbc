"""Containers whose clocks differ by milliseconds, at the turn of an hour and a day."""

import pytest

from gateway.errors import RateLimited
from gateway.identity.caller import KeyLimits
from tests.contract.conftest import Tables
from tests.contract.world import World

MIDNIGHT = 1_800_057_600_000_000
SKEW = 3_000  # microseconds


@pytest.mark.parametrize(
    ("limits", "turn"),
    [
        (KeyLimits(rpd_limit=5), MIDNIGHT),
        (KeyLimits(tpd_limit=50), MIDNIGHT),
        (KeyLimits(rph_limit=5), MIDNIGHT),
        (KeyLimits(rph_limit=5), MIDNIGHT + 3_600_000_000),
    ],
    ids=["calls a day", "tokens a day", "calls an hour", "at another hour"],
)
def test_a_clock_behind_takes_nothing_of_the_next_window(tables: Tables, limits: KeyLimits, turn: int) -> None:
    """The clock that is behind finds counters of a window that has not begun for it, and does not change them."""
    world = World(tables, limits=limits, tier="enterprise")
    ahead, behind = world.ledger(), world.ledger()
    for _ in range(5):
        world.now = turn + SKEW
        world.admit(ahead)
    for _ in range(3):
        world.now = turn - SKEW
        world.admit(behind)
    world.now = turn + SKEW
    with pytest.raises(RateLimited):
        world.admit(world.ledger())
