"""The facts that a row has about a session: UUIDs as they were sent, marks for everything else, and nothing odd."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from gateway.billing.counters import counted
from gateway.billing.sessions.places import SessionPlace
from gateway.calls.clients import threads
from gateway.calls.sessions.facts import (
    AGENT,
    CLASS,
    CLASS_OF_OTHERS,
    CLASSES,
    SESSION,
    mark,
    person,
    session_facts,
)
from gateway.calls.sessions.marks import Marks
from gateway.errors import StoreUnavailable
from tests.fakes.database import Clock
from tests.unit.billing.test_counters import ROW

(THREADS_SESSION, OLDER_SESSION), THREAD, SUBAGENT, TURN, CLASS_OF_SUBAGENT = structs.astuple(threads())
UUID = "0f8fad5b-d9cb-469f-a165-70867728950e"
SECRET = b"s" * 32
TEXT = st.text(max_size=700) | st.sampled_from([UUID, UUID.upper(), " ", "anne@example.com", "main", "\0", "a#b"])
JSON: Any = st.recursive(st.none() | st.booleans() | st.integers() | TEXT, lambda each: st.lists(each, max_size=3))


def marking(kind: str, text: str) -> str:
    return mark(SECRET, "key1", kind, text)


def named(headers: dict[str, str], body: dict[str, Any] | None = None) -> dict[str, str]:
    facts: dict[str, str] = session_facts(headers, body or {}, marking).get("session", {})
    return facts


@given(
    st.dictionaries(
        st.sampled_from([SESSION, AGENT, CLASS, THREADS_SESSION, OLDER_SESSION, THREAD, SUBAGENT]),
        TEXT | st.sampled_from(sorted(CLASS_OF_SUBAGENT)),
    ),
    st.dictionaries(st.sampled_from(["user", "metadata"]), JSON | st.dictionaries(st.just("user_id"), JSON)),
)
def test_whatever_is_sent_is_a_row_that_can_be_counted_or_left_out(headers: dict[str, str], body: Any) -> None:
    facts = session_facts(headers, body, marking)
    part = counted(ROW | facts).session
    assert (part is not None) == bool(facts)
    if part is not None:
        place = part.place
        assert isinstance(place, SessionPlace)
        assert facts["session"] == {
            name: value
            for name, value in (
                ("id", place.session),
                ("agent", place.agent),
                ("class", place.request_class),
                ("user", place.user),
            )
            if value
        }
        assert len(json.dumps(facts)) < 220


def test_a_random_id_stands_as_it_was_sent_and_a_name_as_its_mark() -> None:
    found = named({SESSION: UUID.upper(), AGENT: "reviewer@team", CLASS: "Subagent"}, {"user": "anne@example.com"})
    assert found == {
        "id": UUID,
        "agent": marking("agent", "reviewer@team"),
        "class": "subagent",
        "user": marking("user", "anne@example.com"),
    }
    assert named({SESSION: "anne's laptop"}) == {}  # a token in a header contains no blank
    assert named({SESSION: "anne@example.com"})["id"] == marking("session", "anne@example.com")
    assert named({AGENT: UUID, CLASS: "main"}, {"user": "anne"}) == {}  # these belong to no session


def test_only_words_of_the_client_s_own_table_are_classes() -> None:
    for word in CLASSES:
        assert named({SESSION: UUID, CLASS: word})["class"] == word
    assert named({SESSION: UUID, CLASS: "anne"})["class"] == CLASS_OF_OTHERS
    assert "class" not in named({SESSION: UUID})


ROOT, CHILD = "01a21e3b-c0cb-7e40-b94e-cf76ca740be7", "01a21e3b-c363-7091-b96e-66bbe9387388"


@pytest.mark.parametrize(
    ("sent", "found"),
    [
        ({THREADS_SESSION: ROOT, THREAD: ROOT}, {"id": ROOT, "class": "main"}),
        ({THREADS_SESSION: ROOT, THREAD: ROOT.upper()}, {"id": ROOT, "class": "main"}),
        (
            {THREADS_SESSION: ROOT, THREAD: CHILD, SUBAGENT: "review"},
            {"id": ROOT, "agent": CHILD, "class": "subagent"},
        ),
        ({THREADS_SESSION: ROOT, THREAD: CHILD}, {"id": ROOT, "agent": CHILD}),
        ({THREADS_SESSION: ROOT, THREAD: ROOT, SUBAGENT: "compact"}, {"id": ROOT, "class": "compaction"}),
        ({THREADS_SESSION: ROOT, SUBAGENT: "anne"}, {"id": ROOT, "class": CLASS_OF_OTHERS}),
        ({THREADS_SESSION: ROOT, THREAD: ROOT, TURN: '{"request_kind":"turn"}'}, {"id": ROOT, "class": "main"}),
        (
            {THREADS_SESSION: ROOT, THREAD: CHILD, TURN: '{"a":1,"request_kind":"compaction","b":2}'},
            {"id": ROOT, "agent": CHILD, "class": "compaction"},
        ),
        ({OLDER_SESSION: ROOT}, {"id": ROOT}),
        ({THREADS_SESSION: ROOT, OLDER_SESSION: CHILD}, {"id": ROOT}),
        ({THREADS_SESSION: " ", OLDER_SESSION: ROOT}, {"id": ROOT}),
        ({THREADS_SESSION: "anne's laptop"}, {}),
        ({THREAD: ROOT, SUBAGENT: "review"}, {}),
        ({SESSION: UUID, THREADS_SESSION: ROOT, THREAD: CHILD, SUBAGENT: "review"}, {"id": UUID}),
    ],
)
def test_an_agent_of_threads(sent: dict[str, str], found: dict[str, str]) -> None:
    assert named(sent) == found


def test_every_word_of_a_subagent_is_a_class() -> None:
    assert set(CLASS_OF_SUBAGENT.values()) <= CLASSES


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (f"user_ab12_account__session_{UUID}", "user_ab12_account__session_11111111-d9cb-469f-a165-70867728950e"),
        (
            json.dumps({"device_id": "ab12", "account_uuid": "", "session_id": UUID}),
            json.dumps({"session_id": "another", "account_uuid": "", "device_id": "ab12"}),
        ),
    ],
)
def test_a_person_is_the_same_in_each_session(one: str, other: str) -> None:
    assert person(one) == person(other)
    assert UUID not in person(one)
    assert "ab12" in person(one)
    marks = [named({SESSION: UUID}, {"metadata": {"user_id": text}})["user"] for text in (one, other)]
    assert marks[0] == marks[1]


def test_marks_of_two_keys_kinds_or_secrets_are_not_alike() -> None:
    marks = {
        mark(secret, key, kind, "anne")
        for secret in (SECRET, b"t" * 32)
        for key in ("key1", "key2")
        for kind in ("user", "agent")
    }
    assert len(marks) == 8


class Secrets:
    """The secrets of months, from a store that may be down."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}
        self.down = False
        self.asked = 0

    def get(self, month: str) -> bytes | None:
        return self.kept.get(month)

    def make(self, month: str) -> bytes:
        self.asked += 1
        if self.down:
            raise StoreUnavailable("no answer")
        return self.kept.setdefault(month, month.encode() * 5)


def test_a_store_that_is_down_costs_marks_and_no_call_and_is_asked_again_later() -> None:
    clock, secrets = Clock(1_795_500_000), Secrets()
    marks = Marks(secrets, clock)
    headers = {SESSION: UUID, AGENT: "reviewer"}
    secrets.down = True
    for _ in range(5):
        assert marks.facts("key1", headers, {"user": "anne"}) == {"session": {"id": UUID}}
    assert marks.facts("key1", {SESSION: "mine"}, {}) == {}
    assert secrets.asked == 1
    secrets.down = False
    clock.advance(31)
    assert set(marks.facts("key1", headers, {"user": "anne"})["session"]) == {"id", "agent", "user"}
    marks.facts("key1", headers, {"user": "anne"})
    assert secrets.asked == 2


def test_who_names_no_session_asks_for_no_secret() -> None:
    secrets = Secrets()
    assert Marks(secrets, Clock()).facts("key1", {"user-agent": "x"}, {"user": "anne"}) == {}
    assert Marks(secrets, Clock()).facts("key1", {SESSION: UUID}, {}) == {"session": {"id": UUID}}
    assert secrets.asked == 0


@pytest.mark.parametrize("day", [1_795_500_000, 1_772_323_200, 1_772_366_400])  # 24 November; 1 March at two hours
def test_a_user_is_found_by_the_secret_of_each_month_that_items_are_left_of(day: int) -> None:
    clock, secrets = Clock(day - 30 * 86_400), Secrets()
    marks, made = Marks(secrets, clock), set()
    while clock.now <= day:
        made.add(marks.facts("key1", {SESSION: UUID}, {"user": "anne"})["session"]["user"])
        clock.advance(3_600)
    clock.now = day
    assert made <= set(marks.of_user("key1", "anne"))
