"""Where rows are counted: every number has one slot, and slots are as large as they may be."""

from itertools import groupby
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.billing.counters import Place, PoisonRow, counted, slot_of

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
