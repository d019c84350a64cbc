"""One attempt at one target: the provider's events, how it ended, what it cost, and what it says about the provider.

An answer that breaks off, or whose client stops reading, costs (docs/decisions/0059) the provider's last count if that
covers all of it. Otherwise it costs what was seen of it if everything that is produced can be seen, else the upper
bound.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator
from typing import Any

from msgspec import Struct

from gateway.breakers.signs import ANSWERED, SILENT, Signs, signs_of
from gateway.calls.plan import Target
from gateway.errors import UpstreamError
from gateway.ledger.charge import Verdict, charge, verdict_of
from gateway.models.money import Cost, cost_of
from gateway.models.thinking import may_think
from gateway.models.usage import Usage
from gateway.vendors.base import QUIET, Answer, Chunk, Counted, Event, Made, Prepared

# Tokens of an answer that broke off that were made but had not arrived: `_UNDER_WAY` for the last moment, and
# `_A_SECOND` for each second of the provider's silence beyond it, since some send a tool's input only when it is
# complete. The same for each second that events waited for their reader, because others waited behind them.
_UNDER_WAY, _A_SECOND = 32, 250
_MOMENT, _HINDERS = 0.5, 0.05


class Attempt(Struct):
    """`events` may be used only once. The fields are final when it has ended; before that nobody knows its cost.

    `choices` is how many answers were asked for. `delivered`: content came, even if only part of an answer. `told` is
    the provider's latest usage of the prompt. `counted` is its count of the whole, until more comes after it. `pieces`
    and `size` are what was seen of the answer: pieces of text, each at least one token, and bytes. `unread` is how many
    seconds events had to wait for their reader, `silent` how many have passed since the last piece came.
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
        """The most that it may cost, in micro-dollars: less than the estimate once the provider has reported the
        prompt's usage."""
        est = self.target.est
        return est.cost if self.told is None else min(est.cost, est.once_told(self.told))

    @property
    def cost(self) -> Cost:
        """What it costs. If nobody can know what it did, that is the upper bound, though less may be held: otherwise a
        client that could make an attempt unknown would not pay the difference."""
        if self.verdict is Verdict.ANSWERED and self.bill is not None:
            return self.bill  # as `charge` would say, without the bound
        return charge(self.verdict, self.bill, self.bound)

    @property
    def uncounted(self) -> int:
        """Tokens that count as used because nobody counted them."""
        return self.target.est.tokens if self.usage is None and self.cost.total else 0

    def events(self) -> Iterator[Event]:
        """The provider's events; the last is the whole answer. Raises UpstreamErrors.

        If another exception ends it before anything was sent, it costs nothing. If the client does not read to the end,
        it costs what was seen, or the upper bound.
        """
        started = self._last = time.monotonic()
        try:
            for event in self.target.provider.send(self.prepared):
                if event is not QUIET:
                    if self.first_byte_ms is None and not isinstance(event, Counted):
                        self.first_byte_ms = (time.monotonic() - started) * 1_000
                    if isinstance(event, Answer):  # the last event: no time of its reader's counts any more
                        self._answered(event)
                        yield event
                        continue
                    self._heard(event)
                given = time.monotonic()
                yield event
                waited = time.monotonic() - given
                if waited > _HINDERS:  # not the provider's silence: nobody listened. No second counts twice
                    self.unread, self._last = self.unread + waited, self._last + waited
        except UpstreamError as failure:
            self._failed(failure)
            raise
        except Exception:
            # A provider turns failures after sending into UpstreamErrors; if it did not, content shows that it had
            # sent.
            if self.verdict is Verdict.UNKNOWN and not self.delivered:
                self.verdict, self.status = Verdict.NOT_SENT, "not_sent"
            raise
        finally:
            ended = time.monotonic()
            self.provider_ms, self.silent = (ended - started) * 1_000, ended - self._last
            if self.verdict is Verdict.UNKNOWN and self.delivered:
                self._cut()

    def signs(self, first_byte: float) -> Signs:
        """What it says to the breakers; `first_byte` is the most seconds that a stream may take to begin."""
        if self.failure is not None:
            silent = 0.0 if self.delivered else self.provider_ms / 1_000
            return signs_of(self.failure, streamed=self.target.streamed, silent_for=silent, first_byte=first_byte)
        return ANSWERED if self.verdict is Verdict.ANSWERED else SILENT

    def fields(self) -> dict[str, Any]:
        """Its fields in a row: money in micro-dollars; token counts only if they are not 0."""
        route, usage = self.target.route, self.usage or Usage()
        tokens = {"input": usage.prompt_tokens, "cached": usage.cached_tokens, "output": usage.output_tokens}
        return {
            "vendor": route.provider,
            "model": route.name,
            "region": self.target.region,
            "verdict": str(self.verdict),
            "cost": self.cost.total,
        } | {name: count for name, count in tokens.items() if count}

    def _heard(self, event: Chunk | Made | Counted) -> None:
        if isinstance(event, Counted):
            # No prompt has 0 tokens: some hosts report zeros until they know the count.
            self.told = event.usage if event.usage.prompt_tokens else self.told
            self.counted = event if event.final else None
        else:
            self.delivered = self.delivered or event.content
            self.pieces, self.size = self.pieces + event.pieces, self.size + event.size
            if event.pieces:
                self.counted, self._last = None, time.monotonic()

    def _cut(self) -> None:
        """The answer broke off, or its client stopped reading."""
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
        """The most tokens that the received part of a stream may have: there are never fewer bytes than byte-level
        tokens."""
        return max(self.told.output_tokens if self.told else 0, self.pieces, self.size)

    def _seen(self, output: int) -> tuple[Usage, Cost]:
        """What this many output tokens of an answer used and cost."""
        est = self.target.est
        return est.seen(self.told, min(output + est.unasked, est.output))

    def _answered(self, answer: Answer) -> None:
        self.delivered, self.verdict, self.status = True, Verdict.ANSWERED, "ok"
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
            # Whatever ended it, a part of it had been answered before, and is paid for.
            self.verdict = self.verdict if self.verdict is Verdict.UNUSABLE else Verdict.CUT
            self.bill = self._billed(failure.usage, failure.tier)

    def _billed(self, usage: Usage, tier: str | None) -> Cost:
        """The tier that answered is billed, whatever tier was asked for. If the answer names none, the bill is the
        higher of those for the requested tier and for the usual one."""
        price = self.target.route.price
        if not price.tiers:
            return cost_of(usage, price)
        asked = self.prepared.call.body.get("service_tier")
        if tier or not isinstance(asked, str):
            return cost_of(usage, price.for_tier(tier))
        return max((cost_of(usage, each) for each in (price, price.for_tier(asked))), key=lambda cost: cost.total)
