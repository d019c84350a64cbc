"""Chooses which of a provider's credentials an attempt uses, in this container.

A credential that works stays in use. A limited one rests as long as the provider asks, a refused one until the secret
has been read again; meanwhile the others are used. If all of them rest, only the one that is ready soonest is tried: a
provider that asks for patience does not get one request per credential.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from gateway import observability
from gateway.errors import UpstreamCredentials, UpstreamError, UpstreamThrottled

Held = TypeVar("Held")  # a key, or AWS credentials

REFUSED_SECONDS = 300.0  # as long as a container keeps a secret
_LIMITED_SECONDS = 15.0  # if the provider gives no time
_LONGEST_SECONDS = 3_600.0


class Rotation(Generic[Held]):
    """`read` returns the credentials as they are now, at least one; what it raises is raised by `first`. `reread` reads
    their secret again, in at most so many seconds. `start`, from 0 to 1, says which credential comes first. It is
    random by default, so that containers spread over them. `clock` returns seconds of a steady clock."""

    def __init__(
        self,
        provider: str,
        read: Callable[[], Sequence[Held]],
        reread: Callable[[float], None],
        *,
        start: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._provider, self._read, self._reread, self._clock = provider, read, reread, clock
        self._start = random.random() if start is None else start  # noqa: S311  spreads the load, and hides nothing
        self._current: Held | None = None
        self._rests: dict[Held, float] = {}

    def first(self) -> Held:
        """The credential that an attempt begins with."""
        held, rests, current = self._read(), self._rests, self._current
        if not rests and current is not None and current in held:
            return current  # as at almost every call
        now = self._clock()
        awake = [each for each in held if rests.get(each, now) <= now]
        self._current = self._chosen(held, awake) if awake else min(held, key=lambda each: rests[each])
        return self._current

    def another(self, tried: Sequence[Held], refusal: UpstreamError, seconds: float) -> Held | None:
        """Another credential for an attempt that tried `tried`, the last of which was refused. None if no other one is
        awake. Takes at most so many seconds. Raises what `read` raises."""
        held = self._read()
        self._rest(held, tried[-1], refusal)
        found = self._untried(held, tried)
        if found is None and isinstance(refusal, UpstreamCredentials):
            self._reread(seconds)  # the secret may have been replaced since
            found = self._untried(self._read(), tried)
        return found

    def _untried(self, held: Sequence[Held], tried: Sequence[Held]) -> Held | None:
        now = self._clock()
        left = [each for each in held if each not in tried and self._rests.get(each, now) <= now]
        if not left:
            return None
        self._current = self._chosen(held, left)
        return self._current

    def _chosen(self, held: Sequence[Held], awake: Sequence[Held]) -> Held:
        """The current one if it is awake, else the next one in the list that is, starting again at its front after its
        end."""
        current = self._current
        if current is not None and current in awake:
            return current
        after = held.index(current) if current is not None and current in held else int(self._start * len(held))
        return next(each for each in (*held[after:], *held[:after]) if each in awake)

    def _rest(self, held: Sequence[Held], refused: Held, refusal: UpstreamError) -> None:
        now = self._clock()
        seconds = REFUSED_SECONDS
        if isinstance(refusal, UpstreamThrottled):
            asked = _LIMITED_SECONDS if refusal.retry_after is None else refusal.retry_after
            seconds = min(asked, _LONGEST_SECONDS)
        resting = {each: until for each, until in self._rests.items() if each in held and until > now}
        self._rests = resting | {refused: now + seconds}
        if len(held) > 1 and refused in held:
            which = f"{held.index(refused) + 1} of {len(held)}"
            facts = {"provider": self._provider, "credential": which, "status": refusal.upstream_status}
            observability.log.warning("a provider credential rests", extra=facts | {"seconds": seconds})
