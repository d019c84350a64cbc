"""Whatever a client of Messages sends, it is refused with a path before anything is sent, or the target accepts it."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

import pytest

from gateway.calls.estimate import estimate
from gateway.dialects.messages.schema import parse_messages
from gateway.dialects.unsupported import Unsupported
from gateway.errors import BadRequest
from gateway.models.money import MICRO, Price
from tests.unit.dialects.sent import to_chat, to_converse
from tests.unit.dialects.table_messages import TRIALS

ODD: list[Any] = [None, "", " ", "x", 0, -1, 1.5, True, [], {}, [5], {"type": "text"}, [{"type": "text", "text": " "}]]
PRICE = Price(input=MICRO, output=MICRO, cache_write_1h=MICRO, max_input_tokens=200_000)
BODIES = [body for trials in TRIALS.values() for body, _ in trials]


def changed(value: Any, chance: random.Random) -> Any:
    """A value that has something odd in it, lacks something, or has something twice."""
    if chance.random() < 0.12:
        return chance.choice(ODD)
    if isinstance(value, dict):
        kept = {name: changed(each, chance) for name, each in value.items() if chance.random() > 0.04}
        return kept | ({"x_new": 1} if chance.random() < 0.05 else {})
    if isinstance(value, list):
        return [changed(each, chance) for each in value for _ in range(2 if chance.random() < 0.1 else 1)]
    return value


def bound(body: dict[str, Any]) -> object:
    return estimate(body, PRICE, target="anthropic/claude", choices=1, output_cap=9)


def refusal_of(body: dict[str, Any], step: Callable[[dict[str, Any]], object]) -> str | None:
    """The path with which it is refused; None if it is not refused."""
    try:
        step(body)
    except (Unsupported, BadRequest) as refusal:
        return refusal.param or "no path"
    return None


@pytest.mark.parametrize("seed", range(12))
def test_it_is_refused_by_a_path_or_taken(seed: int) -> None:
    chance = random.Random(seed)
    taken = 0
    for given in BODIES * 6:
        body = {**given, **{name: changed(each, chance) for name, each in given.items()}}
        body = json.loads(json.dumps({**body, "model": "m", "max_tokens": 9}))
        if refusal_of(body, parse_messages) or refusal_of(body, bound):
            continue
        for send in (to_chat, to_converse):
            path = refusal_of(body, send)
            taken += path is None
            assert path is None or path.partition(".")[0].partition("[")[0] in body, path
    assert taken > 50
