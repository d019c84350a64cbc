"""The bucket for every request of a key: in memory, exact within one container, of bounded size."""

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.api.pace import Buckets, Pace
from gateway.errors import RateLimited
from gateway.identity.caller import Caller
from gateway.limits import Bucket

SECOND = 1_000_000


class Clock:
    now = 1_000 * SECOND

    def __call__(self) -> int:
        return self.now


def caller(name: str = "a") -> Caller:
    return Caller(name, "free", ("models",), version=1)


def counted(pace: Pace, by: Caller, times: int, requests: int = 1) -> int:
    """How many of this many requests were let through."""
    admitted = 0
    for _ in range(times):
        try:
            pace.count(by, requests)
        except RateLimited:
            continue
        admitted += 1
    return admitted


def test_ten_times_as_many_as_paid_calls_and_each_key_for_itself() -> None:
    clock = Clock()
    pace = Pace(lambda _caller: (10, 10), Buckets(clock))
    assert counted(pace, caller(), 500) == 100
    assert counted(pace, caller("b"), 500) == 100
    for _ in range(60):
        clock.now += SECOND
        assert counted(pace, caller(), 9) in (1, 2)  # 100 a minute
    clock.now += 60 * SECOND
    assert counted(pace, caller(), 500) == 100


def test_a_burst_is_ten_times_as_large_too() -> None:
    assert counted(Pace(lambda _caller: (60, 5), Buckets(Clock())), caller(), 500) == 50


def test_a_request_that_is_several_counts_as_many_or_not_at_all() -> None:
    pace = Pace(lambda _caller: (10, 10), Buckets(Clock()))
    assert counted(pace, caller(), 11, requests=9) == 11
    assert counted(pace, caller(), 1, requests=9) == 0
    assert counted(pace, caller(), 5) == 1
    assert counted(pace, caller(), 5, requests=0) == 5


def test_what_is_not_limited_is_not_counted() -> None:
    assert counted(Pace(lambda _caller: None, Buckets(Clock())), caller(), 500) == 500


def test_a_refusal_says_when_there_is_room() -> None:
    clock = Clock()
    pace = Pace(lambda _caller: (6, 1), Buckets(clock))
    assert counted(pace, caller(), 20) == 10
    with pytest.raises(RateLimited) as refused:
        pace.count(caller())
    error = refused.value
    assert (error.retry_after, error.details["needed"], error.details["used"]) == (1.0, 1, 10)
    clock.now += SECOND - 1
    assert counted(pace, caller(), 1) == 0
    clock.now += 1
    assert counted(pace, caller(), 2) == 1


@given(
    st.builds(Bucket, st.integers(1, 10_000), st.integers(1, 100)),
    st.lists(st.tuples(st.integers(0, 2 * SECOND), st.integers(0, 120)), max_size=10),
)
def test_it_decides_as_the_arithmetic_of_limits_does(bucket: Bucket, asked: list[tuple[int, int]]) -> None:
    clock = Clock()
    buckets, arrival = Buckets(clock), 0
    for passed, units in asked:
        clock.now += passed
        conforms = bucket.conforms(arrival, units, clock.now)
        assert (buckets.take("a", bucket, units) == 0) == conforms
        if conforms:
            arrival = max(arrival, clock.now - bucket.slack) + bucket.cost(units)


def test_memory_is_bounded_by_the_keys_that_came_last() -> None:
    buckets, bucket = Buckets(Clock(), most=3), Bucket(10, 1)
    assert [buckets.take(name, bucket, 1) for name in "abcd"] == [0] * 4
    assert buckets.take("a", bucket, 1) == 0  # the bucket was forgotten
    assert buckets.take("d", bucket, 1) > 0
    assert len(buckets._arrivals) == 3


def test_threads_at_once_are_let_through_as_often_as_one() -> None:
    pace, admitted = Pace(lambda _caller: (10, 10), Buckets(Clock())), list[int]()
    threads = [threading.Thread(target=lambda: admitted.append(counted(pace, caller(), 50))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(admitted) == 100
