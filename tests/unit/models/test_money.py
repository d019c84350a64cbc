from __future__ import annotations

import json
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.models.money import MICRO, Cost, Price, cost_of, micro, usd
from gateway.models.usage import Usage

counts = st.integers(0, 5_000_000)
rates = st.integers(0, 10**9)
usages = st.builds(
    lambda **given: Usage(**given),
    input_tokens=counts,
    cached_tokens=counts,
    cache_write_tokens=counts,
    cache_write_1h_tokens=counts,
    output_tokens=counts,
)
prices = st.builds(
    lambda **given: Price(**given),  # a NamedTuple itself would also get values that nobody named
    input=rates,
    output=rates,
    cached=st.none() | rates,
    cache_write=st.none() | rates,
    cache_write_1h=st.none() | rates,
)


def test_one_call_by_hand() -> None:
    price = Price(input=3_000_000, output=15_000_000, cached=300_000, cache_write=3_750_000, cache_write_1h=6_000_000)
    usage = Usage(
        input_tokens=100, cached_tokens=1_000, cache_write_tokens=10, cache_write_1h_tokens=10, output_tokens=7
    )
    # 300 + 300 + 37.5 + 60 and 105 micro-dollars
    assert cost_of(usage, price) == Cost(prompt=698, completion=105)
    assert cost_of(usage, price).total == 803


def test_a_price_that_the_source_lacks_is_the_next_known_one() -> None:
    thousand = Usage(cached_tokens=1_000, cache_write_tokens=1_000, cache_write_1h_tokens=1_000)
    assert cost_of(thousand, Price(input=MICRO, output=0)).prompt == 3_000
    assert cost_of(thousand, Price(input=MICRO, output=0, cached=0)).prompt == 2_000
    assert cost_of(thousand, Price(input=MICRO, output=0, cache_write=2 * MICRO)).prompt == 5_000


@given(usages, prices)
def test_never_below_the_exact_sum_and_less_than_a_micro_dollar_above_for_each_part(usage: Usage, price: Price) -> None:
    def rate(own: int | None, other: int) -> int:
        return other if own is None else own

    write = rate(price.cache_write, price.input)
    prompt = Fraction(
        usage.input_tokens * price.input
        + usage.cached_tokens * rate(price.cached, price.input)
        + usage.cache_write_tokens * write
        + usage.cache_write_1h_tokens * rate(price.cache_write_1h, write),
        MICRO,
    )
    cost = cost_of(usage, price)
    assert 0 <= cost.prompt - prompt < 1
    assert 0 <= cost.completion - Fraction(usage.output_tokens * price.output, MICRO) < 1


@given(usages, prices, st.integers(1, 1_000))
def test_more_tokens_never_cost_less(usage: Usage, price: Price, more: int) -> None:
    larger = Usage(input_tokens=usage.input_tokens + more, output_tokens=usage.output_tokens + more)
    smaller = Usage(input_tokens=usage.input_tokens, output_tokens=usage.output_tokens)
    assert cost_of(larger, price).total >= cost_of(smaller, price).total


@given(prices)
def test_no_tokens_cost_nothing(price: Price) -> None:
    assert cost_of(Usage(), price).total == 0


@given(st.integers(0, 8 * 10**15))
def test_dollars_are_printed_exactly(micro: int) -> None:
    assert Decimal(json.dumps(usd(micro))) * MICRO == micro


def test_a_long_prompt_has_the_long_price() -> None:
    price = Price(input=MICRO, output=MICRO, long_above=100, long=Price(input=2 * MICRO, output=3 * MICRO))
    assert cost_of(Usage(input_tokens=60, cached_tokens=40, output_tokens=1), price) == Cost(100, 1)
    assert cost_of(Usage(input_tokens=60, cached_tokens=41, output_tokens=1), price) == Cost(202, 3)
    assert price.for_prompt(100) is price
    assert price.for_prompt(101) is price.long


def test_service_tiers() -> None:
    fast = Price(input=2, output=2)
    price = Price(input=1, output=1, tiers={"priority": fast})
    assert price.for_tier("priority") is fast
    assert price.for_tier("fast") is fast, "the same tier by its other name"
    assert [price.for_tier(tier) for tier in (None, "", "default", "flex")] == [price] * 4


@given(st.integers(0, 10**12))
def test_every_amount_of_micro_dollars_may_be_written_in_dollars(amount: int) -> None:
    assert micro(usd(amount)) == amount
    assert micro(Decimal(amount).scaleb(-6)) == amount


@pytest.mark.parametrize("dollars", [0.15, 1.1, 2.2, 0.000001, 999_999.999999, 3, 1e6])
def test_what_is_a_whole_number_of_micro_dollars_is_kept(dollars: float) -> None:
    assert Fraction(micro(dollars), MICRO) == Fraction(repr(dollars))


@pytest.mark.parametrize("dollars", [1e-7, 0.1000005, 1.00000049, 5e-324, 0.1 + 0.2, 123_456.1234567])
def test_what_is_none_is_refused_and_not_rounded(dollars: float) -> None:
    with pytest.raises(ValueError, match=r"0\.000001"):
        micro(dollars)


@given(st.integers(1, 10**6), st.integers(1, 10**9), st.integers(1, 50))
def test_a_priced_call_is_never_free_however_small_and_many_are_never_cheaper(
    tokens: int, rate: int, calls: int
) -> None:
    """Each call is rounded up by itself, so nobody pays less for several calls than for one."""
    price = Price(input=rate, output=rate)
    one, all_at_once = Usage(input_tokens=tokens), Usage(input_tokens=tokens * calls)
    assert cost_of(one, price).total >= 1
    assert cost_of(one, price).total * calls >= cost_of(all_at_once, price).total
