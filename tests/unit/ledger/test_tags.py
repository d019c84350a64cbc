"""Which tags find room: the set of a day never holds more than it may, and a row names the tags under which it
counts."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.ledger.tags import OTHER, ROOM, counted_tags, new_marks

names = st.text("abcdefghij", min_size=1, max_size=64)
calls = st.lists(st.lists(names, max_size=10).map(tuple), max_size=20)


@given(calls)
def test_a_set_never_has_more_than_its_room_and_what_is_in_it_stays(sent: list[tuple[str, ...]]) -> None:
    known: set[str] = set()
    kept: set[str] = set()
    for tags in sent:
        known |= set(new_marks(tags, known))
        counted = counted_tags(tags, known)
        assert len(known) <= ROOM
        assert len(counted) == len(set(counted))
        assert set(counted) <= {*tags, OTHER}
        assert kept & set(tags) <= set(counted)
        kept |= set(counted) - {OTHER}
        assert new_marks(counted_tags(tags, known), known) == [] or OTHER in counted
    assert sum(-(-len(tag) // 24) for tag in kept) <= ROOM


@given(st.lists(names, min_size=1, max_size=6, unique=True))
def test_without_what_the_admission_added_nothing_has_a_place(tags: list[str]) -> None:
    assert counted_tags(tags, set()) == (OTHER,)
    assert counted_tags(tags, new_marks(tags, set())) == tuple(tags)
    assert counted_tags([*tags, *tags], new_marks(tags, set())) == tuple(tags)
