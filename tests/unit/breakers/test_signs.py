"""The signs that an attempt gives about its host and its model there, for every way in which an attempt can end."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.breakers.signs import FIRST_BYTE_SECONDS, Sign, Signs, signs_of
from gateway.errors import (
    UpstreamCredentials,
    UpstreamError,
    UpstreamRejected,
    UpstreamThrottled,
    UpstreamTimeout,
)
from gateway.models.usage import Usage
from gateway.transport import Broken, NotSent, TimedOut, TooLarge
from gateway.vendors.failures import faulty, refused, rejected_here, unanswered, unusable

WELL, ILL, LATE, NOTHING = Sign.WELL, Sign.ILL, Sign.LATE, Sign.NOTHING


@pytest.mark.parametrize(
    ("failure", "host", "target"),
    [
        (unanswered("x", NotSent("refused")), ILL, NOTHING),
        (unanswered("x", TimedOut("no connection in time", sent=False)), ILL, NOTHING),
        (unanswered("x", TimedOut("our deadline", sent=True)), NOTHING, LATE),
        (unanswered("x", Broken("reset")), NOTHING, ILL),
        (unanswered("x", TooLarge("6 MB")), NOTHING, LATE),
        (faulty("x", ValueError("a defect"), sent=False), NOTHING, NOTHING),
        (rejected_here("x", "no such field", "logprobs"), NOTHING, NOTHING),
        (UpstreamCredentials("unusable", provider="x", sent=False, reason="unusable_key"), NOTHING, NOTHING),
        (unusable("x", "schema"), WELL, ILL),
        (unusable("x", "malformed_tool_use", usage=Usage(output_tokens=5)), WELL, LATE),
        (unusable("x", "malformed", usage=Usage()), WELL, LATE),
        *((refused("x", status, {}), WELL, NOTHING) for status in (400, 401, 403, 404, 409, 413, 422, 429)),
        *((refused("x", status, {}), WELL, ILL) for status in (500, 502, 503, 529)),
        *((refused("x", status, {}), WELL, LATE) for status in (408, 424, 504)),
    ],
)
def test_what_each_failure_tells(failure: UpstreamError, host: Sign, target: Sign) -> None:
    assert signs_of(failure) == Signs(host, target)


@given(silent=st.floats(0, 1_000), limit=st.floats(0.1, 100))
def test_a_stream_that_does_not_begin_within_the_limit_is_ill(silent: float, limit: float) -> None:
    late = unanswered("x", TimedOut("our deadline", sent=True))
    told = signs_of(late, streamed=True, silent_for=silent, first_byte=limit)
    assert told.target is (ILL if silent >= limit else LATE)
    # An answer that comes as a whole may take long, so our deadline says nothing about it, however long it was silent.
    assert signs_of(late, streamed=False, silent_for=silent, first_byte=limit).target is LATE


def test_a_stream_that_began_and_was_too_long_says_nothing_by_itself() -> None:
    late = unanswered("x", TimedOut("our deadline", sent=True))
    assert signs_of(late, streamed=True, silent_for=0.0).target is LATE
    assert signs_of(late, streamed=True, silent_for=FIRST_BYTE_SECONDS).target is ILL


@given(
    kind=st.sampled_from([UpstreamError, UpstreamTimeout, UpstreamRejected, UpstreamThrottled, UpstreamCredentials]),
    sent=st.booleans(),
    status=st.none() | st.integers(100, 999),
    reason=st.sampled_from(["unreachable", "timeout", "broken", "fault_KeyError", "status_500"]),
    streamed=st.booleans(),
)
def test_only_what_the_provider_did_moves_a_breaker(
    kind: type[UpstreamError], sent: bool, status: int | None, reason: str, streamed: bool
) -> None:
    told = signs_of(kind("x", provider="x", sent=sent, upstream_status=status, reason=reason), streamed=streamed)
    if not sent:
        assert told.target is NOTHING
    if told.host is WELL:
        assert sent
        assert status is not None
    if told.host is ILL:
        assert not sent
    if kind in (UpstreamRejected, UpstreamThrottled, UpstreamCredentials) and status is not None:
        assert told.target is NOTHING
