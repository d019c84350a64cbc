"""The fake's record of everything that it has sent for one request."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.upstream.steering import Steer

if TYPE_CHECKING:
    from tests.upstream.server import Seen


@dataclass(slots=True)
class Delivery:
    """`status` and `headers` are set when the whole head was sent; before that they are 0 and empty. Then comes the
    `body` of an answer in one piece, when it was sent whole, or the `parts` of a stream, one for each event, in
    order. Everything is recorded before it is written, so nobody has more than this record. `began` is when the
    request was read, `last` when the newest piece was about to be written, in seconds of the monotonic clock.
    `held`: a stream waits for permission to go on. `ended`: nothing more comes."""

    seen: Seen
    steer: Steer
    began: float
    last: float
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None
    parts: list[bytes] = field(default_factory=list)
    streams: bool = False
    held: bool = False
    ended: bool = False

    @classmethod
    def of(cls, seen: Seen, steer: Steer) -> Delivery:
        now = time.monotonic()
        return cls(seen, steer, now, now)

    def head(self, status: int, headers: dict[str, str], *, streams: bool) -> None:
        self.status, self.headers, self.streams, self.last = status, headers, streams, time.monotonic()

    def part(self, part: bytes) -> None:
        self.last = time.monotonic()
        self.parts.append(part)
