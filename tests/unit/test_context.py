"""The context of a request stays with it, whatever else runs at the same time."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from gateway import context, observability
from gateway.context import Context, carried, current, entered


def test_each_thread_outside_of_requests_has_one_of_its_own() -> None:
    with entered(Context()), ThreadPoolExecutor(1) as pool:
        mine = current()
        others = pool.submit(current).result()
        assert others is not mine
        assert pool.submit(current).result() is others


def test_one_inside_another_gives_way_again() -> None:
    with entered(Context(correlation_id="outer")) as outer:
        with entered(Context(correlation_id="inner")) as inner:
            assert current() is inner
        with pytest.raises(KeyError), entered(inner):
            raise KeyError
        assert current() is outer


def test_a_pool_s_threads_work_in_the_context_that_sent_them() -> None:
    gate = threading.Barrier(2)

    def work(number: int) -> str:
        gate.wait(60)
        observability.count("RowsCounted", number)
        return current().correlation_id

    with entered(Context(correlation_id="a")) as mine, ThreadPoolExecutor(2) as pool:
        assert list(pool.map(carried(work), (1, 2))) == ["a", "a"]
        assert sorted(value for _, value in mine.metrics) == [1, 2]


def test_time_is_counted_from_the_start() -> None:
    this = Context(started=0.0, deadline=0.0)
    assert this.elapsed() > 0
    assert this.seconds_left() < 0
    assert context.Context().seconds_left() == float("inf")
