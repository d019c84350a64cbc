"""The amount that a call owes by the rules of docs/ledger.md and decisions 13, 28 and 59, computed independently in
this proof from the bytes that the fake upstream sent and from a table of prices. It uses nothing of the gateway.

Money is in micro-dollars. Prices are dollars per million tokens, which is micro-dollars per token, as exact
fractions.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

from tests.contract.money.heard import Counts, Heard, counts_of, heard
from tests.upstream.delivered import Delivery

MODELS: dict[str, dict[str, Any]] = json.loads((Path(__file__).parent / "models.json").read_bytes())
AROUND, A_MESSAGE, AN_INPUT = 128, 8, 8  # tokens that a format may add to the whole call, to a message, to an input
UNDER_WAY, A_SECOND = 32, 250  # tokens that may be in transit when a stream breaks off, and for each second of a pause
_NOT_TOLD = ("model", "stream", "stream_options", "tags")


@dataclass(frozen=True, slots=True)
class Prices:
    """The prices of a token."""

    input: Fraction
    output: Fraction
    cached: Fraction
    written: Fraction
    written_1h: Fraction
    dearest: Fraction  # the prices at which a token of a prompt may be billed

    @classmethod
    def of(cls, name: str, *, marked: bool) -> Prices:
        """`marked`: the prompt asks to be cached. Some models cache prompts without such a request."""
        given = {each: Fraction(str(price)) for each, price in MODELS[name]["price"].items() if each != "mode"}
        plain = given["input"]
        written = given.get("cacheWrite", plain)
        long = given.get("cacheWrite1h", written)
        dearest = max(plain, written, long)
        if MODELS[name].get("marks"):
            dearest = max(plain, written) if marked else plain
        return cls(plain, given["output"], given.get("cached", plain), written, long, dearest)

    def bill(self, counts: Counts) -> int:
        prompt = counts.fresh * self.input + counts.cached * self.cached
        prompt += counts.written * self.written + counts.written_1h * self.written_1h
        return math.ceil(prompt) + math.ceil(counts.output * self.output)


@dataclass(frozen=True, slots=True)
class Asked:
    """A call as it was sent: the model's name in the table, its body, and the cap on its answer."""

    model: str
    body: Mapping[str, Any]
    cap: int

    @property
    def prices(self) -> Prices:
        return Prices.of(self.model, marked=self.marked)

    @property
    def marked(self) -> bool:
        return "cache_control" in json.dumps(self.body)

    @property
    def speaks(self) -> str:
        return str(MODELS[self.model]["speaks"])

    @property
    def thinks(self) -> bool:
        """Whether the model may think without showing it."""
        return bool(MODELS[self.model].get("thinks"))

    @property
    def inputs(self) -> list[str]:
        """The inputs of an embeddings request."""
        given = self.body["input"]
        return given if isinstance(given, list) else [given]

    @property
    def prompt(self) -> int:
        """The most tokens that the prompt may have: its bytes, and the tokens that a format adds."""
        if not self.cap:
            return sum(len(each.encode()) + AN_INPUT for each in self.inputs) + AROUND
        said = {name: value for name, value in self.body.items() if name not in _NOT_TOLD}
        size = len(json.dumps(said, ensure_ascii=False, separators=(",", ":")).encode())
        return size + AROUND + A_MESSAGE * (len(said.get("messages", ())) + ("input" in said))

    @property
    def hold(self) -> int:
        """The most that one attempt may cost: the prompt at its highest price, and the whole cap."""
        return math.ceil(self.prompt * self.prices.dearest + self.cap * self.prices.output) + 1

    def bound(self, told: Counts | None) -> int:
        """The same after the provider counted the prompt."""
        return self.hold if told is None else min(self.hold, self.prices.bill(told._replace(output=self.cap)))

    def told(self, parts: Sequence[bytes]) -> Counts | None:
        """The count of the prompt that these events of a stream report before the end."""
        return heard(self.speaks, parts).told if parts else None

    def seen(self, told: Counts | None, output: int) -> int:
        """The cost of an answer of which this much was seen and of which nobody counted the whole."""
        output = min(output, self.cap)
        if told is not None:
            return self.prices.bill(told._replace(output=output))
        return math.ceil(self.prompt * self.prices.dearest) + math.ceil(output * self.prices.output)


class Owed(NamedTuple):
    """The amount that one attempt owes, and by which rule. `waits`: tokens to be added for each second of a pause; then
    `output` is the count without them, and `told` the reported count of the prompt."""

    rule: str
    cost: int
    waits: bool = False
    output: int = 0
    told: Counts | None = None


RULES = {
    "refused": "a status that is no success, an answer that is none, or an error before anything: nothing",
    "counted": "the provider's count of the whole",
    "bound": "it left, and nobody can know what was made: the upper bound (once the prompt was told, that and the cap)",
    "seen": "a stream that broke off: the prompt, and what was seen with what was under way",
    "uncounted": "an answer without counts: the prompt's bound, and what was said by bytes",
}


def owed(asked: Asked, delivery: Delivery, *, least: int, left: bool, said: str) -> Iterator[Owed]:
    """The amounts that an attempt may owe, given what was sent for it. It is one amount, unless it is open how many of
    the events had been read when it ended; then at least `least` events had been read. `left`: the client has hung
    up. `said` is the answer that the client read, if it was complete."""
    if delivery.status == 0:
        yield Owed("bound", asked.bound(None))
    elif delivery.status != 200:
        yield Owed("refused", 0)
    elif not delivery.streams:
        if left or delivery.body is None:
            yield Owed("bound", asked.bound(None))
        if delivery.body is not None:
            yield _whole(asked, delivery, said)
    else:
        yield from _stream(asked, delivery, least, left=left)


def _whole(asked: Asked, delivery: Delivery, said: str) -> Owed:
    counts = _counted(asked, delivery)
    if counts is not None:
        return Owed("counted", asked.prices.bill(counts))
    if delivery.steer.body != "no-usage":
        return Owed("refused", 0)  # there was no answer and no count
    return Owed("uncounted", asked.seen(None, len(said.encode())))


def _counted(asked: Asked, delivery: Delivery) -> Counts | None:
    """The counts of an answer in one piece, from its body, or from its headers if the body has none."""
    counts, body = _in_headers(delivery.headers, writes=bool(asked.cap)), _json(delivery.body or b"")
    if not isinstance(body, dict):
        return counts
    if "inputTextTokenCount" in body:
        return Counts(body["inputTextTokenCount"])
    return counts_of(asked.speaks, body.get("usage")) or counts


def _stream(asked: Asked, delivery: Delivery, least: int, *, left: bool) -> Iterator[Owed]:
    sent, steer = delivery.parts, delivery.steer
    broke, whole = steer.reset == "body", not (steer.reset or steer.stream_error)
    # In order. If the client stayed, all of it was read. After a reset or a hang-up, some of it may not have been read.
    first = least if left or broke else len(sent)
    for taken in range(first, len(sent) + 1):
        found = heard(asked.speaks, sent[:taken])
        ended = not broke and taken == len(sent) and (whole or steer.reset == "end") and found.ended
        yield from _broken(asked, found, ended=ended, left=left)


def _broken(asked: Asked, found: Heard, *, ended: bool, left: bool) -> Iterator[Owed]:
    if found.failed and (found.events == 1 or found.void):
        yield Owed("refused", 0)
        return
    if found.ended and found.counts is not None:
        yield Owed("counted", asked.prices.bill(found.counts))
        return
    if ended:
        yield Owed("uncounted", asked.seen(found.told, found.came))
        if not left:
            return
    bound = Owed("bound", asked.bound(found.told))
    if not found.content or asked.thinks:
        yield bound
        return
    output = found.came + UNDER_WAY
    yield Owed("seen", asked.seen(found.told, output), waits=True, output=output, told=found.told)
    yield bound  # what was seen costs more than that, or does so with the pauses


def words_sent(asked: Asked, delivery: Delivery) -> int:
    """How many words of its answer a stream has sent."""
    size = heard(asked.speaks, delivery.parts).text
    return next(count for count, end in enumerate(_ends(delivery)) if end >= size)


def least_read(asked: Asked, delivery: Delivery, words: int) -> int:
    """The least number of events that must have been read to pass on this many words."""
    size = _ends(delivery)[words]
    parts = delivery.parts
    return next((at for at in range(len(parts)) if heard(asked.speaks, parts[:at]).text >= size), len(parts))


def _ends(delivery: Delivery) -> list[int]:
    """The bytes up to the end of this many words of an answer: none, one or two."""
    words = delivery.steer.text.split()
    return [len(" ".join(words[:count])) for count in range(len(words) + 1)]


def _in_headers(headers: Mapping[str, str], *, writes: bool) -> Counts | None:
    """The counts that Bedrock reports in headers."""
    told = {name: headers.get(f"x-amzn-bedrock-{name}-token-count") for name in ("input", "output")}
    if told["input"] is None:
        return None
    return Counts(int(told["input"]), output=int(told["output"] or 0) if writes else 0)


def _json(data: bytes) -> Any:
    try:
        return json.loads(data)
    except ValueError:
        return None


def of_batch(asked: Asked, deliveries: Sequence[Delivery], *, left: bool) -> Iterator[Owed]:
    """The amount that embeddings owe if their inputs are sent one by one: the counts of each input that was answered,
    and for the last input, whose outcome is unknown, the most that it may cost. If the client left, the last answer may
    have come without being read."""
    counted = unread = 0
    for delivery, text in zip(deliveries, asked.inputs, strict=False):
        told, most = _counted(asked, delivery), len(text.encode()) + AN_INPUT
        unread = counted + most
        if delivery.status == 200 and delivery.body is not None and delivery.steer.body != "no-usage":
            counted += told.fresh if told is not None else 0
        elif delivery.status in (0, 200):
            counted += most
    yield Owed("counted", asked.prices.bill(Counts(counted)))
    if left:
        yield Owed("bound", asked.prices.bill(Counts(unread)))
