"""Several credentials of one provider: which one is used, which one rests, and that each is tried once."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable

import pytest

from gateway.errors import UpstreamCredentials, UpstreamError, UpstreamThrottled, UpstreamTimeout, UpstreamUnavailable
from gateway.vendors.base import Provider
from gateway.vendors.credentials import read_credentials, read_keys
from gateway.vendors.rotation import REFUSED_SECONDS, Rotation
from tests.fakes.database import Clock
from tests.unit.vendors.asking import ACCESS_KEY, OPENAI_KEY, SECRET_KEY, ask, call, failure
from tests.unit.vendors.registered import PREFIX, World
from tests.upstream import FakeUpstream, Steer
from tests.upstream.server import Seen

ONE, TWO, THREE = f"{OPENAI_KEY}-1", f"{OPENAI_KEY}-2", f"{OPENAI_KEY}-3"
ALL = (ONE, TWO, THREE)
REFUSED, LIMITED = Steer(status=401), Steer(status=429, retry_after="7")


@pytest.fixture
def world(fake: FakeUpstream) -> World:
    return World(fake)


def holding(world: World, *keys: str) -> Provider:
    world.fake.secrets[f"{PREFIX}/openai"] = json.dumps(keys)
    return world.vendors().provider("openai")


def meet(world: World, **by_key: Steer) -> None:
    """The answer to each key, by its last character (`k1`); the other keys are accepted."""

    def decide(seen: Seen) -> Steer | None:
        return by_key.get(f"k{seen.headers['authorization'][-1]}")

    world.fake.decide = decide


@pytest.mark.parametrize(
    "refusal",
    [
        REFUSED,
        LIMITED,
        Steer(status=402),
        Steer(status=403, code="invalid_api_key"),
        Steer(status=403, message="Your API key was revoked."),
        Steer(status=403, message="The security token included in the request is expired"),
        Steer(status=403, message="Authentication failed: Please make sure your API Key is valid."),
        Steer(status=400, message="API key not valid. Please pass a valid API key."),
        Steer(status=400, message="Incorrect API key provided: sk***a9."),
    ],
    ids=lambda steer: f"{steer.status} {steer.code or steer.message}",
)
def test_the_next_one_is_tried_at_once_and_kept_to(world: World, refusal: Steer) -> None:
    provider = holding(world, *ALL)
    ask(provider, call())
    (first,) = world.sent()
    meet(world, **{f"k{first[-1]}": refusal})
    for _ in range(3):
        assert ask(provider, call()).usage
    sent = world.sent()
    second = ALL[(ALL.index(first) + 1) % 3]
    assert sent == [first, first, second, second, second]
    assert {seen.raw for seen in world.fake.seen} == {world.fake.seen[0].raw}


@pytest.mark.parametrize(
    "refusal",
    [
        Steer(status=403, message="You don't have access to the model with the specified model ID."),
        Steer(status=403, code="unsupported_country_region_territory"),
        Steer(status=403, message="User is not authorized to perform: bedrock:InvokeModel"),
        Steer(status=400, message="Unrecognized request argument supplied: api_key"),
        Steer(status=404),
        Steer(status=500),
        Steer(status=503),
        Steer(reset="before"),
        Steer(body="cut"),
        Steer(body="malformed"),
    ],
    ids=lambda steer: f"{steer.status} {steer.message or steer.code or steer.reset or steer.body}",
)
def test_what_another_credential_would_not_help_and_what_may_be_billed_is_sent_once(
    world: World, refusal: Steer
) -> None:
    provider = holding(world, *ALL)
    world.fake.script(refusal)
    failure(provider, call())
    assert len(world.sent()) == 1


def test_where_all_are_refused_each_was_tried_once(world: World) -> None:
    provider = holding(world, *ALL)
    meet(world, k1=REFUSED, k2=REFUSED, k3=REFUSED)
    error = failure(provider, call())
    assert (type(error), error.upstream_status, error.sent) == (UpstreamCredentials, 401, True)
    assert sorted(world.sent()) == sorted(ALL)
    assert world.fake.secret_reads == [f"{PREFIX}/openai"] * 2, "read anew once none was left"
    failure(provider, call())
    assert len(world.sent()) == 4, "where all rest, one is tried"


def test_where_one_is_limited_and_others_refused_a_retry_is_worth_it_after_the_shortest_wait(world: World) -> None:
    provider = holding(world, *ALL)
    meet(world, k1=REFUSED, k2=LIMITED, k3=Steer(status=429, retry_after="3"))
    error = failure(provider, call())
    assert (type(error), error.retry_after, error.upstream_status) == (UpstreamThrottled, 3.0, 429)
    assert sorted(world.sent()) == sorted(ALL)


def test_the_one_limit_of_a_single_key_is_met_once_and_its_secret_not_read_anew(world: World) -> None:
    provider = holding(world, ONE)
    meet(world, k1=LIMITED)
    for _ in range(2):
        assert failure(provider, call()).retry_after == 7.0
    assert (len(world.sent()), world.fake.secret_reads) == (2, [f"{PREFIX}/openai"])


def test_what_becomes_of_the_second_one_is_what_happened(world: World) -> None:
    provider = holding(world, ONE, TWO)
    ask(provider, call())
    first = world.sent()[0][-1]
    second = "1" if first == "2" else "2"
    meet(world, **{f"k{first}": LIMITED, f"k{second}": Steer(delay=60)})
    error = failure(provider, call(timeout=1.0))
    assert (type(error), error.upstream_status) == (UpstreamTimeout, None), "the attempt's time, not one a credential"
    assert len(world.sent()) == 3


def test_a_list_that_was_replaced_is_read_once_its_credentials_are_refused(world: World) -> None:
    provider = holding(world, ONE, TWO)
    ask(provider, call())
    meet(world, k1=REFUSED, k2=REFUSED)
    world.fake.secrets[f"{PREFIX}/openai"] = json.dumps([{"api_key": THREE}, ONE])
    assert ask(provider, call()).usage
    assert sorted(world.sent()[1:3]) == [ONE, TWO]
    assert world.sent()[3:] == [THREE]


def aws(key: str) -> dict[str, str]:
    return {"access_key_id": key, "secret_access_key": SECRET_KEY}


def test_bedrock_takes_keys_beside_signatures(world: World) -> None:
    world.fake.secrets[f"{PREFIX}/bedrock"] = ONE
    vendors = world.vendors(BEDROCK_SECRET_ID=f"{PREFIX}/bedrock")
    assert ask(vendors.provider("bedrock"), call()).usage
    seen = world.fake.seen[-1]
    assert seen.headers["authorization"] == f"Bearer {ONE}"
    assert not {"x-amz-date", "x-amz-security-token", "x-amz-content-sha256"} & set(seen.headers)

    world.fake.secrets[f"{PREFIX}/bedrock"] = json.dumps([aws(ACCESS_KEY), {"api_key": TWO}])
    for steer in (Steer(status=400, error_type="ThrottlingException"), Steer(status=403, error_type="ExpiredToken")):
        world.fake.seen.clear()
        world.fake.script(steer)
        assert ask(world.vendors(BEDROCK_SECRET_ID=f"{PREFIX}/bedrock").provider("bedrock"), call()).usage
        forms = [seen.headers["authorization"].partition(" ")[0] for seen in world.fake.seen]
        assert sorted(forms) == ["AWS4-HMAC-SHA256", "Bearer"]


def test_nothing_of_a_credential_is_logged_or_told_and_its_place_is(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    provider = holding(world, "two words", *ALL)
    for _ in range(2):
        meet(world, k1=REFUSED, k2=LIMITED, k3=Steer(status=403, message=f"token {THREE} is revoked"))
        failure(provider, call())  # searches everything that the error shows for the canary
    lines = [json.dumps(vars(record), default=str) for record in caplog.records]
    assert not [line for line in lines if OPENAI_KEY in line or "two words" in line]
    said = [(record.getMessage(), vars(record).get("credential")) for record in caplog.records]
    rests = {which for message, which in said if message == "a provider credential rests"}
    assert rests == {"1 of 3", "2 of 3", "3 of 3"}
    assert said.count(("a provider credential is unusable", "1 of 4")) == 1
    assert OPENAI_KEY not in repr(provider)


@pytest.mark.parametrize("text", ["[]", '[{"api_key": 7}]', "[[]]", json.dumps([aws("A")]), '{"other": "x"}', "[null]"])
def test_a_secret_that_holds_no_keys_makes_the_provider_unavailable(world: World, text: str) -> None:
    world.fake.secrets[f"{PREFIX}/openai"] = text
    error = failure(world.vendors().provider("openai"), call())
    assert (type(error), error.sent, error.reason) == (UpstreamUnavailable, False, "credentials")


def test_one_in_which_no_key_could_stand_in_a_header_is_unusable(world: World) -> None:
    error = failure(holding(world, "two words", "line\nbreak", ""), call())
    assert (type(error), error.sent, error.reason) == (UpstreamCredentials, False, "unusable_key")


def test_forms_of_a_secret() -> None:
    assert read_keys("sk-1") == read_keys('["sk-1"]') == read_keys('{"api_key": "sk-1"}') == ("sk-1",)
    signed = read_credentials(json.dumps([aws("A") | {"session_token": "t"}, "key"]))
    assert [str(each) for each in signed] == ["Credentials(access_key='A')", "key"]
    with pytest.raises(ValueError, match="AWS credentials") as refused:
        read_credentials(json.dumps({"access_key_id": "AKIACANARY"}))
    assert "CANARY" not in str(refused.value)


def limited(seconds: float | None) -> UpstreamError:
    return UpstreamThrottled("m", provider="x", retry_after=seconds, upstream_status=429)


def rotation(clock: Clock, *, start: float = 0.0, held: Callable[[], tuple[str, ...]] = lambda: ALL) -> Rotation[str]:
    return Rotation("x", held, lambda seconds: None, start=start, clock=clock)


def test_containers_begin_with_different_ones() -> None:
    firsts = [rotation(Clock(0), start=start).first() for start in (0.0, 0.34, 0.67, 0.999)]
    assert firsts == [ONE, TWO, THREE, THREE]
    assert {Rotation("x", lambda: ALL, lambda seconds: None).first() for _ in range(200)} == set(ALL)


@pytest.mark.parametrize(
    ("refusal", "seconds"),
    [
        (limited(7.0), 7),
        (limited(None), 15),
        (limited(86_400.0), 3_600),
        (UpstreamCredentials("m", provider="x"), REFUSED_SECONDS),
    ],
)
def test_how_long_one_rests(refusal: UpstreamError, seconds: float) -> None:
    clock = Clock(0)
    keys = rotation(clock)
    assert keys.another([keys.first()], refusal, 1.0) == TWO
    assert keys.another([ONE, TWO], limited(100_000.0), 1.0) == THREE
    assert keys.another([ONE, TWO, THREE], limited(100_000.0), 1.0) is None
    assert keys.first() == ONE, "the one that is ready soonest"
    clock.advance(seconds - 1)
    assert keys.another([THREE], limited(100_000.0), 1.0) is None
    clock.advance(2)
    assert keys.another([THREE], limited(100_000.0), 1.0) == ONE


def test_what_is_no_more_in_the_secret_is_forgotten() -> None:
    clock, held = Clock(0), list(ALL)
    keys = rotation(clock, held=lambda: tuple(held))
    assert keys.another([keys.first()], limited(50.0), 1.0) == TWO
    held[:] = [THREE, ONE]
    assert keys.first() == THREE, "the current one is gone, and ONE rests"
    held[:] = ["new"]
    assert keys.first() == "new"
