"""White space before a late answer, by a clock of the test."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import Any, cast

import pytest

from gateway.api.message import Response
from gateway.errors import UpstreamTimeout
from gateway.handlers.late import Late

ANSWER = Response(200, {"a": 1})


class Steps:
    """An answer, or an error, after so many waits."""

    def __init__(self, waits: int, end: Response | Exception = ANSWER) -> None:
        self.waits, self.end, self.closed = waits, end, False

    def __call__(self) -> Generator[Response | None]:
        try:
            for _ in range(self.waits):
                yield None
            if isinstance(self.end, Exception):
                raise self.end
            yield self.end
        finally:
            self.closed = True


def clock(times: Sequence[float]) -> Callable[[], float]:
    left = iter(times)
    return lambda: next(left)


def late(steps: Steps, times: Sequence[float], until: float = 240.0, pause: float = 60.0) -> Late:
    return Late(cast(Any, None), steps(), until, pause, clock(times))


def test_an_answer_in_time_has_no_pieces() -> None:
    steps = Steps(2)
    made = late(steps, [100, 239])
    assert made.whole is ANSWER
    assert steps.closed


def test_white_space_is_due_at_its_time_and_after_each_pause() -> None:
    steps = Steps(7)
    made = late(steps, [239, 241, 242, 300, 302, 361, 362])
    assert made.whole is None
    assert list(made) == [b"\n", b"\n", b"\n", ANSWER.text().encode()]
    assert made.whole is ANSWER
    assert steps.closed


def test_a_failure_in_time_is_raised_at_once() -> None:
    with pytest.raises(UpstreamTimeout):
        late(Steps(1, UpstreamTimeout("late", provider="x")), [239])


def test_a_failure_that_is_late_is_raised_after_the_white_space() -> None:
    made = late(Steps(1, UpstreamTimeout("late", provider="x")), [240])
    assert next(made) == b"\n"
    with pytest.raises(UpstreamTimeout):
        next(made)
    assert made.whole is None


@pytest.mark.parametrize("taken", [0, 1, 2])
def test_closing_it_ends_the_call(taken: int) -> None:
    steps = Steps(5)
    made = late(steps, [240, 300, 360, 420, 480])
    for _ in range(taken):
        next(made)
    made.close()
    assert steps.closed
    assert made.whole is None
