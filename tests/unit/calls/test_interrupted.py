"""The cost of a stream that broke off: an oracle in plain arithmetic, whatever came before, and however it ended."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.calls.attempt import Attempt
from gateway.calls.estimate import Estimate, estimate
from gateway.calls.plan import Place, Target
from gateway.errors import UpstreamError
from gateway.ledger.charge import Verdict
from gateway.models.model_names import Route
from gateway.models.money import MICRO, Price
from gateway.models.usage import Usage
from gateway.models.vendors import packaged
from gateway.transport import Broken
from gateway.vendors.base import QUIET, Answer, Chunk, Counted, Event, Made, ModelCall, Prepared, Provider
from gateway.vendors.failures import unanswered

PLAIN = ("tools",)
TIERS = {"priority": Price(2 * MICRO, 6 * MICRO, cached=MICRO), "flex": Price(MICRO // 2, MICRO, cached=MICRO // 4)}
PRICE = Price(MICRO, 3 * MICRO, cached=MICRO // 2, cache_write=2 * MICRO, capabilities=PLAIN, tiers=TIERS)
CAP, UNDER_WAY = 200, 32


@dataclass
class Host:
    """A provider that sends these events, and breaks off after the last one, unless that one is a whole answer."""

    told: list[Event]
    name: str = "x"
    region: str = "global"

    def prepare(self, call: ModelCall) -> Prepared:
        return Prepared(call, packaged()["openai"].endpoints["chat"], json.dumps(call.body).encode())

    def send(self, prepared: Prepared) -> Iterator[Event]:
        yield from self.told
        if not isinstance(self.told[-1] if self.told else None, Answer):
            raise unanswered("x", Broken("reset"))


def made(told: list[Event], price: Price = PRICE, choices: int = 1, **body: Any) -> tuple[Attempt, Estimate]:
    body = {"messages": [{"role": "user", "content": "hello " * 20}]} | body
    host = cast(Provider, Host(told))
    call = ModelCall(model="m", body=body, max_output_tokens=CAP, timeout=1)
    est = estimate(body, price, target="x/m", choices=choices, output_cap=CAP)
    place = Place.of(Route("m", "x/m", price), host)
    return Attempt(Target(place, host.prepare(call), est), host.prepare(call), choices), est


def chunk(size: int) -> Chunk:
    return Chunk({}, content=True, pieces=1 if size else 0, size=size)


USAGES = st.tuples(st.integers(0, 60), st.integers(0, 20), st.integers(0, CAP)).map(
    lambda counts: Usage(counts[0], counts[1], output_tokens=counts[2])
)
EVENTS = st.lists(
    st.one_of(
        st.integers(0, 40).map(chunk),
        st.just(Chunk({}, content=False)),
        st.integers(0, 40).map(lambda size: Made(content=True, pieces=1 if size else 0, size=size)),
        st.just(QUIET),
        USAGES.map(Counted),
        st.builds(Counted, USAGES, final=st.just(True), tier=st.sampled_from(["", "priority", "flex", "default"])),
    ),
    max_size=8,
)


def cost(usage: Usage, price: Price) -> int:
    """Micro-dollars: at these prices a token costs a whole number of them, or halves and quarters of one."""
    prompt = usage.input_tokens * price.input + usage.cached_tokens * (price.cached or 0)
    return -(-prompt // MICRO) + usage.output_tokens * price.output // MICRO


def oracle(events: list[Event], est: Estimate, tier: str | None, thinks: bool) -> tuple[Verdict, int]:
    content, size, pieces = False, 0, 0
    told: Usage | None = None
    final: Counted | None = None
    for event in events:
        if isinstance(event, Counted):
            told = event.usage if event.usage.input_tokens + event.usage.cached_tokens else told
            final = event if event.final else None
        elif isinstance(event, Chunk | Made):
            content, size, pieces = content or event.content, size + event.size, pieces + event.pieces
            final = None if event.pieces else final
    asked = [PRICE] + ([TIERS[tier]] if tier in TIERS else list(TIERS.values()) if tier == "auto" else [])
    whole = Usage(told.input_tokens, told.cached_tokens, output_tokens=CAP) if told else None
    bound = est.cost if whole is None else min(est.cost, max(cost(whole, price) for price in asked))
    if content and final:
        by = [TIERS[final.tier]] if final.tier in TIERS else [PRICE]
        if not final.tier and tier in TIERS:
            by = [PRICE, TIERS[tier]]
        return Verdict.CUT, max(cost(final.usage, price) for price in by)
    if not content or thinks:
        return Verdict.UNKNOWN, bound
    output = min(max(size, pieces, told.output_tokens if told else 0) + UNDER_WAY, CAP)
    if told:
        usage = Usage(told.input_tokens, told.cached_tokens, output_tokens=output)
        seen = max(cost(usage, price) for price in asked)
    else:  # each token of the prompt at the highest price: that of writing to a cache, if there is one
        seen = max(est.prompt * (price.cache_write or price.input) + output * price.output for price in asked) // MICRO
    return (Verdict.CUT, seen) if seen < bound else (Verdict.UNKNOWN, bound)


def test_no_second_counts_as_silence_and_as_waiting_for_the_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    attempt, _ = made([chunk(5), chunk(5)])
    with suppress(UpstreamError):
        for _ in attempt.events():
            now[0] += 0.25
    assert (attempt.unread, attempt.silent, attempt.provider_ms) == (0.5, 0.0, 500.0)


@given(
    events=EVENTS,
    taken=st.integers(0, 9),
    tier=st.sampled_from([None, "priority", "flex", "auto", "default"]),
    thinks=st.booleans(),
)
def test_whatever_came_before_it_broke_off(events: list[Event], taken: int, tier: str | None, thinks: bool) -> None:
    price = Price(
        PRICE.input,
        PRICE.output,
        cached=PRICE.cached,
        cache_write=PRICE.cache_write,
        capabilities=("reasoning",) if thinks else PLAIN,
        tiers=TIERS,
    )
    attempt, est = made(events, price, service_tier=tier)
    reading = cast(Any, attempt.events())
    seen = []
    try:
        for _ in range(taken):
            seen.append(next(reading))
    except UpstreamError:
        pass
    reading.close()
    verdict, right = oracle(seen, est, tier, thinks)
    if not seen and taken == 0:
        assert (attempt.verdict, attempt.bound) == (Verdict.UNKNOWN, est.cost)  # nobody asked the provider to begin
        return
    assert (attempt.verdict, attempt.cost.total) == (verdict, right)
    if not any(isinstance(event, Counted) and event.final for event in seen):
        assert attempt.cost.total <= est.cost
    fields = attempt.fields()
    assert fields["cost"] == right
    assert attempt.uncounted == (est.tokens if attempt.usage is None and right else 0)


def test_a_prompt_that_nobody_counted_is_billed_by_its_bound_and_not_by_the_bytes_that_name_it() -> None:
    image = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}
    attempt, est = made([chunk(5)], messages=[{"role": "user", "content": [image]}])
    with pytest.raises(UpstreamError):
        list(attempt.events())
    assert attempt.usage == Usage(input_tokens=est.prompt, output_tokens=5 + UNDER_WAY, source="counted")
    assert est.prompt > 1_000
    whole, _ = made([Answer({"choices": [{"message": {"content": "hi"}}]}, None)], messages=[{"content": [image]}])
    list(whole.events())
    assert whole.usage is not None
    assert whole.usage.input_tokens > 1_000


def test_what_is_rejected_of_a_prediction_is_billed_though_nobody_sees_it() -> None:
    predicted = {"type": "content", "content": "x" * 100}
    attempt, est = made([chunk(5)], prediction=predicted)
    with pytest.raises(UpstreamError):
        list(attempt.events())
    assert attempt.usage is not None
    assert attempt.usage.output_tokens == 5 + UNDER_WAY + est.unasked
    assert est.unasked > 100


@pytest.mark.parametrize(
    ("waits", "silence", "unseen"),
    [
        ((0.04, 0.04), 0.0, 0),  # the time that it takes to write an event
        ((0.0, 0.0), 0.5, 0),
        ((0.25, 0.0), 0.0, 63),
        ((0.25, 0.125), 0.125, 94),
        ((0.0, 0.0), 0.75, 63),  # the model may have made the input of a tool meanwhile
        ((0.25, 0.0), 0.75, 125),
        ((0.0, 0.0), 60.0, CAP),
        ((60.0, 0.0), 0.0, CAP),
    ],
)
def test_what_was_made_while_nothing_came_or_nobody_read_is_not_given_away(
    waits: tuple[float, float], silence: float, unseen: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    attempt, est = made([chunk(5), chunk(5), QUIET])
    reading = cast(Any, attempt.events())
    for wait in waits:
        next(reading)
        now[0] += wait
    next(reading)
    now[0] += silence - waits[1]
    reading.close()
    assert attempt.verdict is Verdict.CUT
    assert attempt.usage is not None
    assert attempt.usage.output_tokens == min(10 + UNDER_WAY + unseen, CAP)
    assert attempt.cost.total <= est.cost
