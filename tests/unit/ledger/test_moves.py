"""How a bucket moves on, whatever its callers know about it: it never admits a unit more than the clock allows, and
loses little.

`applied` is the update of ledger/limits_store.py in plain Python; tests/contract/test_contention.py holds it to that.
"""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.ledger.admission import Demand, Terms
from gateway.ledger.moves import Guess, Move, variant_of
from gateway.limits import Bucket

NOW = 1_800_000_000_000_000
buckets = st.builds(Bucket, st.integers(1, 1_000_000), st.integers(1, 10_000))


def applied(item: dict[str, Any], move: Move, bucket: Bucket, now: int) -> dict[str, Any] | None:
    """The item after one call; None if the condition refuses it."""
    start, most, cost = now - bucket.slack, now + bucket.tau(1), bucket.cost(1)
    tat, label = item.get("tat"), f"tat_{move.label}"
    idle = tat is None or tat < start
    after = item
    if move.label is not None:
        after = {name: value for name, value in item.items() if name in ("tat", label)}
    match move.form:
        case "idle":
            return {**after, "tat": start + cost} if idle else None
        case "busy":
            if tat is None or not move.least <= tat <= most:
                return None
            moved = tat + cost + move.extra
        case "either":
            others = item.get(label)
            if not idle if others is None else not (others == tat and start <= others <= most):
                return None
            moved = (start if others is None else others) + cost
        case form:
            raise AssertionError(form)
    return {**after, "tat": moved} | ({} if move.label is None else {label: moved})


@settings(max_examples=300, deadline=None)
@given(
    bucket=buckets,
    steps=st.lists(st.tuples(st.integers(0, 2), st.integers(0, 300_000), st.booleans()), min_size=1, max_size=80),
)
def test_callers_that_know_old_things_get_no_more_and_lose_little(
    bucket: Bucket, steps: list[tuple[int, int, bool]]
) -> None:
    """Three containers, each with its own memory; some calls are sent before others are applied."""
    terms = Terms({"requests_per_minute": bucket})
    item: dict[str, Any] = {}
    known: list[dict[str, Any]] = [{}, {}, {}]
    now = NOW
    for who, later, first_sent_then_overtaken in steps:
        now += later
        guess = Guess(known[who], unknown=not known[who])
        move = variant_of(guess, terms, Demand(0, 0), now).of("tat")
        if first_sent_then_overtaken:  # by a call of another container, whose clock is a moment ahead
            overtaking = variant_of(Guess({}, unknown=True), terms, Demand(0, 0), now + 2_000).of("tat")
            item = applied(item, overtaking, bucket, now + 2_000) or item
        for _ in range(2):
            exact = max(item.get("tat", 0), now - bucket.slack)
            conforms = bucket.conforms(exact, 1, now)
            after = applied(item, move, bucket, now)
            if after is None:
                if conforms:  # the second try fits: nothing came in between
                    guess = Guess(dict(item), 1, unknown=not known[who])
                    move = variant_of(guess, terms, Demand(0, 0), now).of("tat")
                continue
            assert conforms
            assert exact + bucket.cost(1) <= after["tat"] <= exact + bucket.cost(1) + bucket.catch_up(1)
            item = known[who] = after
            break
        else:
            assert not bucket.conforms(item.get("tat", 0), 1, now)
            known[who] = dict(item)


@settings(max_examples=200, deadline=None)
@given(bucket=buckets, calls=st.lists(st.integers(0, 3_000_000), min_size=1, max_size=60))
def test_one_after_the_other_every_call_is_exact_and_one_container_needs_one_try(
    bucket: Bucket, calls: list[int]
) -> None:
    terms, now = Terms({"requests_per_minute": bucket}), NOW
    item: dict[str, Any] = {}
    for later in calls:
        now += later
        exact = max(item.get("tat", 0), now - bucket.slack)
        move = variant_of(Guess(item, unknown=not item), terms, Demand(0, 0), now).of("tat")
        after = applied(item, move, bucket, now)
        assert (after is not None) == bucket.conforms(exact, 1, now)
        if after is not None:
            assert after["tat"] == exact + bucket.cost(1)
            item = after
