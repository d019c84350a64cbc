"""The key that a request itself carries: in which header, how often, and for how long an answer about it is kept."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from gateway.api import callers
from gateway.api.callers import KEPT_SECONDS, SentKeys
from gateway.api.message import Request
from gateway.api.pace import Buckets
from gateway.errors import RateLimited, StoreUnavailable, Unauthorized
from gateway.identity import key_text as keys
from gateway.identity.verification import Identity
from tests.unit.api.test_access import KEY, Records, record

OTHER = keys.new_key()


class Clock:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


def sent_keys(clock: Clock) -> SentKeys:
    def micro() -> int:
        return int(clock.now * 1_000_000)

    return SentKeys(clock, Buckets(micro), Buckets(micro))


def request(**headers: str) -> Request:
    return Request("GET /x", "/x", {name.replace("_", "-"): text for name, text in headers.items()}, b"")


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": f"Bearer {KEY}"},
        {"authorization": f"bearer  {KEY} "},
        {"x_api_key": KEY},
        {"api_key": f" {KEY}"},
        {"authorization": f"Bearer {KEY}", "x_api_key": KEY, "api_key": KEY},
        {"authorization": f"Bearer {KEY}, Bearer {KEY}"},
        {"x_api_key": f"{KEY}, {KEY}"},
        {"authorization": f"Basic {OTHER}", "x_api_key": KEY},
        {"authorization": "Bearer ", "api_key": KEY},
        {"x_api_key": "", "authorization": f"Bearer {KEY}"},
    ],
)
def test_one_key_in_any_of_its_headers_and_as_often_as_one_likes(headers: dict[str, str]) -> None:
    caller = SentKeys()(request(**headers), Identity(Records(record()), lambda: 0.0))
    assert caller.key_id == keys.key_id(KEY)


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": f"Bearer {KEY}", "x_api_key": OTHER},
        {"x_api_key": KEY, "api_key": OTHER},
        {"x_api_key": f"{KEY}, {OTHER}"},
        {"authorization": f"Bearer {KEY}, Bearer {OTHER}"},
        {"authorization": f"Bearer {KEY}", "x_api_key": "something"},
        {"authorization": f"Bearer {KEY}", "x_api_key": KEY[:-1]},
    ],
)
def test_two_keys_are_none(headers: dict[str, str]) -> None:
    records = Records(record())
    with pytest.raises(Unauthorized) as refused:
        SentKeys()(request(**headers), Identity(records, lambda: 0.0))
    assert (refused.value.code, records.reads) == ("several_api_keys", 0)


@pytest.mark.parametrize("headers", [{}, {"authorization": KEY}, {"authorization": f"Basic {KEY}"}, {"cookie": KEY}])
def test_no_key_is_a_refusal_that_says_where_one_goes(headers: dict[str, str]) -> None:
    with pytest.raises(Unauthorized, match="x-api-key"):
        SentKeys()(request(**headers), Identity(Records(record()), lambda: 0.0))


def test_an_authorization_without_a_key_is_named() -> None:
    with pytest.raises(Unauthorized, match="send Bearer, a space and the key"):
        SentKeys()(request(authorization=KEY), Identity(Records(record()), lambda: 0.0))


def test_what_was_found_good_holds_for_a_minute_at_most() -> None:
    records, clock = Records(record()), Clock()
    sent, identity = sent_keys(clock), Identity(records, lambda: 0.0)
    for _ in range(3):
        sent(request(x_api_key=KEY), identity)
    assert records.reads == 1
    records.record = record(state="revoked")
    clock.now += KEPT_SECONDS - 0.1
    assert sent(request(authorization=f"Bearer {KEY}"), identity).version == record().version
    clock.now += 0.1
    for reads in (2, 3):  # a refusal is kept for a second
        for _ in range(5):
            with pytest.raises(Unauthorized):
                sent(request(x_api_key=KEY), identity)
        assert records.reads == reads
        clock.now += 1
    records.record = record()
    assert sent(request(x_api_key=KEY), identity).version == record().version


def test_an_address_that_sends_bad_keys_asks_for_few_of_them() -> None:
    """Many keys that do not exist, all different: they cause at most one read a second, while other addresses and known
    keys are still served."""
    records, clock = Records(None), Clock()
    sent, identity = sent_keys(clock), Identity(records, lambda: 0.0)
    good = Identity(Records(record()), lambda: 0.0)
    assert sent(replace(request(x_api_key=KEY), source="192.0.2.1"), good)
    codes = []
    for _ in range(100):
        with pytest.raises((RateLimited, Unauthorized)) as refused:
            sent(replace(request(x_api_key=keys.new_key()), source="192.0.2.1"), identity)
        codes.append(refused.value.code)
    assert codes == ["invalid_api_key"] * 60 + ["too_many_bad_keys"] * 40
    assert records.reads == 60
    assert sent(replace(request(x_api_key=KEY), source="192.0.2.1"), identity)
    with pytest.raises(Unauthorized):
        sent(replace(request(x_api_key=keys.new_key()), source="192.0.2.2"), identity)
    clock.now += 1
    with pytest.raises(Unauthorized):
        sent(replace(request(x_api_key=keys.new_key()), source="192.0.2.1"), identity)


def flooded(clock: Clock, *, source: str) -> SentKeys:
    """Requests of an address that has just sent as many bad keys as it may."""
    sent, nobody = sent_keys(clock), Identity(Records(None), lambda: 0.0)
    for _ in range(60):
        with pytest.raises(Unauthorized):
            sent(replace(request(x_api_key=keys.new_key()), source=source), nobody)
    return sent


def test_a_good_key_that_is_new_here_comes_through_a_flood_of_its_address_when_it_comes_again() -> None:
    clock, good = Clock(), Identity(Records(record()), lambda: 0.0)
    sent, ours = flooded(clock, source="192.0.2.1"), replace(request(x_api_key=KEY), source="192.0.2.1")
    for _ in range(3):  # a client that comes before the time that it was given neither gains nor loses anything
        with pytest.raises(RateLimited) as put_off:
            sent(ours, good)
        assert (put_off.value.code, put_off.value.retry_after) == ("too_many_bad_keys", 1.0)
        clock.now += 0.25
    flood = Records(None)
    for _ in range(50):
        with pytest.raises(RateLimited):
            sent(replace(request(x_api_key=keys.new_key()), source="192.0.2.1"), Identity(flood, lambda: 0.0))
    assert flood.reads == 0
    clock.now += 0.25
    with pytest.raises(Unauthorized):  # the flood uses the second of this address
        sent(replace(request(x_api_key=keys.new_key()), source="192.0.2.1"), Identity(flood, lambda: 0.0))
    assert sent(ours, good)


def test_a_key_that_was_good_is_asked_for_in_a_flood_of_its_address() -> None:
    clock, records = Clock(), Records(record())
    sent, good = sent_keys(clock), Identity(records, lambda: 0.0)
    ours, nobody = replace(request(x_api_key=KEY), source="192.0.2.1"), Identity(Records(None), lambda: 0.0)
    assert sent(ours, good)
    clock.now += KEPT_SECONDS
    for _ in range(60):
        with pytest.raises(Unauthorized):
            sent(replace(request(x_api_key=keys.new_key()), source="192.0.2.1"), nobody)
    assert sent(ours, good)
    assert records.reads == 2


def test_the_same_bad_key_again_is_no_flood_of_its_address() -> None:
    """Two daemons with keys that have ended are a mistake in an office. They are no reason to refuse everybody else
    there."""
    clock, nobody = Clock(), Identity(Records(None), lambda: 0.0)
    sent, ended = sent_keys(clock), [keys.new_key() for _ in range(3)]
    for _ in range(200):
        for key in ended:
            with pytest.raises(Unauthorized):
                sent(replace(request(x_api_key=key), source="192.0.2.1"), nobody)
        clock.now += 1
    assert sent(replace(request(x_api_key=KEY), source="192.0.2.1"), Identity(Records(record()), lambda: 0.0))


def test_a_flood_from_many_addresses_of_one_network_of_ipv6_is_one() -> None:
    sent, nobody = flooded(Clock(), source="2001:db8::1"), Identity(Records(None), lambda: 0.0)
    for source, error in (("2001:db8::ffff:2", RateLimited), ("2001:db8:0:1::1", Unauthorized)):
        with pytest.raises(error):
            sent(replace(request(x_api_key=keys.new_key()), source=source), nobody)


def test_a_table_that_does_not_answer_refuses_nobody() -> None:
    records = Records(record(), down=True)
    sent, identity = SentKeys(), Identity(records, lambda: 0.0)
    with pytest.raises(StoreUnavailable):
        sent(request(x_api_key=KEY), identity)
    records.down = False
    assert sent(request(x_api_key=KEY), identity)
    records.down = True
    assert sent(request(x_api_key=KEY), identity)  # for as long as the key is known


def test_form_and_checksum_are_asked_before_the_table() -> None:
    records = Records(record())
    for wrong in (KEY[:-1] + ("a" if KEY[-1] != "a" else "b"), "sk-x", "a" * 100_000):
        with pytest.raises(Unauthorized):
            SentKeys()(request(x_api_key=wrong), Identity(records, lambda: 0.0))
    assert records.reads == 0


def test_memory_is_bounded_and_holds_no_text_of_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(callers, "MOST_KEPT", 3)
    sent, made = SentKeys(), [keys.new_key() for _ in range(5)]
    records = {str(keys.key_id(key)): record(id=keys.key_id(key), digest=keys.digest(key)) for key in made}
    for key in (*made, *made):
        found = Records(records[str(keys.key_id(key))])
        assert sent(request(x_api_key=key), Identity(found, lambda: 0.0)).key_id == keys.key_id(key)
        assert found.reads == 1  # newer entries have pushed it out
    assert not any(key in repr(sent) + repr(sent._known) for key in made)
