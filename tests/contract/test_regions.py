"""An alias with several regions: one target for each region, in order, each with its own host, signature, price and
breaker."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from gateway import wiring
from tests.contract.front import Gateway
from tests.upstream import Steer
from tests.upstream.server import Seen

TARGET = "bedrock/us.amazon.nova-lite-v1:0"
REGIONS = ["us-west-2", "us-east-1", "us-east-2"]
CHAT = {"model": "nova-us", "messages": [{"role": "user", "content": "Hello!"}], "max_tokens": 50}
_SCOPE = re.compile(r"Credential=[^/]+/\d+/(?P<region>[^/]+)/bedrock/")


@pytest.fixture
def gateway(gateway: Gateway) -> Gateway:
    alias = {"nova-us": {"target": TARGET, "regions": REGIONS}}
    reply = gateway.post("/api/v1/admin/config", {"models": alias})
    assert reply.status == 200, reply.text
    gateway.restart()
    return gateway


def region_of(seen: Seen) -> str:
    scope = _SCOPE.search(seen.headers["authorization"])
    assert scope is not None
    return scope["region"]


def asked(gateway: Gateway) -> list[str]:
    return [region_of(seen) for seen in gateway.fake.seen]


def meet(**steers: Steer) -> Callable[[Seen], Steer | None]:
    return lambda seen: steers.get(region_of(seen).replace("-", "_"))


def test_the_first_region_answers(gateway: Gateway) -> None:
    reply = gateway.post("/api/v1/completions", CHAT)
    assert (reply.status, reply.headers["x-gateway-region"], asked(gateway)) == (200, "us-west-2", ["us-west-2"])
    assert gateway.rows()[-1]["region"] == "us-west-2"


def test_each_region_is_asked_once_where_those_before_it_fail(gateway: Gateway) -> None:
    gateway.fake.decide = meet(us_west_2=Steer(status=503), us_east_1=Steer(status=429))
    reply = gateway.post("/api/v1/completions", CHAT)
    assert (reply.status, reply.headers["x-gateway-region"]) == (200, "us-east-2")
    assert (reply.headers["x-gateway-attempts"], asked(gateway)) == ("3", REGIONS)
    row = gateway.rows()[-1]
    assert [(each["region"], each["verdict"]) for each in row["attempts"]] == [
        ("us-west-2", "refused"),
        ("us-east-1", "refused"),
        ("us-east-2", "answered"),
    ]
    assert (row["region"], row["actual"]) == ("us-east-2", row["attempts"][-1]["cost"])
    known = {breaker.key.text for breaker in wiring.gateway().breaker_store.all()}
    assert f"{TARGET}@us-west-2" in known
    assert f"{TARGET}@us-east-1" not in known, "being throttled is no failure"


def test_a_region_that_is_suspended_is_passed_over(gateway: Gateway) -> None:
    opened = gateway.post("/api/v1/admin/circuit-breakers", {"action": "open", "breakers": [f"{TARGET}@us-west-2"]})
    assert opened.status == 200, opened.text
    gateway.restart()
    assert gateway.post("/api/v1/completions", CHAT).headers["x-gateway-region"] == "us-east-1"
    assert asked(gateway) == ["us-east-1"]


def test_a_region_that_may_not_be_called_is_no_end(gateway: Gateway) -> None:
    """A role without rights in a region, or an account without access to the model there."""
    gateway.fake.decide = meet(us_west_2=Steer(status=403, error_type="AccessDeniedException"))
    assert gateway.post("/api/v1/completions", CHAT).headers["x-gateway-region"] == "us-east-1"


def test_hosts_by_region(gateway: Gateway) -> None:
    vendors = wiring.gateway().vendors
    first, second = (vendors.provider("bedrock", region) for region in REGIONS[:2])
    assert (first.region, second.region) == ("us-west-2", "us-east-1")
    assert vendors.provider("bedrock", "us-west-2") is first
    assert vendors.provider("bedrock").region == wiring.gateway().settings.region
