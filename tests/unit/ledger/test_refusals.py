"""The refusals that a limit in shadow reports are those that it makes when it is enforced."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from gateway.ledger.admission import Demand, Terms, Windows
from gateway.ledger.moves import Guess, Variant, variant_of
from gateway.ledger.refusals import refusal_of, shadow_refusals
from gateway.limits import Bucket

NOW = 1_800_000_000_123_456
ALL = (
    "requestsPerMinute",
    "requestsPerHour",
    "requestsPerDay",
    "tokensPerMinute",
    "tokensPerHour",
    "tokensPerDay",
    "maxParallelRequests",
    "budget",
)
small = st.integers(0, 12)
limits = st.one_of(st.none(), st.integers(1, 8))
buckets = st.one_of(st.none(), st.builds(Bucket, st.integers(1, 1_000_000_000), st.integers(1, 20)))
arrivals = st.one_of(st.none(), st.integers(-2_000_000, 700_000_000).map(lambda ahead: NOW + ahead))
every_terms = st.builds(
    lambda duration, **limits: Terms({name: held for name, held in limits.items() if held is not None}, duration),
    requests_per_minute=buckets,
    tokens_per_minute=buckets,
    requests_per_hour=limits,
    requests_per_day=limits,
    tokens_per_hour=st.one_of(st.none(), st.integers(1, 30)),
    tokens_per_day=st.one_of(st.none(), st.integers(1, 30)),
    max_parallel_requests=limits,
    max_budget=st.one_of(st.none(), small),
    duration=st.sampled_from(["daily", "total"]),
)
demands = st.builds(lambda est, tokens: Demand(est, tokens), small, st.integers(0, 25))


def admitted(item: dict[str, Any], terms: Terms, demand: Demand, windows: Windows, variant: Variant) -> dict[str, Any]:
    """The item after the update of an admission, as ledger/limits_store.py has it."""
    after = dict(item)
    for name, limit, units in (("tat", "requests_per_minute", 1), ("ttat", "tokens_per_minute", demand.tokens)):
        bucket, move = terms.limits.get(limit), variant.of(name)
        if isinstance(bucket, Bucket) and move.form != "over":
            start = windows.now - bucket.slack
            after[name] = (after[name] + move.extra if move.form == "busy" else start) + bucket.cost(units)
    for name, added in (
        (f"h_{windows.hour}", 1),
        (f"d_{windows.day}", 1),
        (f"k_{windows.hour}", demand.tokens),
        (f"t_{windows.day}", demand.tokens),
        ("inflight", 1),
        (windows.booking.used, demand.est),
    ):
        after[name] = after.get(name, 0) + added
    return after


@settings(max_examples=500, deadline=None)
@given(terms=every_terms, demand=demands, tat=arrivals, ttat=arrivals, counts=st.lists(small, min_size=7, max_size=7))
def test_shadow_refuses_what_enforced_would_refuse(
    terms: Terms, demand: Demand, tat: int | None, ttat: int | None, counts: list[int]
) -> None:
    windows = Windows.at(NOW, terms.duration)
    booking = windows.booking
    names = [f"h_{windows.hour}", f"d_{windows.day}", "inflight", f"k_{windows.hour}", f"t_{windows.day}"]
    names += [booking.used, booking.spent]
    item = {name: count for name, count in zip(names, counts, strict=True) if count}
    item[booking.spent] = min(item.get(booking.spent, 0), item.get(booking.used, 0))
    item |= {name: moment for name, moment in (("tat", tat), ("ttat", ttat)) if moment is not None}
    enforced = {name: refusal_of(item, replace(terms, shadow=frozenset(ALL) - {name}), demand, windows) for name in ALL}
    shadow = replace(terms, shadow=frozenset(ALL))
    variant = variant_of(Guess(item), shadow, demand, NOW)
    assert refusal_of(item, shadow, demand, windows) is None
    said = shadow_refusals(admitted(item, shadow, demand, windows, variant), shadow, demand, windows, variant)
    assert {each.name: each for each in said} == {name: each for name, each in enforced.items() if each is not None}
    assert shadow_refusals(admitted(item, terms, demand, windows, Variant()), terms, demand, windows, Variant()) == ()


@settings(deadline=None)
@given(
    bucket=st.builds(Bucket, st.integers(1, 6_000), st.integers(1, 20)),
    calls=st.lists(st.tuples(st.integers(0, 3_000_000), st.integers(0, 22)), min_size=1, max_size=60),
)
def test_over_any_calls_a_bucket_in_shadow_is_the_enforced_one(bucket: Bucket, calls: list[tuple[int, int]]) -> None:
    """It refuses the same calls and has the same state, so it may be enforced at any moment."""
    enforced = Terms({"tokens_per_minute": bucket})
    shadow = replace(enforced, shadow=frozenset(["tokensPerMinute"]))
    real: dict[str, Any] = {}
    tried: dict[str, Any] = {}
    now = NOW
    for by, units in calls:
        now += by
        demand, windows = Demand(0, units), Windows.at(now)
        refused = refusal_of(real, enforced, demand, windows)
        if refused is None:
            real = admitted(real, enforced, demand, windows, variant_of(Guess(real), enforced, demand, now))
        variant = variant_of(Guess(tried), shadow, demand, now)
        tried = admitted(tried, shadow, demand, windows, variant)
        assert shadow_refusals(tried, shadow, demand, windows, variant) == (() if refused is None else (refused,))
        assert tried.get("ttat") == real.get("ttat")
