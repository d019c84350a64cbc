"""Whatever a client of Responses sends, it is refused with a path before anything is sent, or the target accepts it."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from gateway.calls.estimate import estimate
from gateway.dialects.responses.schema import parse_responses
from gateway.models.money import MICRO, Price
from tests.unit.dialects.responses_sent import to_chat, to_converse, to_messages
from tests.unit.dialects.table_responses import TRIALS
from tests.unit.dialects.test_any_messages import changed, refusal_of

PRICE = Price(input=MICRO, output=MICRO, cache_write_1h=MICRO, max_input_tokens=200_000)
BODIES = [body for trials in TRIALS.values() for body, _ in trials]


def bound(body: dict[str, Any]) -> object:
    return estimate(body, PRICE, target="x/claude", choices=1, output_cap=9)


@pytest.mark.parametrize("seed", range(12))
def test_it_is_refused_by_a_path_or_taken(seed: int) -> None:
    chance = random.Random(seed)
    taken = 0
    for given in BODIES * 6:
        body = {**given, **{name: changed(each, chance) for name, each in given.items()}}
        body = json.loads(json.dumps({**body, "model": "m"}))
        if refusal_of(body, parse_responses) or refusal_of(body, bound):
            continue
        for send in (to_messages, to_chat, to_converse):
            path = refusal_of(body, send)
            taken += path is None
            assert path is None or path.partition(".")[0].partition("[")[0] in body, path
    assert taken > 50
