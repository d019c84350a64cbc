"""Every way in which an upstream can fail, over real HTTP, for every vendor (F1, F2, F4 to F8, F11 to F13, F36)."""

from __future__ import annotations

import logging
import time
from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.aws.sigv4 import Credentials
from gateway.errors import (
    UpstreamCredentials,
    UpstreamError,
    UpstreamRejected,
    UpstreamThrottled,
    UpstreamTimeout,
)
from gateway.transport import MAX_BYTES
from gateway.vendors import connect
from gateway.vendors.base import Provider
from gateway.vendors.failures import retry_after
from tests.unit.vendors.asking import (
    ACCESS_KEY,
    CANARIES,
    OPENAI_KEY,
    SECRET_KEY,
    SESSION_TOKEN,
    ask,
    at,
    call,
    failure,
)
from tests.upstream import FakeUpstream, Steer
from tools.local.emulator import free_port

STATUSES = [
    (400, UpstreamRejected, 400),
    (401, UpstreamCredentials, 502),
    (403, UpstreamCredentials, 502),
    (404, UpstreamRejected, 400),
    (408, UpstreamTimeout, 504),
    (422, UpstreamRejected, 400),
    (429, UpstreamThrottled, 429),
    (500, UpstreamError, 502),
    (502, UpstreamError, 502),
    (503, UpstreamError, 502),
]


@pytest.mark.parametrize(("status", "kind", "ours"), STATUSES)
def test_a_status_becomes_its_error(
    fake: FakeUpstream, openai: Provider, status: int, kind: type[UpstreamError], ours: int
) -> None:
    fake.script(Steer(status=status))
    error = failure(openai, call())
    assert type(error) is kind
    assert (error.status, error.upstream_status, error.sent) == (ours, status, True)
    assert len(fake.seen) == 1, "an attempt is one request"


def test_a_model_or_an_address_that_there_is_not_is_no_wrong_request(fake: FakeUpstream, openai: Provider) -> None:
    """Two mistakes that happen when a provider is added: it has another name for the model, or its base URL ends
    otherwise."""
    fake.script(Steer(status=404, code="model_not_found"))
    assert "has no such model, or is not at this address (model_not_found)" in str(failure(openai, call()))


@pytest.mark.parametrize(
    ("status", "named", "kind"),
    [
        (403, "AccessDeniedException", UpstreamCredentials),
        (403, "ExpiredTokenException", UpstreamCredentials),
        (400, "UnrecognizedClientException", UpstreamCredentials),
        (400, "ValidationException", UpstreamRejected),
        (404, "ResourceNotFoundException", UpstreamRejected),
        (429, "ThrottlingException", UpstreamThrottled),
        (400, "ThrottlingException", UpstreamThrottled),
        (429, "ModelNotReadyException", UpstreamThrottled),
        (400, "ServiceQuotaExceededException", UpstreamThrottled),
        (408, "ModelTimeoutException", UpstreamTimeout),
        (424, "ModelErrorException", UpstreamError),
        (500, "InternalServerException", UpstreamError),
        (503, "ServiceUnavailableException", UpstreamError),
        (500, "ANewException", UpstreamError),
    ],
)
def test_a_bedrock_exception_becomes_its_error(
    fake: FakeUpstream, bedrock: Provider, status: int, named: str, kind: type[UpstreamError]
) -> None:
    fake.script(Steer(status=status, error_type=named))
    error = failure(bedrock, call())
    assert type(error) is kind
    assert (error.reason, error.upstream_status) == (named, status)
    assert len(fake.seen) == 1


def test_throttling_and_refusals_do_not_count_for_the_breaker(fake: FakeUpstream, provider: Provider) -> None:
    fake.script(Steer(status=429), Steer(status=400), Steer(status=500), Steer(body="malformed"), Steer(reset="body"))
    assert [failure(provider, call()).failure for _ in range(5)] == [False, False, True, True, True]


@pytest.mark.parametrize("steer", [Steer(status=429, retry_after="7"), Steer(status=429, retry_after_ms="7000")])
def test_retry_after_is_passed_on(fake: FakeUpstream, provider: Provider, steer: Steer) -> None:
    fake.script(steer)
    assert failure(provider, call()).retry_after == 7.0


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "-3"}, 0.0),
        ({"retry-after": "1e9"}, 86_400.0),
        ({"retry-after": "2", "retry-after-ms": "150"}, 0.15),
        ({"retry-after": formatdate(0, usegmt=True)}, 0.0),
    ],
)
def test_retry_after_forms(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers) == seconds


@given(st.text() | st.from_regex(r"[A-Z][a-z]{2}, \d{1,3} [A-Z][a-z]{2} \d{1,9} \d+:\d+:\d+ [-+]?\w+", fullmatch=True))
def test_whatever_a_provider_asks_to_wait_is_a_wait_or_nothing(text: str) -> None:
    for name in ("retry-after", "retry-after-ms"):
        wait = retry_after({name: text})
        assert wait is None or 0 <= wait <= 86_400


def test_retry_after_as_a_date() -> None:
    wait = retry_after({"retry-after": formatdate(time.time() + 100, usegmt=True)})
    assert wait is not None
    assert 0 < wait <= 100


@pytest.mark.parametrize("place", ["before", "headers", "body"])
def test_a_reset_is_an_upstream_error_that_may_be_billed(fake: FakeUpstream, provider: Provider, place: str) -> None:
    fake.script(Steer(reset=place))
    error = failure(provider, call())
    assert (type(error), error.sent, error.reason) == (UpstreamError, True, "broken")


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("malformed", "malformed"),
        ("list", "malformed"),
        ("nan", "malformed"),
        ("empty", "malformed"),
        ("schema", "schema"),
        ("cut", "broken"),
        ("huge", "too_large"),
        ("gzip", "malformed"),  # it contains a sound answer: decoding it would have made this succeed
    ],
)
def test_a_broken_body_is_an_upstream_error(fake: FakeUpstream, provider: Provider, body: str, reason: str) -> None:
    fake.script(Steer(body=body))
    error = failure(provider, call())
    assert (type(error), error.status, error.sent, error.failure) == (UpstreamError, 502, True, True)
    assert error.reason == reason


def test_the_size_cap_is_exact(fake: FakeUpstream, provider: Provider) -> None:
    around = len('{"padding": ""}')
    fake.script(Steer(body="huge", size=MAX_BYTES - around), Steer(body="huge", size=MAX_BYTES - around + 1))
    assert [failure(provider, call()).reason for _ in range(2)] == ["schema", "too_large"]


@pytest.mark.parametrize(
    "steer",
    [
        Steer(delay=60),
        Steer(drip=0.02, text="x" * 4_000),
        Steer(drip=0.02, drip_from="headers", text="x" * 4_000),
    ],
    ids=["silence", "drip in the body", "drip in the headers"],
)
def test_the_deadline_holds_in_total(fake: FakeUpstream, provider: Provider, steer: Steer) -> None:
    # Each would take more than a minute. The proof is that it ends within the test's limit; the figure leaves room.
    fake.script(steer)
    started = time.monotonic()
    error = failure(provider, call(timeout=0.3))
    assert (type(error), error.status, error.sent) == (UpstreamTimeout, 504, True)
    assert time.monotonic() - started < 30


def test_a_redirect_is_not_followed(fake: FakeUpstream, provider: Provider) -> None:
    with FakeUpstream() as elsewhere:
        fake.script(Steer(status=302, location=f"{elsewhere.url}/v1/chat/completions"))
        error = failure(provider, call())
        assert not elsewhere.seen, "the key must not follow a redirect"
    assert (type(error), error.upstream_status) == (UpstreamError, 302)


def _providers(endpoint: str) -> list[Provider]:
    return [
        connect("openai", at(f"{endpoint}/v1", api_key=lambda: OPENAI_KEY)),
        connect("bedrock", at(endpoint, region="eu-west-1", credentials=lambda: Credentials("A", "S", None))),
    ]


@pytest.fixture
def closed_port() -> int:
    return free_port()


def test_a_refused_connection_was_not_sent(closed_port: int) -> None:
    for provider in _providers(f"http://127.0.0.1:{closed_port}"):
        error = failure(provider, call())
        assert (type(error), error.status, error.sent) == (UpstreamError, 502, False)


def test_a_name_that_does_not_resolve_was_not_sent() -> None:
    for provider in _providers("http://upstream.invalid"):
        assert failure(provider, call()).sent is False


def test_a_failed_tls_handshake_was_not_sent(fake: FakeUpstream) -> None:
    for provider in _providers(fake.url.replace("http:", "https:")):
        error = failure(provider, call(timeout=5))
        assert (error.sent, error.reason) == (False, "unreachable")


@pytest.mark.parametrize("odd", ["\r\nevil: 1", "\ud800", "\u00e9"])
def test_credentials_that_no_header_can_hold_are_not_sent_and_not_quoted(fake: FakeUpstream, odd: str) -> None:
    credentials = Credentials(ACCESS_KEY, SECRET_KEY, f"{SESSION_TOKEN}{odd}")
    provider = connect("bedrock", at(fake.url, region="eu-west-1", credentials=lambda: credentials))
    error = failure(provider, call())
    assert (type(error), error.sent, fake.seen) == (UpstreamError, False, [])


def test_no_time_left_was_not_sent(fake: FakeUpstream, provider: Provider) -> None:
    error = failure(provider, call(timeout=0))
    assert (type(error), error.sent) == (UpstreamTimeout, False)
    assert not fake.seen


def test_an_error_body_is_never_passed_on(fake: FakeUpstream, provider: Provider) -> None:
    leak = f"Incorrect API key provided: {OPENAI_KEY}; arn:aws:iam::123456789012:role/x at host 10.1.2.3"
    for status in (400, 401, 403, 404, 429, 500):
        fake.script(Steer(status=status, message=leak, code=OPENAI_KEY, param=f"x {OPENAI_KEY}", error_type=OPENAI_KEY))
        error = failure(provider, call())
        assert "arn" not in error.message
        assert error.param is None


def test_code_and_param_of_a_refusal_are_facts(fake: FakeUpstream, openai: Provider) -> None:
    fake.script(
        Steer(status=400, code="context_length_exceeded", param="messages[3].content"),
        Steer(status=400, code="unsupported_value", param="temperature"),
        Steer(status=429, code="insufficient_quota"),
    )
    too_long, unsupported, quota = (failure(openai, call()) for _ in range(3))
    assert (too_long.code, too_long.param) == ("context_length_exceeded", "messages[3].content")
    assert (unsupported.code, unsupported.reason, unsupported.param) == (
        "upstream_rejected",
        "unsupported_value",
        "temperature",
    )
    assert quota.reason == "insufficient_quota"


@pytest.mark.parametrize("key", ["", "two words", "line\nbreak", "sk-ünsendable"])
def test_an_unusable_key_never_leaves_and_never_shows(fake: FakeUpstream, key: str) -> None:
    provider = connect("openai", at(fake.openai_url, api_key=lambda: key))
    error = failure(provider, call())
    assert (type(error), error.sent) == (UpstreamCredentials, False)
    assert not key or key not in repr(vars(error))
    assert not fake.seen


def test_what_the_key_source_raises_comes_through(fake: FakeUpstream) -> None:
    class Locked(Exception):
        pass

    def locked() -> str:
        raise Locked

    with pytest.raises(Locked):
        ask(connect("openai", at(fake.openai_url, api_key=locked)), call())
    assert not fake.seen


def test_no_log_line_holds_a_key_or_a_prompt(
    fake: FakeUpstream, provider: Provider, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    ask(provider, call("a prompt nobody may read"))
    fake.script(Steer(status=500))
    failure(provider, call("a prompt nobody may read"))
    assert not [word for word in (*CANARIES, "nobody may read") if word in caplog.text]


def test_a_connection_is_used_again(fake: FakeUpstream, provider: Provider) -> None:
    for _ in range(3):
        ask(provider, call())
    fake.script(Steer(status=429))
    failure(provider, call())
    ask(provider, call())
    assert len({seen.client for seen in fake.seen}) == 1


@pytest.mark.parametrize("place", ["body", "after"])
def test_a_broken_connection_is_not_used_again(fake: FakeUpstream, provider: Provider, place: str) -> None:
    fake.script(Steer(reset=place))
    if place == "after":  # the server closed it while it was idle
        ask(provider, call())
        fake.gone.wait(60)
    else:
        failure(provider, call())
    ask(provider, call())
    assert len({seen.client for seen in fake.seen}) == 2
