"""What belongs to one request, or one run of a job: who it is in the log, what it has counted, when it must be over.

Two requests at once, each on a thread of its own, keep all of it apart; so do two on one thread in turns, as when the
body of an answer is written while the next request is read: `entered` says whose turn it is.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Final, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

# A metric's name, a value of it, and the dimensions that it is filed under.
Measured = tuple[str, float, tuple[tuple[str, str], ...]]


@dataclass(slots=True)
class Context:
    """`keys` go into every line of the log, None left out; `metrics` are written when the request is over. `started`
    and `deadline` are on time.monotonic, `trace` is the trace's header as Lambda had it at the start, `status` is the
    answer's, as of HTTP. `source` is the client's address as the door was told it, empty where it was not."""

    correlation_id: str = ""
    request_id: str = ""
    keys: dict[str, object] = field(default_factory=dict)
    metrics: list[Measured] = field(default_factory=list)
    started: float = field(default_factory=time.monotonic)
    deadline: float = math.inf
    trace: str = ""
    status: int = 200
    source: str = ""

    def elapsed(self) -> float:
        """Milliseconds since the start."""
        return (time.monotonic() - self.started) * 1_000

    def seconds_left(self) -> float:
        return self.deadline - time.monotonic()


_current: Final[ContextVar[Context]] = ContextVar("gateway")


def current() -> Context:
    """The context of what runs here; outside of every request one of this thread's own."""
    found = _current.get(None)
    if found is None:
        _current.set(found := Context())
    return found


class entered:  # noqa: N801  a context manager used like a function; contextlib's costs a generator each time
    """What runs inside is this context's."""

    __slots__ = ("_before", "_context")

    def __init__(self, context: Context) -> None:
        self._context = context

    def __enter__(self) -> Context:
        self._before = _current.set(self._context)
        return self._context

    def __exit__(self, *_raised: object) -> None:
        _current.reset(self._before)


def carried(function: Callable[P, R]) -> Callable[P, R]:
    """The function, run in the context that is current now: for the threads of a pool, which begin with none."""
    context = current()

    def inside(*args: P.args, **kwargs: P.kwargs) -> R:
        with entered(context):
            return function(*args, **kwargs)

    return inside
