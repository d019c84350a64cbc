"""Where the calls of a session are counted: the item follows only from the row, holds a KB, and is not made if it may
have expired already."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.billing.counters import Counted, counted
from gateway.billing.counting import Counting, too_large
from gateway.billing.places import Part, Place
from gateway.billing.reports import hit_rate
from gateway.billing.sessions.places import KEPT_SECONDS, SessionPlace, place_of_item
from gateway.dynamodb.attributes import size_of
from gateway.errors import StoreRejected, StoreUnavailable
from tests.unit.billing.test_counters import ROW

UUID = "0f8fad5b-d9cb-469f-a165-70867728950e"
MARK = "AAAAbbbb-_-_1234"
HOUR = 1_795_498_200  # 2026-11-24T05:30
NAMED = {"id": UUID, "agent": MARK, "class": "subagent", "user": MARK}
TOKENS = {"input_tokens": 3, "cached_tokens": 5, "cache_write_tokens": 7, "cache_write_1h_tokens": 11}


def of_session(named: Any = NAMED, **fields: Any) -> Counted:
    return counted(ROW | {"session": named} | fields)


def place(row: Counted) -> SessionPlace:
    assert row.session is not None
    assert isinstance(row.session.place, SessionPlace)
    return row.session.place


def test_tokens_count_apart_by_what_they_cost() -> None:
    part = of_session(**TOKENS, output_tokens=13).session
    assert part is not None
    assert part.counters == {
        "*|n": 1,
        "*|cost": 7,
        "*|fresh": 3,
        "*|read": 5,
        "*|w5m": 7,
        "*|w1h": 11,
        "*|out": 13,
        "m|gpt-4|n": 1,
        "m|gpt-4|cost": 7,
    }
    assert part.mark == of_session().mark
    assert hit_rate(5, 3 + 5 + 7 + 11) == 0.1923
    assert hit_rate(0, 0) is None


def test_attempts_count_under_their_models_and_the_call_once() -> None:
    attempts = [
        {"vendor": "openai", "model": "a|n", "verdict": "x", "cost": 3},
        {"vendor": "bedrock", "model": "b", "verdict": "x", "cost": 4},
    ]
    part = of_session(attempts=attempts, model="b", status="upstream_error").session
    assert part is not None
    assert part.counters == {
        "*|n": 1, "*|err": 1, "*|cost": 7, "m|a|n|cost": 3, "m|b|n": 1, "m|b|cost": 4,
    }  # fmt: skip


@pytest.mark.parametrize(
    "named",
    [
        None,
        UUID,
        {},
        {"id": ""},
        {"id": UUID.upper()},
        {"id": "a#b"},
        {"id": 7},
        NAMED | {"agent": "anne@example.com"},
        NAMED | {"class": "a#b"},
        NAMED | {"user": ["x"]},
        NAMED | {"user": None},
    ],
)
def test_a_session_of_no_form_of_ours_is_no_reason_to_refuse_the_row(named: Any) -> None:
    row = of_session(named)
    assert row.session is None
    assert row.counters == counted(ROW).counters


def test_the_place_is_the_row_s_own_whenever_it_is_counted() -> None:
    found = place(of_session(n=40, team="blue", created=HOUR * 1_000_000))
    assert found == SessionPlace("2026-11-24", "key1", "blue", "32", UUID, "2026-11-24T05", MARK, "subagent", MARK)
    assert found.item_key == {
        "pk": "session#key1",
        "sk": f"{UUID}#2026-11-24T05#{MARK}#subagent#{MARK}#blue#32",
    }
    assert found.following.slot == "32.1"
    assert place(of_session({"id": UUID})).slot == "0"


@given(
    st.integers(0, 1 << 40),
    st.sampled_from(["", "blue"]),
    st.sampled_from([UUID, MARK]),
    st.sampled_from(["", UUID, MARK]),
    st.sampled_from(["", "main"]),
    st.integers(0, 4 * 10**9),
)
def test_an_item_says_where_it_stands(number: int, team: str, session: str, agent: str, kind: str, moment: int) -> None:
    named = {"id": session, "agent": agent, "class": kind, "user": agent}
    row = of_session(named, n=number, team=team, created=moment * 1_000_000)
    assert place_of_item(place(row).item_key) == place(row)
    assert place_of_item(place(row).following.item_key) == place(row).following
    assert place(row).day == row.place.day


def test_an_item_takes_rows_as_long_as_nothing_can_have_removed_it() -> None:
    found = place(of_session(created=HOUR * 1_000_000))
    began = HOUR - HOUR % 3_600
    assert found.facts == {"ttl": began + KEPT_SECONDS}
    assert found.open(began)
    assert found.open(began + KEPT_SECONDS - 3_601)
    assert not found.open(began + KEPT_SECONDS - 3_600)
    assert counted(ROW).place.open(10**12)


def test_the_item_of_a_full_slot_is_what_one_write_unit_holds() -> None:
    named = NAMED | {"agent": UUID, "class": "compaction"}
    fields = {"key": "k" * 12, "team": "a-team-of-platforms", "model": "eu.anthropic.claude-sonnet-4-5-20250929-v1:0"}
    counts = dict.fromkeys(TOKENS, 199999) | {"output_tokens": 63_999, "actual": 9_999_999}
    rows = [of_session(named, n=n, rid=f"req_{n}", status="error", **fields, **counts) for n in range(1, 33)]
    parts = [row.session for row in rows if row.session is not None]
    (where,) = {part.place for part in parts}
    sums: Counter[str] = Counter()
    for part in parts:
        sums.update(part.counters)
    assert not too_large(where, sums, len(parts))
    marks = len(parts) * 12  # bytes, not their base64
    size = size_of({**where.item_key, **where.facts, **sums, "ids": ""}) + marks
    print(f"{size} bytes")
    assert 700 < size <= 1_024


def test_a_slot_has_room_for_its_numbers_and_some_twins_and_is_never_merged() -> None:
    slots = {place(of_session(n=number)).slot for number in range(1, 129)}
    assert slots == {"0", "32", "64", "96"}
    assert place(of_session(n=1)).most_rows == 48
    assert place(of_session(n=5_000)).slot == "4992"
    assert not place(of_session(n=100)).full(10**6)


class Refusing:
    """A table that refuses the counters of one kind of place, and does not answer for the other kind."""

    def __init__(self, refused: type[Place]) -> None:
        self.refused = refused

    def add(self, place: Place, _rows: Sequence[Part]) -> dict[str, Any]:
        if type(place) is self.refused:
            raise StoreRejected("UpdateItem", "ValidationException", "too large")
        raise StoreUnavailable("no answer")

    def seal(self, place: Place) -> dict[str, Any]:
        raise NotImplementedError(place)

    def merge(self, place: Place, now: int) -> None:
        raise NotImplementedError(place, now)


@pytest.mark.parametrize("refused", [Place, SessionPlace])
def test_a_row_comes_again_as_long_as_one_of_its_places_does_not_answer(refused: type[Place]) -> None:
    row = of_session(created=HOUR * 1_000_000)
    counting = Counting(Refusing(refused), lambda: HOUR, lambda _seconds: None)
    (left,) = counting.count([row])
    assert (left.row, left.refused) == (row, "")
    (left,) = Counting(Refusing(refused), lambda: 1e12, lambda _seconds: None).count([row])  # in no session any more
    assert bool(left.refused) == (refused is Place)
