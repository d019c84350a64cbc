"""One attempt at one target: the provider's events, how it ended, what it cost, what it tells of the provider."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from gateway.breakers.signs import ANSWERED, SILENT, Signs, signs_of
from gateway.calls.plan import Target
from gateway.errors import UpstreamError
from gateway.ledger.charge import Verdict, charge, verdict_of
from gateway.models.money import Cost, cost_of
from gateway.models.usage import Usage
from gateway.vendors.base import QUIET, Answer, Chunk, Counted, Event, Prepared


@dataclass(slots=True)
class Attempt:
    """`events` may be taken once. What the fields say holds when it has ended; before, nobody knows what it costs.

    `choices` is how many answers were asked for. `delivered`: content came, be it a part of an answer. `counted` is
    what the provider has counted so far, `pieces` and `size` are what was seen of the answer: pieces of text, each a
    token at least, and bytes.
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
    counted: Usage | None = None
    pieces: int = 0
    size: int = 0

    @property
    def bound(self) -> int:
        """The most that it may cost, in micro-dollars: less than was estimated, once the provider has told what the
        prompt came to."""
        est = self.target.est
        return est.cost if self.counted is None else min(est.cost, est.once_told(self.counted))

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
        started = time.monotonic()
        try:
            for event in self.target.provider.send(self.prepared):
                if event is not QUIET:
                    if self.first_byte_ms is None:
                        self.first_byte_ms = (time.monotonic() - started) * 1_000
                    self._heard(event)
                yield event
        except UpstreamError as failure:
            self._failed(failure)
            raise
        except Exception:
            # A provider turns what happens after sending into UpstreamErrors; where it did not, content shows it.
            if self.verdict is Verdict.UNKNOWN and not self.delivered:
                self.verdict, self.status = Verdict.NOT_SENT, "not_sent"
            raise
        finally:
            self.provider_ms = (time.monotonic() - started) * 1_000
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

    def _heard(self, event: Chunk | Counted | Answer) -> None:
        if isinstance(event, Counted):
            self.counted = event.usage
        elif isinstance(event, Answer):
            self.delivered = True
            self._answered(event)
        else:
            self.delivered = self.delivered or event.content
            self.pieces, self.size = self.pieces + event.pieces, self.size + event.size

    def _cut(self) -> None:
        """The answer broke off, or nobody read on: what was seen of it is billed. A model that may think where nobody
        sees it may have produced more: then the upper bound is."""
        if self._may_think():
            return
        usage = self._seen()
        bill = self._billed(usage, None)
        if bill.total < self.bound:
            self.verdict, self.usage, self.bill = Verdict.CUT, usage, bill

    def _seen(self) -> Usage:
        """What was used by what was seen of a stream."""
        told, call = self.counted or Usage(), self.prepared.call
        most = call.max_output_tokens * self.choices
        # Bytes are never fewer than byte-level tokens.
        output = max(told.output_tokens, min(max(self.pieces, self.size), most))
        fresh = min(_size(call.body), self.target.est.prompt) if self.counted is None else told.input_tokens
        return told._replace(input_tokens=fresh, output_tokens=output, source="counted")

    def _may_think(self) -> bool:
        price, body = self.target.route.price, self.prepared.call.body
        thinking = body.get("thinking")
        off = isinstance(thinking, Mapping) and thinking.get("type") == "disabled"
        return "reasoning" in price.capabilities and not off and body.get("reasoning_effort") != "none"

    def _answered(self, answer: Answer) -> None:
        self.verdict, self.status = Verdict.ANSWERED, "ok"
        self.usage = answer.usage or (self._seen() if self.target.streamed else self._counted(answer.body))
        self.bill = self._billed(self.usage, answer.tier)

    def _failed(self, failure: UpstreamError) -> None:
        self.verdict = verdict_of(sent=failure.sent, status=failure.upstream_status)
        self.status, self.failure = failure.code, failure
        if isinstance(failure.usage, Usage):
            self.usage = failure.usage
            self.bill = self._billed(failure.usage, failure.tier)

    def _billed(self, usage: Usage, tier: str | None) -> Cost:
        """The tier that answered is billed, whatever tier was asked for. Where the answer names none, it is the
        one that was asked for, or the usual one: the dearer."""
        price, asked = self.target.route.price, self.prepared.call.body.get("service_tier")
        if tier or not isinstance(asked, str):
            return cost_of(usage, price.for_tier(tier))
        return max((cost_of(usage, each) for each in (price, price.for_tier(asked))), key=lambda cost: cost.total)

    def _counted(self, body: Mapping[str, Any]) -> Usage:
        # Bytes are never fewer than byte-level tokens, but of images; neither part can be more than what was held.
        said = body.get("choices", body.get("content", []))
        text = json.dumps(said, ensure_ascii=False).encode(errors="replace")
        most = self.prepared.call.max_output_tokens * self.choices
        prompt = min(_size(self.prepared.call.body), self.target.est.prompt)
        return Usage(input_tokens=prompt, output_tokens=min(len(text), most), source="counted")


def _size(body: Mapping[str, Any]) -> int:
    return len(json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode(errors="replace"))
