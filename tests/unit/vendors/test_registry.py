"""Which providers can be called, at which address, and the effect of a refused credential."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from gateway.destinations import Destinations
from gateway.errors import NotFound, UpstreamCredentials, UpstreamTimeout, UpstreamUnavailable
from gateway.vendors.base import Provider
from tests.unit.vendors.asking import ask, call, failure
from tests.unit.vendors.registered import PREFIX, World
from tests.upstream import FakeUpstream, Steer


@pytest.fixture
def world(fake: FakeUpstream) -> World:
    return World(fake)


def test_the_deployment_s_come_first_and_then_the_config_s(world: World) -> None:
    world.add("groq")
    vendors = world.vendors()
    assert vendors.names() == ("openai", "bedrock", "groq")
    assert [vendors.provider(name).name for name in vendors.names()] == ["openai", "bedrock", "groq"]
    world.said.clear()
    assert vendors.names() == ("openai", "bedrock")
    for name in ("groq", "acme"):
        with pytest.raises(NotFound, match=name):
            vendors.provider(name)
    with pytest.raises(NotFound):
        world.vendors(GATEWAY_PROVIDERS="openai").provider("bedrock")


def test_regions(world: World) -> None:
    world.add()
    vendors = world.vendors(BEDROCK_REGION="us-west-2")
    assert [vendors.provider(name).region for name in vendors.names()] == ["global", "us-west-2", "global"]
    assert world.vendors().provider("bedrock").region == "eu-west-1"


def test_a_provider_of_the_config_has_the_secret_below_its_prefix_and_only_that(world: World) -> None:
    world.fake.secrets |= {f"{PREFIX}/providers/g": "sk-groq", f"{PREFIX}/openai": "sk-openai"}
    world.add("groq")
    world.add("free", secret="", credential="none")
    vendors = world.vendors()
    for name in ("groq", "openai", "free"):
        assert ask(vendors.provider(name), call()).usage
    assert world.sent() == ["sk-groq", "sk-openai", "none"]
    assert world.fake.secret_reads == [f"{PREFIX}/providers/g", f"{PREFIX}/openai"]


def test_an_adapter_is_kept_until_the_config_says_something_else(world: World) -> None:
    world.add()
    vendors = world.vendors()
    first = vendors.provider("groq")
    assert vendors.provider("groq") is first
    with FakeUpstream() as elsewhere:
        world.add(base_url=elsewhere.openai_url)
        ask(vendors.provider("groq"), call())
        assert (len(elsewhere.seen), len(world.fake.seen)) == (1, 0)


@pytest.mark.parametrize("url", ["http://api.groq.com/v1", "https://169.254.169.254/v1", "https://127.0.0.1/v1"])
def test_no_provider_is_where_none_may_be_whoever_says_so(world: World, url: str) -> None:
    world.destinations = Destinations()
    world.add(base_url=url)
    vendors = world.vendors(OPENAI_BASE_URL=url, AWS_ENDPOINT_URL_BEDROCK_RUNTIME=url)
    for name in vendors.names():
        with pytest.raises(UpstreamUnavailable) as refused:
            vendors.provider(name)
        assert (refused.value.sent, refused.value.reason) == (False, "base_url")


def test_a_name_that_leads_to_this_machine_is_not_called(world: World) -> None:
    world.destinations = Destinations(lookup=lambda _host, port: [(2, 1, 6, "", ("127.0.0.1", port))])
    world.add(base_url="https://api.groq.com/openai/v1")
    vendors = world.vendors(OPENAI_BASE_URL="", AWS_ENDPOINT_URL_BEDROCK_RUNTIME="")
    for name in vendors.names():
        error = failure(vendors.provider(name), call())
        assert (error.sent, error.reason) == (False, "forbidden_address")
    assert not world.fake.seen


def _bedrock_secret(key: str) -> str:
    return json.dumps({"access_key_id": key, "secret_access_key": "s"})


REFRESHED: list[tuple[str, str, Callable[[str], str]]] = [
    ("openai", f"{PREFIX}/openai", str),
    ("groq", f"{PREFIX}/providers/g", str),
    ("bedrock", f"{PREFIX}/bedrock", _bedrock_secret),
]


@pytest.fixture(params=REFRESHED, ids=[name for name, *_ in REFRESHED])
def rotated(request: pytest.FixtureRequest, world: World) -> tuple[Provider, str, Callable[[str], str]]:
    """A provider that was called with the key `OLD`, which is refused from now on; the id and form of its secret."""
    name, secret, form = request.param
    world.add()
    world.fake.secrets[secret] = form("OLD")
    provider = world.vendors(BEDROCK_SECRET_ID=f"{PREFIX}/bedrock").provider(name)
    ask(provider, call())
    world.takes("NEW")
    return provider, secret, form


Rotated = tuple[Provider, str, Callable[[str], str]]


def test_a_refused_credential_is_read_again_at_once(world: World, rotated: Rotated) -> None:
    provider, secret, form = rotated
    world.fake.secrets[secret] = form("NEW")
    for _ in range(3):
        assert ask(provider, call()).usage
    assert ["OLD" in key for key in world.sent()] == [True, True, False, False, False]
    assert world.fake.secret_reads == [secret, secret]


def test_one_that_is_the_same_is_refused_and_not_sent_again(world: World, rotated: Rotated) -> None:
    provider, secret, _ = rotated
    for _ in range(20):
        error = failure(provider, call())
        assert (type(error), error.upstream_status, error.sent) == (UpstreamCredentials, 401, True)
    assert len(world.fake.seen) == 21
    assert world.fake.secret_reads == [secret, secret], "a flood of refusals is no flood of reads"


@pytest.mark.parametrize("now", [None, "line\nbreak"])
def test_one_that_can_not_be_had_any_more_changes_nothing(world: World, rotated: Rotated, now: str | None) -> None:
    provider, secret, _ = rotated
    world.fake.secrets[secret] = now
    error = failure(provider, call())
    assert (type(error), error.upstream_status, error.sent) == (UpstreamCredentials, 401, True)
    assert len(world.fake.seen) == 2


def test_another_one_that_is_refused_too_is_the_end_of_it(world: World, rotated: Rotated) -> None:
    provider, secret, form = rotated
    world.fake.secrets[secret] = form("THIRD")
    assert failure(provider, call()).upstream_status == 401
    assert len(world.fake.seen) == 3


def test_the_second_request_is_a_request_like_any_other(world: World, rotated: Rotated) -> None:
    provider, secret, form = rotated
    world.fake.secrets[secret] = form("NEW")
    world.fake.decide = lambda seen: (
        Steer(delay=60) if "NEW" in seen.headers["authorization"] else Steer(status=401, error_type="ExpiredToken")
    )
    error = failure(provider, call(timeout=1.0))  # within the attempt's time
    assert (type(error), error.sent, error.upstream_status) == (UpstreamTimeout, True, None)


def test_the_function_s_own_role_is_not_asked_again(world: World) -> None:
    world.fake.script(Steer(status=403, error_type="AccessDeniedException"))
    assert isinstance(failure(world.vendors().provider("bedrock"), call()), UpstreamCredentials)
    assert (len(world.fake.seen), world.fake.secret_reads) == (1, [])
