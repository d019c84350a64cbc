"""An answer in one piece that takes longer than a connection may be idle.

API Gateway ends an answer of which nothing has come for five minutes. So the head of a late answer goes out before it,
and then white space now and then, which every reader of JSON skips. A failure from then on breaks the answer off: white
space alone is no JSON, so nobody can take it for a success (docs/decisions/0105).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from contextlib import closing

from gateway.api.message import Response
from gateway.calls.call import Call
from gateway.calls.streaming import Begun

_SPACE = b"\n"


class Late(Begun):
    """White space, and then the text of the answer. `whole` is the answer once it is there; if it is there from the
    beginning, it is not late, and there are no pieces.

    `steps` yields None while the answer is being made, and then the answer. White space is due at `until`, and then
    after each `pause`, both in seconds of `clock`. Raises what `steps` raises.
    """

    def __init__(
        self,
        call: Call,
        steps: Generator[Response | None],
        until: float,
        pause: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.whole: Response | None = None
        pieces = self._pieces(steps, until, pause, clock)
        super().__init__(call, next(pieces, b""), pieces)

    def _pieces(
        self, steps: Generator[Response | None], due: float, pause: float, clock: Callable[[], float]
    ) -> Generator[bytes]:
        late = False
        with closing(steps):
            for made in steps:
                if made is not None:
                    self.whole = made
                    if late:
                        yield made.text().encode()
                elif (now := clock()) >= due:
                    late, due = True, now + pause
                    yield _SPACE
