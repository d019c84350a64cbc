"""A call's answer as a stream of bytes in the client's dialect.

Nothing is sent before the first content, so that another attempt stays possible and an error has its true status. If
the provider is silent for long, a ping goes out first. From then on, errors are sent in the stream.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from typing import Any

from msgspec import Struct

from gateway import observability
from gateway.calls.asked import Delivery, streamed
from gateway.calls.call import Call
from gateway.errors import ClientGone, GatewayError, InternalError
from gateway.vendors.base import Chunk

PING_SECONDS = 10.0
_MOST_HELD = 65_536  # bytes of events without content that are held back
_COMMENT = b": ping\n\n"  # not an event: before the first event, some readers accept nothing else
Gone = Callable[[], bool]


class Streaming(Struct):
    """One call's stream. `gone` says whether the client has hung up; `clock` gives seconds of a steady clock."""

    call: Call
    gone: Gone = lambda: False
    clock: Callable[[], float] = time.monotonic
    _under_way: Delivery | None = None  # the one whose events went out

    def begun(self) -> Begun:
        """The stream with its first bytes ready. Raises the error that ended the call before them, with its status.
        Read the stream to its end or close it: either way the call is settled."""
        pieces = self._pieces()
        first = next(pieces)
        return Begun(self.call, first, pieces)

    def _pieces(self) -> Generator[bytes]:
        sent = False
        try:
            for piece in self._said():
                sent = True
                yield piece
        except ClientGone as gone:
            raise self.call.paid_for(gone) from None  # the call is settled by now
        except GatewayError as error:
            if not sent:
                raise
            yield (self._under_way or self._delivery()).error(error, self._facts())
        except Exception as fault:
            if not sent:
                if self.call.cost.total:  # a repeat with the same Idempotency-Key must not be paid for again
                    raise self.call.paid_for(InternalError()) from fault
                raise
            observability.log.exception("a stream failed")
            told = self.call.paid_for(InternalError())
            yield (self._under_way or self._delivery()).error(told, self._facts())

    def _said(self) -> Generator[bytes]:
        """The answer's bytes, with pings. An attempt's events before its first content are held back and go out with
        it."""
        begun, held, attempts, last = False, b"", 0, self.clock()  # when something was sent last
        delivery = self._delivery()
        with closing(self.call.events()) as events, self._watched():
            for event in events:
                if self.gone():
                    raise ClientGone
                if attempts != len(self.call.attempts):
                    attempts, held, delivery = len(self.call.attempts), b"", self._delivery()
                out = b""
                if isinstance(event, Chunk) and (begun or event.content or event.kind != "ping"):
                    held += delivery.chunk(event.kind, event.body, event.data)
                    begun = self.call.begun = begun or event.content or len(held) > _MOST_HELD
                    self._under_way = delivery if begun else None
                    out, held = (held, b"") if begun else (b"", held)
                now = self.clock()
                if not out and now - last >= PING_SECONDS:
                    out = delivery.ping() if begun else _COMMENT
                if out:
                    last = now
                    yield out
        yield held + delivery.end(self.call.attempts[-1].usage, self._facts())

    def _facts(self) -> dict[str, Any]:
        """What the headers could not say, or not for certain, because they had gone out before."""
        call = self.call
        how = {"attempts": len(call.attempts), "fallbacks": call.fallbacks, "model": call.route.target}
        return {**call.price(), "gateway": {"request_id": call.rid, **how, "region": call.target.region}}

    @contextmanager
    def _watched(self) -> Iterator[None]:
        """Tell the call, before it is settled, that it ends because its client has left."""
        try:
            yield
        except (ClientGone, GeneratorExit):
            self.call.left = True
            raise

    def _delivery(self) -> Delivery:
        plan = self.call.plan
        return streamed(plan.dialect).delivery(plan.told, by_end=plan.by_end)


class Begun(Iterator[bytes]):
    """The pieces of a stream; the first one is there already."""

    def __init__(self, call: Call, first: bytes, rest: Generator[bytes]) -> None:
        self._call = call
        self._first: bytes | None = first
        self._rest = rest

    @property
    def rid(self) -> str:
        """The request's id."""
        return self._call.rid

    @property
    def charged(self) -> int:
        """What it cost, in micro-dollars; known once it has ended."""
        return self._call.cost.total

    def __next__(self) -> bytes:
        first, self._first = self._first, None
        return next(self._rest) if first is None else first

    def close(self) -> None:
        self._rest.close()
