"""The update of an admission: its texts are kept for each shape, and name exactly the names and values that come with
them. DynamoDB Local judges what they mean (tests/contract)."""

import re
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.ledger.admission import Demand, Terms, Windows
from gateway.ledger.expressions import admission
from gateway.ledger.moves import Guess, variant_of
from gateway.ledger.refusals import fits, hopeless
from gateway.limits import LIMITS, NAMES, Bucket

NOW = 1_800_000_000_000_000
WINDOWS = Windows.at(NOW)
numbers = st.integers(1, 1_000)
buckets = st.builds(Bucket, numbers, numbers)
terms = st.builds(
    Terms,
    st.fixed_dictionaries({}, optional={each.field: buckets if each.kind == "bucket" else numbers for each in LIMITS}),
    shadow=st.frozensets(st.sampled_from(NAMES)),
)
demands = st.builds(Demand, st.integers(0, 1_500), st.integers(0, 1_500))
arrivals = st.dictionaries(st.sampled_from(["tat", "ttat"]), st.integers(NOW - 400_000_000, NOW + 400_000_000))
guesses = st.builds(Guess, arrivals, st.integers(0, 3), st.booleans())


def asked(terms: Terms, demand: Demand, guess: Guess, stale: list[str], marks: list[str]) -> dict[str, Any]:
    variant = variant_of(guess, terms, demand, NOW)
    return admission("limits", "k_1", 3, terms, demand, WINDOWS, variant, stale, marks)


@settings(max_examples=100, deadline=None)
@given(terms, demands, guesses, st.lists(st.sampled_from(["h_1", "d_1"]), unique=True), st.sampled_from([[], ["YQ=="]]))
def test_the_texts_name_what_comes_with_them(
    terms: Terms, demand: Demand, guess: Guess, stale: list[str], marks: list[str]
) -> None:
    request = asked(terms, demand, guess, stale, marks)
    placeholders = set(re.findall(r"[#:]\w+", request["UpdateExpression"] + " " + request["ConditionExpression"]))
    assert placeholders == {*request["ExpressionAttributeNames"], *request["ExpressionAttributeValues"]}


def test_one_call_leaves_nothing_in_the_next_one_s_update() -> None:
    terms = Terms({"requests_per_minute": Bucket(10, 10), "max_budget": 5})
    plain = asked(terms, Demand(1, 1), Guess({}), [], [])
    asked(terms, Demand(1, 1), Guess({}), ["h_1"], ["YQ=="])
    assert asked(terms, Demand(1, 1), Guess({}), [], []) == plain


@settings(max_examples=100, deadline=None)
@given(terms, demands)
def test_a_call_fits_if_no_limit_is_hopeless(terms: Terms, demand: Demand) -> None:
    assert fits(terms, demand) == (not list(hopeless({}, terms, demand, WINDOWS)))
