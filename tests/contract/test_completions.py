"""One completion from request to settlement, over a real ledger and breaker; only the provider is a double."""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from types import SimpleNamespace
from typing import Any

import pytest

from functions.completions.handler import handler
from gateway import wiring
from gateway.breakers.breaker import BreakerKey, BreakerRules
from gateway.breakers.breakers import Breakers
from gateway.breakers.store import BreakerStore
from gateway.calls.completions import Completions
from gateway.config.document import TierLimits
from gateway.config.service import ConfigSource
from gateway.config.store import ConfigStore
from gateway.errors import RateLimited, StoreUnavailable, UpstreamTimeout, UpstreamUnavailable
from gateway.identity.caller import KeyLimits
from gateway.models.money import MICRO, Price
from gateway.models.usage import Usage
from gateway.models.vendors import packaged
from gateway.vendors.base import Answer, Event, ModelCall, Prepared
from tests.contract.conftest import CountingDatabase, Tables
from tests.contract.world import World
from tests.fakes.wired import wired

PRICE = Price(input=MICRO, output=10 * MICRO)
BODY = {"model": "openai/m", "max_tokens": 10, "messages": [{"role": "user", "content": "hi"}]}
ANSWER: dict[str, Any] = {"choices": [{"index": 0, "message": {"role": "assistant", "content": "hello"}}]}

KEY = BreakerKey("openai", "global", "m")
RULES = BreakerRules(failure_threshold=5, failure_ratio=0.5, window_ms=30_000, timeout_ms=60_000, half_open_calls=3)
ENDPOINT = packaged()["openai"].endpoints["chat"]


class Prices:
    def find(self, target: str, region: str = "") -> Price | None:
        return PRICE if target == "openai/m" else None

    def regional(self, target: str) -> bool:
        return False

    def targets(self) -> list[str]:
        return ["openai/m"]


class Upstream:
    """A provider that answers as a test says."""

    name, region = "openai", "global"

    def __init__(self, usage: Usage | None = None, fails: Exception | None = None) -> None:
        self.usage, self.fails = usage, fails
        self.calls: list[Prepared] = []

    def prepare(self, call: ModelCall) -> Prepared:
        return Prepared(call, ENDPOINT, b"{}")

    def send(self, prepared: Prepared) -> Iterator[Event]:
        self.calls.append(prepared)
        if self.fails is not None:
            raise self.fails
        yield Answer(ANSWER, self.usage)


def service(world: World, provider: Callable[[str], Any]) -> Completions:
    database, state = world.tables.database, world.tables["state"]
    breakers = Breakers(BreakerStore(database, state), lambda: world.now // 1_000)
    return Completions(
        config=ConfigSource(ConfigStore(database, state)),
        prices=Prices(),
        providers=("openai",),
        provider=lambda name, _region: provider(name),
        ledger=world.ledger(),
        breakers=breakers,
        catalogue=lambda: pytest.fail("no catalogue is needed"),
        now=lambda: world.now / 1_000_000,
    )


def opened(world: World) -> BreakerStore:
    """A breaker that has just opened."""
    store = BreakerStore(world.tables.database, world.tables["state"])
    breaker = store.report(KEY, 5, 0, world.now // 1_000, RULES)
    assert store.trip(breaker, world.now // 1_000, RULES)
    return store


def complete(world: World, completions: Completions, body: Mapping[str, Any] = BODY) -> dict[str, Any]:
    return completions.start(world.caller, body, correlation_id="c", seconds_left=20).gather()


def test_an_answer_without_usage_costs_at_most_its_hold(tables: Tables) -> None:
    world = World(tables, KeyLimits(max_budget=100_000))
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 1_000_000}}
    complete(
        world, service(world, lambda _name: Upstream()), BODY | {"messages": [{"role": "user", "content": [image]}]}
    )
    (row,) = world.rows()
    assert 0 < row["actual"] <= row["est"] <= 100_000


def test_a_provider_that_can_not_be_made_is_no_call(tables: Tables) -> None:
    world = World(tables)

    def broken(_name: str) -> Any:
        raise ValueError("not an http(s) endpoint")

    with pytest.raises(ValueError, match="endpoint"):
        complete(world, service(world, broken))
    assert world.rows() == []


def test_a_fault_of_ours_before_anything_was_sent_costs_nothing(tables: Tables) -> None:
    world = World(tables, KeyLimits(max_budget=100_000))
    faults: list[Exception] = [ValueError("a defect"), StoreUnavailable("no secret"), KeyError("x")]
    for upstream in [Upstream(fails=fault) for fault in faults]:
        with pytest.raises(Exception, match=r"a defect|no secret|x"):
            complete(world, service(world, {"openai": upstream}.__getitem__))
    assert [(row["state"], row["actual"], row["status"]) for row in world.rows()] == [("SETTLED", 0, "not_sent")] * 3
    assert world.drift() == {}


@pytest.mark.parametrize("seconds", [7, 19])
def test_what_comes_before_the_call_takes_of_its_time(tables: Tables, seconds: int) -> None:
    """If the admission waits or the provider is loaded, an answer or a time-out still comes before our deadline."""
    world, upstream = World(tables, KeyLimits(max_budget=100_000)), Upstream(Usage(input_tokens=1, output_tokens=1))

    def slow(_name: str) -> Upstream:
        world.now += seconds * 1_000_000
        return upstream

    completions = service(world, slow)
    if seconds == 19:
        with pytest.raises(UpstreamTimeout):
            complete(world, completions)
        assert [(row["state"], row["actual"]) for row in world.rows()] == [("SETTLED", 0)]
        assert world.drift() == {}
    else:
        complete(world, completions)
    assert [call.timeout for call in upstream.calls] == ([12] if seconds == 7 else [])


def test_an_answer_that_nobody_reads_to_its_end_is_paid(tables: Tables) -> None:
    world = World(tables)
    completions = service(world, lambda _name: Upstream(Usage(input_tokens=1, output_tokens=1)))
    events = completions.start(world.caller, BODY, correlation_id="c", seconds_left=20).events()
    next(events)
    events.close()
    (row,) = world.rows()
    assert (row["actual"], row["status"]) == (11, "ok")


def test_a_call_that_is_not_admitted_takes_no_probe_of_an_open_breaker(tables: Tables) -> None:
    world = World(tables, KeyLimits(rpm_limit=1))
    other = World(tables, key="key2")
    opened(world)
    upstream = Upstream(Usage(input_tokens=1, output_tokens=1))
    completions = service(world, lambda _name: upstream)
    with pytest.raises(UpstreamUnavailable):
        complete(world, completions)
    assert world.rows() == []
    world.admit(world.ledger())
    world.now += 61_000_000 - 1_000_000
    world.admit(world.ledger())
    for _ in range(5):
        with pytest.raises(RateLimited):
            complete(world, completions)
    other.now = world.now
    assert complete(other, service(other, lambda _name: upstream)).items() >= ANSWER.items()


def test_a_flood_of_refused_calls_with_idempotency_keys_costs_next_to_no_write(
    tables: Tables, gateway_environment: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(tables, KeyLimits(rpm_limit=1))
    world.now = time.time_ns() // 1_000 + 3_600_000_000  # its only call of the minute is later than all that follow
    world.admit(world.ledger())
    database = CountingDatabase(tables.database)
    monkeypatch.setenv("GATEWAY_TABLE_PREFIX", tables.prefix)
    wired(database=database)
    path = "/v1/chat/completions"
    event = {
        "routeKey": f"POST {path}",
        "rawPath": path,
        "body": json.dumps(BODY | {"model": "gpt-4"}),
        "requestContext": {
            "http": {"method": "POST", "path": path},
            "requestId": "r",
            "authorizer": {"lambda": world.caller.to_context()},
        },
    }
    context = SimpleNamespace(aws_request_id="aws-1", get_remaining_time_in_millis=lambda: 29_000)
    started = time.monotonic()
    for number in range(100):
        headers = {"content-type": "application/json", "idempotency-key": f"key-{number}"}
        assert handler(event | {"headers": headers}, context)["statusCode"] == 429
    wiring.reset()
    writes = [name for name in database.calls if name not in ("GetItem", "Query")]
    assert len(writes) <= 4 * (1 + time.monotonic() - started)  # every other call: claim, admission, claim given back


def test_an_admitted_call_that_gets_no_probe_is_given_back(tables: Tables) -> None:
    world = World(tables, KeyLimits(max_budget=100_000), tiers={"free": TierLimits(requests_per_minute=100)})
    store = opened(world)
    world.now += 61_000_000
    for _ in range(3):
        assert store.lease_probe(KEY, world.now // 1_000, RULES)
    with pytest.raises(UpstreamUnavailable):
        complete(world, service(world, lambda _name: Upstream()))
    (row,) = world.rows()
    assert (row["state"], row["actual"], world.item()["inflight"]) == ("SETTLED", 0, 0)
    assert world.drift() == {}
