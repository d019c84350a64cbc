"""The search: which terms a text has, and which product comes first."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.catalogue.search import QUERY_TERMS, TERMS_A_PRODUCT, query_terms, scored, terms, weighted_terms
from tests.fakes.products import product


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("canceling", "cancelling"),
        ("canceling", "Cancellation"),
        ("headphones", "HEADPHONE"),
        ("batteries", "battery"),
        ("café", "cafe"),
        ("over-ear", "over ear"),
        ("shoes", "shoe"),
    ],
)
def test_spellings_of_a_word_are_one_term(one: str, other: str) -> None:
    assert terms(one) == terms(other)


@pytest.mark.parametrize("word", ["wireless", "bus", "iris", "usb", "5g", "ring", "耳机"])
def test_what_only_looks_like_an_ending_stays(word: str) -> None:
    assert terms(word) == [word]


def test_a_query_has_few_terms_and_none_twice() -> None:
    assert query_terms("the best headphones for headphones") == ("headphone",)
    assert len(query_terms(" ".join(f"word{n}" for n in range(50)))) == QUERY_TERMS
    assert query_terms("!? the ...") == ()


def test_a_term_weighs_by_the_fields_it_stands_in() -> None:
    weights = weighted_terms(product())
    assert weights["headphone"] == 8 + 4 + 1
    assert weights["travel"] == 5
    assert weights["hour"] == 1
    assert weights["wireless"] == weights["cancel"] == 8


def test_terms_of_a_product_are_bounded_and_the_heaviest_stay() -> None:
    weights = weighted_terms(product(description=" ".join(f"word{n}" for n in range(1_000))))
    assert len(weights) == TERMS_A_PRODUCT
    assert weights["wireless"] == 8


def test_all_terms_beat_one_and_a_rare_term_beats_a_common_one() -> None:
    hits = {"wireless": 100, "headphone": 5}
    found = {
        "both": {"wireless": 1, "headphone": 1},
        "common": {"wireless": 8},
        "rare": {"headphone": 8},
    }
    assert [identifier for identifier, _ in scored(found, hits)] == ["both", "rare"]
    assert scored({}, {}) == []


@given(st.text(max_size=300))
def test_any_text_has_terms_that_are_stable(text: str) -> None:
    for term in terms(text):
        assert term
        assert len(term) <= 32
    assert terms(text) == terms(text)
