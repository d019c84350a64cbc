"""How an admission moves a key's buckets on, given the facts known about them. It is right for idle and for busy
buckets.

See docs/decisions/0010-right-either-way.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal

from msgspec import Struct, field

from gateway.ledger.admission import Demand, Terms
from gateway.limits import Bucket, Limit

Form = Literal["idle", "busy", "either", "over"]
_LABELS = 8
_SECOND = 1_000_000
_BUSY_MICROSECONDS = 5_000_000


class Move(Struct, frozen=True):
    """How an update moves a bucket on; there are several forms, since an expression can't take the later of two times.

    idle: the bucket starts again from the clock; right if it is idle.
    busy: it moves on from where it is; right if that is `least` or later. `extra` is the time from `least` to the start
    of an idle bucket, so that a bucket that has become idle has no more room than one that starts again.
    either: for a caller that knows nothing about the bucket. It is right if the bucket is idle, and also if other such
    callers came in the same moment and made it busy: the arrival time is then under the moment's `label` too, and goes
    on from there.
    over: it stays where it is. A bucket in shadow that is over its limit is left as if the call had been refused. So
    its limit refuses in shadow exactly what it would refuse if enforced, however long it is exceeded.

    If there is a `label`, the arrival time is stored under it too.
    """

    form: Form = "idle"
    least: int = 0
    extra: int = 0
    label: int | None = None


def other_labels(label: int) -> list[int]:
    return [each for each in range(_LABELS) if each != label]


IDLE = Move()


class Variant(Struct, frozen=True):
    """How an update moves each bucket on, by the bucket's attribute. Those that are left out start again from the
    clock."""

    moves: Mapping[str, Move] = MappingProxyType({})

    def of(self, attribute: str) -> Move:
        return self.moves.get(attribute, IDLE)


_ALL_IDLE = Variant()
NOBODY: Mapping[str, int] = MappingProxyType({})


class Guess(Struct):
    """What an admission knows about an item: its latest known state, and how often its condition has refused this same
    admission (`refusals`). `unknown`: nothing was known about it before this admission. `busy_until`: until when
    (microseconds) a bucket counts as busy because others have lately kept it busy."""

    item: Mapping[str, Any]
    refusals: int = 0
    unknown: bool = False
    busy_until: Mapping[str, int] = field(default_factory=dict)


def variant_of(guess: Guess, terms: Terms, demand: Demand, now: int) -> Variant:
    """The moves that fit the known state. An arrival time only grows, so a bucket that was seen busy at `now` still
    is."""
    moves: dict[str, Move] = {}
    item, shadow, tokens = guess.item, terms.shadow, demand.tokens
    surprising = guess.unknown or guess.refusals or guess.busy_until
    for rate in terms.rates:
        name = rate.name
        arrival = item.get(name, 0)
        if arrival < now - rate.slack and not surprising and not shadow:  # the usual case
            continue
        limit, bucket = rate.limit, rate.bucket
        move = _move(guess, limit, bucket, tokens, now)
        if shadow and limit.name in shadow and not bucket.conforms(arrival, limit.asks(tokens), now):
            move = Move("over")
        if move is not IDLE:
            moves[name] = move
    return Variant(moves) if moves else _ALL_IDLE


def _move(guess: Guess, limit: Limit, bucket: Bucket, tokens: int, now: int) -> Move:
    name = limit.attribute
    start, known = now - bucket.slack, guess.item.get(name)
    label = _label(bucket.cost(limit.asks(tokens)), now) if guess.unknown else None
    if known is None:
        return Move("either", label=label) if label is not None and not guess.item else IDLE
    if known >= start:
        return Move("busy", start, 0, label)
    if guess.refusals and start - known <= bucket.catch_up(guess.refusals):
        return Move("busy", known, start - known, label)
    if not guess.refusals and guess.busy_until.get(name, 0) > now:
        return Move("busy", start)
    return IDLE


def _label(cost: int, now: int) -> int | None:
    """Which label stands for this moment: a second, or less for a bucket that is soon idle again. None if the bucket is
    idle again right after each call."""
    if cost < 5_000:
        return None
    return now // (_SECOND if cost >= 50_000 else 200_000) % _LABELS


def kept_busy(
    seen: Mapping[str, Any], item: Mapping[str, Any], terms: Terms, demand: Demand, variant: Variant, now: int
) -> Mapping[str, int]:
    """The buckets that others keep busy, each with the moment until which it counts as busy: a call found it busy,
    although it was idle by the state that its container had `seen` last. `item` is as the admission left it."""
    busy: dict[str, int] = {}
    for rate in terms.rates:
        name, start = rate.name, now - rate.slack
        if seen.get(name, 0) >= start:
            continue
        moved = rate.bucket.cost(rate.limit.asks(demand.tokens)) + variant.of(name).extra
        if start < item.get(name, 0) - moved:
            busy[name] = now + _BUSY_MICROSECONDS
    return busy
