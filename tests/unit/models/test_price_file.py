"""Our arithmetic against another reading of the pinned price file: a usage costs the same, to the micro-dollar."""

from __future__ import annotations

import random

import pytest

from gateway.models.money import cost_of
from gateway.models.prices import PriceBook
from gateway.models.usage import Usage
from tests.unit.models.price_file import ROWS, Tokens, long_above, micro_dollars, tiers

ZONES = ("us", "eu", "apac", "us-gov")
PARTS = ("fresh", "found", "written_5m", "written_1h", "out")


def place(name: str) -> tuple[str, str, str]:
    """Parts of a row's name: the region in which models are called, the geography of the provider, and our target."""
    row = ROWS[name]
    provider = {"bedrock_converse": "bedrock"}.get(row["litellm_provider"], row["litellm_provider"])
    *path, model = name.removeprefix(f"{provider}/").split("/")
    where = path[0] if path and path[0] not in ("global", "global-standard") else ""
    return ("" if where in ZONES else where), (where if where in ZONES else ""), f"{provider}/{model}"


def usages(row: dict[str, object], choice: random.Random) -> list[Tokens]:
    """Usages around each bound, of each single kind, and of all kinds."""
    above = long_above(row) or 200_000
    alone = [Tokens(**{part: 1 if part == name else 0 for part in PARTS}) for name in PARTS]
    edges = [Tokens(above + more, 0, 0, 0, 7) for more in (-1, 0, 1)] + [Tokens(1, above - 1, 0, 1, 3)]
    drawn = [
        Tokens(*(choice.choice((0, 1, choice.randrange(1_000), choice.randrange(300_000))) for _ in PARTS))
        for _ in range(12)
    ]
    return alone + edges + drawn


@pytest.mark.parametrize("seed", range(4))
def test_a_usage_costs_what_the_price_file_says(seed: int) -> None:
    choice, tried, kinds = random.Random(seed), 0, set()
    books = {region: PriceBook.load(region) for region in {place(name)[0] for name in ROWS}}
    for name, row in ROWS.items():
        region, geography, target = place(name)
        price = books[region].find(target, geography)
        if price is None or price.mode != row["mode"]:  # a refused field has no price: no call is made with it
            assert price is None, name
            continue
        for tier in tiers(row):
            for tokens in usages(dict(row), choice):
                reasoning = choice.randrange(tokens.out + 1)
                used = Usage(tokens.fresh, tokens.found, tokens.written_5m, tokens.written_1h, tokens.out, reasoning)
                cost = cost_of(used, price.for_tier(tier or None))
                assert (cost.prompt, cost.completion) == micro_dollars(row, tokens, tier), (name, tier, tokens)
                tried += 1
                kinds.add((tier, tokens.prompt > (long_above(row) or 10**9), bool(tokens.written_1h)))
    assert tried > 5_000
    assert {("flex", False, False), ("priority", True, True), ("", True, True), ("", False, True)} <= kinds


def test_the_rows_are_those_that_our_prices_were_made_of() -> None:
    book = PriceBook.load()
    shared = [name for name in ROWS if not any(place(name)[:2])]
    priced = [name for name in shared if book.find(place(name)[2])]
    assert len(priced) > 150
    for name in priced:
        price = book.find(place(name)[2])
        assert price is not None
        assert (price.max_input_tokens, price.max_output_tokens) == (
            ROWS[name].get("max_input_tokens"),
            ROWS[name].get("max_output_tokens"),
        )
