"""The tier by which an answer is billed, if it names a service tier and if it names none."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import pytest

from gateway.calls.attempt import Attempt
from gateway.calls.estimate import estimate
from gateway.calls.plan import Place, Target
from gateway.errors import UpstreamError
from gateway.models.model_names import Route
from gateway.models.money import MICRO, Price
from gateway.models.usage import Usage
from gateway.models.vendors import packaged
from gateway.vendors.base import Answer, Event, ModelCall, Prepared, Provider
from gateway.vendors.failures import unusable

TIERS = {"flex": Price(MICRO // 2, MICRO // 2), "priority": Price(2 * MICRO, 2 * MICRO)}
PRICE = Price(MICRO, MICRO, tiers=TIERS)  # a token is a micro-dollar
USAGE = Usage(input_tokens=10, output_tokens=90)


class Host:
    """A provider that names a tier in its answer, whole or not at all."""

    name, region = "x", "global"

    def __init__(self, tier: str | None, sound: bool) -> None:
        self.tier, self.sound = tier, sound

    def prepare(self, call: ModelCall) -> Prepared:
        return Prepared(call, packaged()["openai"].endpoints["chat"], b"")

    def counter(self, prepared: Prepared) -> None:
        return None

    def send(self, prepared: Prepared) -> Iterator[Event]:
        if not self.sound:
            raise unusable("x", "schema", usage=USAGE, tier=self.tier)
        yield Answer({"choices": []}, USAGE, self.tier)


@pytest.mark.parametrize("sound", [True, False])
@pytest.mark.parametrize(
    ("asked", "named", "cost"),
    [
        (None, None, 100),
        (None, "default", 100),
        ("default", None, 100),
        ("auto", None, 100),
        ("auto", "priority", 200),
        ("priority", "priority", 200),
        ("priority", "default", 100),
        ("priority", None, 200),  # nobody says that the answer got less
        ("flex", "flex", 50),
        ("flex", "default", 100),
        ("flex", None, 100),  # a host without tiers does not mention them
    ],
)
def test_the_tier_that_answered_is_billed_and_was_held(
    asked: str | None, named: str | None, cost: int, sound: bool
) -> None:
    body: dict[str, Any] = {"messages": [{"role": "user", "content": "hi"}], "service_tier": asked}
    call = ModelCall(model="m", body=body, max_output_tokens=90, timeout=1)
    host = cast(Provider, Host(named, sound))
    est = estimate(body, PRICE, target="x/m", choices=1, output_cap=90)
    place = Place.of(Route("m", "x/m", PRICE), host)
    attempt = Attempt(Target(place, host.prepare(call), est), host.prepare(call), 1)
    try:
        list(attempt.events())
    except UpstreamError:
        assert not sound
    assert attempt.cost.total == cost <= est.cost
