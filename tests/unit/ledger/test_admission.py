"""The arithmetic of admission: buckets admit exactly their burst, and their limits hold."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.config.document import TierLimits
from gateway.identity.caller import KeyLimits
from gateway.ledger.admission import terms_of, terms_of_limits
from gateway.limits import Bucket

NOW = 1_800_000_000_000_000
MOST = 10_000_000_000  # of any limit, as the config and the key fields have it
TIER = TierLimits(requests_per_minute=100, burst=20, requests_per_hour=7, requests_per_day=9, tokens_per_minute=50)


def call(bucket: Bucket, arrival: int, now: int) -> int | None:
    """The state of the bucket after a call, as ledger/limits_store.py updates it; None if the call does not conform."""
    if bucket.idle(arrival, now):
        return now - bucket.slack + bucket.step
    return arrival + bucket.step if arrival <= now + bucket.tau(1) else None


@settings(deadline=None)
@given(limit=st.integers(1, MOST), burst=st.integers(1, 300))
def test_at_one_moment_exactly_the_burst_conforms(limit: int, burst: int) -> None:
    bucket, arrival = Bucket(limit, burst), 0
    for already in range(burst):
        assert bucket.left(arrival, NOW) == burst - already
        moved = call(bucket, arrival, NOW)
        assert moved is not None
        arrival = moved
    assert call(bucket, arrival, NOW) is None
    assert bucket.left(arrival, NOW) == 0
    wait = bucket.wait(arrival, 1, NOW)
    assert 0 < wait <= bucket.step  # the next call conforms as soon as one unit has drained, not a microsecond earlier
    assert call(bucket, arrival, NOW + wait - 1) is None
    assert call(bucket, arrival, NOW + wait) is not None


@given(limit=st.integers(1, MOST), burst=st.integers(1, MOST), spent=st.integers(1, MOST))
def test_a_burst_of_any_size_is_exact(limit: int, burst: int, spent: int) -> None:
    """A burst of ten thousand million at one a minute is 19,000 years ahead: whole numbers, so still exact."""
    bucket = Bucket(limit, burst)
    arrival = NOW - bucket.slack + bucket.cost(spent)
    assert bucket.left(arrival, NOW) == max(0, burst - spent)
    assert (call(bucket, arrival, NOW) is not None) == (spent < burst)


@pytest.mark.parametrize(
    ("own", "bucket"),
    [
        (KeyLimits(), Bucket(100, 20)),
        (KeyLimits(rpm_limit=6), Bucket(6, 6)),  # the burst of the tier belongs to another rate
        (KeyLimits(rpm_limit=6, burst_limit=2), Bucket(6, 2)),
        (KeyLimits(rpm_limit=6, burst_limit=60), Bucket(6, 60)),
        (KeyLimits(burst_limit=5), Bucket(100, 5)),
    ],
)
def test_a_key_s_own_minute_brings_its_own_burst(own: KeyLimits, bucket: Bucket) -> None:
    assert terms_of(TIER, own).limits["requests_per_minute"] == bucket


@pytest.mark.parametrize(
    ("tier", "own", "budget", "duration"),
    [
        (None, KeyLimits(), None, "monthly"),
        (None, KeyLimits(budget_duration="daily"), None, "daily"),  # spending counts in the window of a later budget
        (2.5, KeyLimits(), 2_500_000, "weekly"),
        (2.5, KeyLimits(budget_duration="daily"), 2_500_000, "weekly"),
        (2.5, KeyLimits(max_budget=9_000_000, budget_duration="total"), 9_000_000, "total"),
        (2.5, KeyLimits(max_budget=1), 1, "monthly"),
        (2.5, KeyLimits(max_budget=0), 0, "monthly"),
        (0, KeyLimits(), 0, "weekly"),
    ],
)
def test_a_tier_s_budget_is_each_key_s_that_has_none(
    tier: float | None, own: KeyLimits, budget: int | None, duration: str
) -> None:
    terms = terms_of(TierLimits(requests_per_minute=1, max_budget=tier, budget_duration="weekly"), own)
    assert (terms.budget, terms.duration) == (budget, duration)


def test_a_key_s_own_limits_go_before_its_tier_s_and_a_team_has_its_own_alone() -> None:
    terms = terms_of(TIER, KeyLimits(rph_limit=70, tpm_limit=500)).limits
    expected = {"requests_per_hour": 70, "requests_per_day": 9, "tokens_per_minute": Bucket(500, 500)}
    assert {name: terms[name] for name in expected} == expected
    assert terms_of(TIER, KeyLimits(rpd_limit=3)).limits["requests_per_day"] == 3
    team = terms_of_limits(KeyLimits(rpm_limit=6, burst_limit=2, rph_limit=3, rpd_limit=4))
    assert team.limits == {"requests_per_minute": Bucket(6, 2), "requests_per_hour": 3, "requests_per_day": 4}
    assert "requests_per_minute" not in terms_of_limits(KeyLimits(rpd_limit=4)).limits


def test_a_number_that_no_limit_has_is_none() -> None:
    with pytest.raises(TypeError, match="no such limit: rps_limit"):
        KeyLimits(rps_limit=5)
    assert not hasattr(KeyLimits(), "rps_limit")
    limits = KeyLimits(rpm_limit=5, max_budget=0, tpm_limit=None)
    assert (limits.rpm_limit, limits.tpm_limit, limits.max_budget, limits.limited) == (5, None, 0, True)
    assert replace(limits, estimate="typical") == KeyLimits(rpm_limit=5, max_budget=0, estimate="typical")
    assert hash(replace(limits, shadow=("budget",))) != hash(limits)
