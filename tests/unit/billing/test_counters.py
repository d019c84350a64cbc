"""Where rows are counted: every number belongs to one slot, and slots are as large as they may be."""

from itertools import groupby
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.billing.counters import PoisonRow, counted
from gateway.billing.places import Place, slot_of

ROW: dict[str, Any] = {
    "v": 1,
    "state": "SETTLED",
    "rid": "req_1",
    "key": "key1",
    "tier": "free",
    "model": "gpt-4",
    "provider": "openai",
    "created": 1_795_500_000_000_000,
    "settled": 1_795_500_001_000_000,
    "status": "ok",
    "latency_ms": 5,
    "actual": 7,
}


@given(st.integers(1, 1 << 40))
def test_a_slot_is_named_by_its_first_number_and_holds_the_following(number: int) -> None:
    first = int(slot_of(number))
    assert first <= number - 1 < first + 4096
    assert slot_of(first + 1) == slot_of(number)


def test_slots_grow_with_the_day_and_leave_no_number_out() -> None:
    sizes = [(slot, len(list(members))) for slot, members in groupby(map(slot_of, range(1, (1 << 17) + 1025)))]
    assert [size for _, size in sizes[:6]] == [16, 16, 16, 16, 64, 64]
    assert [size for _, size in sizes[-2:]] == [512, 512]
    assert len({slot for slot, _ in sizes}) == len(sizes) == 4 + 2047 + 2


def test_a_slot_is_merged_when_it_is_full_but_for_the_first_and_what_was_closed() -> None:
    place = Place("2026-11-24", "key1", "", "64")
    assert (place.full(63), place.full(64)) == (False, True)
    assert not Place("2026-11-24", "key1", "", "48").full(16)
    assert [place.following.slot, place.following.following.slot] == ["64.1", "64.2"]
    assert not place.following.full(999)


def test_a_row_s_place_is_its_own_day_and_number_whenever_it_is_counted() -> None:
    assert counted(ROW | {"n": 80, "team": "blue"}).place == Place("2026-11-24", "key1", "blue", "64")
    assert counted(ROW).place.slot == "0"
    correction = {"v": 1, "state": "CORRECTION", "rid": "cor_1", "key": "key1", "day": "2026-11-02", "actual": -5}
    assert counted(correction | {"created": 0}).place == Place("2026-11-02", "key1", "", "c")


@pytest.mark.parametrize("number", [-1, "1", 1.5, None])
def test_a_number_that_is_none_is_poison(number: Any) -> None:
    with pytest.raises(PoisonRow):
        counted(ROW | {"n": number})


def attempt(vendor: str, model: str, cost: int, **tokens: int) -> dict[str, Any]:
    return {"vendor": vendor, "model": model, "region": "global", "verdict": "unknown", "cost": cost} | tokens


THREE = [
    attempt("bedrock", "claude", 5),
    attempt("openai", "gpt-4", 0),
    attempt("openai", "gpt-4", 2, input=4, cached=1, output=3),
]


def test_each_attempt_counts_under_its_own_vendor_and_model_and_the_call_once() -> None:
    row = ROW | {"input_tokens": 3, "cached_tokens": 1, "output_tokens": 3, "attempts": THREE, "tags": ["a"]}
    plain = counted({name: value for name, value in row.items() if name != "attempts"}).counters
    got = counted(row).counters
    moved = {"m|claude|cost": 5, "p|bedrock|cost": 5, "m|gpt-4|cost": 2, "p|openai|cost": 2}
    assert got == {**plain, **moved}  # all else is as with one attempt: requests, tokens, hour, tier, tag, latency
    assert (got["m|gpt-4|n"], got["m|gpt-4|in"], got["p|openai|n"]) == (1, 4, 1)


def test_a_failed_call_is_an_error_of_the_attempt_that_was_the_last() -> None:
    row = ROW | {"status": "upstream_error", "actual": 5, "attempts": THREE[:2]}
    got = counted(row).counters
    assert (got["p|openai|n"], got["p|openai|err"], got["*|*|err"]) == (1, 1, 1)
    assert "p|bedrock|n" not in got
    assert "p|bedrock|err" not in got
    assert got["p|bedrock|cost"] == got["*|*|cost"] == 5


@given(
    attempts=st.lists(
        st.tuples(
            st.sampled_from(["openai", "bedrock", "acme"]),
            st.sampled_from(["a", "b"]),
            st.integers(0, 10**9),
            st.tuples(st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 10**6)),
        ),
        min_size=1,
        max_size=6,
    )
)
def test_whatever_the_attempts_each_dimension_comes_to_the_call(attempts: list[tuple[Any, ...]]) -> None:
    listed = [
        attempt(vendor, model, cost, input=new + old, cached=old, output=out)
        for vendor, model, cost, (new, old, out) in attempts
    ]
    row = ROW | {
        "attempts": listed,
        "actual": sum(each["cost"] for each in listed),
        "input_tokens": sum(each["input"] - each["cached"] for each in listed),
        "cached_tokens": sum(each["cached"] for each in listed),
        "output_tokens": sum(each["output"] for each in listed),
    }
    got = counted(row).counters
    for measure in ("n", "in", "cached", "out", "cost"):
        sums = {
            dimension: sum(
                amount for name, amount in got.items() if name.startswith(dimension) and name.endswith(measure)
            )
            for dimension in ("*|", "m|", "p|", "t|", "h|")
        }
        assert len(set(sums.values())) == 1, (measure, sums)


@pytest.mark.parametrize(
    "attempts",
    [
        [],
        {},
        "x",
        [5],
        [{}],
        THREE[:1],
        [*THREE, attempt("openai", "gpt-4", 1)],
        [attempt("openai", "gpt-4", 7, output=1)],
        [attempt("a|b", "gpt-4", 7)],
        [attempt("openai", "x" * 257, 7)],
        [attempt("openai", "gpt-4", 8), attempt("openai", "gpt-4", -1)],
        [attempt("openai", "gpt-4", 0)] * 32 + [attempt("openai", "gpt-4", 7)],
    ],
)
def test_attempts_that_are_none_or_do_not_add_up_are_poison(attempts: Any) -> None:
    with pytest.raises(PoisonRow):
        counted(ROW | {"attempts": attempts})
