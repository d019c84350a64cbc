"""One attempt at one target: the provider's events, how it ended, what it cost, what it tells of the provider.

What an answer costs that breaks off, or that nobody reads on (docs/decisions/0059): the provider's last count, where it
stands for the whole; else what was seen of it, where all that is produced can be seen, and the upper bound else.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from gateway.breakers.signs import ANSWERED, SILENT, Signs, signs_of
from gateway.calls.plan import Target
from gateway.errors import UpstreamError
from gateway.ledger.charge import Verdict, charge, verdict_of
from gateway.models.money import Cost, cost_of
from gateway.models.thinking import may_think
from gateway.models.usage import Usage
from gateway.vendors.base import QUIET, Answer, Chunk, Counted, Event, Made, Prepared

# Of an answer that broke off, tokens that were made and had not come: a moment's worth; and so many for each second
# beyond it of a provider's silence, since some tell the input of a tool only when it is whole, and for each that events
# waited for their reader, who had others wait behind them.
_UNDER_WAY, _A_SECOND = 32, 250
_MOMENT, _HINDERS = 0.5, 0.05


@dataclass(slots=True)
class Attempt:
    """`events` may be taken once. What the fields say holds when it has ended; before, nobody knows what it costs.

    `choices` is how many answers were asked for. `delivered`: content came, be it a part of an answer. `told` is what
    the provider said last that the prompt came to, `counted` its count of the whole, until more comes behind it;
    `pieces` and `size` are what was seen of the answer: pieces of text, each a token at least, and bytes. `unread` are
    the seconds that events had to wait for their reader, `silent` those since the last piece came.
    """

    target: Target
    prepared: Prepared
    choices: int
    verdict: Verdict = Verdict.UNKNOWN
    status: str = "aborted"
    usage: Usage | None = None
    bill: Cost | None = None
    failure: UpstreamError | None = None
    provider_ms: float = 0.0
    first_byte_ms: float | None = None
    delivered: bool = False
    told: Usage | None = None
    counted: Counted | None = None
    pieces: int = 0
    size: int = 0
    unread: float = 0.0
    silent: float = 0.0
    _last: float = 0.0  # when a piece came

    @property
    def bound(self) -> int:
        """The most that it may cost, in micro-dollars: less than was estimated, once the provider has told what the
        prompt came to."""
        est = self.target.est
        return est.cost if self.told is None else min(est.cost, est.once_told(self.told))

    @property
    def cost(self) -> Cost:
        """Where nobody can know what it did: the upper bound, though less may be held, for who could make it unknown
        would have the difference for nothing."""
        return charge(self.verdict, self.bill, self.bound)

    @property
    def uncounted(self) -> int:
        """Tokens that are taken for used since nobody counted them."""
        return self.target.est.tokens if self.usage is None and self.cost.total else 0

    def events(self) -> Iterator[Event]:
        """The provider's events; the last is the whole answer. Raises UpstreamErrors.

        What ends it otherwise costs nothing before anything was sent, and where nobody reads to the end what was seen,
        or the upper bound.
        """
        started = self._last = time.monotonic()
        try:
            for event in self.target.provider.send(self.prepared):
                if event is not QUIET:
                    if self.first_byte_ms is None and not isinstance(event, Counted):
                        self.first_byte_ms = (time.monotonic() - started) * 1_000
                    self._heard(event)
                given = time.monotonic()
                yield event
                waited = time.monotonic() - given
                if waited > _HINDERS:  # no silence of the provider's: nobody listened, and no second counts twice
                    self.unread, self._last = self.unread + waited, self._last + waited
        except UpstreamError as failure:
            self._failed(failure)
            raise
        except Exception:
            # A provider turns what happens after sending into UpstreamErrors; where it did not, content shows it.
            if self.verdict is Verdict.UNKNOWN and not self.delivered:
                self.verdict, self.status = Verdict.NOT_SENT, "not_sent"
            raise
        finally:
            ended = time.monotonic()
            self.provider_ms, self.silent = (ended - started) * 1_000, ended - self._last
            if self.verdict is Verdict.UNKNOWN and self.delivered:
                self._cut()

    def signs(self, first_byte: float) -> Signs:
        """What it tells breakers; `first_byte` is the most seconds that a stream may take to begin."""
        if self.failure is not None:
            silent = 0.0 if self.delivered else self.provider_ms / 1_000
            return signs_of(self.failure, streamed=self.target.streamed, silent_for=silent, first_byte=first_byte)
        return ANSWERED if self.verdict is Verdict.ANSWERED else SILENT

    def fields(self) -> dict[str, Any]:
        """As it stands in a row: money in micro-dollars; of tokens what is not 0."""
        route, usage = self.target.route, self.usage or Usage()
        tokens = {"input": usage.prompt_tokens, "cached": usage.cached_tokens, "output": usage.output_tokens}
        return {
            "vendor": route.provider,
            "model": route.name,
            "region": self.target.region,
            "verdict": str(self.verdict),
            "cost": self.cost.total,
        } | {name: count for name, count in tokens.items() if count}

    def _heard(self, event: Chunk | Made | Counted | Answer) -> None:
        if isinstance(event, Counted):
            # No prompt is of no tokens: some hosts say zeros until they know.
            self.told = event.usage if event.usage.prompt_tokens else self.told
            self.counted = event if event.final else None
        elif isinstance(event, Answer):
            self.delivered = True
            self._answered(event)
        else:
            self.delivered = self.delivered or event.content
            self.pieces, self.size = self.pieces + event.pieces, self.size + event.size
            if event.pieces:
                self.counted, self._last = None, time.monotonic()

    def _cut(self) -> None:
        """The answer broke off, or nobody read on."""
        if self.counted is not None:
            self.verdict, self.usage = Verdict.CUT, self.counted.usage
            self.bill = self._billed(self.usage, self.counted.tier or None)
        elif not self._may_think():
            unseen = math.ceil(_A_SECOND * (self.unread + max(0.0, self.silent - _MOMENT)))
            usage, bill = self._seen(self._came() + _UNDER_WAY + unseen)
            if bill.total < self.bound:
                self.verdict, self.usage, self.bill = Verdict.CUT, usage, bill

    def _may_think(self) -> bool:
        route = self.target.route
        return may_think(route.target, route.price.capabilities, json.loads(self.prepared.body or b"{}"))

    def _came(self) -> int:
        """The most tokens that what came of a stream may have: bytes are never fewer than byte-level tokens."""
        return max(self.told.output_tokens if self.told else 0, self.pieces, self.size)

    def _seen(self, output: int) -> tuple[Usage, Cost]:
        """What so much of an answer used and costs."""
        est = self.target.est
        return est.seen(self.told, min(output + est.unasked, est.output))

    def _answered(self, answer: Answer) -> None:
        self.verdict, self.status = Verdict.ANSWERED, "ok"
        if answer.usage is not None:
            self.usage, self.bill = answer.usage, self._billed(answer.usage, answer.tier)
        else:
            said: Any = next(
                (answer.body[each] for each in ("choices", "content", "output") if each in answer.body), []
            )
            whole = len(json.dumps(said, ensure_ascii=False).encode(errors="replace"))
            self.usage, self.bill = self._seen(self._came() if self.target.streamed else whole)

    def _failed(self, failure: UpstreamError) -> None:
        self.verdict = verdict_of(sent=failure.sent, status=failure.upstream_status)
        self.status, self.failure = failure.code, failure
        if isinstance(failure.usage, Usage):
            self.usage = failure.usage
            # Whatever ended it: a part of it was answered before, and is paid for.
            self.verdict = self.verdict if self.verdict is Verdict.UNUSABLE else Verdict.CUT
            self.bill = self._billed(failure.usage, failure.tier)

    def _billed(self, usage: Usage, tier: str | None) -> Cost:
        """The tier that answered is billed, whatever tier was asked for. Where the answer names none, it is the
        one that was asked for, or the usual one: the dearer."""
        price, asked = self.target.route.price, self.prepared.call.body.get("service_tier")
        if tier or not isinstance(asked, str):
            return cost_of(usage, price.for_tier(tier))
        return max((cost_of(usage, each) for each in (price, price.for_tier(asked))), key=lambda cost: cost.total)
