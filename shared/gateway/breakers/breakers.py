"""The breaker as a call uses it: it asks whether it may go, and reports the result. All functions share the state.

A call passes three breakers: the whole vendor's, which only an operator opens, its host's, and its target's. A healthy
target costs each container one read a second for all three, and no write at all. A failure is written at once, together
with the successes that this container has seen since it last wrote. While a window has failures, containers also write
their successes, once a second, so that the share of failures is accurate enough to decide. If the store does not
answer, calls proceed: a breaker protects, so it must not be a cause of failures.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Protocol, TypeVar

from msgspec import Struct, field

from gateway import observability
from gateway.breakers.breaker import SLOW_KEYS, Breaker, BreakerKey, BreakerRules, way_to
from gateway.breakers.signs import ANSWERED, Sign, Signs
from gateway.errors import GatewayError, StoreError, UpstreamUnavailable

T = TypeVar("T")
_HINT_MS = 1_000
_MOST_KNOWN = 1_000  # keys that a container remembers; others are read again


class BreakerState(Protocol):
    """What the service needs of a store."""

    def read(self, keys: Sequence[BreakerKey]) -> dict[BreakerKey, Breaker]: ...
    def report(
        self, key: BreakerKey, failures: int, successes: int, now: int, rules: BreakerRules, slow: str = ""
    ) -> Breaker: ...
    def trip(self, breaker: Breaker, now: int, rules: BreakerRules) -> bool: ...
    def lease_probe(self, key: BreakerKey, now: int, rules: BreakerRules) -> Breaker | None: ...
    def return_probe(self, key: BreakerKey, now: int) -> None: ...
    def close(self, key: BreakerKey, now: int) -> None: ...


class _Local(Struct):
    breaker: Breaker
    read: int
    wrote: int = 0
    successes: int = 0  # in the window that began at `since`, not written yet
    since: int = 0


class Permit(Struct, frozen=True):
    """Permission to call a target. `probes` are the half-open breakers that it passes, as they were leased: the result
    of the call decides whether they close."""

    target: BreakerKey
    probes: Mapping[BreakerKey, Breaker] = MappingProxyType({})


class _Way(Struct, frozen=True):
    """The way to a target, all of whose breakers are closed. It is clear from `since`, when the last of them was read,
    until `ends`, when the first of them has to be read again (milliseconds). `permit` is the permit of each of its
    calls. `told` are the breakers that count each call's result: the host's and the target's."""

    permit: Permit
    told: tuple[_Local, ...]
    since: int
    ends: int


class Breakers(Struct):
    """`clock` gives milliseconds since the epoch. The breakers of nearly all calls were found closed less than a second
    ago, so such a clear way is kept, and a call looks at it instead of at three breakers. All ways are dropped as soon
    as any breaker is read again or forgotten. So each kept way has the breakers of `_known`, and is as bounded."""

    store: BreakerState
    clock: Callable[[], int]
    _known: dict[BreakerKey, _Local] = field(default_factory=dict)
    _clear_ways: dict[BreakerKey, _Way] = field(default_factory=dict)

    def acquire(self, target: BreakerKey, rules: BreakerRules) -> Permit:
        """Ask for permission to call. Raises UpstreamUnavailable, at once and with retry_after, if a breaker that the
        call must pass is open."""
        now = self.clock()
        clear = self._clear_way(target, now)
        if clear is not None:
            return clear.permit
        (way,) = self._looked((target,), now)
        shut = _shut(way, now)
        if shut is not None:
            raise _suspended(shut, now)
        probes: dict[BreakerKey, Breaker] = {}
        for local in way[1:]:
            breaker, key = local.breaker, local.breaker.key
            if not breaker.open or breaker.state(now) != "half_open":
                continue
            leased = self._guarded(lambda key=key: self.store.lease_probe(key, now, rules))  # type: ignore[misc]  # bound now
            if leased is None:
                self._give_back(probes, now)
                raise _suspended(breaker, now)
            probes[key] = leased
        return Permit(target, probes)

    def check(self, targets: Sequence[BreakerKey]) -> None:
        """Raises like `acquire` if the way to each of these targets has an open breaker. Takes no probe of a half-open
        breaker."""
        now = self.clock()
        for target in targets:
            if self._clear_way(target, now) is None:
                break
        else:
            return
        shut = [_shut(way, now) for way in self._looked(targets, now)]
        if shut and shut[0] is not None and all(shut):
            raise _suspended(shut[0], now)

    def tell(self, permit: Permit, signs: Signs, rules: BreakerRules, key_id: str) -> None:
        """Report the result of a call by this API key. Report each permit once. A result that says nothing gives its
        probes back."""
        now, asked, probes = self.clock(), permit.target, permit.probes
        clear = self._clear_ways.get(asked)  # however long ago: its breakers are still those of `_known`
        if signs is ANSWERED and clear is not None and not probes:  # as usual
            self._well(clear.told, now, rules)
            return
        _, host, target = way_to(asked)
        for key, sign in ((host, signs.host), (target, signs.target)):
            probe = probes.get(key) if probes else None
            if sign is Sign.WELL and probe is None:
                self._well((self._local(key, now),), now, rules)
            elif sign is Sign.WELL:
                self._close(key, now)
            elif sign is Sign.ILL:
                self._ill(key, probe, now, rules)
            elif probe is not None:
                self._give_back((key,), now)
            elif sign is Sign.LATE:
                self._late(key, now, rules, key_id)

    def give_back(self, permit: Permit) -> None:
        """Give back the probes of a call that was not made after all."""
        self._give_back(permit.probes, self.clock())

    def _well(self, told: Iterable[_Local], now: int, rules: BreakerRules) -> None:
        window = rules.window(now)
        for local in told:
            if local.since == window:
                local.successes += 1
            else:
                local.since, local.successes = window, 1
            seen = local.breaker
            if (seen.failures or seen.slow) and seen.window == window and now - local.wrote >= _HINT_MS:
                self._report(seen.key, local, 0, now, rules)

    def _close(self, key: BreakerKey, now: int) -> None:
        self._guarded(lambda: self.store.close(key, now))
        self._forget(key)
        observability.log.info("circuit breaker closed", extra={"breaker": key.text, "provider": key.vendor})
        observability.count("CircuitBreakerClosed", provider=key.vendor)

    def _ill(self, key: BreakerKey, probe: Breaker | None, now: int, rules: BreakerRules) -> None:
        if probe is not None:
            self._trip(probe, now, rules)
            return
        local = self._local(key, now)
        self._report(key, local, 1, now, rules)
        if not local.breaker.open and rules.trips(local.breaker):
            self._trip(local.breaker, now, rules)

    def _late(self, key: BreakerKey, now: int, rules: BreakerRules, key_id: str) -> None:
        local = self._local(key, now)
        seen = local.breaker
        if seen.window == rules.window(now) and len(seen.slow) >= SLOW_KEYS and seen.successes:
            return  # late calls can no longer open it in this window
        self._report(key, local, 0, now, rules, key_id)
        if not local.breaker.open and rules.trips(local.breaker):
            self._trip(local.breaker, now, rules)

    def _give_back(self, probes: Iterable[BreakerKey], now: int) -> None:
        for key in probes:
            self._guarded(lambda key=key: self.store.return_probe(key, now))  # type: ignore[misc]  # bound now, not later
            self._forget(key)

    def _trip(self, breaker: Breaker, now: int, rules: BreakerRules) -> None:
        key = breaker.key
        if self._guarded(lambda: self.store.trip(breaker, now, rules)):
            observability.log.warning("circuit breaker opened", extra={"breaker": key.text, "provider": key.vendor})
            observability.count("CircuitBreakerOpened", provider=key.vendor)
        self._forget(key)

    def _report(
        self, key: BreakerKey, local: _Local, failures: int, now: int, rules: BreakerRules, slow: str = ""
    ) -> None:
        successes = local.successes if local.since == rules.window(now) else 0
        seen = self._guarded(lambda: self.store.report(key, failures, successes, now, rules, slow))
        if seen is not None:
            local.wrote, local.successes = now, 0
            self._seen(local, seen, now)

    def _seen(self, local: _Local, breaker: Breaker, now: int) -> None:
        local.read, local.breaker = now, breaker
        self._clear_ways.clear()  # they are made again from this; that costs little compared with the request

    def _forget(self, key: BreakerKey) -> None:
        self._known.pop(key, None)
        self._clear_ways.clear()

    def _clear_way(self, target: BreakerKey, now: int) -> _Way | None:
        """The way to a target, if its breakers are known, from less than a second ago, and all closed. This is the
        usual case, in which nothing else has to be looked at."""
        kept = self._clear_ways.get(target)
        if kept is not None and kept.since <= now < kept.ends:
            return kept
        way = [local for key in way_to(target) if (local := self._known.get(key)) is not None]
        if len(way) < len(way_to(target)):
            return None
        reads = [local.read for local in way]
        # It is kept before its breakers are looked at. If another thread opens or forgets one of them meanwhile, either
        # that thread drops the way, or this one sees it here.
        found = self._clear_ways[target] = _Way(Permit(target), tuple(way[1:]), max(reads), min(reads) + _HINT_MS)
        for local in way:
            known = self._known.get(local.breaker.key) is local
            if not known or local.breaker.open or not 0 <= now - local.read < _HINT_MS:
                self._clear_ways.pop(target, None)
                return None
        return found

    def _looked(self, targets: Sequence[BreakerKey], now: int) -> list[list[_Local]]:
        """What is known of the breakers on the way to each target: the whole vendor's, the host's and the target's.
        Breakers whose state is too old are read first, all at once."""
        ways = [[self._local(key, now) for key in way_to(target)] for target in targets]
        old = [local for way in ways for local in way if not 0 <= now - local.read < _HINT_MS]
        if old:
            read = self._guarded(lambda: self.store.read([local.breaker.key for local in old]))
            for local in old:
                key = local.breaker.key
                self._seen(local, local.breaker if read is None else read.get(key) or Breaker(key), now)
        return ways

    def _local(self, key: BreakerKey, now: int) -> _Local:
        found = self._known.get(key)
        if found is None:
            if len(self._known) >= _MOST_KNOWN:
                self._forget(next(iter(self._known)))
            found = self._known[key] = _Local(Breaker(key), read=now - _HINT_MS)
        return found

    @staticmethod
    def _guarded(action: Callable[[], T]) -> T | None:
        try:
            return action()
        except (StoreError, GatewayError) as error:
            observability.log.warning("circuit breaker state is out of reach", extra={"reason": type(error).__name__})
            return None


def _shut(way: Sequence[_Local], now: int) -> Breaker | None:
    """The first breaker on a way that lets no call through. The whole vendor's breaker counts only if an operator
    opened it."""
    whole, *others = [local.breaker for local in way]
    if whole.open and whole.forced:
        return whole
    return next((breaker for breaker in others if breaker.open and breaker.state(now) == "open"), None)


def _suspended(breaker: Breaker, now: int) -> UpstreamUnavailable:
    key = breaker.key
    what = f"The model {key.vendor}/{key.model}" if key.is_target else f"The provider {key.vendor}"
    return UpstreamUnavailable(
        f"{what} {'was suspended by an operator' if breaker.forced else 'is failing; calls to it are suspended'}.",
        provider=key.vendor,
        sent=False,
        reason="breaker_open",
        retry_after=breaker.retry_after(now),
    )
