"""The state of one request, or of one run of a job: its keys in the log, what it has counted, its deadline.

Two requests never share it, whether they run at once on separate threads or take turns on one thread. They take turns,
for example, when the body of an answer is written while the next request is read: `entered` says whose turn it is.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextvars import ContextVar
from typing import Final, ParamSpec, TypeVar

from msgspec import Struct, field

P = ParamSpec("P")
R = TypeVar("R")

# A metric's name and the dimensions that its values are filed under, as JSON text. It is a key at each request, and a
# text is hashed only once.
Place = str


class Context(Struct, eq=False):
    """`keys` go into every line of the log, without those that are None. `metrics` are written when the request is
    over. `started` and `deadline` are on time.monotonic. `trace` is Lambda's trace header at the start. `status` is the
    answer's HTTP status. `source` is the client's address, empty if the door does not know it."""

    correlation_id: str = ""
    request_id: str = ""
    keys: dict[str, object] = field(default_factory=dict)
    metrics: list[tuple[Place, float]] = field(default_factory=list)
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


_current: Final[ContextVar[Context | None]] = ContextVar("gateway", default=None)


def current() -> Context:
    """The context of the code that runs here. Outside of every request it is the thread's own."""
    found = _current.get()
    if found is None:
        _current.set(found := Context())
    return found


inside: Final = _current.get
"""The context of the request or run of the code that runs here, None outside of all of them. `inside() or current()`
is `current()` without a call of a Python function, for code that every paid call runs."""

enter: Final = _current.set
"""Makes a context the current one, and returns what `leave` takes to bring back the one before it."""
leave: Final = _current.reset


class entered:  # noqa: N801  a context manager used like a function; contextlib's costs a generator each time
    """Makes this context the current one inside the `with` block."""

    __slots__ = ("_before", "_context")

    def __init__(self, context: Context) -> None:
        self._context = context

    def __enter__(self) -> Context:
        self._before = _current.set(self._context)
        return self._context

    def __exit__(self, *_raised: object) -> None:
        _current.reset(self._before)


def carried(function: Callable[P, R]) -> Callable[P, R]:
    """The function, bound to the context that is current now: for the threads of a pool, which start without one."""
    context = current()

    def inside(*args: P.args, **kwargs: P.kwargs) -> R:
        with entered(context):
            return function(*args, **kwargs)

    return inside
